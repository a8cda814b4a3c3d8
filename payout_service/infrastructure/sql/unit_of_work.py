"""The unit of work of payout_service: one database transaction with all its repositories."""

from libs.persistence.unit_of_work import SqlUnitOfWork
from payout_service.infrastructure.sql.batches import SqlBatches
from payout_service.infrastructure.sql.discrepancies import SqlDiscrepancyRepository
from payout_service.infrastructure.sql.journal import SqlJournalRepository
from payout_service.infrastructure.sql.lifecycle import SqlLifecycleRepository
from payout_service.infrastructure.sql.payouts import SqlPayoutRepository
from payout_service.infrastructure.sql.plan_rows import SqlPlanRows
from payout_service.infrastructure.sql.sweeps import SqlSweepRepository
from payout_service.infrastructure.sql.treasury import SqlTreasuryRepository
from payout_service.infrastructure.sql.unsent_payments import SqlUnsentPayments


class SqlPayoutUnitOfWork(SqlUnitOfWork):
    """Implements the port `UnitOfWork`."""

    payouts: SqlPayoutRepository
    plan_rows: SqlPlanRows
    batches: SqlBatches
    unsent: SqlUnsentPayments
    journal: SqlJournalRepository
    lifecycle: SqlLifecycleRepository
    treasury: SqlTreasuryRepository
    sweeps: SqlSweepRepository
    discrepancies: SqlDiscrepancyRepository

    def _open(self) -> None:
        self.lifecycle = SqlLifecycleRepository(self.connection, self.add_event)
        self.payouts = SqlPayoutRepository(self.connection, self.lifecycle, self.add_event)
        self.plan_rows = SqlPlanRows(self.connection)
        self.batches = SqlBatches(self.connection)
        self.unsent = SqlUnsentPayments(self.connection)
        self.journal = SqlJournalRepository(self.connection)
        self.treasury = SqlTreasuryRepository(self.connection)
        self.sweeps = SqlSweepRepository(self.connection)
        self.discrepancies = SqlDiscrepancyRepository(self.connection, self.add_event)
