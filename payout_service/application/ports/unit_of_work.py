"""One transaction over all repositories. One contract suite holds for the real and the in-memory form."""

from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey
from payout_service.application.ports.batches import Batches
from payout_service.application.ports.discrepancies import DiscrepancyRepository
from payout_service.application.ports.journal import JournalRepository
from payout_service.application.ports.lifecycle import LifecycleRepository
from payout_service.application.ports.payouts import PayoutRepository
from payout_service.application.ports.plan_rows import PlanRows
from payout_service.application.ports.sweeps import SweepRepository
from payout_service.application.ports.treasury import TreasuryRepository
from payout_service.application.ports.unsent_payments import UnsentPayments


class UnitOfWork(Protocol):
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

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None:
        """Makes everything durable at once, events with it."""
        ...

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that an event is processed by this transaction; False when it was before."""
        ...

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        """The call with this id, if it was carried out before."""
        ...

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        """Records a call with its effect; False when another transaction has recorded the same id."""
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
