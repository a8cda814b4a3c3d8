"""Reads the events of other services and hands each to its use case.

What cannot be read raises ValueError; the consumer makes it a dead letter.
"""

import re

from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events
from masspayout.payout.v1 import events_pb2 as payout_events

from asset_service.application.apply_balance_changes import ApplyBalanceChanges, ApplyBalanceChangesCommand
from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport, ApplyLifecycleReportCommand
from asset_service.application.apply_pause_seen import ApplyPauseSeen, ApplyPauseSeenCommand
from asset_service.application.sync_asset import SyncAsset, SyncAssetOnEventCommand
from asset_service.domain.asset import LifecycleReport, LifecycleState, PauseSeen
from asset_service.domain.register import BalanceChanges, BlockPosition, Holding
from asset_service.messages.readiness import read_conditions
from asset_service.messages.register import read_holding_message
from libs.chain.address import EvmAddress
from libs.chain.amount import MAX_UINT256
from libs.events import IncomingEvent
from libs.messaging.reading import read_event
from libs.wire import read_address

_DELTA = re.compile(r"0|-?[1-9]\d{0,77}")
_BLOCK_HASH = re.compile(r"0x[0-9a-f]{64}")


class LifecycleContractChangedHandler:
    """Handles the event with which payout_service reports the state of a lifecycle contract."""

    def __init__(self, apply_lifecycle_report: ApplyLifecycleReport) -> None:
        self._apply_lifecycle_report = apply_lifecycle_report

    async def __call__(self, event: IncomingEvent) -> None:
        """Raises ValueError when the event is malformed, and what the use case raises."""
        message = read_event(event, payout_events.LifecycleContractChanged)
        state = payout_events.LifecycleContractChanged.State.Name(message.state).removeprefix("STATE_")
        report = LifecycleReport(
            version=message.version,
            state=LifecycleState(state),
            contract=_contract(message),
            readiness=read_conditions(message.readiness),
            failure_reason=message.failure_reason,
            is_paused=message.paused,
            pause_request_version=message.pause_request_version,
            pause_problem=message.pause_problem,
        )
        await self._apply_lifecycle_report(ApplyLifecycleReportCommand(event, event.aggregate_id, report))


class PauseChangedHandler:
    """Handles the event that the token or the lifecycle contract was paused or unpaused on the chain."""

    def __init__(self, apply_pause_seen: ApplyPauseSeen) -> None:
        self._apply_pause_seen = apply_pause_seen

    async def __call__(self, event: IncomingEvent) -> None:
        """Raises ValueError when the event is malformed, and what the use case raises."""
        message = read_event(event, chain_sync_events.PauseChanged)
        if message.sequence < 1:
            raise ValueError(f"sequence {message.sequence} is not positive")
        seen = PauseSeen(
            sequence=message.sequence,
            contract=read_address(message.position.contract),
            is_paused=message.paused,
        )
        await self._apply_pause_seen(ApplyPauseSeenCommand(event, event.aggregate_id, seen))


class BalancesAdjustedHandler:
    """Handles the event that all balances were multiplied: the supply grew, and maybe the number of decimals."""

    def __init__(self, sync_asset: SyncAsset) -> None:
        self._sync_asset = sync_asset

    async def __call__(self, event: IncomingEvent) -> None:
        """Raises ValueError when the event is malformed, and what the use case raises."""
        read_event(event, chain_sync_events.BalancesAdjusted)
        await self._sync_asset.on_event(SyncAssetOnEventCommand(event, event.aggregate_id))


class ChainEventRetractedHandler:
    """Handles the event that takes one of the two events above back. The token is read again."""

    def __init__(self, sync_asset: SyncAsset) -> None:
        self._sync_asset = sync_asset

    async def __call__(self, event: IncomingEvent) -> None:
        """Raises ValueError when the event is malformed, and what the use case raises."""
        message = read_event(event, chain_sync_events.ChainEventRetracted)
        is_pause = message.kind == chain_sync_pb.ChainEvent.KIND_PAUSE_CHANGED
        if is_pause or message.kind == chain_sync_pb.ChainEvent.KIND_BALANCES_ADJUSTED:
            await self._sync_asset.on_event(SyncAssetOnEventCommand(event, event.aggregate_id, is_pause))


class HolderBalancesChangedHandler:
    """Handles the event that balances of holders changed."""

    def __init__(self, apply_balance_changes: ApplyBalanceChanges) -> None:
        self._apply_balance_changes = apply_balance_changes

    async def __call__(self, event: IncomingEvent) -> None:
        """Raises ValueError when the event is malformed, and what the use case raises."""
        message = read_event(event, chain_sync_events.HolderBalancesChanged)
        if message.sequence < 1:
            raise ValueError(f"sequence {message.sequence} is not positive")
        changes = BalanceChanges(
            holders=[read_address(change.holder).value for change in message.changes],
            deltas_base_units=[_delta(change.delta_base_units) for change in message.changes],
            block_numbers=[change.block_number for change in message.changes],
            holdings=_holdings(message),
        )
        command = ApplyBalanceChangesCommand(
            event=event,
            asset_id=event.aggregate_id,
            sequence=message.sequence,
            changes=changes,
            to_block=message.to_block,
            completed=_position(message) if message.range_complete else None,
        )
        await self._apply_balance_changes(command)


def _contract(message: payout_events.LifecycleContractChanged) -> EvmAddress | None:
    text = message.lifecycle_contract.evm_address
    return read_address(text) if text else None


def _position(message: chain_sync_events.HolderBalancesChanged) -> BlockPosition:
    block_hash = message.to_block_hash.lower()
    if not _BLOCK_HASH.fullmatch(block_hash):
        raise ValueError(f"{message.to_block_hash!r} is not a block hash")
    return BlockPosition(message.to_block, block_hash)


def _holdings(message: chain_sync_events.HolderBalancesChanged) -> list[Holding] | None:
    """Returns what the holders have after the event; None for an event of a version that told only deltas."""
    told = [change.HasField("holding") for change in message.changes]
    if not any(told):
        return None
    if not all(told):
        raise ValueError("some changes tell what the holder has, others do not")
    return [read_holding_message(change.holding) for change in message.changes]


def _delta(text: str) -> int:
    if not _DELTA.fullmatch(text) or abs(delta := int(text)) > MAX_UINT256:
        raise ValueError(f"{text!r} is not a change in base units")
    return delta
