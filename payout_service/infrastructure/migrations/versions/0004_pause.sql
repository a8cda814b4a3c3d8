-- Defaults fill the rows that are there already; none is kept.

ALTER TABLE lifecycle_contract
    ADD COLUMN pause_wanted BOOLEAN,
    ADD COLUMN pause_wanted_version BIGINT,
    ADD COLUMN pause_request_version BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN pause_final_block BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN pause_intent_key TEXT NOT NULL DEFAULT '',
    ADD COLUMN pause_problem TEXT NOT NULL DEFAULT '';

ALTER TABLE lifecycle_contract
    ALTER COLUMN pause_request_version DROP DEFAULT,
    ALTER COLUMN pause_final_block DROP DEFAULT,
    ALTER COLUMN pause_intent_key DROP DEFAULT,
    ALTER COLUMN pause_problem DROP DEFAULT,
    ADD CONSTRAINT pause_wanted_with_its_version CHECK ((pause_wanted IS NULL) = (pause_wanted_version IS NULL)),
    ADD CONSTRAINT pause_wanted_is_newer CHECK (pause_wanted_version IS NULL OR pause_wanted_version > pause_request_version),
    ADD CONSTRAINT pause_only_while_wanted CHECK (pause_wanted IS NOT NULL OR (pause_intent_key = '' AND pause_problem = ''));
