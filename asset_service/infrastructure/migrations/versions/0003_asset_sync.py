"""Adds the token data that is read repeatedly, and whether the asset is followed and its contract is paused."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    # Existing assets are followed; nobody has asked to pause one; what their tokens tell is not known until they
    # are described again, and whether their contracts are paused not until payout_service's next report.
    """
    ALTER TABLE assets
        ADD COLUMN token_hedera_id text NOT NULL DEFAULT '',
        ADD COLUMN total_supply numeric(78, 0),
        ADD COLUMN token_paused boolean NOT NULL DEFAULT false,
        ADD COLUMN payment_token_hedera_id text NOT NULL DEFAULT '',
        ADD COLUMN sync_state text NOT NULL DEFAULT 'ENABLED',
        ADD COLUMN sync_time timestamptz,
        ADD COLUMN pause_state text NOT NULL DEFAULT 'UNPAUSED',
        ADD COLUMN pause_request bigint,
        ADD COLUMN pause_problem text NOT NULL DEFAULT '',
        ADD COLUMN pause_seen_sequence bigint NOT NULL DEFAULT 0,
        ADD COLUMN reported_paused boolean NOT NULL DEFAULT false
    """,
    """
    ALTER TABLE assets
        ALTER COLUMN token_hedera_id DROP DEFAULT,
        ALTER COLUMN token_paused DROP DEFAULT,
        ALTER COLUMN payment_token_hedera_id DROP DEFAULT,
        ALTER COLUMN sync_state DROP DEFAULT,
        ALTER COLUMN pause_state DROP DEFAULT,
        ALTER COLUMN pause_problem DROP DEFAULT,
        ALTER COLUMN pause_seen_sequence DROP DEFAULT,
        ALTER COLUMN reported_paused DROP DEFAULT,
        ADD CONSTRAINT assets_total_supply CHECK (total_supply >= 0),
        ADD CONSTRAINT assets_sync_state CHECK (sync_state IN ('ENABLED', 'DISABLED')),
        ADD CONSTRAINT assets_pause_state CHECK (pause_state IN ('UNPAUSED', 'PAUSING', 'PAUSED', 'UNPAUSING')),
        ADD CONSTRAINT assets_pause_request CHECK (
            (pause_state IN ('PAUSING', 'UNPAUSING')) = (pause_request IS NOT NULL) AND pause_request <= version
            AND pause_seen_sequence >= 0
        )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
