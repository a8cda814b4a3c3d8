"""Adds requests to pause and unpause a lifecycle contract."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds to the lifecycle contracts of 0003; no request is open."""
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Which requests were carried out would be lost, and an old one could be carried out again."""
    raise RuntimeError("0004 cannot be taken back; restore a backup and reconcile the signers instead")
