"""What leaves as events, as protobuf."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.message import Message
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import events_pb2

from chain_sync_service.domain.facts import FactKind, SeenFact
from chain_sync_service.domain.holdings import Holding
from chain_sync_service.domain.listener import HolderBalancesChanged

_LATEST_SECONDS = 253_402_300_799


def holder_balances_changed_message(event: HolderBalancesChanged) -> events_pb2.HolderBalancesChanged:
    """Changes of holdings."""
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
    """What a holder has."""
    return pb.Holding(
        balance_base_units=str(holding.balance),
        frozen_base_units=str(holding.frozen),
        locked_base_units=str(holding.locked),
        held_base_units=str(holding.held),
        cleared_base_units=str(holding.cleared),
    )


def retraction_message(asset_id: UUID, seen: SeenFact, sequence: int) -> events_pb2.ChainEventRetracted:
    """What takes an event back."""
    return events_pb2.ChainEventRetracted(
        asset_id=str(asset_id),
        sequence=sequence,
        retracted_sequence=seen.sequence,
        kind=kind_of(seen.fact.kind),
        position=_position(seen),
    )


def fact_event_message(asset_id: UUID, seen: SeenFact) -> Message:
    """The event of a fact."""
    return _EVENTS[seen.fact.kind](seen, str(asset_id))


def kind_of(kind: FactKind) -> str:
    """The name of the kind on the wire, which protobuf takes for its number."""
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


def _deposited(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.PaymentTokenDeposited(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        sender=details["sender"],
        lifecycle_contract=details["lifecycle_contract"],
        amount_base_units=details["amount_base_units"],
    )


def _announced(seen: SeenFact, asset_id: str) -> Message:
    return events_pb2.CorporateActionAnnounced(
        asset_id=asset_id, sequence=seen.sequence, position=_position(seen), action=_action(seen.fact.details)
    )


def _rate_set(seen: SeenFact, asset_id: str) -> Message:
    return events_pb2.CorporateActionRateSet(
        asset_id=asset_id, sequence=seen.sequence, position=_position(seen), action=_action(seen.fact.details)
    )


def _cancelled(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.CorporateActionCancelled(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        kind=_action_kind(details["kind"]),
        action_id=_int64(details["action_id"]),
        forced=details["forced"] == "true",
    )


def _snapshot(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.SnapshotTaken(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        snapshot_id=_int64(details["snapshot_id"]),
        scheduled=details["scheduled"] == "true",
    )


def _pause(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.PauseChanged(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        lifecycle_contract=details["lifecycle_contract"] == "true",
        paused=details["paused"] == "true",
    )


def _executed(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.PayoutExecuted(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        method=details["method"],
        reference_id=_int64(details["reference_id"]),
        succeeded_count=int(details["succeeded_count"]),
        failed_count=int(details["failed_count"]),
        paid_base_units=details["paid_base_units"],
    )


def _restriction(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.HolderRestrictionChanged(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        holder=details["holder"],
        kind=f"KIND_{details['kind']}",
        restricted=details["restricted"] == "true",
        amount_base_units=details["amount_base_units"],
    )


def _adjusted(seen: SeenFact, asset_id: str) -> Message:
    details = seen.fact.details
    return events_pb2.BalancesAdjusted(
        asset_id=asset_id,
        sequence=seen.sequence,
        position=_position(seen),
        factor=details["factor"],
        more_decimals=int(details["more_decimals"]),
    )


_EVENTS: Mapping[FactKind, Callable[[SeenFact, str], Message]] = {
    FactKind.PAYMENT_TOKEN_DEPOSITED: _deposited,
    FactKind.CORPORATE_ACTION_ANNOUNCED: _announced,
    FactKind.CORPORATE_ACTION_CANCELLED: _cancelled,
    FactKind.CORPORATE_ACTION_RATE_SET: _rate_set,
    FactKind.SNAPSHOT_TAKEN: _snapshot,
    FactKind.PAUSE_CHANGED: _pause,
    FactKind.PAYOUT_EXECUTED: _executed,
    FactKind.HOLDER_RESTRICTION_CHANGED: _restriction,
    FactKind.BALANCES_ADJUSTED: _adjusted,
}


def _action(details: Mapping[str, str]) -> pb.CorporateAction:
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
        if 0 < seconds <= _LATEST_SECONDS:
            field.FromDatetime(datetime.fromtimestamp(seconds, UTC))
    return action


def _action_kind(name: str) -> str:
    return f"KIND_{name}"


def _int64(text: str) -> int:
    """Ids count from 1 by one; a token that tells one beyond the wire's integers is shown the largest."""
    return min(int(text), 2**63 - 1)
