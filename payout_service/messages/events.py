"""Builds the events of payout_service for the outbox."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid5

from masspayout.payout.v1 import events_pb2

from libs.events import OutgoingEvent
from libs.grpc_kit.accounts import account_message
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.messages.resources import (
    condition_messages,
    discrepancy_message,
    payout_message,
)

PayoutEvent = (
    events_pb2.PayoutProgressed
    | events_pb2.PayoutCompleted
    | events_pb2.PayoutIncomplete
    | events_pb2.PayoutFailed
    | events_pb2.PayoutCancelled
    | events_pb2.PayoutDeferred
)
_SETTLED_EVENTS: Mapping[PayoutState, tuple[str, type[PayoutEvent]]] = {
    PayoutState.COMPLETED: ("payout_completed", events_pb2.PayoutCompleted),
    PayoutState.INCOMPLETE: ("payout_incomplete", events_pb2.PayoutIncomplete),
    PayoutState.FAILED: ("payout_failed", events_pb2.PayoutFailed),
    PayoutState.CANCELLED: ("payout_cancelled", events_pb2.PayoutCancelled),
    PayoutState.DEFERRED: ("payout_deferred", events_pb2.PayoutDeferred),
}
_PROGRESSED = ("payout_progressed", events_pb2.PayoutProgressed)


def payout_event(payout: Payout, contract: LifecycleContract) -> OutgoingEvent:
    """Returns the event of a payout's present version, with its whole state."""
    name, message_type = _SETTLED_EVENTS.get(payout.state, _PROGRESSED)
    message = message_type(
        payout_id=str(payout.payout_id),
        version=payout.version,
        asset_id=str(payout.asset_id),
        payout=payout_message(payout, contract),
    )
    return OutgoingEvent(
        event_id=_event_id(payout.payout_id, "payout", payout.version),
        context="payout",
        event_name=name,
        aggregate_id=payout.payout_id,
        aggregate_version=payout.version,
        payload=message.SerializeToString(),
        create_time=payout.update_time,
    )


def lifecycle_event(contract: LifecycleContract) -> OutgoingEvent:
    """Returns the event of a lifecycle contract's present version, with its whole state."""
    message = events_pb2.LifecycleContractChanged(
        asset_id=str(contract.asset_id),
        version=contract.version,
        state=f"STATE_{contract.state.value}",
        lifecycle_contract=account_message(contract.address) if contract.address else None,
        readiness=condition_messages(contract.readiness),
        failure_reason=contract.failure_reason,
        paused=contract.is_paused,
        pause_request_version=contract.pause_request_version,
        pause_problem=contract.pause_problem,
    )
    return OutgoingEvent(
        event_id=_event_id(contract.asset_id, "lifecycle_contract", contract.version),
        context="payout",
        event_name="lifecycle_contract_changed",
        aggregate_id=contract.asset_id,
        aggregate_version=contract.version,
        payload=message.SerializeToString(),
        create_time=contract.update_time,
    )


def discrepancy_found_event(discrepancy: Discrepancy) -> OutgoingEvent:
    """Returns the event that a difference was found for the first time."""
    return _discrepancy_event(
        discrepancy, events_pb2.DiscrepancyFound, "discrepancy_found", 1, discrepancy.find_time
    )


def discrepancy_resolved_event(discrepancy: Discrepancy) -> OutgoingEvent:
    """Returns the event that a difference does not exist any more. Raises ValueError for one that is open."""
    if discrepancy.resolve_time is None:
        raise ValueError(f"discrepancy {discrepancy.discrepancy_id} is open")
    return _discrepancy_event(
        discrepancy, events_pb2.DiscrepancyResolved, "discrepancy_resolved", 2, discrepancy.resolve_time
    )


def _discrepancy_event(
    discrepancy: Discrepancy,
    message_type: type[events_pb2.DiscrepancyFound | events_pb2.DiscrepancyResolved],
    name: str,
    version: int,
    create_time: datetime,
) -> OutgoingEvent:
    message = message_type(
        discrepancy_id=str(discrepancy.discrepancy_id),
        version=version,
        asset_id=str(discrepancy.asset_id),
        discrepancy=discrepancy_message(discrepancy),
    )
    return OutgoingEvent(
        event_id=_event_id(discrepancy.discrepancy_id, "discrepancy", version),
        context="payout",
        event_name=name,
        aggregate_id=discrepancy.discrepancy_id,
        aggregate_version=version,
        payload=message.SerializeToString(),
        create_time=create_time,
    )


def _event_id(aggregate_id: UUID, kind: str, version: int) -> UUID:
    """Returns the id of a version's event. The same id made twice is refused by the outbox's key."""
    return uuid5(aggregate_id, f"{kind}/{version}")
