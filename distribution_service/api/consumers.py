"""Reads the events of other services strictly and hands each to its use case."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from masspayout.asset.v1 import asset_service_pb2
from masspayout.asset.v1 import events_pb2 as asset_events_pb2
from masspayout.payout.v1 import events_pb2 as payout_events_pb2
from masspayout.payout.v1 import payout_service_pb2

from distribution_service.application.apply_payout import ApplyPayout, ApplyPayoutCommand
from distribution_service.application.keep_asset import KeepAsset, KeepAssetCommand
from distribution_service.domain.asset import AssetState, KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import PayoutReport
from distribution_service.domain.states import PayoutState
from distribution_service.messages.progress import read_progress
from libs.events import IncomingEvent
from libs.messaging.consumer import Subscription
from libs.messaging.reading import event_name_of, read_event
from libs.payout_terms.messages import read_terms
from libs.wire import read_address, read_base_units, read_resource_id

_PayoutEvent: TypeAlias = (
    payout_events_pb2.PayoutProgressed
    | payout_events_pb2.PayoutCompleted
    | payout_events_pb2.PayoutIncomplete
    | payout_events_pb2.PayoutFailed
    | payout_events_pb2.PayoutCancelled
    | payout_events_pb2.PayoutDeferred
)
# All of them carry the whole state of the payout, so one handler serves them.
_PAYOUT_EVENTS: Mapping[str, type[_PayoutEvent]] = {
    event_name_of(each): each
    for each in (
        payout_events_pb2.PayoutProgressed,
        payout_events_pb2.PayoutCompleted,
        payout_events_pb2.PayoutIncomplete,
        payout_events_pb2.PayoutFailed,
        payout_events_pb2.PayoutCancelled,
        payout_events_pb2.PayoutDeferred,
    )
}


class EventConsumers:
    """The handlers. `on_payout_applied` tells the watches of this process that something may have changed."""

    def __init__(
        self,
        keep_asset: KeepAsset,
        apply_payout: ApplyPayout,
        on_payout_applied: Callable[[], None],
    ) -> None:
        self._keep_asset = keep_asset
        self._apply_payout = apply_payout
        self._on_payout_applied = on_payout_applied

    def subscriptions(self) -> Sequence[Subscription]:
        """What this service consumes."""
        return (
            Subscription("asset", {"asset_imported": self.asset_imported}),
            Subscription("payout", dict.fromkeys(_PAYOUT_EVENTS, self.payout_changed)),
        )

    async def asset_imported(self, event: IncomingEvent) -> None:
        """Keeps the asset. Raises ValueError when the event is malformed."""
        await self._keep_asset(KeepAssetCommand(event, known_asset(event)))

    async def payout_changed(self, event: IncomingEvent) -> None:
        """Applies a payout's state. Raises ValueError when the event is malformed, else as the use case does."""
        await self._apply_payout(ApplyPayoutCommand(event, payout_report(event)))
        self._on_payout_applied()


def known_asset(event: IncomingEvent) -> KnownAsset:
    """The asset that an event carries. Raises ValueError when it is malformed."""
    message = read_event(event, asset_events_pb2.AssetImported)
    asset = message.asset
    lifecycle_contract = asset.lifecycle_contract.evm_address
    return KnownAsset(
        asset_id=event.aggregate_id,
        version=message.version,
        chain_id=asset.chain_id,
        payment_token=PaymentToken(
            address=read_address(asset.payment_token.evm_address),
            symbol=asset.payment_token_symbol,
            decimals=asset.payment_token_decimals,
        ),
        lifecycle_contract=read_address(lifecycle_contract) if lifecycle_contract else None,
        state=AssetState(_state_name(asset_service_pb2.Asset.State.Name(asset.state))),
    )


def payout_report(event: IncomingEvent) -> PayoutReport:
    """The payout's state that an event carries. Raises ValueError when it is malformed."""
    message = read_event(event, _PAYOUT_EVENTS[event.event_name])
    payout = message.payout
    payment_token = read_address(payout.total_amount.token)
    if not payout.HasField("progress"):
        raise ValueError(f"{payout.name} has no progress")
    return PayoutReport(
        distribution_id=read_resource_id(payout.distribution, "distributions"),
        asset_id=read_resource_id(payout.asset, "assets"),
        version=message.version,
        state=PayoutState(_state_name(payout_service_pb2.Payout.State.Name(payout.state))),
        terms=read_terms(payout.terms),
        total_base_units=read_base_units(payout.total_amount.base_units),
        payment_token=payment_token,
        # Set when the plan is frozen.
        has_plan=bool(payout.plan_hash),
        progress=read_progress(payout.progress, payment_token),
        waiting_for=payout.waiting_for,
        failure_reason=payout.failure_reason,
    )


def _state_name(name: str) -> str:
    return name.removeprefix("STATE_")
