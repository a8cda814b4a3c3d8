"""Converts registers to protobuf, for answers and events, and reads holdings that other services send."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb

from asset_service.application.register_ports import HolderChangeRow, HolderRow
from asset_service.domain.register import Holding, Register
from asset_service.domain.register_check import Discrepancy
from libs.events import OutgoingEvent
from libs.grpc_kit.accounts import account_message, checksummed
from libs.wire import read_base_units


def read_holding_message(message: chain_sync_pb.Holding) -> Holding:
    """Returns a holding. Raises ValueError when an amount is malformed."""
    return Holding(
        read_base_units(message.balance_base_units),
        read_base_units(message.frozen_base_units),
        read_base_units(message.locked_base_units),
        read_base_units(message.held_base_units),
        read_base_units(message.cleared_base_units),
    )


def register_message(register: Register) -> pb.RegisterPosition | None:
    """Returns the message for a register; None before the first range of blocks is complete."""
    if register.position is None:
        return None
    return pb.RegisterPosition(
        block_number=register.position.number,
        block_hash=register.position.block_hash,
        holder_count=register.holder_count,
        total_balance_base_units=str(register.total_balance_base_units),
        total_restricted_base_units=str(register.total_restricted_base_units),
    )


def holder_message(asset_id: UUID, holder: HolderRow) -> pb.Holder:
    """Returns the message for one holder."""
    account, holding = account_message(holder.address), holder.holding
    return pb.Holder(
        name=f"assets/{asset_id}/holders/{account.evm_address}",
        account=account,
        balance_base_units=str(holding.balance),
        changed_at_block=holder.changed_at_block,
        frozen_base_units=str(holding.frozen),
        locked_base_units=str(holding.locked),
        held_base_units=str(holding.held),
        cleared_base_units=str(holding.cleared),
        total_base_units=str(holding.total),
    )


def change_message(asset_id: UUID, change: HolderChangeRow) -> pb.HolderChange:
    """Returns the message for one row of the history."""
    return pb.HolderChange(
        holder=f"assets/{asset_id}/holders/{checksummed(change.address)}",
        change_id=change.change_id,
        delta_base_units=str(change.delta_base_units),
        restricted_delta_base_units=str(change.restricted_delta_base_units),
        balance_base_units=str(change.balance_base_units),
        restricted_base_units=str(change.restricted_base_units),
        block_number=change.block_number,
        create_time=change.create_time,
    )


def discrepancy_message(discrepancy: Discrepancy) -> pb.RegisterDiscrepancy:
    """Returns the message for one difference between register and chain."""
    finding = discrepancy.finding
    return pb.RegisterDiscrepancy(
        discrepancy_id=discrepancy.discrepancy_id,
        kind=f"KIND_{finding.subject.kind}",
        holder=checksummed(finding.subject.holder) if finding.subject.holder else "",
        block_number=finding.block_number,
        register_value=finding.register_value,
        chain_value=finding.chain_value,
        create_time=discrepancy.create_time,
        resolve_time=discrepancy.resolve_time,
    )


def discrepancy_found_event(
    asset_id: UUID, discrepancies: Sequence[Discrepancy], now: datetime, event_id: UUID
) -> OutgoingEvent:
    """Returns the event about new differences of one asset (at least one), oldest first."""
    first_id = discrepancies[0].discrepancy_id
    message = events_pb2.RegisterDiscrepancyFound(
        asset_id=str(asset_id),
        discrepancy_id=first_id,
        discrepancies=[discrepancy_message(each) for each in discrepancies],
    )
    return OutgoingEvent(
        event_id=event_id,
        context="asset",
        event_name="register_discrepancy_found",
        aggregate_id=asset_id,
        aggregate_version=first_id,
        payload=message.SerializeToString(),
        create_time=now,
    )
