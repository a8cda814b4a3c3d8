"""Handles the events of other services that payout_service acts on."""

from datetime import UTC
from uuid import UUID

from masspayout.asset.v1 import events_pb2 as asset_events
from masspayout.distribution.v1 import distribution_service_pb2
from masspayout.distribution.v1 import events_pb2 as distribution_events

from libs.events import IncomingEvent
from libs.messaging.consumer import Subscription
from libs.messaging.reading import read_event
from libs.payout_terms.messages import read_terms
from libs.payout_terms.terms import PayoutTerms
from libs.wire import read_address, read_base_units, read_resource_id
from payout_service.application.contract.register_asset import RegisterAssetCommand, register_asset
from payout_service.application.contract.request_pause import RequestPauseCommand, request_pause
from payout_service.application.engine import Engine
from payout_service.application.life.request_payout import RequestPayoutCommand, request_payout


class PayoutConsumers:
    """Translates events into commands. What cannot be read raises ValueError: a dead letter."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def subscriptions(self) -> list[Subscription]:
        """What the service subscribes to."""
        return [
            Subscription(
                "asset",
                {
                    "asset_import_started": self.on_asset_import_started,
                    "asset_pause_requested": self.on_asset_pause_requested,
                },
            ),
            Subscription("distribution", {"distribution_released": self.on_distribution_released}),
        ]

    async def on_asset_import_started(self, event: IncomingEvent) -> None:
        """Registers an asset, whose lifecycle contract is deployed or found."""
        message = read_event(event, asset_events.AssetImportStarted)
        asset = message.asset
        contract = asset.lifecycle_contract.evm_address
        command = RegisterAssetCommand(
            asset_id=event.aggregate_id,
            chain_id=asset.chain_id,
            token=read_address(asset.token.evm_address),
            payment_token=read_address(asset.payment_token.evm_address),
            lifecycle_contract=read_address(contract) if contract else None,
            payment_token_symbol=asset.payment_token_symbol,
            payment_token_decimals=asset.payment_token_decimals,
        )
        await register_asset(self._engine, command, event)

    async def on_asset_pause_requested(self, event: IncomingEvent) -> None:
        """Stores the request to pause or unpause the asset's lifecycle contract."""
        message = read_event(event, asset_events.AssetPauseRequested)
        command = RequestPauseCommand(event.aggregate_id, message.version, message.paused)
        await request_pause(self._engine, command, event)

    async def on_distribution_released(self, event: IncomingEvent) -> None:
        """Begins a payout."""
        message = read_event(event, distribution_events.DistributionReleased)
        command = RequestPayoutCommand(
            distribution_id=event.aggregate_id,
            asset_id=_asset_of(message),
            request_time=message.distribution.create_time.ToDatetime(tzinfo=UTC),
            terms=_terms_of(message.distribution),
        )
        await request_payout(self._engine, command, event)


def _asset_of(message: distribution_events.DistributionReleased) -> UUID:
    """Returns the asset that is paid. Raises ValueError when the event names two."""
    asset_id = read_resource_id(message.distribution.asset, "assets")
    if message.asset_id != str(asset_id):
        raise ValueError(f"the event is of asset {message.asset_id}, its distribution of {asset_id}")
    return asset_id


def _terms_of(distribution: distribution_service_pb2.Distribution) -> PayoutTerms:
    """The terms that are paid by. Raises ValueError when the distribution tells another total than they do."""
    terms = read_terms(distribution.terms)
    if read_base_units(distribution.total_amount.base_units) != terms.total_base_units:
        raise ValueError(f"total_amount is {distribution.total_amount.base_units} base units, the terms differ")
    return terms
