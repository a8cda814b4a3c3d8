"""One transaction on the schema `payout`."""

from libs.persistence.unit_of_work import SqlUnitOfWork
from payout_service.infrastructure.discrepancy_repository import SqlDiscrepancyRepository
from payout_service.infrastructure.journal_repository import SqlJournalRepository
from payout_service.infrastructure.lifecycle_repository import SqlLifecycleRepository
from payout_service.infrastructure.payment_repository import SqlPaymentRepository
from payout_service.infrastructure.payout_repository import SqlPayoutRepository
from payout_service.infrastructure.sweep_repository import SqlSweepRepository
from payout_service.infrastructure.treasury_repository import SqlTreasuryRepository


class SqlPayoutUnitOfWork(SqlUnitOfWork):
    """See UnitOfWork in application/ports.py."""

    payouts: SqlPayoutRepository
    payments: SqlPaymentRepository
    journal: SqlJournalRepository
    lifecycle: SqlLifecycleRepository
    treasury: SqlTreasuryRepository
    sweeps: SqlSweepRepository
    discrepancies: SqlDiscrepancyRepository

    def _open(self) -> None:
        self.lifecycle = SqlLifecycleRepository(self.connection, self.add_event)
        self.payouts = SqlPayoutRepository(self.connection, self.lifecycle, self.add_event)
        self.payments = SqlPaymentRepository(self.connection)
        self.journal = SqlJournalRepository(self.connection)
        self.treasury = SqlTreasuryRepository(self.connection)
        self.sweeps = SqlSweepRepository(self.connection)
        self.discrepancies = SqlDiscrepancyRepository(self.connection, self.add_event)
