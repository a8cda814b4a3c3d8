"""The migrations make what tables.py says, and the database itself refuses wrong books."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import payout_service
from payout_service.infrastructure import tables
from tests.integration.asset_service.test_schema import QUESTIONS
from tests.integration.payout_service.conftest import SCHEMA, Database
from tests.integration.payout_service.rows import frozen_payout, postgres

SCRATCH = "payout_from_tables"


@pytest_asyncio.fixture
async def admin(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(_admin_url(database))
    yield connection
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCRATCH} CASCADE")
    await connection.close()


def _admin_url(database: Database) -> str:
    return f"{database.admin_url.rpartition('/')[0]}/{database.url.rpartition('/')[2]}"


async def test_migrations_and_tables_agree(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database, engine: AsyncEngine
) -> None:
    await admin.execute(f"CREATE SCHEMA {SCRATCH}")
    url = _admin_url(database).replace("postgresql:", "postgresql+asyncpg:")
    scratch = create_async_engine(url, connect_args={"server_settings": {"search_path": SCRATCH}})
    async with scratch.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
    await scratch.dispose()
    for what, question in QUESTIONS.items():
        migrated = {tuple(row) for row in await admin.fetch(question, SCHEMA)}
        declared = {tuple(row) for row in await admin.fetch(question, SCRATCH)}
        assert migrated, what
        assert migrated == declared, what


@pytest.mark.parametrize(
    "wrong",
    [
        "paid_base_units = payable_base_units + 1",
        "rounding_dust_base_units = rounding_dust_base_units + 1",
        "payable_base_units = payable_base_units - 1",
        "frozen_share_base_units = NULL, total_base_units = total_base_units + 1",
        "payable_base_units = NULL, plan_hash = NULL, paid_base_units = 1",
        "planned_count = holder_count + 1",
        "paid_base_units = -1",
        "state = 'PAID'",
        "state = 'PAUSED'",
        "paused_from = 'PLANNING'",
        "percentage_basis_points = 0",
        "percentage_basis_points = 10001",
        "cancelled_base_units = -1",
        "paid_base_units = 1, cancelled_base_units = payable_base_units",
    ],
)
async def test_the_database_refuses_wrong_books(engine: AsyncEngine, wrong: str) -> None:
    payout_id = await frozen_payout(postgres(engine))
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                text(f"UPDATE payout SET {wrong} WHERE payout_id = :payout_id"), {"payout_id": payout_id}
            )


@pytest.mark.parametrize(
    "wrong",
    [
        "state = 'WAITING'",
        "retry_time = update_time",
        "batch_cap = 0",
        "state = 'LOST'",
        "batch_number = 1",
        "amount_base_units = -1",
    ],
)
async def test_the_database_refuses_wrong_payments(engine: AsyncEngine, wrong: str) -> None:
    payout_id = await frozen_payout(postgres(engine))
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                text(f"UPDATE payment SET {wrong} WHERE payout_id = :payout_id"), {"payout_id": payout_id}
            )


_OLD_ROWS = """
INSERT INTO lifecycle_contract VALUES ('{id}', 1, '0xt', '0xp', 'DUSD', 6, NULL, 'READY', 1, '[]', '[]', '',
    now(), now(), now(), NULL);
INSERT INTO payout (payout_id, asset_id, total_base_units, state, version, holder_count, total_supply,
    planned_count, paid_count, failed_count, paid_base_units, batch_count, final_batch_count, waiting_for,
    failure_reason, create_time, update_time, due_time)
    VALUES ('{id}', '{id}', 9, 'EXECUTING', 3, 0, 0, 0, 0, 0, 0, 1, 0, '', '', '2026-01-01Z', '2026-02-01Z',
    now());
INSERT INTO transaction_intent (intent_id, key, purpose, owner_kind, owner_id, chain_id, signer, call_data,
    gas_limit, state, nonce, problem, create_time)
    VALUES ('{id}', 'batch/1', 'BATCH', 'PAYOUT', '{id}', 1, '0xs', '', 1, 'BROADCAST', 0, '', now());
INSERT INTO transaction_attempt VALUES ('{id}', 1, '', '0xh', 7, now(), NULL);
INSERT INTO batch VALUES ('{id}', 1, 1, 9, 'batch/1', NULL, now(), now());
INSERT INTO payment VALUES ('{id}', 0, '0xa', 9, 9, 'IN_FLIGHT', '', 1, 1, '', now());
INSERT INTO treasury VALUES (1, '0xc', '0xp', 1);
INSERT INTO commitment VALUES ('{id}', 1, '0xc', '0xp', 9)
"""


async def test_what_stood_in_the_first_schema_stays(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database
) -> None:
    await admin.execute(f"CREATE SCHEMA {SCRATCH}")
    owner_id = uuid4()
    url = _admin_url(database).replace("postgresql:", "postgresql+asyncpg:")
    scratch = create_async_engine(url, connect_args={"server_settings": {"search_path": SCRATCH}})
    async with scratch.begin() as connection:
        await connection.run_sync(_upgrade, "0001")
        for statement in _OLD_ROWS.format(id=owner_id).split(";\n"):
            await connection.execute(text(statement))
    async with scratch.begin() as connection:
        await connection.run_sync(_upgrade, "head")
    async with scratch.connect() as connection:
        row_of = {
            name: (await connection.execute(table.select())).mappings().one()
            for name, table in tables.metadata.tables.items()
            if name in ("payout", "transaction_intent", "transaction_attempt", "batch", "payment", "commitment")
        }
    await scratch.dispose()
    payout, payment, attempt = row_of["payout"], row_of["payment"], row_of["transaction_attempt"]
    assert payout["reconcile_time"] == payout["update_time"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert (payout["waiting_count"], payout["cancelled_count"], payout["cancelled_base_units"]) == (0, 0, 0)
    assert (payout["percentage_basis_points"], payout["paused_from"]) == (None, None)
    assert (payment["detail"], payment["retry_time"], payment["batch_cap"]) == ("", None, None)
    assert (attempt["is_no_op"], attempt["max_priority_fee_per_gas_wei"]) == (False, None)
    assert row_of["transaction_intent"]["void_reason"] == ""
    assert (row_of["commitment"]["owner_id"], row_of["commitment"]["amount_base_units"]) == (owner_id, 9)


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    assert payout_service.__file__
    folder = Path(payout_service.__file__).parent / "infrastructure" / "migrations"
    config.set_main_option("script_location", str(folder))
    config.attributes.update(connection=connection, schema=SCRATCH)
    command.upgrade(config, revision)


async def test_the_database_refuses_a_second_place_for_a_holder(engine: AsyncEngine) -> None:
    payout_id = await frozen_payout(postgres(engine))
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                text(
                    "INSERT INTO payment (payout_id, ordinal, holder, balance, amount_base_units, state, reason,"
                    " detail, tries, transaction_hash, update_time) SELECT payout_id, ordinal + 1000, holder,"
                    " balance, amount_base_units, state, reason, detail, tries, transaction_hash, update_time"
                    " FROM payment WHERE payout_id = :payout_id"
                ),
                {"payout_id": payout_id},
            )


async def test_a_commitment_below_zero_is_refused(engine: AsyncEngine) -> None:
    payout_id = await frozen_payout(postgres(engine))
    key = {"chain_id": 1, "lifecycle_contract": str(payout_id), "payment_token": "0x"}
    async with engine.connect() as connection:
        await connection.execute(insert(tables.treasury).values(version=0, settled_block=0, **key))
        await connection.execute(insert(tables.commitment).values(owner_id=payout_id, amount_base_units=5, **key))
        with pytest.raises(IntegrityError):
            await connection.execute(
                update(tables.commitment)
                .where(tables.commitment.c.owner_id == payout_id)
                .values(amount_base_units=tables.commitment.c.amount_base_units - 6)
            )
