"""The migrations make what tables.py says, and keep what was stored before them.

Both are made again as temporary tables, of which each connection has its own.
"""

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

import distribution_service.infrastructure
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.states import PayoutState
from distribution_service.infrastructure import tables
from distribution_service.infrastructure.asset_repository import SqlAssetRepository
from distribution_service.infrastructure.rows import all_values, distribution_of
from tests.unit.distribution_service.fakes import (
    START,
    asset,
    progress,
    released,
    released_share,
    report,
)

# Unqualified names mean this connection's temporary tables, until its transaction ends.
_TEMPORARY = text("SET LOCAL search_path TO pg_temp")
_MIGRATIONS = Path(distribution_service.infrastructure.__file__).parent / "migrations"
_REVISIONS = ("0001", "0002", "0003")
_COLUMNS_OF_0002 = {"percentage_basis_points", "waiting_count", "cancelled_count", "cancelled_base_units"}
_COLUMNS_OF_0003 = {
    "kind",
    "action_id",
    "rules",
    "excluded_count",
    "deferred_count",
    "excluded_base_units",
    "withheld_base_units",
    "deferred_base_units",
}


async def test_columns_and_indexes_agree(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_name": _is_ours}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name == "alembic_version")


async def test_constraints_agree(engine: AsyncEngine) -> None:
    def constraints(connection: Connection, schema_oid: str) -> set[tuple[object, ...]]:
        found = connection.execute(
            text(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                f"WHERE connamespace = {schema_oid} AND conrelid::regclass::text <> 'alembic_version'"
            )
        )
        return {tuple(row) for row in found}

    async with engine.connect() as connection:
        migrated = await connection.run_sync(constraints, "current_schema()::regnamespace")
        await connection.execute(_TEMPORARY)
        await connection.run_sync(tables.metadata.create_all)
        assert await connection.run_sync(constraints, "pg_my_temp_schema()") == migrated
    assert {"distributions_total", "distributions_state"} <= {name for _, name, _ in migrated}


@pytest.mark.parametrize(
    ("revision", "later_columns"),
    [("0001", _COLUMNS_OF_0002 | _COLUMNS_OF_0003), ("0002", _COLUMNS_OF_0003)],
)
async def test_distributions_of_earlier_revisions_survive(
    engine: AsyncEngine, revision: str, later_columns: set[str]
) -> None:
    known = asset()
    stored = _totals(known.asset_id) if revision == "0001" else _totals(known.asset_id) + _shares(known.asset_id)
    landed = _REVISIONS.index(revision) + 1

    async with engine.connect() as connection:
        await connection.execute(_TEMPORARY)
        for number in _REVISIONS[:landed]:
            await connection.run_sync(_migrate, number)
        await SqlAssetRepository(connection).keep_if_newer(known)
        for distribution in stored:
            values = all_values(distribution)
            old_values = {name: value for name, value in values.items() if name not in later_columns}
            await connection.execute(insert(tables.distributions).values(old_values))
        for number in _REVISIONS[landed:]:
            await connection.run_sync(_migrate, number)
        rows = (await connection.execute(select(tables.distributions))).all()
    assert {row.distribution_id: distribution_of(row) for row in rows} == {
        distribution.distribution_id: distribution for distribution in stored
    }


def _totals(asset_id: UUID) -> list[Distribution]:
    """Of fixed totals, one of them executing."""
    fresh = replace(released(), asset_id=asset_id, recorded_events=())
    told = report(fresh, 3, PayoutState.EXECUTING, progress(paid=1, paid_base_units=7))
    return [fresh, replace(fresh.apply_payout(told, START), distribution_id=uuid4())]


def _shares(asset_id: UUID) -> list[Distribution]:
    """Of percentages, one of them paused with payments that wait and payments given up."""
    fresh = replace(released_share(), asset_id=asset_id, recorded_events=())
    figures = progress(waiting=1, cancelled=2, cancelled_base_units=5)
    told = report(fresh, 4, PayoutState.PAUSED, figures, total_base_units=9)
    return [fresh, replace(fresh.apply_payout(told, START), distribution_id=uuid4())]


def _migrate(connection: Connection, revision: str) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        ScriptDirectory(str(_MIGRATIONS)).get_revision(revision).module.upgrade()
