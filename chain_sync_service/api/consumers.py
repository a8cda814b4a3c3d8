"""Handles the events of asset_service: which assets to follow, and which contracts belong to them."""

from masspayout.asset.v1 import asset_service_pb2, events_pb2

from chain_sync_service.application.follow_asset import FollowAsset, FollowAssetCommand
from chain_sync_service.domain.listener import Contracts
from libs.chain.address import EvmAddress
from libs.events import IncomingEvent
from libs.grpc_kit.accounts import parse_evm_account
from libs.messaging.consumer import Subscription
from libs.messaging.reading import read_event


class AssetEvents:
    """Handles the events of asset_service. Each event carries the whole asset."""

    def __init__(self, follow_asset: FollowAsset) -> None:
        self._follow_asset = follow_asset

    def subscription(self) -> Subscription:
        """Returns the events that this service consumes, with their handlers."""
        return Subscription(
            "asset",
            {
                "asset_imported": self.on_asset_imported,
                "asset_sync_changed": self.on_asset_sync_changed,
                "asset_changed": self.on_asset_changed,
            },
        )

    async def on_asset_imported(self, event: IncomingEvent) -> None:
        """Begins to follow the contracts of an asset that can be paid from now on."""
        await self._follow(event, read_event(event, events_pb2.AssetImported).asset)

    async def on_asset_sync_changed(self, event: IncomingEvent) -> None:
        """Starts or stops following an asset, as an operator asked."""
        await self._follow_imported(event, read_event(event, events_pb2.AssetSyncChanged).asset)

    async def on_asset_changed(self, event: IncomingEvent) -> None:
        """Tells the contracts to a listener that an earlier version created without them."""
        await self._follow_imported(event, read_event(event, events_pb2.AssetChanged).asset)

    async def _follow_imported(self, event: IncomingEvent, asset: asset_service_pb2.Asset) -> None:
        # One that is still imported is followed by the event that ends its import.
        if asset.state == asset_service_pb2.Asset.STATE_ACTIVE:
            await self._follow(event, asset)

    async def _follow(self, event: IncomingEvent, asset: asset_service_pb2.Asset) -> None:
        await self._follow_asset(
            FollowAssetCommand(
                asset_id=event.aggregate_id,
                contracts=Contracts(
                    token=parse_evm_account(asset.token.evm_address, "asset.token"),
                    lifecycle_contract=_optional(asset.lifecycle_contract.evm_address, "asset.lifecycle_contract"),
                    payment_token=_optional(asset.payment_token.evm_address, "asset.payment_token"),
                ),
                chain_id=asset.chain_id,
                is_enabled=asset.sync_state != asset_service_pb2.Asset.SYNC_STATE_DISABLED,
                cause=event,
            )
        )


def _optional(text: str, field: str) -> EvmAddress | None:
    return parse_evm_account(text, field) if text else None
