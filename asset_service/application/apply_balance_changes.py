"""Use case: bring the register of holders forward by one event of chain_sync_service."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.domain.register import BalanceChanges, BlockPosition, Turn
from libs.clock import Clock
from libs.messaging.events import EventNotReadyError, IncomingEvent


@dataclass(frozen=True, slots=True)
class ApplyBalanceChangesCommand:
    """Changes with their place in the asset's sequence, and the event that brought them.

    `completed` is the position that they complete; None while more events of the range follow.
    """

    event: IncomingEvent
    asset_id: UUID
    sequence: int
    changes: BalanceChanges
    completed: BlockPosition | None


@dataclass(frozen=True, slots=True)
class ApplyBalanceChanges:
    """Applies changes in their sequence, each once."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, command: ApplyBalanceChangesCommand) -> None:
        """Raises EventNotReadyError when an earlier event or the asset is missing, NegativeBalanceError and
        ValueError when the changes do not fit the register; then nothing of them is applied.
        """
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
                counted = await uow.registers.apply(command.asset_id, command.changes)
                deltas = command.changes.deltas_base_units
                now = self.clock.now()
                await uow.registers.save(register.after(command.sequence, deltas, counted, command.completed, now))
            await uow.commit()
