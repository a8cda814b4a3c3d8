CREATE TABLE lifecycle_contract (
    asset_id UUID NOT NULL,
    chain_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    payment_token TEXT NOT NULL,
    payment_token_symbol TEXT NOT NULL,
    payment_token_decimals INTEGER NOT NULL,
    address TEXT,
    state TEXT NOT NULL CHECK (state IN ('DEPLOYING','NOT_READY','READY','FAILED')),
    version BIGINT NOT NULL,
    readiness JSONB NOT NULL,
    created JSONB NOT NULL,
    failure_reason TEXT NOT NULL,
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    update_time TIMESTAMP WITH TIME ZONE NOT NULL,
    due_time TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (asset_id)
);

CREATE TABLE nonce_lane (
    chain_id BIGINT NOT NULL,
    signer TEXT NOT NULL,
    genesis_hash TEXT NOT NULL,
    next_nonce BIGINT NOT NULL,
    halted_because TEXT NOT NULL,
    PRIMARY KEY (chain_id, signer)
);

CREATE TABLE transaction_intent (
    intent_id UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    key TEXT NOT NULL,
    purpose TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    chain_id BIGINT NOT NULL,
    signer TEXT NOT NULL,
    call_to TEXT,
    call_data BYTEA NOT NULL,
    gas_limit BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('CREATED','SIGNED','BROADCAST','MINED','SUCCEEDED','REVERTED','NONCE_LOST')),
    nonce BIGINT,
    problem TEXT NOT NULL,
    outcome_transaction_hash TEXT,
    outcome_block_number BIGINT,
    outcome_block_hash TEXT,
    outcome_gas_used BIGINT,
    outcome_created_contract TEXT,
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (intent_id),
    UNIQUE (chain_id, signer, nonce),
    CONSTRAINT nonce_once_signed CHECK ((state = 'CREATED') = (nonce IS NULL)),
    UNIQUE (position),
    UNIQUE (key)
);

CREATE INDEX transaction_intent_open ON transaction_intent (chain_id, signer, position) WHERE state IN ('CREATED','SIGNED','BROADCAST','MINED');

CREATE TABLE treasury (
    chain_id BIGINT NOT NULL,
    lifecycle_contract TEXT NOT NULL,
    payment_token TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (chain_id, lifecycle_contract, payment_token)
);

CREATE TABLE payout (
    payout_id UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    asset_id UUID NOT NULL,
    total_base_units NUMERIC(78, 0) NOT NULL CHECK (total_base_units >= 0),
    state TEXT NOT NULL CHECK (state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','COMPLETED','INCOMPLETE','FAILED')),
    version BIGINT NOT NULL,
    snapshot_id NUMERIC(78, 0) CHECK (snapshot_id >= 0),
    snapshot_block_number BIGINT,
    snapshot_block_hash TEXT,
    holder_count BIGINT NOT NULL,
    total_supply NUMERIC(78, 0) NOT NULL CHECK (total_supply >= 0),
    planned_count BIGINT NOT NULL CHECK (planned_count <= holder_count),
    zero_due_count BIGINT,
    payable_base_units NUMERIC(78, 0) CHECK (payable_base_units >= 0),
    rounding_dust_base_units NUMERIC(78, 0) CHECK (rounding_dust_base_units >= 0),
    frozen_share_base_units NUMERIC(78, 0) CHECK (frozen_share_base_units >= 0),
    plan_hash TEXT,
    implementation TEXT,
    paid_count BIGINT NOT NULL,
    failed_count BIGINT NOT NULL,
    paid_base_units NUMERIC(78, 0) NOT NULL CHECK (paid_base_units >= 0),
    batch_count INTEGER NOT NULL,
    final_batch_count INTEGER NOT NULL,
    waiting_for TEXT NOT NULL,
    failure_reason TEXT NOT NULL,
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    update_time TIMESTAMP WITH TIME ZONE NOT NULL,
    due_time TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (payout_id),
    CONSTRAINT plan_makes_the_total CHECK (plan_hash IS NULL OR (payable_base_units + rounding_dust_base_units + frozen_share_base_units = total_base_units) IS TRUE),
    CONSTRAINT never_more_than_planned CHECK (paid_base_units <= COALESCE(payable_base_units, 0)),
    UNIQUE (position),
    FOREIGN KEY(asset_id) REFERENCES lifecycle_contract (asset_id)
);

CREATE INDEX payout_due ON payout (due_time) WHERE state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING');

CREATE TABLE transaction_attempt (
    intent_id UUID NOT NULL,
    number INTEGER NOT NULL,
    raw BYTEA NOT NULL,
    transaction_hash TEXT NOT NULL,
    max_fee_per_gas_wei NUMERIC(78, 0) NOT NULL CHECK (max_fee_per_gas_wei >= 0),
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    last_broadcast_time TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (intent_id, number),
    FOREIGN KEY(intent_id) REFERENCES transaction_intent (intent_id),
    UNIQUE (transaction_hash)
);

CREATE TABLE batch (
    payout_id UUID NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    holder_count INTEGER NOT NULL,
    amount_base_units NUMERIC(78, 0) NOT NULL CHECK (amount_base_units >= 0),
    intent_key TEXT NOT NULL,
    settled_state TEXT CHECK (settled_state IN ('SETTLED','REVERTED')),
    create_time TIMESTAMP WITH TIME ZONE NOT NULL,
    update_time TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (payout_id, number),
    FOREIGN KEY(payout_id) REFERENCES payout (payout_id),
    UNIQUE (intent_key),
    FOREIGN KEY(intent_key) REFERENCES transaction_intent (key) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE commitment (
    payout_id UUID NOT NULL,
    chain_id BIGINT NOT NULL,
    lifecycle_contract TEXT NOT NULL,
    payment_token TEXT NOT NULL,
    amount_base_units NUMERIC(78, 0) NOT NULL CHECK (amount_base_units >= 0),
    PRIMARY KEY (payout_id),
    FOREIGN KEY(chain_id, lifecycle_contract, payment_token) REFERENCES treasury (chain_id, lifecycle_contract, payment_token),
    FOREIGN KEY(payout_id) REFERENCES payout (payout_id)
);

CREATE INDEX commitment_of_treasury ON commitment (chain_id, lifecycle_contract, payment_token);

CREATE TABLE payment (
    payout_id UUID NOT NULL,
    ordinal BIGINT NOT NULL,
    holder TEXT NOT NULL,
    balance NUMERIC(78, 0) NOT NULL CHECK (balance >= 0),
    amount_base_units NUMERIC(78, 0) NOT NULL CHECK (amount_base_units >= 0),
    state TEXT NOT NULL CHECK (state IN ('PLANNED','IN_FLIGHT','PAID','FAILED','ZERO_DUE','DISPUTED')),
    reason TEXT NOT NULL,
    batch_number INTEGER,
    tries INTEGER NOT NULL,
    transaction_hash TEXT NOT NULL,
    update_time TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (payout_id, ordinal),
    UNIQUE (payout_id, holder),
    FOREIGN KEY(payout_id, batch_number) REFERENCES batch (payout_id, number),
    FOREIGN KEY(payout_id) REFERENCES payout (payout_id)
);

CREATE INDEX payment_of_batch ON payment (payout_id, batch_number);

CREATE INDEX payment_unbatched ON payment (payout_id, ordinal) WHERE state = 'PLANNED';
