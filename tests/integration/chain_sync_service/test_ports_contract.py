"""One suite for the unit of work in memory and on PostgreSQL, and the migrations against the tables."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from chain_sync_service.application.ports import ChainIdentity, ChainLook, UnitOfWork, UnitOfWorkFactory
from chain_sync_service.bootstrap import define
from chain_sync_service.config import ChainSyncSettings
from chain_sync_service.domain.blocks import BlockRef, Transfer, UndecodableLog
from chain_sync_service.domain.followed_token import FollowedToken, HolderBalancesChanged
from chain_sync_service.domain.holder_changes import HolderChange
from chain_sync_service.infrastructure import tables
from chain_sync_service.infrastructure.unit_of_work import ChainSyncUnitOfWork
from deploy.local.database import DatabaseSpec, ensure_database, new_passwords
from libs.chain.address import EvmAddress
from libs.messaging.events import IncomingEvent
from libs.persistence.engine import create_engine
from libs.persistence.migrate import migrate
from tests.integration.chain_sync_service.harness import ServiceUnderTest
from tests.unit.chain_sync_service.fakes import NOBODY, NOW, TOKEN, FakeClock, Store, holder

SCHEMA = "chain_sync"
BIGGEST = 2**256 - 1


@pytest.fixture
async def engine(running: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEngine]:
    """A database of its own, migrated, beside the running service's."""
    admin_url = running.stack.endpoints.admin_database_url
    assert admin_url
    name = f"contract_{uuid4().hex[:12]}"
    spec = DatabaseSpec(new_passwords([SCHEMA]), name, name)
    await ensure_database(admin_url, spec)
    for setting, value in running.stack.service_environment("chain_sync_service").items():
        if setting.startswith("CHAIN_SYNC_SERVICE_"):
            monkeypatch.setenv(setting, value)
    monkeypatch.setenv("CHAIN_SYNC_SERVICE_DATABASE_URL", spec.url(admin_url, SCHEMA))
    monkeypatch.setenv("CHAIN_SYNC_SERVICE_LISTEN_ADDRESS", "127.0.0.1:0")
    settings, definition = define()
    assert isinstance(settings, ChainSyncSettings)
    engine = create_engine(settings, "contract")
    await migrate(engine, definition.migrations_folder, SCHEMA)
    yield engine
    await engine.dispose()


@pytest.fixture(params=["memory", "postgresql"])
def new_unit_of_work(request: pytest.FixtureRequest) -> UnitOfWorkFactory:
    if request.param == "memory":
        return Store().new_unit_of_work
    engine = cast(AsyncEngine, request.getfixturevalue("engine"))

    def on_postgresql() -> UnitOfWork:
        return ChainSyncUnitOfWork(engine, FakeClock(), lambda: None)

    return on_postgresql


async def added(new_unit_of_work: UnitOfWorkFactory) -> FollowedToken:
    token = FollowedToken.begin(uuid4(), TOKEN, 3, 10, NOW)
    async with new_unit_of_work() as uow:
        assert await uow.tokens.add(token) == token
        await uow.commit()
    return token


def transfer(number: int, block: int, sender: str, receiver: str, amount: int) -> Transfer:
    return Transfer(f"0x{number:064x}", number, block, sender, receiver, amount)


async def test_what_is_not_committed_never_was(new_unit_of_work: UnitOfWorkFactory) -> None:
    token = FollowedToken.begin(uuid4(), TOKEN, 3, 10, NOW)
    async with new_unit_of_work() as uow:
        await uow.tokens.add(token)
    async with new_unit_of_work() as uow:
        assert await uow.tokens.find(token.asset_id) is None


async def test_an_asset_has_one_token(new_unit_of_work: UnitOfWorkFactory) -> None:
    token = await added(new_unit_of_work)
    async with new_unit_of_work() as uow:
        assert await uow.tokens.add(replace(token, token=EvmAddress(holder(9)))) == token


async def test_a_token_is_saved_whole(new_unit_of_work: UnitOfWorkFactory) -> None:
    token = await added(new_unit_of_work)
    moved, _ = token.advance(
        BlockRef(12, "0xc"), [], is_caught_up=True, position_event_blocks=1, max_window_blocks=99, now=NOW
    )
    odd = replace(moved, last_error="odd", window_blocks=7)
    async with new_unit_of_work() as uow:
        assert await uow.tokens.lock(token.asset_id) == token
        await uow.tokens.save(odd)
        await uow.commit()
    async with new_unit_of_work() as uow:
        assert await uow.tokens.find(token.asset_id) == odd


async def test_a_token_is_claimed_once_per_lease_and_only_when_there_is_something_to_read(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    token = await added(new_unit_of_work)
    lease = NOW + timedelta(seconds=10)

    async def claim(now_seconds: int, last_block: int) -> FollowedToken | None:
        now = NOW + timedelta(seconds=now_seconds)
        async with new_unit_of_work() as uow:
            claimed = await uow.tokens.claim_due(last_block=last_block, now=now, lease_until=lease)
            await uow.commit()
        return claimed

    assert await claim(-1, 50) is None
    assert await claim(0, 50) == replace(token, due_time=lease)
    assert await claim(9, 50) is None
    async with new_unit_of_work() as uow:
        locked = await uow.tokens.lock(token.asset_id)
        assert locked is not None
        await uow.tokens.save(replace(locked, position=BlockRef(50, "0x5")))
        await uow.commit()
    assert await claim(10, 50) is None
    assert await claim(10, 51) is not None


async def test_the_longest_due_comes_first(new_unit_of_work: UnitOfWorkFactory) -> None:
    later = await added(new_unit_of_work)
    sooner = FollowedToken.begin(uuid4(), TOKEN, 0, 10, NOW - timedelta(seconds=1))
    async with new_unit_of_work() as uow:
        await uow.tokens.add(sooner)
        order = []
        for _ in range(2):
            claimed = await uow.tokens.claim_due(last_block=9, now=NOW, lease_until=NOW + timedelta(seconds=1))
            assert claimed is not None
            order.append(claimed.asset_id)
    assert order == [sooner.asset_id, later.asset_id]


async def test_a_transfer_counts_once(new_unit_of_work: UnitOfWorkFactory) -> None:
    token = await added(new_unit_of_work)
    first = transfer(1, 5, NOBODY, holder(1), BIGGEST)
    second = transfer(2, 5, holder(1), holder(2), 1)
    async with new_unit_of_work() as uow:
        assert await uow.history.add_transfers(token.asset_id, []) == []
        assert await uow.history.add_transfers(token.asset_id, [first]) == [first]
        assert await uow.history.add_transfers(token.asset_id, [first, second]) == [second]


async def test_what_is_taken_back_is_the_inverse_and_is_gone(new_unit_of_work: UnitOfWorkFactory) -> None:
    token, other = await added(new_unit_of_work), await added(new_unit_of_work)
    kept = transfer(1, 5, NOBODY, holder(1), BIGGEST)
    gone = [
        transfer(2, 6, holder(1), holder(2), 40),
        transfer(3, 7, holder(2), NOBODY, 15),
        transfer(4, 7, holder(3), holder(3), 8),
        transfer(5, 8, NOBODY, holder(4), BIGGEST),
    ]
    logs = [
        UndecodableLog(f"0x{number:064x}", 9, number, "0xb", (b"\x00t", b""), b"\x00", "odd") for number in (5, 6)
    ]
    async with new_unit_of_work() as uow:
        for asset_id in (token.asset_id, other.asset_id):
            await uow.history.add_transfers(asset_id, [kept, *gone])
            await uow.history.add_undecodable(asset_id, logs, NOW)
            await uow.history.add_undecodable(asset_id, logs, NOW)
            for number in (4, 5, 8):
                await uow.history.add_window_end(asset_id, BlockRef(number, f"0x{number}"), keep=10)
        ancestor = BlockRef(5, "0x5")
        assert await uow.history.take_back(token.asset_id, ancestor) == [
            HolderChange(holder(1), 40, 5),
            HolderChange(holder(2), -25, 5),
            HolderChange(holder(4), -BIGGEST, 5),
        ]
        assert await uow.history.take_back(token.asset_id, ancestor) == []
        assert await uow.history.window_ends(token.asset_id) == [ancestor, BlockRef(4, "0x4")]
        assert len(await uow.history.window_ends(other.asset_id)) == 3
        assert await uow.history.add_transfers(token.asset_id, [kept, *gone]) == gone


async def test_only_the_newest_window_ends_are_kept(new_unit_of_work: UnitOfWorkFactory) -> None:
    token = await added(new_unit_of_work)
    async with new_unit_of_work() as uow:
        for number in range(10, 20):
            await uow.history.add_window_end(token.asset_id, BlockRef(number, f"0x{number}"), keep=3)
        ends = await uow.history.window_ends(token.asset_id)
    assert ends == [BlockRef(number, f"0x{number}") for number in (19, 18, 17)]


async def test_the_first_identity_stays(new_unit_of_work: UnitOfWorkFactory) -> None:
    first, other = ChainIdentity(1, "0x1"), ChainIdentity(2, "0x2")
    async with new_unit_of_work() as uow:
        assert await uow.chain.last_look() == ChainLook(None, "")
        await uow.chain.record_look(ChainLook(None, "away"), NOW)
        assert await uow.chain.record_identity(first) == first
        assert await uow.chain.record_identity(other) == first
        assert await uow.chain.last_look() == ChainLook(None, "away")
        await uow.chain.record_look(ChainLook(7, ""), NOW)
        await uow.chain.record_look(ChainLook(None, "away again"), NOW)
        assert await uow.chain.last_look() == ChainLook(7, "away again")
        assert await uow.chain.record_identity(other) == first


async def test_an_event_comes_in_once(new_unit_of_work: UnitOfWorkFactory) -> None:
    event = IncomingEvent(uuid4(), "masspayout.asset.v1.asset_imported.x", "asset_imported", uuid4(), 1, b"")
    for is_new in (True, False):
        async with new_unit_of_work() as uow:
            assert await uow.record_incoming(event) is is_new
            await uow.commit()


def event_of(asset_id: UUID, sequence: int) -> HolderBalancesChanged:
    return HolderBalancesChanged(asset_id, sequence, 1, BlockRef(1, "0x1"), (), True)


async def test_a_sequence_number_cannot_leave_twice(engine: AsyncEngine) -> None:
    asset_id = uuid4()
    for attempt in range(2):
        async with ChainSyncUnitOfWork(engine, FakeClock(), lambda: None) as uow:
            uow.publish([event_of(asset_id, 1)])
            if attempt == 0:
                await uow.commit()
                continue
            with pytest.raises(IntegrityError):
                await uow.commit()


async def test_claims_of_others_are_skipped_and_locks_are_waited_for(engine: AsyncEngine) -> None:
    def new_unit_of_work() -> ChainSyncUnitOfWork:
        return ChainSyncUnitOfWork(engine, FakeClock(), lambda: None)

    first, second = await added(new_unit_of_work), await added(new_unit_of_work)
    async with new_unit_of_work() as one, new_unit_of_work() as two, new_unit_of_work() as three:
        claims = [
            await uow.tokens.claim_due(last_block=9, now=NOW, lease_until=NOW + timedelta(seconds=9))
            for uow in (one, two, three)
        ]
        assert {claim.asset_id for claim in claims if claim} == {first.asset_id, second.asset_id}
        assert claims[2] is None


async def test_the_migrations_make_what_the_tables_say(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return [
            difference
            for difference in compare_metadata(context, tables.metadata)
            if "alembic_version" not in str(difference)
        ]

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        checks = await connection.execute(
            text(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint "
                "WHERE contype = 'c' AND connamespace = current_schema()::regnamespace"
            )
        )
        in_database = {(str(table), str(name)) for table, name in checks}
    in_code = {
        (table.name, str(constraint.name))
        for table in tables.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert in_database == in_code
