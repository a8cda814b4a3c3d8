"""The port of a database transaction over all repositories. PostgreSQL and memory pass the same contract tests."""

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
    """One database transaction.

    Leaving it without `commit` rolls it back. Nothing waits for the network inside.
    """

    @property
    def payouts(self) -> PayoutRepository:
        """The repository of payouts."""
        ...

    @property
    def plan_rows(self) -> PlanRows:
        """The repository of the rows of plans."""
        ...

    @property
    def batches(self) -> Batches:
        """The repository of batches and their payees."""
        ...

    @property
    def unsent(self) -> UnsentPayments:
        """The repository of payments that are in no batch."""
        ...

    @property
    def journal(self) -> JournalRepository:
        """The repository of intents, attempts and lanes."""
        ...

    @property
    def lifecycle(self) -> LifecycleRepository:
        """The repository of lifecycle contracts."""
        ...

    @property
    def treasury(self) -> TreasuryRepository:
        """The repository of commitments."""
        ...

    @property
    def sweeps(self) -> SweepRepository:
        """The repository of sweeps."""
        ...

    @property
    def discrepancies(self) -> DiscrepancyRepository:
        """The repository of discrepancies."""
        ...


class UnitOfWorkFactory(Protocol):
    """Makes units of work."""

    def __call__(self) -> UnitOfWork:
        """Returns a new unit of work, to be entered once."""
        ...


class Ids(Protocol):
    """Makes ids."""

    def new(self) -> UUID:
        """Returns a new UUID."""
        ...
