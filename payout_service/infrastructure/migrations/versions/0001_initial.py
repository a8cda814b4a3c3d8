"""Creates the first schema."""

from pathlib import Path

from alembic import op

from libs.persistence.shared_schema import SHARED_TABLES_V1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes all tables."""
    own = Path(__file__).with_suffix(".sql").read_text().split(";\n")
    for statement in (*SHARED_TABLES_V1, *own):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """There is nothing before."""
    raise RuntimeError("the first schema cannot be taken back")
