-- Defaults fill the rows that are there already; none is kept.

ALTER TABLE payout
    ADD COLUMN kind TEXT NOT NULL DEFAULT 'SNAPSHOT' CONSTRAINT payout_kind_check CHECK (kind IN ('SNAPSHOT','DIVIDEND','COUPON','REDEMPTION')),
    ADD COLUMN action_id NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (action_id >= 0),
    ADD COLUMN rules JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN excluded_balance NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (excluded_balance >= 0),
    ADD COLUMN listed_count BIGINT,
    ADD COLUMN round_number INTEGER NOT NULL DEFAULT 1 CHECK (round_number > 0),
    ADD COLUMN is_listing_stale BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN plan_holder_count BIGINT,
    ADD COLUMN excluded_count BIGINT,
    ADD COLUMN excluded_base_units NUMERIC(78, 0) CHECK (excluded_base_units >= 0),
    ADD COLUMN withheld_base_units NUMERIC(78, 0) CHECK (withheld_base_units >= 0),
    ADD COLUMN plan_deferred_count BIGINT,
    ADD COLUMN plan_deferred_base_units NUMERIC(78, 0) CHECK (plan_deferred_base_units >= 0),
    ADD COLUMN deferred_count BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN deferred_base_units NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (deferred_base_units >= 0);

-- Every holder that was looked at had a row in the plan.
UPDATE payout SET listed_count = planned_count;

UPDATE payout
SET plan_holder_count = holder_count, excluded_count = 0, excluded_base_units = 0, withheld_base_units = 0,
    plan_deferred_count = 0, plan_deferred_base_units = 0
WHERE plan_hash IS NOT NULL;

ALTER TABLE payout
    ALTER COLUMN kind DROP DEFAULT,
    ALTER COLUMN action_id DROP DEFAULT,
    ALTER COLUMN rules DROP DEFAULT,
    ALTER COLUMN excluded_balance DROP DEFAULT,
    ALTER COLUMN listed_count SET NOT NULL,
    ALTER COLUMN round_number DROP DEFAULT,
    ALTER COLUMN is_listing_stale DROP DEFAULT,
    ALTER COLUMN deferred_count DROP DEFAULT,
    ALTER COLUMN deferred_base_units DROP DEFAULT,
    ADD CONSTRAINT listed_count_within_the_list CHECK (listed_count <= holder_count),
    DROP CONSTRAINT payout_check,
    ADD CONSTRAINT planned_count_within_the_list CHECK (kind = 'REDEMPTION' OR planned_count <= holder_count),
    ADD CONSTRAINT only_redemptions_have_rounds CHECK (kind = 'REDEMPTION' OR round_number = 1),
    ADD CONSTRAINT action_of_its_kind CHECK ((kind IN ('DIVIDEND','COUPON')) = (action_id > 0)),
    DROP CONSTRAINT payout_state_check,
    ADD CONSTRAINT payout_state_check CHECK (state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','PAUSED','CANCELLING','COMPLETED','INCOMPLETE','DEFERRED','CANCELLED','FAILED')),
    DROP CONSTRAINT plan_makes_the_total,
    ADD CONSTRAINT plan_makes_the_total CHECK (plan_hash IS NULL OR (payable_base_units + rounding_dust_base_units + frozen_share_base_units + excluded_base_units + withheld_base_units = total_base_units) IS TRUE),
    DROP CONSTRAINT never_more_than_planned,
    ADD CONSTRAINT never_more_than_planned CHECK (paid_base_units + cancelled_base_units + deferred_base_units <= COALESCE(payable_base_units, 0));

DROP INDEX payout_due;

CREATE INDEX payout_due ON payout (due_time) WHERE state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','DEFERRED','PAUSED','CANCELLING');

DROP INDEX payout_of_snapshot;

CREATE UNIQUE INDEX payout_of_snapshot ON payout (asset_id, snapshot_id) WHERE kind = 'SNAPSHOT';

CREATE INDEX payout_of_action ON payout (asset_id, kind, action_id);

ALTER TABLE payment
    ADD COLUMN round_number INTEGER NOT NULL DEFAULT 1 CHECK (round_number > 0),
    ADD COLUMN withheld_base_units NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (withheld_base_units >= 0),
    ADD COLUMN excluded_base_units NUMERIC(78, 0) NOT NULL DEFAULT 0 CHECK (excluded_base_units >= 0),
    ADD COLUMN withholding_basis_points INTEGER NOT NULL DEFAULT 0 CHECK (withholding_basis_points >= 0 AND withholding_basis_points <= 10000),
    ADD COLUMN treatment TEXT NOT NULL DEFAULT 'PAY' CONSTRAINT payment_treatment_check CHECK (treatment IN ('PAY','EXCLUDE','DEFER'));

ALTER TABLE payment
    ALTER COLUMN round_number DROP DEFAULT,
    ALTER COLUMN withheld_base_units DROP DEFAULT,
    ALTER COLUMN excluded_base_units DROP DEFAULT,
    ALTER COLUMN withholding_basis_points DROP DEFAULT,
    ALTER COLUMN treatment DROP DEFAULT,
    DROP CONSTRAINT payment_state_check,
    ADD CONSTRAINT payment_state_check CHECK (state IN ('PLANNED','IN_FLIGHT','WAITING','PAID','FAILED','ZERO_DUE','DISPUTED','CANCELLED','EXCLUDED','DEFERRED')),
    ADD CONSTRAINT excluded_for_ever CHECK ((state = 'EXCLUDED') = (treatment = 'EXCLUDE')),
    ADD CONSTRAINT deferred_by_the_rules CHECK (state <> 'DEFERRED' OR treatment = 'DEFER'),
    ADD CONSTRAINT paid_or_excluded CHECK (CASE WHEN treatment = 'EXCLUDE' THEN amount_base_units + withheld_base_units = 0 ELSE excluded_base_units = 0 END),
    DROP CONSTRAINT payment_payout_id_holder_key,
    ADD UNIQUE (payout_id, holder, round_number);

DROP INDEX payment_unbatched;

CREATE INDEX payment_unbatched ON payment (payout_id, batch_cap NULLS FIRST, withholding_basis_points, ordinal) WHERE state = 'PLANNED';

CREATE INDEX payment_deferred ON payment (payout_id, holder) INCLUDE (amount_base_units, ordinal) WHERE state = 'DEFERRED';
