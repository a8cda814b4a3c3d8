from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    CREATE TABLE listener (
        asset_id uuid PRIMARY KEY,
        token text NOT NULL,
        lifecycle_contract text,
        payment_token text,
        start_block bigint NOT NULL,
        holder_source text NOT NULL,
        state text NOT NULL,
        is_stopped boolean NOT NULL,
        position_block bigint,
        position_hash text,
        position_time timestamptz,
        announced_block bigint,
        is_range_open boolean NOT NULL,
        last_sequence bigint NOT NULL,
        fact_sequence bigint NOT NULL,
        total numeric(78, 0) NOT NULL,
        supply_gap numeric(78, 0) NOT NULL,
        doubt text NOT NULL,
        listing_next_page integer NOT NULL,
        listing_listed_count bigint NOT NULL,
        listing_holder_count bigint NOT NULL,
        replay_until bigint,
        window_blocks integer NOT NULL,
        last_error text NOT NULL,
        asset_version bigint NOT NULL,
        version bigint NOT NULL,
        due_time timestamptz NOT NULL,
        update_time timestamptz NOT NULL,
        CONSTRAINT listener_state CHECK (state IN ('LISTING', 'BACKFILLING', 'READING', 'FOLLOWING')),
        CONSTRAINT listener_holder_source CHECK (holder_source IN ('LOGS', 'LIST')),
        CONSTRAINT listener_doubt CHECK (doubt IN ('NONE', 'EVERYBODY_READ', 'LISTED_AGAIN')),
        CONSTRAINT listener_start CHECK (start_block >= 0),
        CONSTRAINT listener_position CHECK (position_block >= 0),
        CONSTRAINT listener_position_is_whole CHECK ((position_block IS NULL) = (position_hash IS NULL)),
        CONSTRAINT listener_sequences CHECK (last_sequence >= 0 AND fact_sequence >= 0),
        CONSTRAINT listener_window CHECK (window_blocks >= 1),
        CONSTRAINT listener_total CHECK (total >= 0)
    )
    """,
    "CREATE INDEX listener_due ON listener (due_time) WHERE NOT is_stopped",
    """
    CREATE TABLE holding (
        asset_id uuid NOT NULL REFERENCES listener,
        holder text COLLATE "C" NOT NULL,
        balance numeric(78, 0) NOT NULL,
        frozen numeric(78, 0) NOT NULL,
        locked numeric(78, 0) NOT NULL,
        held numeric(78, 0) NOT NULL,
        cleared numeric(78, 0) NOT NULL,
        stale smallint NOT NULL,
        must_tell boolean NOT NULL,
        as_of_block bigint NOT NULL,
        PRIMARY KEY (asset_id, holder),
        CONSTRAINT holding_amounts CHECK (
            balance >= 0 AND frozen >= 0 AND locked >= 0 AND held >= 0 AND cleared >= 0
        ),
        CONSTRAINT holding_stale CHECK (stale BETWEEN 0 AND 2)
    )
    """,
    "CREATE INDEX holding_stale ON holding (asset_id, holder) WHERE stale > 0",
    """
    CREATE TABLE fact (
        asset_id uuid NOT NULL REFERENCES listener,
        kind text NOT NULL,
        transaction_hash text NOT NULL,
        log_index bigint NOT NULL,
        place bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        contract text NOT NULL,
        block_number bigint NOT NULL,
        block_hash text NOT NULL,
        block_time timestamptz NOT NULL,
        topics bytea[] NOT NULL,
        data bytea NOT NULL,
        details jsonb NOT NULL,
        problem text NOT NULL,
        sequence bigint NOT NULL,
        create_time timestamptz NOT NULL,
        PRIMARY KEY (asset_id, kind, transaction_hash, log_index),
        CONSTRAINT fact_kind CHECK (kind IN (
            'PAYMENT_TOKEN_DEPOSITED', 'CORPORATE_ACTION_ANNOUNCED', 'CORPORATE_ACTION_CANCELLED',
            'CORPORATE_ACTION_RATE_SET', 'SNAPSHOT_TAKEN', 'PAUSE_CHANGED', 'PAYOUT_EXECUTED',
            'HOLDER_RESTRICTION_CHANGED', 'BALANCES_ADJUSTED', 'UNKNOWN'
        )),
        CONSTRAINT fact_sequence CHECK (sequence >= 0)
    )
    """,
    "CREATE INDEX fact_block ON fact (asset_id, block_number, place)",
    """
    CREATE TABLE pending_rate (
        asset_id uuid NOT NULL,
        kind text NOT NULL,
        transaction_hash text NOT NULL,
        log_index bigint NOT NULL,
        ask_time timestamptz NOT NULL,
        delay_seconds integer NOT NULL,
        PRIMARY KEY (asset_id, transaction_hash, log_index),
        FOREIGN KEY (asset_id, kind, transaction_hash, log_index)
            REFERENCES fact (asset_id, kind, transaction_hash, log_index) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX pending_rate_ask ON pending_rate (ask_time)",
    # What was followed goes on from its position. Which contracts belong to it, asset_service tells with its next
    # event of the asset, or an operator (UpsertListener).
    """
    INSERT INTO listener
    SELECT asset_id, token, NULL, NULL, start_block, 'LOGS', state, false, position_block, position_hash, NULL,
           announced_block, true, last_sequence, 0,
           0,
           0, 'NONE', 0, 0, 0, NULL, window_blocks, last_error, 0, version, due_time, update_time
    FROM followed_token
    """,
    # Folded transfers are what the world was told. They may be wrong (locks, adjustments, a start block behind the
    # first issue), even below zero: all are read again, and told again.
    """
    INSERT INTO holding
    SELECT asset_id, holder, greatest(sum(delta), 0), 0, 0, 0, 0, 2, true, max(block_number)
    FROM (
        SELECT asset_id, sender AS holder, -amount AS delta, block_number FROM transfer_effect
        UNION ALL
        SELECT asset_id, receiver, amount, block_number FROM transfer_effect
    ) AS moved
    WHERE holder <> '0x0000000000000000000000000000000000000000'
    GROUP BY asset_id, holder
    """,
    """
    UPDATE listener SET total = sums.total
    FROM (SELECT asset_id, sum(balance) AS total FROM holding GROUP BY asset_id) AS sums
    WHERE sums.asset_id = listener.asset_id
    """,
    """
    INSERT INTO fact (asset_id, kind, transaction_hash, log_index, contract, block_number, block_hash, block_time,
                      topics, data, details, problem, sequence, create_time)
    SELECT log.asset_id, 'UNKNOWN', log.transaction_hash, log.log_index, listener.token, log.block_number,
           log.block_hash, log.create_time, log.topics, log.data, '{}', log.problem, 0, log.create_time
    FROM undecodable_log AS log JOIN listener USING (asset_id)
    """,
    "ALTER TABLE window_end DROP CONSTRAINT window_end_asset_id_fkey",
    "ALTER TABLE window_end ADD FOREIGN KEY (asset_id) REFERENCES listener",
    "DROP TABLE undecodable_log",
    "DROP TABLE transfer_effect",
    "DROP TABLE followed_token",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("what listeners have seen cannot be told in the tables of before")
