from alembic import op

from libs.persistence.shared_schema import SHARED_TABLES_V1

revision = "0001"
down_revision = None

_STATEMENTS = (
    *SHARED_TABLES_V1,
    """
    CREATE TABLE assets (
        asset_id uuid PRIMARY KEY,
        list_position bigint GENERATED ALWAYS AS IDENTITY NOT NULL UNIQUE,
        chain_id bigint NOT NULL,
        token text NOT NULL,
        display_name text NOT NULL,
        symbol text NOT NULL,
        isin text NOT NULL,
        decimals integer NOT NULL,
        security_type text NOT NULL,
        payment_token text NOT NULL,
        payment_token_symbol text NOT NULL,
        payment_token_decimals integer NOT NULL,
        lifecycle_contract text,
        lifecycle_origin text NOT NULL,
        lifecycle_version bigint NOT NULL,
        readiness jsonb NOT NULL,
        state text NOT NULL,
        failure_reason text NOT NULL,
        version bigint NOT NULL,
        create_time timestamptz NOT NULL,
        update_time timestamptz NOT NULL,
        CONSTRAINT assets_chain_id CHECK (chain_id > 0),
        CONSTRAINT assets_tokens CHECK (token ~ '^0x[0-9a-f]{40}$' AND payment_token ~ '^0x[0-9a-f]{40}$'),
        CONSTRAINT assets_lifecycle_contract CHECK (lifecycle_contract ~ '^0x[0-9a-f]{40}$'),
        CONSTRAINT assets_decimals
            CHECK (decimals BETWEEN 0 AND 255 AND payment_token_decimals BETWEEN 0 AND 255),
        CONSTRAINT assets_security_type CHECK (security_type IN ('EQUITY', 'BOND')),
        CONSTRAINT assets_lifecycle_origin CHECK (lifecycle_origin IN ('DEPLOYED', 'ATTACHED')),
        CONSTRAINT assets_state CHECK (state IN ('IMPORTING', 'ACTIVE', 'FAILED')),
        CONSTRAINT assets_active_has_contract CHECK (state <> 'ACTIVE' OR lifecycle_contract IS NOT NULL),
        CONSTRAINT assets_failure_reason CHECK ((state = 'FAILED') = (failure_reason <> '')),
        CONSTRAINT assets_versions CHECK (version > 0 AND lifecycle_version >= 0)
    )
    """,
    """
    CREATE UNIQUE INDEX assets_one_import_per_token ON assets (chain_id, token) WHERE state <> 'FAILED'
    """,
    """
    CREATE UNIQUE INDEX assets_one_per_lifecycle_contract
        ON assets (chain_id, lifecycle_contract) WHERE state <> 'FAILED'
    """,
    """
    CREATE TABLE registers (
        asset_id uuid PRIMARY KEY REFERENCES assets (asset_id),
        last_sequence bigint NOT NULL,
        block_number bigint,
        block_hash text,
        holder_count bigint NOT NULL,
        total_balance numeric(78, 0) NOT NULL,
        update_time timestamptz NOT NULL,
        CONSTRAINT registers_last_sequence CHECK (last_sequence >= 0),
        CONSTRAINT registers_position CHECK (
            (block_number IS NULL) = (block_hash IS NULL) AND block_number >= 0
            AND block_hash ~ '^0x[0-9a-f]{64}$'
        ),
        CONSTRAINT registers_totals CHECK (
            holder_count >= 0 AND total_balance >= 0 AND (holder_count = 0) = (total_balance = 0)
        )
    )
    """,
    """
    CREATE TABLE holders (
        asset_id uuid NOT NULL REFERENCES registers (asset_id),
        address text COLLATE "C" NOT NULL,
        balance numeric(78, 0) NOT NULL,
        changed_at_block bigint NOT NULL,
        PRIMARY KEY (asset_id, address),
        CONSTRAINT holders_address CHECK (address ~ '^0x[0-9a-f]{40}$'),
        CONSTRAINT holders_balance CHECK (balance > 0),
        CONSTRAINT holders_changed_at_block CHECK (changed_at_block >= 0)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
