"""What this service does with others' events."""

from masspayout.asset.v1 import events_pb2

from chain_sync_service.application.follow_asset import FollowAsset, FollowAssetCommand
from libs.grpc_kit.accounts import parse_evm_account
from libs.messaging.consumer import Subscription
from libs.messaging.events import IncomingEvent


class AssetEvents:
    """Events of asset_service."""

    def __init__(self, follow_asset: FollowAsset) -> None:
        self._follow_asset = follow_asset

    def subscription(self) -> Subscription:
        """What is consumed."""
        return Subscription("asset", {"asset_imported": self.on_asset_imported})

    async def on_asset_imported(self, event: IncomingEvent) -> None:
        """An asset can be paid from now on: its token is followed."""
        asset = events_pb2.AssetImported.FromString(event.payload).asset
        await self._follow_asset(
            FollowAssetCommand(
                asset_id=event.aggregate_id,
                token=parse_evm_account(asset.token.evm_address, "asset.token"),
                chain_id=asset.chain_id,
                cause=event,
            )
        )
