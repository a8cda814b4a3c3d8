"""Adds the parts of holdings that cannot be moved, the register's history, and its differences from the chain."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # Existing rows are of a time when only balances were followed: no part is known to be restricted. Whether the
    # last event of an existing register ended its range is not known either; its next one tells.
    """
    ALTER TABLE registers
        ADD COLUMN total_restricted numeric(78, 0) NOT NULL DEFAULT 0,
        ADD COLUMN is_complete boolean NOT NULL DEFAULT false,
        ADD COLUMN check_time timestamptz,
        DROP CONSTRAINT registers_totals
    """,
    """
    ALTER TABLE registers
        ALTER COLUMN total_restricted DROP DEFAULT,
        ALTER COLUMN is_complete DROP DEFAULT,
        ADD CONSTRAINT registers_totals CHECK (
            holder_count >= 0 AND total_balance >= 0 AND total_restricted >= 0
            AND (holder_count = 0) = (total_balance + total_restricted = 0)
        ),
        ADD CONSTRAINT registers_complete CHECK (NOT is_complete OR block_number IS NOT NULL)
    """,
    """
    ALTER TABLE holders
        ADD COLUMN frozen numeric(78, 0) NOT NULL DEFAULT 0,
        ADD COLUMN locked numeric(78, 0) NOT NULL DEFAULT 0,
        ADD COLUMN held numeric(78, 0) NOT NULL DEFAULT 0,
        ADD COLUMN cleared numeric(78, 0) NOT NULL DEFAULT 0,
        DROP CONSTRAINT holders_balance
    """,
    """
    ALTER TABLE holders
        ALTER COLUMN frozen DROP DEFAULT,
        ALTER COLUMN locked DROP DEFAULT,
        ALTER COLUMN held DROP DEFAULT,
        ALTER COLUMN cleared DROP DEFAULT,
        ADD COLUMN total numeric(78, 0) NOT NULL
            GENERATED ALWAYS AS (balance + frozen + locked + held + cleared) STORED,
        ADD CONSTRAINT holders_holding CHECK (
            balance >= 0 AND frozen >= 0 AND locked >= 0 AND held >= 0 AND cleared >= 0 AND total > 0
        )
    """,
    # Statistics of a time when each asset had a holder or two would let the planner take any index for a look-up
    # of one holder, and after an import that may be one that leads through all of an asset's.
    "ALTER TABLE holders ALTER COLUMN asset_id SET (n_distinct = 100)",
    "CREATE INDEX holders_by_balance ON holders (asset_id, balance DESC, address)",
    "CREATE INDEX holders_by_total ON holders (asset_id, total DESC, address)",
    """
    CREATE TABLE holder_changes (
        asset_id uuid NOT NULL REFERENCES registers (asset_id),
        change_id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
        address text COLLATE "C" NOT NULL,
        delta numeric(78, 0) NOT NULL,
        restricted_delta numeric(78, 0) NOT NULL,
        balance_after numeric(78, 0) NOT NULL,
        restricted_after numeric(78, 0) NOT NULL,
        block_number bigint NOT NULL,
        create_time timestamptz NOT NULL,
        PRIMARY KEY (asset_id, change_id),
        CONSTRAINT holder_changes_after CHECK (balance_after >= 0 AND restricted_after >= 0),
        CONSTRAINT holder_changes_delta CHECK (delta <> 0 OR restricted_delta <> 0)
    )
    """,
    "CREATE INDEX holder_changes_of_holder ON holder_changes (asset_id, address, change_id)",
    # A holder's changes add up to the balance, also for those whose earlier changes were not kept.
    """
    INSERT INTO holder_changes (
        asset_id, address, delta, restricted_delta, balance_after, restricted_after, block_number, create_time
    )
    SELECT asset_id, address, balance, 0, balance, 0, changed_at_block, update_time
    FROM holders JOIN registers USING (asset_id)
    """,
    """
    CREATE TABLE register_discrepancies (
        discrepancy_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        asset_id uuid NOT NULL REFERENCES registers (asset_id),
        kind text NOT NULL,
        holder text NOT NULL,
        block_number bigint NOT NULL,
        register_value text NOT NULL,
        chain_value text NOT NULL,
        create_time timestamptz NOT NULL,
        refresh_round integer NOT NULL,
        refresh_requested_time timestamptz,
        resolve_time timestamptz,
        CONSTRAINT register_discrepancies_kind CHECK (kind IN ('HOLDING_DIFFERS', 'TOTAL_DIFFERS')),
        CONSTRAINT register_discrepancies_holder CHECK ((kind = 'TOTAL_DIFFERS') = (holder = '')),
        CONSTRAINT register_discrepancies_refresh_round CHECK (refresh_round > 0)
    )
    """,
    "CREATE INDEX register_discrepancies_of_asset ON register_discrepancies (asset_id, discrepancy_id)",
    """
    CREATE UNIQUE INDEX register_discrepancies_one_open
        ON register_discrepancies (asset_id, kind, holder) WHERE resolve_time IS NULL
    """,
    """
    CREATE INDEX register_discrepancies_to_refresh ON register_discrepancies (asset_id)
        WHERE resolve_time IS NULL AND refresh_requested_time IS NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
