"""Brings a service's schema to the newest version; safe when several replicas start at once."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

# Any number will do as long as the relay's differs; it is scoped to the database, the schema's name is mixed in.
_MIGRATION_LOCK = 7_310_001


async def migrate(engine: AsyncEngine, migrations_folder: Path, schema: str, *, attempts: int = 60) -> None:
    """Runs the migrations in `migrations_folder` in the role's own `schema` under an advisory lock.

    Raises TimeoutError when another replica holds the lock for longer than `attempts` half seconds.
    """
    async with engine.connect() as connection:
        for _ in range(attempts):
            locked = await connection.scalar(
                text("SELECT pg_try_advisory_xact_lock(:key, hashtext(:schema))"),
                {"key": _MIGRATION_LOCK, "schema": schema},
            )
            if locked:
                await connection.run_sync(_upgrade, migrations_folder, schema)
                await connection.commit()
                return
            await connection.rollback()
            await asyncio.sleep(0.5)
    raise TimeoutError(f"another process is migrating schema {schema}")


def _upgrade(connection: Connection, migrations_folder: Path, schema: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")
