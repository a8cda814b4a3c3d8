"""The migrations make what tables.py says, and the database itself refuses wrong books."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

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
    ],
)
async def test_the_database_refuses_wrong_books(engine: AsyncEngine, wrong: str) -> None:
    payout_id = await frozen_payout(postgres(engine))
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                text(f"UPDATE payout SET {wrong} WHERE payout_id = :payout_id"), {"payout_id": payout_id}
            )


async def test_the_database_refuses_a_second_place_for_a_holder(engine: AsyncEngine) -> None:
    payout_id = await frozen_payout(postgres(engine))
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                text(
                    "INSERT INTO payment SELECT payout_id, ordinal + 1000, holder, balance, amount_base_units,"
                    " state, reason, batch_number, tries, transaction_hash, update_time FROM payment"
                    " WHERE payout_id = :payout_id"
                ),
                {"payout_id": payout_id},
            )


async def test_a_commitment_below_zero_is_refused(engine: AsyncEngine) -> None:
    payout_id = await frozen_payout(postgres(engine))
    key = {"chain_id": 1, "lifecycle_contract": str(payout_id), "payment_token": "0x"}
    async with engine.connect() as connection:
        await connection.execute(insert(tables.treasury).values(version=0, **key))
        await connection.execute(insert(tables.commitment).values(payout_id=payout_id, amount_base_units=5, **key))
        with pytest.raises(IntegrityError):
            await connection.execute(
                update(tables.commitment)
                .where(tables.commitment.c.payout_id == payout_id)
                .values(amount_base_units=tables.commitment.c.amount_base_units - 6)
            )
