"""AssetService over gRPC."""

from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import asset_service_pb2_grpc as pb_grpc

from asset_service.application.import_asset import ImportAsset, ImportAssetCommand
from asset_service.application.ports import AssetView
from asset_service.application.queries import AssetQueries
from asset_service.infrastructure.resource_mapping import asset_message, holder_message, register_message
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import (
    next_page_token,
    parse_number_page,
    parse_page,
    parse_request_key,
    parse_resource_name,
)

_ASSETS = "assets"


class AssetServicer(pb_grpc.AssetServiceServicer):
    """Reads requests, calls use cases, writes answers."""

    def __init__(self, import_asset: ImportAsset, queries: AssetQueries) -> None:
        self._import_asset = import_asset
        self._queries = queries

    async def ImportAsset(self, request: pb.ImportAssetRequest, context: Context) -> pb.Asset:
        """See the proto."""
        command = ImportAssetCommand(
            key=parse_request_key(request, "ImportAsset"),
            token=parse_evm_account(request.token, "token"),
            payment_token=parse_evm_account(request.payment_token, "payment_token"),
            lifecycle_contract=_optional_account(request.lifecycle_contract, "lifecycle_contract"),
        )
        asset_id = await self._import_asset(command)
        return await self._asset(asset_id)

    async def GetAsset(self, request: pb.GetAssetRequest, context: Context) -> pb.Asset:
        """See the proto."""
        return await self._asset(parse_resource_name(request.name, _ASSETS, "name"))

    async def ListAssets(self, request: pb.ListAssetsRequest, context: Context) -> pb.ListAssetsResponse:
        """See the proto."""
        scope = "ListAssets"
        size, after = parse_number_page(request, scope)
        views = await self._queries.list_assets(after, size + 1)
        has_more = len(views) > size
        views = views[:size]
        return pb.ListAssetsResponse(
            assets=[_message(view) for view in views],
            next_page_token=next_page_token(scope, str(views[-1].list_position)) if has_more else "",
        )

    async def ListHolders(self, request: pb.ListHoldersRequest, context: Context) -> pb.ListHoldersResponse:
        """See the proto."""
        asset_id = parse_resource_name(request.parent, _ASSETS, "parent")
        scope = f"ListHolders/{asset_id}"
        page = parse_page(request, scope)
        found = await self._queries.list_holders(asset_id, _holder_key(page.after), page.size + 1)
        has_more = len(found.rows) > page.size
        rows = found.rows[: page.size]
        return pb.ListHoldersResponse(
            holders=[holder_message(asset_id, row) for row in rows],
            next_page_token=next_page_token(scope, rows[-1].address) if has_more else "",
            register=register_message(found.register),
        )

    async def _asset(self, asset_id: UUID) -> pb.Asset:
        return _message(await self._queries.get_asset(asset_id))


def _message(view: AssetView) -> pb.Asset:
    return asset_message(view.asset, view.register)


def _optional_account(text: str, field: str) -> EvmAddress | None:
    return parse_evm_account(text, field) if text else None


def _holder_key(after: str | None) -> str:
    """The address behind which a page begins; empty for the first page."""
    if after is None:
        return ""
    try:
        return EvmAddress(after).value
    except ValueError:
        raise AppError(
            Reason.INVALID_PAGE_TOKEN, "page_token is not one that this list has given", field="page_token"
        ) from None
