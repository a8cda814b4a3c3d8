"""Outbox, inbox, request log; known assets and distributions."""

from alembic import op

from libs.persistence.shared_schema import SHARED_TABLES_V1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    *SHARED_TABLES_V1,
    """
    CREATE TABLE known_assets (
        asset_id uuid PRIMARY KEY,
        version bigint NOT NULL CONSTRAINT known_assets_version CHECK (version > 0),
        chain_id bigint NOT NULL,
        payment_token text NOT NULL
            CONSTRAINT known_assets_payment_token CHECK (payment_token ~ '^0x[0-9a-f]{40}$'),
        payment_token_symbol text NOT NULL,
        payment_token_decimals smallint NOT NULL
            CONSTRAINT known_assets_payment_token_decimals CHECK (payment_token_decimals BETWEEN 0 AND 77),
        lifecycle_contract text
            CONSTRAINT known_assets_lifecycle_contract CHECK (lifecycle_contract ~ '^0x[0-9a-f]{40}$'),
        state text NOT NULL
            CONSTRAINT known_assets_state CHECK (state IN ('IMPORTING', 'ACTIVE', 'FAILED'))
    )
    """,
    """
    CREATE TABLE distributions (
        distribution_id uuid PRIMARY KEY,
        version bigint NOT NULL CONSTRAINT distributions_version CHECK (version > 0),
        asset_id uuid NOT NULL CONSTRAINT distributions_asset_id REFERENCES known_assets (asset_id),
        total_base_units numeric(78, 0) NOT NULL CONSTRAINT distributions_total CHECK (total_base_units > 0),
        payment_token text NOT NULL
            CONSTRAINT distributions_payment_token CHECK (payment_token ~ '^0x[0-9a-f]{40}$'),
        payment_token_symbol text NOT NULL,
        payment_token_decimals smallint NOT NULL
            CONSTRAINT distributions_payment_token_decimals CHECK (payment_token_decimals BETWEEN 0 AND 77),
        allow_unfunded boolean NOT NULL,
        state text NOT NULL CONSTRAINT distributions_state CHECK (
            state IN ('RELEASED', 'PLANNING', 'WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE',
                'FAILED')
        ),
        payout_version bigint NOT NULL,
        holder_count bigint,
        paid_count bigint,
        failed_count bigint,
        zero_due_count bigint,
        paid_base_units numeric(78, 0),
        batch_count integer,
        final_batch_count integer,
        waiting_for text NOT NULL,
        failure_reason text NOT NULL,
        create_time timestamptz NOT NULL,
        update_time timestamptz NOT NULL,
        CONSTRAINT distributions_payout_version CHECK (
            (payout_version > 0 AND state <> 'RELEASED') OR (payout_version = 0 AND state = 'RELEASED')
        ),
        CONSTRAINT distributions_progress CHECK (
            num_nonnulls(holder_count, paid_count, failed_count, zero_due_count, paid_base_units, batch_count,
                final_batch_count) = CASE WHEN payout_version = 0 THEN 0 ELSE 7 END
        ),
        CONSTRAINT distributions_counts CHECK (
            least(holder_count, paid_count, failed_count, zero_due_count, batch_count, final_batch_count) >= 0
        ),
        CONSTRAINT distributions_paid CHECK (paid_base_units BETWEEN 0 AND total_base_units),
        CONSTRAINT distributions_failed_paid_nobody CHECK (state <> 'FAILED' OR paid_count = 0)
    )
    """,
    "CREATE INDEX distributions_by_time ON distributions (create_time, distribution_id)",
    """
    CREATE INDEX distributions_of_asset_by_time ON distributions (asset_id, create_time, distribution_id)
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
