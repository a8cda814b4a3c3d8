"""A schema with the newest version is left alone; any other is brought to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.services import PAYOUT
from libs.persistence import migrate as module
from libs.persistence.engine import create_engine
from libs.persistence.migrate import migrate, newest_versions
from tests.integration.libs.conftest import Parts
from tests.support.changed import REPOSITORY

_FOLDER = REPOSITORY / "payout_service" / "infrastructure" / "migrations"


@pytest_asyncio.fixture
async def empty(parts: Parts) -> AsyncIterator[AsyncEngine]:
    made = create_engine(parts.settings(), "tests")
    await _drop_all(made)
    yield made
    await _drop_all(made)
    await made.dispose()


async def _drop_all(engine: AsyncEngine) -> None:
    """Other tests of the folder have their tables in the same schema, and make them anew."""
    async with engine.begin() as connection:
        rows = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"), {"schema": PAYOUT.schema}
        )
        for (name,) in rows.all():
            await connection.execute(text(f'DROP TABLE "{PAYOUT.schema}"."{name}" CASCADE'))


async def test_what_is_at_the_newest_version_is_left_alone(
    empty: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrades: list[Path] = []
    upgrade = module._upgrade

    def counted(connection: object, folder: Path, schema: str) -> None:
        upgrades.append(folder)
        upgrade(connection, folder, schema)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_upgrade", counted)
    for _ in range(2):
        await migrate(empty, _FOLDER, PAYOUT.schema)
        assert upgrades == [_FOLDER]
    async with empty.begin() as connection:
        found = await connection.scalar(text(f'SELECT version_num FROM "{PAYOUT.schema}".alembic_version'))
        assert {found} == newest_versions(_FOLDER)
        # Another version than the newest is no reason to do nothing.
        await connection.execute(text(f"UPDATE \"{PAYOUT.schema}\".alembic_version SET version_num = 'unknown'"))
    with pytest.raises(Exception, match="unknown"):
        await migrate(empty, _FOLDER, PAYOUT.schema)
    assert upgrades == [_FOLDER, _FOLDER]
