"""Adds all kinds of payout, rules per payee, rounds of redemptions, deferred payments."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds to the tables of 0002; what stands in them becomes snapshot payouts without rules."""
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Who was excluded, deferred or paid in which round would be lost, and it is needed to pay nobody twice."""
    raise RuntimeError("0003 cannot be taken back; restore a backup and reconcile the signers instead")
