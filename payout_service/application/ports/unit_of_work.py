"""One transaction over all repositories. One contract suite holds for the real and the in-memory form."""

from typing import Protocol
from uuid import UUID

from libs.unit_of_work import RecordingTransaction
from payout_service.application.ports.batches import Batches
from payout_service.application.ports.discrepancies import DiscrepancyRepository
from payout_service.application.ports.journal import JournalRepository
from payout_service.application.ports.lifecycle import LifecycleRepository
from payout_service.application.ports.payouts import PayoutRepository
from payout_service.application.ports.plan_rows import PlanRows
from payout_service.application.ports.sweeps import SweepRepository
from payout_service.application.ports.treasury import TreasuryRepository
from payout_service.application.ports.unsent_payments import UnsentPayments


class UnitOfWork(RecordingTransaction, Protocol):
    """One transaction. Leaving without `commit` rolls back. No network waits inside."""

    @property
    def payouts(self) -> PayoutRepository:
        """Payouts."""
        ...

    @property
    def plan_rows(self) -> PlanRows:
        """The rows of plans."""
        ...

    @property
    def batches(self) -> Batches:
        """Batches and their payees."""
        ...

    @property
    def unsent(self) -> UnsentPayments:
        """Payments that are in no batch."""
        ...

    @property
    def journal(self) -> JournalRepository:
        """Intents, attempts, lanes."""
        ...

    @property
    def lifecycle(self) -> LifecycleRepository:
        """Lifecycle contracts."""
        ...

    @property
    def treasury(self) -> TreasuryRepository:
        """Commitments."""
        ...

    @property
    def sweeps(self) -> SweepRepository:
        """Sweeps."""
        ...

    @property
    def discrepancies(self) -> DiscrepancyRepository:
        """Discrepancies."""
        ...


class UnitOfWorkFactory(Protocol):
    """Makes a unit of work per use."""

    def __call__(self) -> UnitOfWork:
        """A new unit of work, to be entered once."""
        ...


class Ids(Protocol):
    """Makes ids."""

    def new(self) -> UUID:
        """A new UUID."""
        ...
