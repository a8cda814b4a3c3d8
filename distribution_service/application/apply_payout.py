"""Brings a distribution up to date with its payout."""

from dataclasses import dataclass

from distribution_service.application.ports import UnitOfWorkFactory
from distribution_service.domain.payout_report import PayoutReport
from libs.clock import Clock
from libs.events import EventNotReadyError, IncomingEvent


@dataclass(frozen=True, slots=True)
class ApplyPayoutCommand:
    """The command: payout_service told the state of a payout."""

    event: IncomingEvent
    report: PayoutReport


class ApplyPayout:
    """Applies only reports that are newer than the last one; versions may be skipped."""

    def __init__(self, new_unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock

    async def __call__(self, command: ApplyPayoutCommand) -> None:
        """Raises EventNotReadyError for an unknown distribution, and PayoutContradictionError."""
        async with self._new_unit_of_work() as uow:
            if not await uow.record_incoming(command.event):
                return
            distribution_id = command.report.distribution_id
            distribution = await uow.distributions.find_for_update(distribution_id)
            if distribution is None:
                raise EventNotReadyError(f"distribution {distribution_id} is not known here")
            changed = distribution.apply_payout(command.report, self._clock.now())
            if changed is not distribution:
                await uow.distributions.update(changed)
            await uow.commit()
