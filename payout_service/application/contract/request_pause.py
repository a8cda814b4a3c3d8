"""Stores an operator's request to pause or unpause a lifecycle contract. The lifecycle worker carries it out."""

from dataclasses import dataclass
from uuid import UUID

from libs.events import EventNotReadyError, IncomingEvent
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import PauseRequest


@dataclass(frozen=True, slots=True)
class RequestPauseCommand:
    """The content of the event. `asset_version` is the asset's version at the request."""

    asset_id: UUID
    asset_version: int
    paused: bool


async def request_pause(engine: Engine, command: RequestPauseCommand, event: IncomingEvent) -> None:
    """Stores the request unless a newer one is known. Raises EventNotReadyError before the asset's own event."""
    async with engine.unit_of_work() as work:
        if not await work.record_incoming(event):
            return
        if await work.lifecycle.get(command.asset_id) is None:
            raise EventNotReadyError(f"asset {command.asset_id} is not known here yet")
        contract = await work.lifecycle.lock(command.asset_id)
        if contract.request_pause(PauseRequest(command.asset_version, command.paused), engine.now()):
            await work.lifecycle.save(contract)
            await work.lifecycle.wake(command.asset_id, engine.now())
        await work.commit()
    engine.nudge()
