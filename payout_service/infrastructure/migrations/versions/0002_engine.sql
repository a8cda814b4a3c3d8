-- Defaults fill the rows that are there already; none is kept.

ALTER TABLE payout
    ADD COLUMN percentage_basis_points INTEGER,
    ADD COLUMN paused_from TEXT,
    ADD COLUMN waiting_count BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN cancelled_count BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN cancelled_base_units NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (cancelled_base_units >= 0),
    ADD COLUMN reconcile_time TIMESTAMP WITH TIME ZONE;

UPDATE payout SET reconcile_time = update_time;

ALTER TABLE payout
    ALTER COLUMN waiting_count DROP DEFAULT,
    ALTER COLUMN cancelled_count DROP DEFAULT,
    ALTER COLUMN cancelled_base_units DROP DEFAULT,
    ALTER COLUMN reconcile_time SET NOT NULL,
    DROP CONSTRAINT payout_state_check,
    ADD CONSTRAINT payout_state_check CHECK (state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','PAUSED','CANCELLING','COMPLETED','INCOMPLETE','CANCELLED','FAILED')),
    DROP CONSTRAINT never_more_than_planned,
    ADD CONSTRAINT never_more_than_planned CHECK (paid_base_units + cancelled_base_units <= COALESCE(payable_base_units, 0)),
    ADD CONSTRAINT percentage_in_range CHECK (percentage_basis_points > 0 AND percentage_basis_points <= 10000),
    ADD CONSTRAINT paused_from_somewhere CHECK ((state = 'PAUSED') = (paused_from IS NOT NULL));

DROP INDEX payout_due;

CREATE INDEX payout_due ON payout (due_time) WHERE state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','PAUSED','CANCELLING');

CREATE INDEX payout_reconciliation ON payout (reconcile_time) WHERE plan_hash IS NOT NULL;

CREATE UNIQUE INDEX payout_of_snapshot ON payout (asset_id, snapshot_id);

ALTER TABLE batch
    DROP CONSTRAINT batch_settled_state_check,
    ADD CONSTRAINT batch_settled_state_check CHECK (settled_state IN ('SETTLED','REVERTED','VOIDED'));

ALTER TABLE payment
    ADD COLUMN detail TEXT NOT NULL DEFAULT '',
    ADD COLUMN retry_time TIMESTAMP WITH TIME ZONE,
    ADD COLUMN batch_cap INTEGER CHECK (batch_cap > 0),
    DROP CONSTRAINT payment_state_check,
    ADD CONSTRAINT payment_state_check CHECK (state IN ('PLANNED','IN_FLIGHT','WAITING','PAID','FAILED','ZERO_DUE','DISPUTED','CANCELLED')),
    ADD CONSTRAINT waiting_until CHECK ((state = 'WAITING') = (retry_time IS NOT NULL));

ALTER TABLE payment ALTER COLUMN detail DROP DEFAULT;

DROP INDEX payment_unbatched;

CREATE INDEX payment_unbatched ON payment (payout_id, batch_cap NULLS FIRST, ordinal) WHERE state = 'PLANNED';

CREATE INDEX payment_waiting ON payment (payout_id, retry_time) WHERE state = 'WAITING';

ALTER TABLE transaction_intent
    ADD COLUMN void_reason TEXT NOT NULL DEFAULT '',
    DROP CONSTRAINT transaction_intent_state_check,
    ADD CONSTRAINT transaction_intent_state_check CHECK (state IN ('CREATED','SIGNED','BROADCAST','UNKNOWN','MINED','SUCCEEDED','REVERTED','VOIDED','NONCE_LOST')),
    DROP CONSTRAINT nonce_once_signed,
    ADD CONSTRAINT nonce_once_signed CHECK ((state = 'CREATED' AND nonce IS NULL) OR state IN ('VOIDED','SUCCEEDED') OR (state <> 'CREATED' AND nonce IS NOT NULL));

ALTER TABLE transaction_intent ALTER COLUMN void_reason DROP DEFAULT;

DROP INDEX transaction_intent_open;

CREATE INDEX transaction_intent_open ON transaction_intent (chain_id, signer, position) WHERE state IN ('CREATED','SIGNED','BROADCAST','UNKNOWN','MINED');

CREATE INDEX transaction_intent_outcome ON transaction_intent (outcome_transaction_hash);

ALTER TABLE transaction_attempt
    ADD COLUMN max_priority_fee_per_gas_wei NUMERIC(78, 0) CHECK (max_priority_fee_per_gas_wei >= 0),
    ADD COLUMN is_no_op BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE transaction_attempt ALTER COLUMN is_no_op DROP DEFAULT;

ALTER TABLE treasury ADD COLUMN settled_block BIGINT NOT NULL DEFAULT 0, ADD COLUMN checked_block BIGINT;

ALTER TABLE treasury ALTER COLUMN settled_block DROP DEFAULT;

-- The key goes first: with it the name of the column's NOT NULL follows the column (PostgreSQL 18 names it).
ALTER TABLE commitment
    DROP CONSTRAINT commitment_payout_id_fkey,
    DROP CONSTRAINT commitment_pkey,
    ALTER COLUMN payout_id DROP NOT NULL;

ALTER TABLE commitment RENAME COLUMN payout_id TO owner_id;

ALTER TABLE commitment ADD PRIMARY KEY (owner_id);

CREATE TABLE foreign_transaction (
    chain_id BIGINT NOT NULL,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    transaction_hash TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    call_to TEXT,
    account TEXT NOT NULL,
    payout_id UUID,
    find_time TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (chain_id, signer, nonce),
    FOREIGN KEY(payout_id) REFERENCES payout (payout_id)
);

CREATE TABLE sweep (
    sweep_id UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    asset_id UUID NOT NULL,
    receiver TEXT NOT NULL,
    amount_base_units NUMERIC(78, 0) NOT NULL CHECK (amount_base_units >= 0),
    state TEXT NOT NULL CONSTRAINT sweep_state_check CHECK (state IN ('SENDING','SUCCEEDED','FAILED')),
    waiting_for TEXT NOT NULL,
    failure_reason TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    update_time TIMESTAMP WITH TIME ZONE NOT NULL,
    due_time TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (sweep_id),
    UNIQUE (position),
    FOREIGN KEY(asset_id) REFERENCES lifecycle_contract (asset_id)
);

CREATE INDEX sweep_due ON sweep (due_time) WHERE state = 'SENDING';

CREATE TABLE discrepancy (
    discrepancy_id UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    asset_id UUID NOT NULL,
    payout_id UUID,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    expected TEXT NOT NULL,
    actual TEXT NOT NULL,
    transaction_hash TEXT NOT NULL,
    find_time TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_time TIMESTAMP WITH TIME ZONE NOT NULL,
    resolve_time TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (discrepancy_id),
    UNIQUE (position),
    FOREIGN KEY(asset_id) REFERENCES lifecycle_contract (asset_id),
    FOREIGN KEY(payout_id) REFERENCES payout (payout_id)
);

CREATE UNIQUE INDEX discrepancy_open ON discrepancy (asset_id, payout_id, kind, subject) NULLS NOT DISTINCT WHERE resolve_time IS NULL;
