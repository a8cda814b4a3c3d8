"""The gRPC servicer of AssetService: passes each call to AssetRpcs or RegisterRpcs."""

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import asset_service_pb2_grpc as pb_grpc

from asset_service.api.asset_rpcs import AssetRpcs
from asset_service.api.register_rpcs import RegisterRpcs
from libs.grpc_kit.context import Context


class AssetServicer(pb_grpc.AssetServiceServicer):
    """Answers the RPCs of AssetService; protos/ says what each of them promises."""

    def __init__(self, assets: AssetRpcs, register: RegisterRpcs) -> None:
        self._assets = assets
        self._register = register

    async def ImportAsset(self, request: pb.ImportAssetRequest, context: Context) -> pb.Asset:
        return await self._assets.import_asset(request)

    async def GetAsset(self, request: pb.GetAssetRequest, context: Context) -> pb.Asset:
        return await self._assets.get(request)

    async def ListAssets(self, request: pb.ListAssetsRequest, context: Context) -> pb.ListAssetsResponse:
        return await self._assets.list(request)

    async def GetTokenInfo(self, request: pb.GetTokenInfoRequest, context: Context) -> pb.TokenInfo:
        return await self._assets.get_token_info(request)

    async def SyncAsset(self, request: pb.SyncAssetRequest, context: Context) -> pb.Asset:
        return await self._assets.sync(request)

    async def EnableSync(self, request: pb.EnableSyncRequest, context: Context) -> pb.Asset:
        return await self._assets.enable_sync(request)

    async def DisableSync(self, request: pb.DisableSyncRequest, context: Context) -> pb.Asset:
        return await self._assets.disable_sync(request)

    async def PauseAsset(self, request: pb.PauseAssetRequest, context: Context) -> pb.Asset:
        return await self._assets.pause(request)

    async def UnpauseAsset(self, request: pb.UnpauseAssetRequest, context: Context) -> pb.Asset:
        return await self._assets.unpause(request)

    async def ListHolders(self, request: pb.ListHoldersRequest, context: Context) -> pb.ListHoldersResponse:
        return await self._register.list_holders(request)

    async def GetHolder(self, request: pb.GetHolderRequest, context: Context) -> pb.Holder:
        return await self._register.get_holder(request)

    async def ListHolderChanges(
        self, request: pb.ListHolderChangesRequest, context: Context
    ) -> pb.ListHolderChangesResponse:
        return await self._register.list_changes(request)

    async def GetRegisterSummary(
        self, request: pb.GetRegisterSummaryRequest, context: Context
    ) -> pb.RegisterSummary:
        return await self._register.get_summary(request)

    async def ImportHolders(self, request: pb.ImportHoldersRequest, context: Context) -> pb.Asset:
        return await self._register.import_holders(request)

    async def ListRegisterDiscrepancies(
        self, request: pb.ListRegisterDiscrepanciesRequest, context: Context
    ) -> pb.ListRegisterDiscrepanciesResponse:
        return await self._register.list_discrepancies(request)
