"""Dividends, coupons and redemptions; rules per payee; deferred payments."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # All distributions before this were of a total or a percentage and had no rules.
    """
    ALTER TABLE distributions
        ADD COLUMN excluded_count bigint,
        ADD COLUMN deferred_count bigint,
        ADD COLUMN excluded_base_units numeric(78, 0),
        ADD COLUMN withheld_base_units numeric(78, 0),
        ADD COLUMN deferred_base_units numeric(78, 0),
        ADD COLUMN kind text NOT NULL DEFAULT 'SNAPSHOT'
            CONSTRAINT distributions_kind CHECK (kind IN ('SNAPSHOT', 'DIVIDEND', 'COUPON', 'REDEMPTION')),
        ADD COLUMN action_id bigint NOT NULL DEFAULT 0,
        ADD COLUMN rules jsonb NOT NULL DEFAULT '{}'
            CONSTRAINT distributions_rules CHECK (jsonb_typeof(rules) = 'object'),
        DROP CONSTRAINT distributions_total,
        DROP CONSTRAINT distributions_percentage,
        DROP CONSTRAINT distributions_state,
        DROP CONSTRAINT distributions_progress,
        DROP CONSTRAINT distributions_counts,
        DROP CONSTRAINT distributions_paid
    """,
    """
    ALTER TABLE distributions
        ALTER COLUMN kind DROP DEFAULT,
        ALTER COLUMN action_id DROP DEFAULT,
        ALTER COLUMN rules DROP DEFAULT
    """,
    """
    UPDATE distributions SET excluded_count = 0, deferred_count = 0, excluded_base_units = 0,
        withheld_base_units = 0, deferred_base_units = 0
    WHERE payout_version > 0
    """,
    """
    ALTER TABLE distributions
        ADD CONSTRAINT distributions_action CHECK (
            CASE WHEN kind IN ('DIVIDEND', 'COUPON') THEN action_id > 0 ELSE action_id = 0 END
        ),
        ADD CONSTRAINT distributions_total CHECK (
            CASE kind
                WHEN 'REDEMPTION' THEN total_base_units >= 0
                WHEN 'SNAPSHOT' THEN total_base_units > 0 OR (
                    total_base_units = 0 AND percentage_basis_points IS NOT NULL AND
                    state NOT IN ('WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE', 'DEFERRED')
                )
                ELSE total_base_units > 0 OR (
                    total_base_units = 0 AND
                    state NOT IN ('WAITING_FOR_FUNDS', 'EXECUTING', 'INCOMPLETE', 'DEFERRED')
                )
            END
        ),
        ADD CONSTRAINT distributions_percentage CHECK (
            percentage_basis_points IS NULL OR
                (percentage_basis_points BETWEEN 1 AND 10000 AND kind = 'SNAPSHOT')
        ),
        ADD CONSTRAINT distributions_state CHECK (
            state IN ('RELEASED', 'PLANNING', 'WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE',
                'FAILED', 'PAUSED', 'CANCELLING', 'CANCELLED', 'DEFERRED')
        ),
        ADD CONSTRAINT distributions_progress CHECK (
            num_nonnulls(holder_count, paid_count, failed_count, zero_due_count, paid_base_units, batch_count,
                final_batch_count, waiting_count, cancelled_count, cancelled_base_units, excluded_count,
                deferred_count, excluded_base_units, withheld_base_units, deferred_base_units) =
                CASE WHEN payout_version = 0 THEN 0 ELSE 15 END
        ),
        ADD CONSTRAINT distributions_counts CHECK (
            least(holder_count, paid_count, failed_count, zero_due_count, batch_count, final_batch_count,
                waiting_count, cancelled_count, excluded_count, deferred_count) >= 0
        ),
        ADD CONSTRAINT distributions_paid CHECK (
            least(paid_base_units, cancelled_base_units, excluded_base_units, withheld_base_units,
                deferred_base_units) >= 0 AND
            paid_base_units + cancelled_base_units + excluded_base_units + withheld_base_units +
                deferred_base_units <= total_base_units
        )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
