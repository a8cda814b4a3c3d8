"""The progress in one column instead of fifteen."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE distributions
        ADD COLUMN progress jsonb,
        DROP CONSTRAINT distributions_progress,
        DROP CONSTRAINT distributions_counts,
        DROP CONSTRAINT distributions_paid,
        DROP CONSTRAINT distributions_failed_paid_nobody
    """,
    """
    UPDATE distributions SET progress = jsonb_build_object(
        'holder_count', holder_count,
        'paid_count', paid_count,
        'failed_count', failed_count,
        'zero_due_count', zero_due_count,
        'waiting_count', waiting_count,
        'cancelled_count', cancelled_count,
        'excluded_count', excluded_count,
        'deferred_count', deferred_count,
        'paid_base_units', paid_base_units,
        'cancelled_base_units', cancelled_base_units,
        'excluded_base_units', excluded_base_units,
        'withheld_base_units', withheld_base_units,
        'deferred_base_units', deferred_base_units,
        'batch_count', batch_count,
        'final_batch_count', final_batch_count
    )
    WHERE payout_version > 0
    """,
    """
    ALTER TABLE distributions
        DROP COLUMN holder_count,
        DROP COLUMN paid_count,
        DROP COLUMN failed_count,
        DROP COLUMN zero_due_count,
        DROP COLUMN waiting_count,
        DROP COLUMN cancelled_count,
        DROP COLUMN excluded_count,
        DROP COLUMN deferred_count,
        DROP COLUMN paid_base_units,
        DROP COLUMN cancelled_base_units,
        DROP COLUMN excluded_base_units,
        DROP COLUMN withheld_base_units,
        DROP COLUMN deferred_base_units,
        DROP COLUMN batch_count,
        DROP COLUMN final_batch_count,
        ADD CONSTRAINT distributions_progress CHECK ((progress IS NULL) = (payout_version = 0)),
        ADD CONSTRAINT distributions_figures CHECK (
            jsonb_typeof(progress) = 'object' AND
                NOT progress @? 'strict $.* ? (@.type() != "number" || @ < 0 || @.floor() != @)'
        ),
        ADD CONSTRAINT distributions_paid CHECK (
            progress IS NULL OR (
                (progress ->> 'paid_base_units')::numeric + (progress ->> 'cancelled_base_units')::numeric +
                (progress ->> 'excluded_base_units')::numeric + (progress ->> 'withheld_base_units')::numeric +
                (progress ->> 'deferred_base_units')::numeric <= total_base_units
            ) IS TRUE
        ),
        ADD CONSTRAINT distributions_failed_paid_nobody CHECK (
            state <> 'FAILED' OR (progress -> 'paid_count' = '0') IS TRUE
        )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
