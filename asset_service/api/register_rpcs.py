"""Answers the gRPC calls about the register of holders."""

import re
from dataclasses import dataclass
from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb

from asset_service.application.import_holders import ImportHolders, ImportHoldersCommand
from asset_service.application.queries import AssetQueries
from asset_service.application.register_ports import HolderKey, HolderOrder, HolderPage, HolderRow
from asset_service.application.register_queries import RegisterQueries
from asset_service.messages.register import (
    change_message,
    discrepancy_message,
    holder_message,
    register_message,
)
from asset_service.messages.resources import asset_message
from libs.chain.amount import parse_base_units
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import (
    MAX_PAGE_SIZE,
    next_page_token,
    parse_number_page,
    parse_page,
    parse_request_key,
    parse_resource_name,
    require,
)

_ASSETS = "assets"
_HOLDERS = "holders"
_DEFAULT_TOP_COUNT = 10
_ORDERS = {
    pb.ListHoldersRequest.ORDER_UNSPECIFIED: HolderOrder.ADDRESS,
    pb.ListHoldersRequest.ORDER_ADDRESS: HolderOrder.ADDRESS,
    pb.ListHoldersRequest.ORDER_BALANCE_DESC: HolderOrder.BALANCE_DESC,
}
# Balance and address of the last holder of a page.
_HOLDER_KEY = re.compile(r"(0|[1-9][0-9]{0,77})/(0x[0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class RegisterRpcs:
    """Answers the calls about the register of holders. See the proto for what each promises."""

    import_holders_anew: ImportHolders
    queries: RegisterQueries
    assets: AssetQueries

    async def list_holders(self, request: pb.ListHoldersRequest) -> pb.ListHoldersResponse:
        """ListHolders."""
        asset_id = parse_resource_name(request.parent, _ASSETS, "parent")
        order = _order(request)
        minimum = parse_base_units(request.min_balance_base_units or "0", "min_balance_base_units")
        scope = f"ListHolders/{asset_id}/{order.value}/{minimum}"
        page = parse_page(request, scope)
        found = await self.queries.list_holders(
            asset_id, HolderPage(order, minimum, _holder_key(page.after), page.size + 1)
        )
        rows = found.rows[: page.size]
        return pb.ListHoldersResponse(
            holders=[holder_message(asset_id, row) for row in rows],
            next_page_token=next_page_token(scope, _key_of(rows[-1])) if len(found.rows) > page.size else "",
            register=register_message(found.register),
        )

    async def get_holder(self, request: pb.GetHolderRequest) -> pb.Holder:
        """GetHolder."""
        asset_id, address = _parse_holder_name(require(request.name, "name"), "name")
        return holder_message(asset_id, await self.queries.get_holder(asset_id, address))

    async def list_changes(self, request: pb.ListHolderChangesRequest) -> pb.ListHolderChangesResponse:
        """ListHolderChanges."""
        asset_id, address = _parse_asset_or_holder(request.parent, "parent")
        scope = f"ListHolderChanges/{asset_id}/{address or ''}"
        size, before = parse_number_page(request, scope)
        rows = await self.queries.list_changes(asset_id, address, before or None, size + 1)
        page = rows[:size]
        return pb.ListHolderChangesResponse(
            changes=[change_message(asset_id, row) for row in page],
            next_page_token=next_page_token(scope, str(page[-1].change_id)) if len(rows) > size else "",
        )

    async def get_summary(self, request: pb.GetRegisterSummaryRequest) -> pb.RegisterSummary:
        """GetRegisterSummary."""
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        summary = await self.queries.get_summary(asset_id, _top_count(request))
        return pb.RegisterSummary(
            asset=f"assets/{asset_id}",
            register=register_message(summary.register),
            top_holders=[holder_message(asset_id, row) for row in summary.largest],
            top_share_millionths=summary.share_millionths,
        )

    async def import_holders(self, request: pb.ImportHoldersRequest) -> pb.Asset:
        """ImportHolders."""
        key = parse_request_key(request, "ImportHolders")
        asset_id = parse_resource_name(request.parent, _ASSETS, "parent")
        await self.import_holders_anew(ImportHoldersCommand(key, asset_id, request.list_again))
        view = await self.assets.get_asset(asset_id)
        return asset_message(view.asset, view.register)

    async def list_discrepancies(
        self, request: pb.ListRegisterDiscrepanciesRequest
    ) -> pb.ListRegisterDiscrepanciesResponse:
        """ListRegisterDiscrepancies."""
        asset_id = parse_resource_name(request.parent, _ASSETS, "parent")
        scope = f"ListRegisterDiscrepancies/{asset_id}/{request.unresolved_only}"
        size, before = parse_number_page(request, scope)
        rows = await self.queries.list_discrepancies(
            asset_id, before or None, size + 1, unresolved_only=request.unresolved_only
        )
        page = rows[:size]
        return pb.ListRegisterDiscrepanciesResponse(
            discrepancies=[discrepancy_message(row) for row in page],
            next_page_token=next_page_token(scope, str(page[-1].discrepancy_id)) if len(rows) > size else "",
        )


def _order(request: pb.ListHoldersRequest) -> HolderOrder:
    """Raises AppError INVALID_FILTER for an order of a later version."""
    order = _ORDERS.get(request.order)
    if order is None:
        raise AppError(Reason.INVALID_FILTER, f"order {request.order} is not known", field="order")
    return order


def _key_of(row: HolderRow) -> str:
    return f"{row.holding.balance}/{row.address}"


def _holder_key(after: str | None) -> HolderKey | None:
    """Returns the holder behind which a page begins; None for the first page."""
    if after is None:
        return None
    match = _HOLDER_KEY.fullmatch(after)
    if match is None:
        raise AppError(
            Reason.INVALID_PAGE_TOKEN, "page_token is not one that this list has given", field="page_token"
        )
    return HolderKey(address=match[2], balance_base_units=int(match[1]))


def _top_count(request: pb.GetRegisterSummaryRequest) -> int:
    """Raises AppError INVALID_PAGE_SIZE."""
    if not 0 <= request.top_count <= MAX_PAGE_SIZE:
        raise AppError(Reason.INVALID_PAGE_SIZE, f"top_count must be 0 to {MAX_PAGE_SIZE}", field="top_count")
    return request.top_count or _DEFAULT_TOP_COUNT


def _parse_asset_or_holder(name: str, field: str) -> tuple[UUID, str | None]:
    """Raises AppError REQUIRED_FIELD_MISSING or INVALID_RESOURCE_NAME."""
    if f"/{_HOLDERS}/" in name:
        return _parse_holder_name(name, field)
    return parse_resource_name(name, _ASSETS, field), None


def _parse_holder_name(name: str, field: str) -> tuple[UUID, str]:
    """The asset's id and the holder's address in lower case. Raises AppError INVALID_RESOURCE_NAME."""
    asset, separator, address = name.partition(f"/{_HOLDERS}/")
    try:
        if not separator:
            raise AppError(Reason.INVALID_RESOURCE_NAME, "no holder")
        return parse_resource_name(asset, _ASSETS, field), parse_evm_account(address, field).value
    except AppError as error:
        raise AppError(
            Reason.INVALID_RESOURCE_NAME,
            f"{name!r} is not of the form {_ASSETS}/<uuid>/{_HOLDERS}/<EVM address>",
            field=field,
        ) from error
