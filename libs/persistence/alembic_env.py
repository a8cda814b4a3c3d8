"""The body of each service's migrations/env.py.

It runs inside the transaction that libs.persistence.migrate opened.
"""

from alembic import context


def run() -> None:
    """Runs the migrations on the connection that was handed over.

    The version table is in the service's own schema.
    """
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        version_table_schema=context.config.attributes["schema"],
        transactional_ddl=False,
    )
    context.run_migrations()
