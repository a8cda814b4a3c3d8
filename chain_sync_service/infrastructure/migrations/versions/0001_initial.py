from alembic import op

from libs.persistence.shared_schema import SHARED_TABLES_V1

revision = "0001"
down_revision = None

_STATEMENTS = (
    *SHARED_TABLES_V1,
    """
    CREATE TABLE chain (
        is_only_row boolean PRIMARY KEY DEFAULT true,
        chain_id bigint,
        genesis_hash text,
        head_block bigint,
        last_error text NOT NULL DEFAULT '',
        look_time timestamptz,
        CONSTRAINT chain_has_one_row CHECK (is_only_row),
        CONSTRAINT chain_identity_is_whole CHECK ((chain_id IS NULL) = (genesis_hash IS NULL))
    )
    """,
    """
    CREATE TABLE followed_token (
        asset_id uuid PRIMARY KEY,
        token text NOT NULL,
        start_block bigint NOT NULL,
        state text NOT NULL,
        position_block bigint,
        position_hash text,
        announced_block bigint,
        last_sequence bigint NOT NULL,
        window_blocks integer NOT NULL,
        last_error text NOT NULL,
        version bigint NOT NULL,
        due_time timestamptz NOT NULL,
        update_time timestamptz NOT NULL,
        CONSTRAINT followed_token_state CHECK (state IN ('BACKFILLING', 'FOLLOWING')),
        CONSTRAINT followed_token_start CHECK (start_block >= 0),
        CONSTRAINT followed_token_position CHECK (position_block >= 0),
        CONSTRAINT followed_token_position_is_whole CHECK ((position_block IS NULL) = (position_hash IS NULL)),
        CONSTRAINT followed_token_announced CHECK (announced_block <= position_block),
        CONSTRAINT followed_token_sequence CHECK (last_sequence >= 0),
        CONSTRAINT followed_token_window CHECK (window_blocks >= 1)
    )
    """,
    "CREATE INDEX followed_token_due ON followed_token (due_time)",
    """
    CREATE TABLE window_end (
        asset_id uuid NOT NULL REFERENCES followed_token,
        block_number bigint NOT NULL,
        block_hash text NOT NULL,
        PRIMARY KEY (asset_id, block_number)
    )
    """,
    """
    CREATE TABLE transfer_effect (
        asset_id uuid NOT NULL REFERENCES followed_token,
        transaction_hash text NOT NULL,
        log_index bigint NOT NULL,
        block_number bigint NOT NULL,
        sender text NOT NULL,
        receiver text NOT NULL,
        amount numeric(78, 0) NOT NULL,
        PRIMARY KEY (asset_id, transaction_hash, log_index),
        CONSTRAINT transfer_effect_amount CHECK (amount >= 0)
    )
    """,
    "CREATE INDEX transfer_effect_block ON transfer_effect (asset_id, block_number)",
    """
    CREATE TABLE undecodable_log (
        asset_id uuid NOT NULL REFERENCES followed_token,
        transaction_hash text NOT NULL,
        log_index bigint NOT NULL,
        block_number bigint NOT NULL,
        block_hash text NOT NULL,
        topics bytea[] NOT NULL,
        data bytea NOT NULL,
        problem text NOT NULL,
        create_time timestamptz NOT NULL,
        PRIMARY KEY (asset_id, transaction_hash, log_index)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "undecodable_log",
        "transfer_effect",
        "window_end",
        "followed_token",
        "chain",
        "request_log",
        "inbox",
        "outbox",
    ):
        op.execute(f"DROP TABLE {table}")
