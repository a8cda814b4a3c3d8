"""Builds the events that chain_sync_service publishes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import events_pb2

from chain_sync_service.domain.facts import LATEST_TIME_SECONDS, FactKind, SeenFact
from chain_sync_service.domain.holdings import Holding
from chain_sync_service.domain.listener import HolderBalancesChanged

Details = Mapping[str, str]
Values = Mapping[str, Any]


def holder_balances_changed_message(event: HolderBalancesChanged) -> events_pb2.HolderBalancesChanged:
    """Returns the message for changes of holdings."""
    return events_pb2.HolderBalancesChanged(
        asset_id=str(event.asset_id),
        sequence=event.sequence,
        from_block=event.from_block,
        to_block=event.to_block.number,
        to_block_hash=event.to_block.hash,
        changes=[
            events_pb2.HolderBalanceChange(
                holder=change.holder,
                delta_base_units=str(change.balance_delta),
                block_number=change.block_number,
                holding=holding_message(change.after),
            )
            for change in event.changes
        ],
        range_complete=event.is_range_complete,
    )


def holding_message(holding: Holding) -> pb.Holding:
    """Returns the message for a holding."""
    return pb.Holding(
        balance_base_units=str(holding.balance),
        frozen_base_units=str(holding.frozen),
        locked_base_units=str(holding.locked),
        held_base_units=str(holding.held),
        cleared_base_units=str(holding.cleared),
    )


def retraction_message(asset_id: UUID, seen: SeenFact, sequence: int) -> events_pb2.ChainEventRetracted:
    """Returns the message that takes an event back."""
    return events_pb2.ChainEventRetracted(
        asset_id=str(asset_id),
        sequence=sequence,
        retracted_sequence=seen.sequence,
        kind=kind_of(seen.fact.kind),
        position=_position(seen),
    )


def fact_event_message(asset_id: UUID, seen: SeenFact) -> Message:
    """Returns the event for a fact."""
    event, values = _EVENTS[seen.fact.kind]
    return event(
        asset_id=str(asset_id),
        sequence=seen.sequence,
        position=_position(seen),
        **values(seen.fact.details),
    )


def kind_of(kind: FactKind) -> str:
    """Returns the name of a kind on the wire, in the type that protobuf declares for its number."""
    return f"KIND_{kind.value}"


def _position(seen: SeenFact) -> events_pb2.ChainPosition:
    log = seen.fact.log
    is_read = seen.fact.kind is FactKind.CORPORATE_ACTION_RATE_SET
    return events_pb2.ChainPosition(
        block_number=log.block_number,
        block_hash=log.block_hash,
        block_time=seen.block_time,
        transaction_hash="" if is_read else log.transaction_hash,
        log_index=0 if is_read else log.log_index,
        contract=log.contract,
    )


def _deposited(details: Details) -> Values:
    return {
        "sender": details["sender"],
        "lifecycle_contract": details["lifecycle_contract"],
        "amount_base_units": details["amount_base_units"],
    }


def _of_action(details: Details) -> Values:
    return {"action": _action(details)}


def _cancelled(details: Details) -> Values:
    return {
        "kind": _action_kind(details["kind"]),
        "action_id": _int64(details["action_id"]),
        "forced": details["forced"] == "true",
    }


def _snapshot(details: Details) -> Values:
    return {"snapshot_id": _int64(details["snapshot_id"]), "scheduled": details["scheduled"] == "true"}


def _pause(details: Details) -> Values:
    return {
        "lifecycle_contract": details["lifecycle_contract"] == "true",
        "paused": details["paused"] == "true",
    }


def _executed(details: Details) -> Values:
    return {
        "method": details["method"],
        "reference_id": _int64(details["reference_id"]),
        "succeeded_count": int(details["succeeded_count"]),
        "failed_count": int(details["failed_count"]),
        "paid_base_units": details["paid_base_units"],
    }


def _restriction(details: Details) -> Values:
    return {
        "holder": details["holder"],
        "kind": f"KIND_{details['kind']}",
        "restricted": details["restricted"] == "true",
        "amount_base_units": details["amount_base_units"],
    }


def _adjusted(details: Details) -> Values:
    return {"factor": details["factor"], "more_decimals": int(details["more_decimals"])}


# The event of each kind, and what it tells beside asset, sequence and position.
_EVENTS: Mapping[FactKind, tuple[Callable[..., Message], Callable[[Details], Values]]] = {
    FactKind.PAYMENT_TOKEN_DEPOSITED: (events_pb2.PaymentTokenDeposited, _deposited),
    FactKind.CORPORATE_ACTION_ANNOUNCED: (events_pb2.CorporateActionAnnounced, _of_action),
    FactKind.CORPORATE_ACTION_CANCELLED: (events_pb2.CorporateActionCancelled, _cancelled),
    FactKind.CORPORATE_ACTION_RATE_SET: (events_pb2.CorporateActionRateSet, _of_action),
    FactKind.SNAPSHOT_TAKEN: (events_pb2.SnapshotTaken, _snapshot),
    FactKind.PAUSE_CHANGED: (events_pb2.PauseChanged, _pause),
    FactKind.PAYOUT_EXECUTED: (events_pb2.PayoutExecuted, _executed),
    FactKind.HOLDER_RESTRICTION_CHANGED: (events_pb2.HolderRestrictionChanged, _restriction),
    FactKind.BALANCES_ADJUSTED: (events_pb2.BalancesAdjusted, _adjusted),
}


def _action(details: Details) -> pb.CorporateAction:
    action = pb.CorporateAction(
        kind=_action_kind(details["kind"]),
        action_id=_int64(details["action_id"]),
        amount=details["amount"],
        amount_decimals=int(details["amount_decimals"] or 0),
        rate=details["rate"],
        rate_decimals=int(details["rate_decimals"] or 0),
        rate_set=details["rate_set"] == "true",
    )
    for field, name in (
        (action.record_time, "record_time"),
        (action.execution_time, "execution_time"),
        (action.fixing_time, "fixing_time"),
    ):
        seconds = int(details[name] or 0)
        if 0 < seconds <= LATEST_TIME_SECONDS:
            field.FromDatetime(datetime.fromtimestamp(seconds, UTC))
    return action


def _action_kind(name: str) -> str:
    return f"KIND_{name}"


def _int64(text: str) -> int:
    """Limits an id to the wire's integers. Ids count from 1, so a token that reports more is shown the largest."""
    return min(int(text), 2**63 - 1)
