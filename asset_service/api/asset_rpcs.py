"""Answers the gRPC calls about assets: import, get, list, sync and pause."""

from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb

from asset_service.api.asset_filter import parse_asset_filter
from asset_service.api.requests import parse_account
from asset_service.application.change_pause import ChangePause, ChangePauseCommand
from asset_service.application.change_sync import ChangeSync, ChangeSyncCommand
from asset_service.application.import_asset import ImportAsset, ImportAssetCommand
from asset_service.application.queries import AssetQueries
from asset_service.application.sync_asset import SyncAsset, SyncAssetCommand
from asset_service.domain.asset import SyncState
from asset_service.messages.resources import asset_message, token_info_message
from libs.chain.address import EvmAddress
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_request_key, parse_resource_name

_ASSETS = "assets"


class AssetRpcs:
    """Answers the calls about assets. See the proto for what each promises."""

    def __init__(
        self,
        import_asset: ImportAsset,
        sync_asset: SyncAsset,
        change_sync: ChangeSync,
        change_pause: ChangePause,
        queries: AssetQueries,
    ) -> None:
        self._import_asset = import_asset
        self._sync_asset = sync_asset
        self._change_sync = change_sync
        self._change_pause = change_pause
        self._queries = queries

    async def import_asset(self, request: pb.ImportAssetRequest) -> pb.Asset:
        """ImportAsset."""
        command = ImportAssetCommand(
            key=parse_request_key(request, "ImportAsset"),
            token=parse_account(request.token, "token"),
            payment_token=parse_account(request.payment_token, "payment_token"),
            lifecycle_contract=_optional_contract(request.lifecycle_contract),
        )
        return await self._asset(await self._import_asset(command))

    async def get(self, request: pb.GetAssetRequest) -> pb.Asset:
        """GetAsset."""
        return await self._asset(parse_resource_name(request.name, _ASSETS, "name"))

    async def list(self, request: pb.ListAssetsRequest) -> pb.ListAssetsResponse:
        """ListAssets."""
        terms = parse_asset_filter(request.filter)
        scope = f"ListAssets/{request.filter}"
        size, after = parse_number_page(request, scope)
        views = await self._queries.list_assets(terms, after, size + 1)
        page = views[:size]
        return pb.ListAssetsResponse(
            assets=[asset_message(view.asset, view.register) for view in page],
            next_page_token=next_page_token(scope, str(page[-1].list_position)) if len(views) > size else "",
        )

    async def get_token_info(self, request: pb.GetTokenInfoRequest) -> pb.TokenInfo:
        """GetTokenInfo."""
        return token_info_message(await self._queries.token_info(parse_account(request.token, "token")))

    async def sync(self, request: pb.SyncAssetRequest) -> pb.Asset:
        """SyncAsset."""
        key = parse_request_key(request, "SyncAsset")
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        await self._sync_asset(SyncAssetCommand(key, asset_id))
        return await self._asset(asset_id)

    async def enable_sync(self, request: pb.EnableSyncRequest) -> pb.Asset:
        """EnableSync."""
        key = parse_request_key(request, "EnableSync")
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        await self._change_sync(ChangeSyncCommand(key, asset_id, SyncState.ENABLED))
        return await self._asset(asset_id)

    async def disable_sync(self, request: pb.DisableSyncRequest) -> pb.Asset:
        """DisableSync."""
        key = parse_request_key(request, "DisableSync")
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        await self._change_sync(ChangeSyncCommand(key, asset_id, SyncState.DISABLED))
        return await self._asset(asset_id)

    async def pause(self, request: pb.PauseAssetRequest) -> pb.Asset:
        """PauseAsset."""
        key = parse_request_key(request, "PauseAsset")
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        await self._change_pause(ChangePauseCommand(key, asset_id, is_paused=True))
        return await self._asset(asset_id)

    async def unpause(self, request: pb.UnpauseAssetRequest) -> pb.Asset:
        """UnpauseAsset."""
        key = parse_request_key(request, "UnpauseAsset")
        asset_id = parse_resource_name(request.name, _ASSETS, "name")
        await self._change_pause(ChangePauseCommand(key, asset_id, is_paused=False))
        return await self._asset(asset_id)

    async def _asset(self, asset_id: UUID) -> pb.Asset:
        view = await self._queries.get_asset(asset_id)
        return asset_message(view.asset, view.register)


def _optional_contract(text: str) -> EvmAddress | None:
    """Nobody describes a lifecycle contract to us, so a Hedera id cannot be resolved here."""
    return parse_evm_account(text, "lifecycle_contract") if text else None
