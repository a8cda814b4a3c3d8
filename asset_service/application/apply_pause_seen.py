"""Use case: update an asset after its token or its lifecycle contract was paused or unpaused on the chain."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.domain.asset import PauseSeen
from libs.clock import Clock
from libs.events import EventNotReadyError, IncomingEvent


@dataclass(frozen=True, slots=True)
class ApplyPauseSeenCommand:
    """A pause or unpause seen on the chain, and the event that brought it."""

    event: IncomingEvent
    asset_id: UUID
    seen: PauseSeen


@dataclass(frozen=True, slots=True)
class ApplyPauseSeen:
    """Applies a pause or unpause unless a later one was applied before."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, command: ApplyPauseSeenCommand) -> None:
        """Raises EventNotReadyError for an asset that is not known (yet)."""
        async with self.unit_of_work() as uow:
            if not await uow.record_incoming(command.event):
                return
            asset = await uow.assets.lock(command.asset_id)
            if asset is None:
                raise EventNotReadyError(f"asset {command.asset_id} is not known")
            after = asset.see_pause(command.seen, self.clock.now())
            if after is not asset:
                await uow.assets.save(after)
            await uow.commit()
