"""The migrations make what tables.py says, and keep what was stored before them.

Both are made again as temporary tables, of which each connection has its own.
"""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    Insert,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    column,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

import distribution_service.infrastructure
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payout_report import Progress
from distribution_service.domain.states import DistributionState, PayoutState
from distribution_service.infrastructure import tables
from distribution_service.infrastructure.asset_repository import SqlAssetRepository
from distribution_service.infrastructure.rows import all_values, distribution_of
from libs.payout_terms.terms import Dividend
from libs.persistence.columns import BaseUnitsType
from tests.unit.distribution_service.fakes import (
    START,
    asset,
    progress,
    released,
    released_on,
    released_share,
    report,
)

# Unqualified names mean this connection's temporary tables, until its transaction ends.
_TEMPORARY = text("SET LOCAL search_path TO pg_temp")
_MIGRATIONS = Path(distribution_service.infrastructure.__file__).parent / "migrations"
# What revisions made to distributions that the tests below insert into.
_COLUMNS_OF_0001: dict[str, Any] = {
    "distribution_id": Uuid(),
    "version": BigInteger(),
    "asset_id": Uuid(),
    "total_base_units": BaseUnitsType(),
    "payment_token": Text(),
    "payment_token_symbol": Text(),
    "payment_token_decimals": SmallInteger(),
    "allow_unfunded": Boolean(),
    "state": Text(),
    "payout_version": BigInteger(),
    "waiting_for": Text(),
    "failure_reason": Text(),
    "create_time": DateTime(timezone=True),
    "update_time": DateTime(timezone=True),
    "holder_count": BigInteger(),
    "paid_count": BigInteger(),
    "failed_count": BigInteger(),
    "zero_due_count": BigInteger(),
    "paid_base_units": BaseUnitsType(),
    "batch_count": Integer(),
    "final_batch_count": Integer(),
}
_COLUMNS_OF_0002 = _COLUMNS_OF_0001 | {
    "percentage_basis_points": SmallInteger(),
    "waiting_count": BigInteger(),
    "cancelled_count": BigInteger(),
    "cancelled_base_units": BaseUnitsType(),
}
_COLUMNS_OF_0003 = _COLUMNS_OF_0002 | {
    "kind": Text(),
    "action_id": BigInteger(),
    "rules": JSONB(),
    "excluded_count": BigInteger(),
    "deferred_count": BigInteger(),
    "excluded_base_units": BaseUnitsType(),
    "withheld_base_units": BaseUnitsType(),
    "deferred_base_units": BaseUnitsType(),
}
_COLUMNS_BY_REVISION = {"0001": _COLUMNS_OF_0001, "0002": _COLUMNS_OF_0002, "0003": _COLUMNS_OF_0003, "0004": {}}
_REVISIONS = tuple(_COLUMNS_BY_REVISION)


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


@pytest.mark.parametrize("revision", _REVISIONS[:-1])
async def test_distributions_of_earlier_revisions_survive(engine: AsyncEngine, revision: str) -> None:
    known = asset()
    made = {"0001": _totals, "0002": _shares, "0003": _actions}
    stored = [each for name, make in made.items() if name <= revision for each in make(known.asset_id)]
    landed = _REVISIONS.index(revision) + 1

    async with engine.connect() as connection:
        await connection.execute(_TEMPORARY)
        for number in _REVISIONS[:landed]:
            await connection.run_sync(_migrate, number)
        await SqlAssetRepository(connection).keep_if_newer(known)
        for distribution in stored:
            await connection.execute(_insert_into(revision, distribution))
        for number in _REVISIONS[landed:]:
            await connection.run_sync(_migrate, number)
        rows = (await connection.execute(select(tables.distributions))).all()
    assert {row.distribution_id: distribution_of(row) for row in rows} == {
        distribution.distribution_id: distribution for distribution in stored
    }


def _insert_into(revision: str, distribution: Distribution) -> Insert:
    """The row as it was: each figure of the progress in a column of its own."""
    columns = _COLUMNS_BY_REVISION[revision]
    figures = dict.fromkeys((each.name for each in fields(Progress)), None)
    values = figures | all_values(distribution) | (asdict(distribution.progress) if distribution.progress else {})
    old = table("distributions", *(column(name, kind) for name, kind in columns.items()))
    return insert(old).values({name: values[name] for name in columns})


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


def _actions(asset_id: UUID) -> list[Distribution]:
    """Of dividends, one of them deferred, with figures that all differ and amounts beyond any float."""
    fresh = replace(released_on(Dividend(3)), asset_id=asset_id, recorded_events=())
    names = [each.name for each in fields(Progress) if each.name in _COLUMNS_OF_0003]
    figures = Progress(
        **{name: 2**200 + n if name.endswith("_base_units") else n for n, name in enumerate(names, 1)}
    )
    deferred = replace(
        fresh,
        distribution_id=uuid4(),
        version=5,
        payout_version=9,
        state=DistributionState.DEFERRED,
        total_base_units=2**203,
        progress=figures,
    )
    return [fresh, deferred]


def _migrate(connection: Connection, revision: str) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        ScriptDirectory(str(_MIGRATIONS)).get_revision(revision).module.upgrade()
