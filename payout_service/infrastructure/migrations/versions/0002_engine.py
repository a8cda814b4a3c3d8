"""Adds the payout engine: operators' verbs, retries, no-ops, sweeps, foreign transactions, reconciliation."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds to the tables of 0001; what stands in them stays."""
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """What the engine has recorded since would be lost, and it is needed to pay nobody twice."""
    raise RuntimeError("0002 cannot be taken back; restore a backup and reconcile the signers instead")
