"""Payments and batches in PostgreSQL, in bulk."""

from payout_service.infrastructure.payment_batches import SqlBatches
from payout_service.infrastructure.plan_rows import SqlPlanRows
from payout_service.infrastructure.unsent_payments import SqlUnsentPayments


class SqlPaymentRepository(SqlPlanRows, SqlBatches, SqlUnsentPayments):
    """See PaymentRepository."""
