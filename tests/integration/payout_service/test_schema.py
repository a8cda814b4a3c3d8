"""The migrations make what tables.py says, and the database itself refuses wrong books."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from libs.chain.quantities import BaseUnits, HolderAddress, SnapshotId
from libs.payout_terms.terms import NO_RULES, PayoutKind
from payout_service.domain.plan import PlanTotals
from payout_service.domain.progress import Progress
from payout_service.infrastructure.sql import tables
from tests.integration.asset_service.test_schema import QUESTIONS
from tests.integration.payout_service.conftest import SCHEMA, Database
from tests.integration.payout_service.rows import add_contract, frozen_payout, postgres
from tests.support.payout.amounts import planned_payment

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
        "listed_count = holder_count + 1",
        "kind = 'SPLIT'",
        "kind = 'DIVIDEND'",
        "action_id = 1",
        "round_number = 2",
        "kind = 'REDEMPTION', round_number = 0",
        "excluded_base_units = 1",
        "withheld_base_units = 1",
        "withheld_base_units = NULL",
        "excluded_balance = -1",
        "deferred_base_units = payable_base_units + 1",
        "paid_base_units = 1, deferred_base_units = payable_base_units",
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
        "withheld_base_units = -1",
        "excluded_base_units = 1",
        "withholding_basis_points = -1",
        "withholding_basis_points = 10001",
        "round_number = 0",
        "treatment = 'FORGET'",
        "treatment = 'EXCLUDE'",
        "treatment = 'EXCLUDE', state = 'EXCLUDED', amount_base_units = 0, withheld_base_units = 1",
        "state = 'EXCLUDED'",
        "state = 'DEFERRED'",
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


_ROWS_OF_0002 = """
INSERT INTO lifecycle_contract VALUES ('{id}', 1, '0xt', '0xp', 'DUSD', 6, NULL, 'READY', 1, '[]', '[]', '',
    now(), now(), now(), NULL);
INSERT INTO payout (payout_id, asset_id, total_base_units, state, version, snapshot_id, holder_count, total_supply,
    planned_count, zero_due_count, payable_base_units, rounding_dust_base_units, frozen_share_base_units,
    plan_hash, waiting_count, cancelled_count, cancelled_base_units, paid_count, failed_count, paid_base_units,
    batch_count, final_batch_count, waiting_for, failure_reason, create_time, update_time, due_time,
    reconcile_time)
    VALUES ('{id}', '{id}', 12, 'EXECUTING', 3, 7, 2, 9, 2, 0, 9, 2, 1, 'hash', 0, 0, 0, 1, 0, 4, 1, 1, '', '',
    now(), now(), now(), now());
INSERT INTO payout (payout_id, asset_id, total_base_units, state, version, snapshot_id, holder_count, total_supply,
    planned_count, waiting_count, cancelled_count, cancelled_base_units, paid_count, failed_count, paid_base_units,
    batch_count, final_batch_count, waiting_for, failure_reason, create_time, update_time, due_time,
    reconcile_time)
    VALUES ('{planning}', '{id}', 12, 'PLANNING', 3, 8, 5, 9, 3, 0, 0, 0, 0, 0, 0, 0, 0, '', '',
    now(), now(), now(), now());
INSERT INTO transaction_intent (intent_id, key, purpose, owner_kind, owner_id, chain_id, signer, call_data,
    gas_limit, state, nonce, problem, void_reason, create_time)
    VALUES ('{id}', 'batch/1', 'BATCH', 'PAYOUT', '{id}', 1, '0xs', '', 1, 'SUCCEEDED', 0, '', '', now());
INSERT INTO batch VALUES ('{id}', 1, 1, 4, 'batch/1', 'SETTLED', now(), now());
INSERT INTO payment (payout_id, ordinal, holder, balance, amount_base_units, state, reason, detail, batch_number,
    tries, transaction_hash, update_time)
    VALUES ('{id}', 0, '0xa', 4, 4, 'PAID', '', '', 1, 1, '0xh', now()),
    ('{id}', 1, '0xb', 5, 5, 'PLANNED', '', '', NULL, 0, '', now())
"""


async def test_what_stood_in_the_first_schema_stays(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database
) -> None:
    owner_id = uuid4()
    old_rows = _OLD_ROWS.format(id=owner_id)
    async with _upgraded(admin, database, "0001", old_rows) as scratch, scratch.connect() as connection:
        row_of = {
            name: (await connection.execute(table.select())).mappings().one()
            for name, table in tables.metadata.tables.items()
            if name in ("payout", "transaction_intent", "transaction_attempt", "batch", "payment", "commitment")
        }
    payout, payment, attempt = row_of["payout"], row_of["payment"], row_of["transaction_attempt"]
    assert payout["reconcile_time"] == payout["update_time"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert (payout["waiting_count"], payout["cancelled_count"], payout["cancelled_base_units"]) == (0, 0, 0)
    assert (payout["percentage_basis_points"], payout["paused_from"]) == (None, None)
    assert (payment["detail"], payment["retry_time"], payment["batch_cap"]) == ("", None, None)
    assert (attempt["is_no_op"], attempt["max_priority_fee_per_gas_wei"]) == (False, None)
    assert row_of["transaction_intent"]["void_reason"] == ""
    assert (row_of["commitment"]["owner_id"], row_of["commitment"]["amount_base_units"]) == (owner_id, 9)


async def test_what_stood_before_the_kinds_is_a_snapshot_payout_without_rules(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database
) -> None:
    payout_id, planning_id = uuid4(), uuid4()
    rows = _ROWS_OF_0002.format(id=payout_id, planning=planning_id)
    async with _upgraded(admin, database, "0002", rows) as scratch, postgres(scratch)() as work:
        payout, planning = await work.payouts.get(payout_id), await work.payouts.get(planning_id)
        plan_rows = [row async for row in work.plan_rows.plan_rows(payout_id)]
        assert await work.payouts.with_snapshot(payout_id, SnapshotId(7)) == payout
        assert await work.plan_rows.open_holders(payout_id, [HolderAddress("0xa"), HolderAddress("0xb")]) == {
            "0xb"
        }
        assert await work.batches.unbatched(payout_id, 9) == plan_rows[1:]
    assert payout
    assert planning
    assert plan_rows == [
        planned_payment(0, HolderAddress("0xa"), 4, 4),
        planned_payment(1, HolderAddress("0xb"), 5, 5),
    ]
    assert payout.plan == PlanTotals(
        holder_count=2,
        zero_due_count=0,
        payable_base_units=BaseUnits(9),
        rounding_dust_base_units=BaseUnits(2),
        frozen_share_base_units=BaseUnits(1),
        plan_hash="hash",
    )
    assert payout.progress == Progress(
        paid_count=1, paid_base_units=BaseUnits(4), batch_count=1, final_batch_count=1
    )
    assert planning.plan is None
    assert (payout.listed_count, planning.listed_count) == (2, 3), "as many as were planned"
    for each in (payout, planning):
        assert (each.kind, each.action_id, each.rules) == (PayoutKind.SNAPSHOT, 0, NO_RULES)
        assert (each.round_number, each.is_listing_stale, each.excluded_balance) == (1, False, 0)


async def test_what_stood_before_the_pauses_has_no_request(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database
) -> None:
    asset_id = uuid4()
    row = (
        f"INSERT INTO lifecycle_contract VALUES ('{asset_id}', 1, '0x{1:040x}', '0x{2:040x}', 'DUSD', 6, NULL, "
        "'DEPLOYING', 3, '[]', '[]', '', now(), now(), now(), NULL)"
    )
    async with _upgraded(admin, database, "0003", row) as scratch, postgres(scratch)() as work:
        contract = await work.lifecycle.get(asset_id)
    assert contract
    assert (contract.version, contract.pause_request, contract.pause_request_version) == (3, None, 0)
    assert (contract.pause_final_block, contract.pause_intent_key, contract.pause_problem) == (0, "", "")


@pytest.mark.parametrize(
    "wrong",
    [
        "pause_wanted = true",
        "pause_wanted_version = 4",
        "pause_wanted = true, pause_wanted_version = 4, pause_request_version = 4",
        "pause_intent_key = 'pause/1'",
        "pause_problem = 'because'",
    ],
)
async def test_the_database_refuses_wrong_requests_to_pause(engine: AsyncEngine, wrong: str) -> None:
    asset_id = (await add_contract(postgres(engine))).asset_id
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError, match="pause_"):
            await connection.execute(
                text(f"UPDATE lifecycle_contract SET {wrong} WHERE asset_id = :asset_id"), {"asset_id": asset_id}
            )


@asynccontextmanager
async def _upgraded(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database, old_revision: str, old_rows: str
) -> AsyncIterator[AsyncEngine]:
    """A schema of an old revision with rows in it, brought up to the newest."""
    await admin.execute(f"CREATE SCHEMA {SCRATCH}")
    url = _admin_url(database).replace("postgresql:", "postgresql+asyncpg:")
    scratch = create_async_engine(url, connect_args={"server_settings": {"search_path": SCRATCH}})
    async with scratch.begin() as connection:
        await connection.run_sync(_upgrade, old_revision)
        for statement in old_rows.split(";\n"):
            await connection.execute(text(statement))
    async with scratch.begin() as connection:
        await connection.run_sync(_upgrade, "head")
    try:
        yield scratch
    finally:
        await scratch.dispose()


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
        with pytest.raises(IntegrityError, match="payment_payout_id_holder_round_number_key"):
            await connection.execute(
                text(
                    "INSERT INTO payment (payout_id, ordinal, holder, round_number, balance, amount_base_units,"
                    " withheld_base_units, excluded_base_units, withholding_basis_points, treatment, state,"
                    " reason, detail, tries, transaction_hash, update_time) SELECT payout_id, ordinal + 1000,"
                    " holder, round_number, balance, amount_base_units, withheld_base_units, excluded_base_units,"
                    " withholding_basis_points, treatment, state, reason, detail, tries, transaction_hash,"
                    " update_time FROM payment WHERE payout_id = :payout_id"
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
