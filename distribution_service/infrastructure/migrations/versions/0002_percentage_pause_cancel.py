"""Percentages of the available money; paused and cancelled payouts."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE distributions
        ADD COLUMN percentage_basis_points smallint
            CONSTRAINT distributions_percentage CHECK (percentage_basis_points BETWEEN 1 AND 10000),
        ADD COLUMN waiting_count bigint,
        ADD COLUMN cancelled_count bigint,
        ADD COLUMN cancelled_base_units numeric(78, 0),
        DROP CONSTRAINT distributions_total,
        DROP CONSTRAINT distributions_state,
        DROP CONSTRAINT distributions_progress,
        DROP CONSTRAINT distributions_counts,
        DROP CONSTRAINT distributions_paid
    """,
    # Nothing waited and nothing was given up before there were names for it.
    """
    UPDATE distributions SET waiting_count = 0, cancelled_count = 0, cancelled_base_units = 0
    WHERE payout_version > 0
    """,
    """
    ALTER TABLE distributions
        ADD CONSTRAINT distributions_total CHECK (
            total_base_units > 0 OR (total_base_units = 0 AND percentage_basis_points IS NOT NULL AND
                state NOT IN ('WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE'))
        ),
        ADD CONSTRAINT distributions_state CHECK (
            state IN ('RELEASED', 'PLANNING', 'WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE',
                'FAILED', 'PAUSED', 'CANCELLING', 'CANCELLED')
        ),
        ADD CONSTRAINT distributions_progress CHECK (
            num_nonnulls(holder_count, paid_count, failed_count, zero_due_count, paid_base_units, batch_count,
                final_batch_count, waiting_count, cancelled_count, cancelled_base_units) =
                CASE WHEN payout_version = 0 THEN 0 ELSE 10 END
        ),
        ADD CONSTRAINT distributions_counts CHECK (
            least(holder_count, paid_count, failed_count, zero_due_count, batch_count, final_batch_count,
                waiting_count, cancelled_count) >= 0
        ),
        ADD CONSTRAINT distributions_paid CHECK (
            least(paid_base_units, cancelled_base_units) >= 0 AND
                paid_base_units + cancelled_base_units <= total_base_units
        )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
