"""Use case: update an asset from what payout_service reports about its lifecycle contract."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import LifecycleContractInUseError, UnitOfWorkFactory
from asset_service.domain.asset import Asset, LifecycleReport
from libs.clock import Clock
from libs.errors import Reason
from libs.events import EventNotReadyError, IncomingEvent


@dataclass(frozen=True, slots=True)
class ApplyLifecycleReportCommand:
    """A report about a lifecycle contract, and the event that brought it."""

    event: IncomingEvent
    asset_id: UUID
    report: LifecycleReport


@dataclass(frozen=True, slots=True)
class ApplyLifecycleReport:
    """Applies a report unless a newer one was applied before."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, command: ApplyLifecycleReportCommand) -> None:
        """Raises EventNotReadyError for an asset that is not known (yet), and what
        Asset.apply_lifecycle_report raises.
        """
        async with self.unit_of_work() as uow:
            if not await uow.record_incoming(command.event):
                return
            asset = await uow.assets.lock(command.asset_id)
            if asset is None:
                raise EventNotReadyError(f"asset {command.asset_id} is not known")
            now = self.clock.now()
            reported = asset.apply_lifecycle_report(command.report, now)
            if reported.version != asset.version:
                try:
                    await uow.assets.save(reported)
                except LifecycleContractInUseError as error:
                    # An answer, not a fault: trying the event again would never help.
                    reason = _contract_in_use(command.report, error)
                    refused: Asset = asset.refuse_lifecycle_contract(command.report, reason, now)
                    await uow.assets.save(refused)
            await uow.commit()


def _contract_in_use(report: LifecycleReport, error: LifecycleContractInUseError) -> str:
    return f"{Reason.LIFECYCLE_CONTRACT_IN_USE}: {report.contract} pays for assets/{error.asset_id} already"
