"""Adds when disputed payments are looked at again, and what of their money has moved and is no longer promised."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds to the payments of 0004; those in dispute are marked to be looked at again."""
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Payments may have been settled by evidence that the older engine would dispute."""
    raise RuntimeError("0005 cannot be taken back; restore a backup and reconcile the signers instead")
