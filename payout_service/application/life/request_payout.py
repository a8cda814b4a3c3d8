"""Creates the payout of a distribution that was released. The event may come more than once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.events import EventNotReadyError, IncomingEvent
from libs.payout_terms.terms import PayoutTerms
from payout_service.application.engine import Engine
from payout_service.domain.payout import Payout


@dataclass(frozen=True, slots=True)
class RequestPayoutCommand:
    """The content of the event. The payout has its distribution's id."""

    distribution_id: UUID
    asset_id: UUID
    # When the distribution was created; also when the event is published again much later.
    request_time: datetime
    terms: PayoutTerms


async def request_payout(engine: Engine, command: RequestPayoutCommand, event: IncomingEvent) -> None:
    """Stores the payout. Raises EventNotReadyError until the asset's own event has arrived."""
    async with engine.unit_of_work() as work:
        if not await work.record_incoming(event):
            return
        if await work.lifecycle.get(command.asset_id) is None:
            raise EventNotReadyError(f"asset {command.asset_id} is not known here yet")
        # False: the unique key says that the distribution has its payout already.
        await work.payouts.add(
            Payout.request(
                command.distribution_id,
                command.asset_id,
                command.terms,
                create_time=command.request_time,
                now=engine.now(),
            )
        )
        await work.commit()
    engine.nudge()
