"""Brings a service's schema to the newest version; safe when several replicas start at once."""

import asyncio
import re
from pathlib import Path

from sqlalchemy import Connection, column, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# Any number will do as long as the relay's differs; it is scoped to the database, the schema's name is mixed in.
_MIGRATION_LOCK = 7_310_001
_REVISION = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)


async def migrate(engine: AsyncEngine, migrations_folder: Path, schema: str, *, attempts: int = 60) -> None:
    """Runs the migrations in `migrations_folder` in the role's own `schema`, under an advisory lock.

    A schema that has the newest version already is left alone. Raises TimeoutError when another replica holds
    the lock for longer than `attempts` half seconds.
    """
    async with engine.connect() as connection:
        if await _version(connection, schema) in newest_versions(migrations_folder):
            return
        await connection.rollback()
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


def newest_versions(migrations_folder: Path) -> set[str]:
    """Returns the versions on which no other builds: one, unless two branches were merged."""
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for file in (migrations_folder / "versions").glob("*.py"):
        for kind, version in _REVISION.findall(file.read_text(encoding="utf-8")):
            found[kind].add(version)
    return found["revision"] - found["down_revision"]


async def _version(connection: AsyncConnection, schema: str) -> str | None:
    """Returns the schema's version; None for an empty schema."""
    name = "alembic_version"
    if await connection.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{schema}".{name}'}) is None:
        return None
    versions = table(name, column("version_num"), schema=schema)
    found: str | None = await connection.scalar(select(versions.c.version_num))
    return found


def _upgrade(connection: Connection, migrations_folder: Path, schema: str) -> None:
    # Imported here: a service whose schema is up to date never needs it, and it takes a seventh of a start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")
