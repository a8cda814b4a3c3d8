"""Body of each service's migrations/env.py: runs inside the transaction that libs.persistence.migrate opened."""

from alembic import context


def run() -> None:
    """Runs the migrations on the connection that was handed over, with the version table in the own schema."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        version_table_schema=context.config.attributes["schema"],
        transactional_ddl=False,
    )
    context.run_migrations()
