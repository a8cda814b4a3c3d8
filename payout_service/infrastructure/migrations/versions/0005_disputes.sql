-- What a disputed payment has moved is not known of the rows that are there: 0 until they are looked at again.

ALTER TABLE payment
    ADD COLUMN moved_base_units NUMERIC(78, 0) NOT NULL DEFAULT 0,
    ADD CONSTRAINT moved_within_the_amount CHECK (moved_base_units >= 0 AND moved_base_units <= amount_base_units),
    ADD CONSTRAINT moved_only_while_disputed CHECK (state = 'DISPUTED' OR moved_base_units = 0);

-- As many rounds as before, until an operator allows more.
ALTER TABLE payout ADD COLUMN round_limit INTEGER NOT NULL DEFAULT 16;

CREATE INDEX payment_disputed ON payment (payout_id, ordinal) WHERE state = 'DISPUTED';

-- Reconciliation looks at them next, whenever it has looked at them last.
UPDATE payout SET reconcile_time = now()
    WHERE plan_hash IS NOT NULL AND payout_id IN (SELECT payout_id FROM payment WHERE state = 'DISPUTED');
