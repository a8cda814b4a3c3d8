"""Use case: bring the register of holders forward by one event of chain_sync_service."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asset_service.application.ports import UnitOfWork, UnitOfWorkFactory
from asset_service.application.record_discrepancies import Recorded, raise_alarm, record_discrepancies
from asset_service.application.register_ports import Alarms
from asset_service.domain.register import BalanceChanges, BlockPosition, HoldingDifference, Register, Turn
from asset_service.domain.register_check import Finding, holding_of
from libs.clock import Clock
from libs.events import EventNotReadyError, IncomingEvent


@dataclass(frozen=True, slots=True)
class ApplyBalanceChangesCommand:
    """Changes of balances with their sequence number for the asset, and the event that brought them.

    `to_block` is the last block of their range. `completed` is the position that they complete; None while more
    events of the range follow.
    """

    event: IncomingEvent
    asset_id: UUID
    sequence: int
    changes: BalanceChanges
    to_block: int
    completed: BlockPosition | None


@dataclass(frozen=True, slots=True)
class ApplyBalanceChanges:
    """Applies each event's changes once, in the order of their sequence numbers."""

    unit_of_work: UnitOfWorkFactory
    alarms: Alarms
    clock: Clock

    async def __call__(self, command: ApplyBalanceChangesCommand) -> None:
        """Sets holders to what the event tells. Where the register had not what the event builds on, it was wrong
        before: that is recorded and raised as an alarm, and the event is applied.

        Raises EventNotReadyError when an earlier event or the asset is missing, and NegativeBalanceError and
        ValueError when the changes do not fit the register; then nothing of them is applied.
        """
        recorded = None
        async with self.unit_of_work() as uow:
            if not await uow.record_incoming(command.event):
                return
            # Locked first: two replicas apply one asset's events one after the other.
            register = await uow.registers.lock(command.asset_id)
            if register is None:
                raise EventNotReadyError(f"asset {command.asset_id} is not known")
            turn = register.turn_of(command.sequence)
            if turn is Turn.TOO_EARLY:
                raise EventNotReadyError(
                    f"asset {command.asset_id}: {command.sequence} came, {register.last_sequence + 1} is missing"
                )
            if turn is Turn.NEXT:
                recorded = await _apply(uow, register, command, self.clock.now())
            await uow.commit()
        if recorded is not None:
            raise_alarm(self.alarms, recorded)


async def _apply(
    uow: UnitOfWork, register: Register, command: ApplyBalanceChangesCommand, now: datetime
) -> Recorded | None:
    applied = await uow.registers.apply(command.asset_id, command.changes, now)
    await uow.registers.save(register.after(command.sequence, applied, command.completed, now))
    if not applied.differences:
        return None
    findings = [_finding(difference, command.to_block) for difference in applied.differences]
    # Nothing is resolved here: only a look at the chain can tell that the register is right.
    return await record_discrepancies(uow, command.asset_id, findings, (), now)


def _finding(difference: HoldingDifference, block_number: int) -> Finding:
    return Finding(holding_of(difference.holder), block_number, str(difference.had), str(difference.implied))
