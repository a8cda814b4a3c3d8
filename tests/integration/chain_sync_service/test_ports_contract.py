"""One suite for the unit of work in memory and on PostgreSQL, and the migrations against the tables."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from chain_sync_service.application.ports import ChainLook, StaleHolding, UnitOfWork, UnitOfWorkFactory
from chain_sync_service.application.source import ChainIdentity
from chain_sync_service.bootstrap import define
from chain_sync_service.config import ChainSyncSettings
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.facts import Fact, FactKind, RawLog, SeenFact
from chain_sync_service.domain.holdings import Fold, Holding, HoldingChange
from chain_sync_service.domain.listener import (
    Contracts,
    Doubt,
    HolderBalancesChanged,
    HolderSource,
    Listener,
    ListenerState,
    ListingProgress,
)
from chain_sync_service.domain.pending_rates import PendingRate
from chain_sync_service.infrastructure import tables
from chain_sync_service.infrastructure.unit_of_work import ChainSyncUnitOfWork
from deploy.local.database import DatabaseSpec, ensure_database, new_passwords
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.events import IncomingEvent
from libs.idempotency import RequestKey
from libs.persistence.engine import create_engine
from libs.persistence.migrate import migrate
from tests.integration.chain_sync_service.harness import ServiceUnderTest
from tests.unit.chain_sync_service.fake_chain import CONTRACTS, NOW, TOKEN, holder
from tests.unit.chain_sync_service.fakes import FakeClock, Store

SCHEMA = "chain_sync"
BIGGEST = 2**256 - 1


@dataclass(frozen=True)
class Database:
    """A database of its own, and the migrations for it."""

    engine: AsyncEngine
    migrations_folder: Path

    async def migrate_to(self, revision: str) -> None:
        """Up to a revision, as the service once was."""

        def upgrade(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(self.migrations_folder))
            config.attributes["connection"] = connection
            config.attributes["schema"] = SCHEMA
            command.upgrade(config, revision)

        async with self.engine.begin() as connection:
            await connection.run_sync(upgrade)


@pytest.fixture
async def database(running: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """Empty, beside the running service's."""
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
    yield Database(engine, definition.migrations_folder)
    await engine.dispose()


@pytest.fixture
async def engine(database: Database) -> AsyncEngine:
    """Of a migrated database."""
    await migrate(database.engine, database.migrations_folder, SCHEMA)
    return database.engine


@pytest.fixture(params=["memory", "postgresql"])
def new_unit_of_work(request: pytest.FixtureRequest) -> UnitOfWorkFactory:
    if request.param == "memory":
        return Store().new_unit_of_work
    engine = cast(AsyncEngine, request.getfixturevalue("engine"))

    def on_postgresql() -> UnitOfWork:
        return ChainSyncUnitOfWork(engine, FakeClock(), lambda: None)

    return on_postgresql


LEASE = NOW + timedelta(seconds=10)


def begun(
    *, asset_id: UUID | None = None, contracts: Contracts = CONTRACTS, start_block: int = 3, due_seconds: int = 0
) -> Listener:
    return Listener.begin(
        asset_id or uuid4(),
        contracts,
        start_block=BlockNumber(start_block),
        holder_source=HolderSource.LOGS,
        window_blocks=10,
        now=NOW + timedelta(seconds=due_seconds),
    )


async def added(new_unit_of_work: UnitOfWorkFactory, listener: Listener | None = None) -> Listener:
    listener = listener or begun()
    async with new_unit_of_work() as uow:
        assert await uow.listeners.add(listener) == listener
        await uow.listeners.save([listener])
        await uow.commit()
    return listener


def at(listener: Listener, number: int, *, fork: str = "a", state: ListenerState | None = None) -> Listener:
    return replace(
        listener, position=BlockRef(BlockNumber(number), f"0x{fork}{number}"), state=state or listener.state
    )


# --- listeners --------------------------------------------------------------------------------------------------


async def test_what_is_not_committed_never_was(new_unit_of_work: UnitOfWorkFactory) -> None:
    listener = begun()
    async with new_unit_of_work() as uow:
        await uow.listeners.add(listener)
    async with new_unit_of_work() as uow:
        assert await uow.listeners.find(listener.asset_id) is None


async def test_an_asset_has_one_listener(new_unit_of_work: UnitOfWorkFactory) -> None:
    listener = await added(new_unit_of_work)
    other = replace(listener, contracts=Contracts(EvmAddress(holder(9))))
    async with new_unit_of_work() as uow:
        assert await uow.listeners.add(other) == listener


async def test_a_listener_is_saved_whole(new_unit_of_work: UnitOfWorkFactory) -> None:
    before = await added(new_unit_of_work)
    untouched = await added(new_unit_of_work)
    after = Listener(
        asset_id=before.asset_id,
        contracts=Contracts(TOKEN),
        start_block=BlockNumber(4),
        holder_source=HolderSource.LIST,
        state=ListenerState.READING,
        is_stopped=True,
        position=BlockRef(BlockNumber(12), "0xc"),
        position_time=NOW + timedelta(seconds=1),
        announced_block=BlockNumber(11),
        is_range_open=True,
        last_sequence=5,
        fact_sequence=6,
        total_base_units=BIGGEST,
        supply_gap_base_units=-7,
        doubt=Doubt.LISTED_AGAIN,
        listing=ListingProgress(next_page=8, listed_count=9, holder_count=10),
        replay_until=BlockNumber(13),
        window_blocks=14,
        last_error="odd",
        asset_version=15,
        version=16,
        due_time=NOW + timedelta(seconds=2),
        update_time=NOW + timedelta(seconds=3),
    )
    async with new_unit_of_work() as uow:
        assert await uow.listeners.lock(before.asset_id) == before
        await uow.listeners.save([after])
        await uow.commit()
    async with new_unit_of_work() as uow:
        assert await uow.listeners.find(before.asset_id) == after
        assert await uow.listeners.find(untouched.asset_id) == untouched
        assert await uow.listeners.lock(uuid4()) is None


async def test_listeners_are_locked_and_paged_in_the_order_of_their_ids(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    listeners = sorted([await added(new_unit_of_work) for _ in range(4)], key=lambda each: each.asset_id)
    async with new_unit_of_work() as uow:
        assert await uow.listeners.lock_many([each.asset_id for each in reversed(listeners)]) == listeners
        assert await uow.listeners.page(None, 3) == listeners[:3]
        assert await uow.listeners.page(listeners[1].asset_id, 3) == listeners[2:]


async def claimed(
    new_unit_of_work: UnitOfWorkFactory, *, seconds: int = 0, last_block: int = 50, limit: int = 100
) -> list[UUID]:
    """Whom a claim gets, in its order."""
    now = NOW + timedelta(seconds=seconds)
    async with new_unit_of_work() as uow:
        found = await uow.listeners.claim_due(
            last_block=BlockNumber(last_block), now=now, lease_until=LEASE, limit=limit
        )
        await uow.commit()
    return [each.asset_id for each in found]


async def test_a_listener_is_claimed_once_per_lease_and_only_when_there_is_something_to_read(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    listener = await added(new_unit_of_work)
    assert await claimed(new_unit_of_work, seconds=-1) == []
    assert await claimed(new_unit_of_work) == [listener.asset_id]
    assert await claimed(new_unit_of_work, seconds=9) == []
    async with new_unit_of_work() as uow:
        locked = await uow.listeners.lock(listener.asset_id)
        assert locked is not None
        assert locked.due_time == LEASE
        assert locked.version == listener.version
        await uow.listeners.save([at(locked, 50)])
        await uow.commit()
    assert await claimed(new_unit_of_work, seconds=10) == []
    assert await claimed(new_unit_of_work, seconds=10, last_block=51) == [listener.asset_id]


@pytest.mark.parametrize("state", [ListenerState.LISTING, ListenerState.READING])
async def test_who_lists_or_reads_is_due_wherever_the_head_is_and_alone(
    new_unit_of_work: UnitOfWorkFactory, state: ListenerState
) -> None:
    reading = await added(new_unit_of_work, at(begun(due_seconds=-2), 50, state=state))
    also_reading = await added(new_unit_of_work, at(begun(due_seconds=-1), 50, state=state))
    window = await added(new_unit_of_work, at(begun(), 50))
    assert await claimed(new_unit_of_work) == [reading.asset_id]
    assert await claimed(new_unit_of_work) == [also_reading.asset_id]
    assert await claimed(new_unit_of_work) == []
    assert await claimed(new_unit_of_work, last_block=51) == [window.asset_id]


async def test_those_at_one_position_are_claimed_together(new_unit_of_work: UnitOfWorkFactory) -> None:
    first = await added(new_unit_of_work, at(begun(due_seconds=-5), 7))
    with_it = [await added(new_unit_of_work, at(begun(due_seconds=-4), 7)) for _ in range(3)]
    following = await added(new_unit_of_work, at(begun(due_seconds=-3), 7, state=ListenerState.FOLLOWING))
    others = [
        at(begun(), 7, fork="b"),
        at(begun(), 8),
        at(begun(), 7, state=ListenerState.READING),
        at(begun(due_seconds=1), 7),
        replace(at(begun(), 7), is_stopped=True),
        begun(start_block=8),
    ]
    for other in others:
        await added(new_unit_of_work, other)
    found = await claimed(new_unit_of_work)
    assert found[0] == first.asset_id
    assert set(found) == {each.asset_id for each in (first, *with_it, following)}


async def test_a_claim_is_bounded_and_takes_the_longest_due_first(new_unit_of_work: UnitOfWorkFactory) -> None:
    due = [await added(new_unit_of_work, at(begun(due_seconds=-number), 7)) for number in range(5)]
    longest_first = [each.asset_id for each in reversed(due)]
    assert await claimed(new_unit_of_work, limit=2) == longest_first[:2]
    assert await claimed(new_unit_of_work, limit=2) == longest_first[2:4]


async def test_before_the_first_position_those_of_one_start_are_claimed_together(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    genesis = [await added(new_unit_of_work, begun(start_block=start)) for start in (0, 1, 0)]
    later = await added(new_unit_of_work, begun(start_block=2, due_seconds=-1))
    assert await claimed(new_unit_of_work) == [later.asset_id]
    assert set(await claimed(new_unit_of_work)) == {each.asset_id for each in genesis}


# --- holdings ---------------------------------------------------------------------------------------------------


def change(number: int, before: int, after: int, block: int, **parts: int) -> HoldingChange:
    return HoldingChange(holder(number), Holding(before, **parts), Holding(after, **parts), BlockNumber(block))


async def test_folds_add_to_balances_and_tell_before_and_after(new_unit_of_work: UnitOfWorkFactory) -> None:
    asset_id, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    async with new_unit_of_work() as uow:
        first = await uow.holdings.fold(
            asset_id,
            [Fold(holder(2), BIGGEST, BlockNumber(5)), Fold(holder(1), 10, BlockNumber(6))],
            BlockNumber(9),
        )
        assert first == [change(1, 0, 10, 6), change(2, 0, BIGGEST, 5)]
        await uow.holdings.fold(other, [Fold(holder(1), 1000, BlockNumber(5))], BlockNumber(9))
        assert await uow.holdings.fold(asset_id, [Fold(holder(1), -10, BlockNumber(11))], BlockNumber(12)) == [
            change(1, 10, 0, 11)
        ]
        assert await uow.holdings.fold(asset_id, [Fold(holder(1), 3, BlockNumber(13))], BlockNumber(14)) == [
            change(1, 0, 3, 13)
        ]
        assert await uow.holdings.stale_among([asset_id, other]) == set()


async def test_parts_that_cannot_move_stay_when_a_balance_is_folded(new_unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    has = Holding(10, 1, 2, 3, 4)
    async with new_unit_of_work() as uow:
        await uow.holdings.mark_stale(asset_id, [holder(1)], reads_parts=True)
        await uow.holdings.record_read(asset_id, [holder(1)], [has], BlockNumber(5))
        (changed,) = await uow.holdings.fold(asset_id, [Fold(holder(1), 5, BlockNumber(6))], BlockNumber(7))
    assert changed == HoldingChange(holder(1), has, replace(has, balance=15), BlockNumber(6))


async def test_what_is_stale_is_not_folded_and_what_would_fall_below_zero_becomes_stale(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    async with new_unit_of_work() as uow:
        await uow.holdings.fold(
            asset_id, [Fold(holder(number), 10, BlockNumber(5)) for number in (1, 2)], BlockNumber(9)
        )
        await uow.holdings.mark_stale(asset_id, [holder(1)], reads_parts=False)
        folds = [
            Fold(holder(1), 1, BlockNumber(10)),
            Fold(holder(2), -11, BlockNumber(10)),
            Fold(holder(3), -1, BlockNumber(10)),
            Fold(holder(4), 4, BlockNumber(10)),
        ]
        assert await uow.holdings.fold(asset_id, folds, BlockNumber(12)) == [change(4, 0, 4, 10)]
        assert await uow.holdings.stale(asset_id, 10) == [
            StaleHolding(holder(1), Holding(10), reads_parts=False, must_tell=False),
            StaleHolding(holder(2), Holding(10), reads_parts=True, must_tell=False),
            StaleHolding(holder(3), Holding(0), reads_parts=True, must_tell=False),
        ]


async def test_staleness_only_grows_until_it_is_read(new_unit_of_work: UnitOfWorkFactory) -> None:
    asset_id, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    one, two = holder(1), holder(2)
    async with new_unit_of_work() as uow:
        holdings = uow.holdings
        await holdings.mark_stale(asset_id, [one], reads_parts=True, must_tell=True)
        await holdings.mark_stale(asset_id, [one, two, two], reads_parts=False)
        assert await holdings.stale(asset_id, 10) == [
            StaleHolding(one, Holding(), reads_parts=True, must_tell=True),
            StaleHolding(two, Holding(), reads_parts=False, must_tell=False),
        ]
        assert await holdings.stale(asset_id, 1) == [StaleHolding(one, Holding(), True, True)]
        assert await holdings.count_stale(asset_id) == 2
        assert await holdings.stale_among([asset_id, other]) == {asset_id}
        await holdings.record_read(asset_id, [one], [Holding(BIGGEST, 1, 2, 3, 4)], BlockNumber(8))
        assert await holdings.stale(asset_id, 10) == [StaleHolding(two, Holding(), False, False)]
        await holdings.mark_everybody_stale(asset_id)
        assert await holdings.stale(asset_id, 10) == [
            StaleHolding(one, Holding(BIGGEST, 1, 2, 3, 4), True, False),
            StaleHolding(two, Holding(), True, False),
        ]
        await holdings.mark_everybody_stale(asset_id, must_tell=True)
        assert all(each.must_tell for each in await holdings.stale(asset_id, 10))
        assert await holdings.count_stale(other) == 0


@pytest.mark.parametrize(("block_number", "stale"), [(None, [1, 2, 3]), (8, [2, 3]), (9, [3]), (12, [])])
async def test_what_was_seen_behind_a_block_becomes_stale(
    new_unit_of_work: UnitOfWorkFactory, block_number: BlockNumber | None, stale: list[int]
) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    async with new_unit_of_work() as uow:
        await uow.holdings.fold(
            asset_id, [Fold(holder(1), 1, BlockNumber(2)), Fold(holder(2), 1, BlockNumber(2))], BlockNumber(8)
        )
        await uow.holdings.fold(asset_id, [Fold(holder(2), 1, BlockNumber(9))], BlockNumber(9))
        await uow.holdings.mark_stale(asset_id, [holder(3)], reads_parts=False)
        await uow.holdings.record_read(asset_id, [holder(3)], [Holding(5)], BlockNumber(12))
        await uow.holdings.mark_stale_behind(asset_id, block_number)
        found = await uow.holdings.stale(asset_id, 10)
    assert [each.holder for each in found] == [holder(number) for number in stale]
    assert all(each.reads_parts for each in found)


# --- facts ------------------------------------------------------------------------------------------------------


def fact(
    number: int, block: int, kind: FactKind = FactKind.SNAPSHOT_TAKEN, *, fork: str = "a", problem: str = ""
) -> Fact:
    log = RawLog(
        TOKEN.value, (b"topic", b""), b"\0data", BlockNumber(block), f"0x{fork}{block}", f"0xt{number}", number
    )
    return Fact(kind, log, details={"snapshot_id": str(number)}, problem=problem)


def seen(of: Fact, sequence: int) -> SeenFact:
    return SeenFact(of, NOW + timedelta(seconds=of.log.block_number), sequence)


async def record(new_unit_of_work: UnitOfWorkFactory, asset_id: UUID, *facts: SeenFact) -> None:
    async with new_unit_of_work() as uow:
        await uow.facts.add(asset_id, facts, NOW)
        await uow.commit()


async def everything(uow: UnitOfWork, asset_id: UUID) -> list[SeenFact]:
    page = await uow.facts.page(
        asset_id, kinds=(), from_block=BlockNumber(0), to_block=None, after=None, limit=100
    )
    return [each for each, _ in page]


async def test_facts_are_known_by_kind_and_place(new_unit_of_work: UnitOfWorkFactory) -> None:
    asset_id, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    await record(new_unit_of_work, asset_id, seen(fact(1, 5), 1), seen(fact(2, 5, FactKind.UNKNOWN), 0))
    asked = [fact(1, 7, fork="b"), fact(1, 5, FactKind.PAUSE_CHANGED), fact(3, 5)]
    async with new_unit_of_work() as uow:
        known = await uow.facts.known_places(asset_id, asked)
        assert known & {(each.kind.value, each.log.transaction_hash, each.log.log_index) for each in asked} == {
            ("SNAPSHOT_TAKEN", "0xt1", 1)
        }
        assert await uow.facts.known_places(other, asked) == set()
        assert await uow.facts.known_places(asset_id, []) == set()


async def test_what_is_taken_back_is_returned_in_sequence_if_it_was_published(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    asset_id, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    kept, second, first = seen(fact(1, 5), 1), seen(fact(2, 6), 3), seen(fact(3, 7), 2)
    unknown = seen(fact(4, 7, FactKind.UNKNOWN, problem="odd"), 0)
    await record(new_unit_of_work, asset_id, kept, second, unknown, first)
    await record(new_unit_of_work, other, seen(fact(9, 7), 1))
    async with new_unit_of_work() as uow:
        assert await uow.facts.take_back(asset_id, BlockNumber(5)) == [first, second]
        assert await everything(uow, asset_id) == [kept]
        assert len(await everything(uow, other)) == 1
        assert await uow.facts.take_back(asset_id, None) == [kept]
        assert await everything(uow, asset_id) == []


async def test_what_is_not_seen_again_is_taken_back_but_no_rate(new_unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    before, again, forked, gone = fact(1, 4), fact(2, 5), fact(3, 6), fact(4, 7)
    rate, unknown, behind = (
        fact(5, 7, FactKind.CORPORATE_ACTION_RATE_SET),
        fact(6, 7, FactKind.UNKNOWN),
        fact(7, 8),
    )
    recorded = [before, again, forked, gone, rate, unknown, behind]
    sequences = [1, 2, 4, 3, 5, 0, 6]
    await record(new_unit_of_work, asset_id, *(seen(*each) for each in zip(recorded, sequences, strict=True)))
    async with new_unit_of_work() as uow:
        on_chain = [again, fact(3, 6, fork="b"), fact(99, 6)]
        assert await uow.facts.take_back_unseen(
            asset_id, from_block=BlockNumber(5), to_block=BlockNumber(7), seen=on_chain
        ) == [
            seen(gone, 3),
            seen(forked, 4),
        ]
        assert [each.fact for each in await everything(uow, asset_id)] == [before, again, rate, behind]
        assert (
            await uow.facts.take_back_unseen(
                asset_id, from_block=BlockNumber(5), to_block=BlockNumber(7), seen=[again]
            )
            == []
        )
        moved = fact(7, 6, fork="b")
        assert await uow.facts.take_back_unseen(
            asset_id, from_block=BlockNumber(5), to_block=BlockNumber(7), seen=[again, moved]
        ) == [seen(behind, 6)]


async def test_facts_are_listed_by_block_and_in_the_order_they_were_found(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    late = seen(fact(1, 9), 1)
    early = [
        seen(fact(number, 5, kind), number)
        for number, kind in ((3, FactKind.PAUSE_CHANGED), (2, FactKind.UNKNOWN))
    ]
    await record(new_unit_of_work, asset_id, late, *early)
    async with new_unit_of_work() as uow:

        async def page(
            *,
            kinds: tuple[FactKind, ...] = (),
            from_block: int = 0,
            to_block: int | None = None,
            after: tuple[int, int] | None = None,
            limit: int = 10,
        ) -> list[tuple[SeenFact, tuple[int, int]]]:
            return await uow.facts.page(
                asset_id,
                kinds=kinds,
                from_block=BlockNumber(from_block),
                to_block=None if to_block is None else BlockNumber(to_block),
                after=after,
                limit=limit,
            )

        whole = await page()
        assert [each for each, _ in whole] == [*early, late]
        assert await page(limit=2) == whole[:2]
        assert await page(after=whole[0][1]) == whole[1:]
        assert await page(after=whole[2][1]) == []
        assert await page(from_block=6) == whole[2:]
        assert await page(to_block=8) == whole[:2]
        assert await page(kinds=(FactKind.UNKNOWN, FactKind.SNAPSHOT_TAKEN)) == whole[1:]


def coupon(number: int, block: int) -> Fact:
    return fact(number, block, FactKind.CORPORATE_ACTION_ANNOUNCED)


async def due_rates(uow: UnitOfWork, *asset_ids: UUID, seconds: int = 0, limit: int = 10) -> list[PendingRate]:
    due = await uow.facts.due_pending_rates(asset_ids, NOW + timedelta(seconds=seconds), limit)
    assert {asset_id for asset_id, _ in due} <= set(asset_ids)
    return [rate for _, rate in due]


async def test_pending_rates_are_due_by_the_chains_clock_longest_first(
    new_unit_of_work: UnitOfWorkFactory,
) -> None:
    asset_id, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    await record(new_unit_of_work, asset_id, seen(coupon(1, 5), 1), seen(coupon(2, 5), 2))
    await record(new_unit_of_work, other, seen(coupon(1, 5), 1))
    later, sooner = (PendingRate(coupon(number, 5), NOW - timedelta(seconds=number)) for number in (1, 2))
    async with new_unit_of_work() as uow:
        await uow.facts.add_pending_rates(asset_id, [later, sooner])
        await uow.facts.add_pending_rates(asset_id, [replace(later, ask_time=NOW + timedelta(days=9))])
        await uow.facts.add_pending_rates(other, [PendingRate(coupon(1, 5), NOW)])
        assert await due_rates(uow, asset_id) == [sooner, later]
        assert await due_rates(uow, asset_id, limit=1) == [sooner]
        assert await due_rates(uow, asset_id, seconds=-2) == [sooner]
        assert len(await due_rates(uow, asset_id, other)) == 3
        in_vain = sooner.asked_in_vain(NOW)
        await uow.facts.save_pending_rate(asset_id, in_vain)
        assert await due_rates(uow, asset_id) == [later]
        assert await due_rates(uow, asset_id, seconds=1) == [later, in_vain]
        await uow.facts.remove_pending_rate(asset_id, later)
        assert await due_rates(uow, asset_id, seconds=1) == [in_vain]
        await uow.facts.take_back(asset_id, BlockNumber(4))
        assert await due_rates(uow, asset_id, seconds=9) == []
        assert len(await due_rates(uow, other)) == 1


@pytest.mark.parametrize("block_number", [6, 4])
async def test_a_rate_that_is_taken_back_is_asked_for_again_if_its_announcement_stays(
    new_unit_of_work: UnitOfWorkFactory, block_number: int
) -> None:
    asset_id = (await added(new_unit_of_work)).asset_id
    rate_set = replace(coupon(1, 5), kind=FactKind.CORPORATE_ACTION_RATE_SET)
    rate_set = replace(rate_set, log=replace(rate_set.log, block_number=BlockNumber(8)))
    await record(new_unit_of_work, asset_id, seen(coupon(1, 5), 1), seen(rate_set, 2))
    async with new_unit_of_work() as uow:
        await uow.facts.take_back(asset_id, BlockNumber(block_number))
        asked = await due_rates(uow, asset_id, seconds=5)
    assert asked == ([PendingRate(coupon(1, 5), NOW + timedelta(seconds=5))] if block_number == 6 else [])


# --- window ends ------------------------------------------------------------------------------------------------


async def test_only_the_newest_window_ends_of_each_are_kept(new_unit_of_work: UnitOfWorkFactory) -> None:
    one, two, other = [(await added(new_unit_of_work)).asset_id for _ in range(3)]
    async with new_unit_of_work() as uow:
        for number in range(10, 20):
            await uow.window_ends.add([one, two], BlockRef(BlockNumber(number), f"0x{number}"), keep=3)
        await uow.window_ends.add([other], BlockRef(BlockNumber(1), "0x1"), keep=3)
        await uow.window_ends.add([two], BlockRef(BlockNumber(19), "0xother"), keep=3)
        ends = [await uow.window_ends.newest_first(each) for each in (one, two, other)]
    newest = [BlockRef(BlockNumber(number), f"0x{number}") for number in (19, 18, 17)]
    assert ends == [newest, [BlockRef(BlockNumber(19), "0xother"), *newest[1:]], [BlockRef(BlockNumber(1), "0x1")]]


@pytest.mark.parametrize(("block_number", "left"), [(None, []), (4, [4]), (9, [6, 4])])
async def test_ends_behind_a_block_are_forgotten(
    new_unit_of_work: UnitOfWorkFactory, block_number: BlockNumber | None, left: list[int]
) -> None:
    one, other = (await added(new_unit_of_work)).asset_id, (await added(new_unit_of_work)).asset_id
    async with new_unit_of_work() as uow:
        for number in (4, 6):
            await uow.window_ends.add([one, other], BlockRef(BlockNumber(number), "0x"), keep=9)
        await uow.window_ends.remove_behind(one, block_number)
        assert [end.number for end in await uow.window_ends.newest_first(one)] == left
        assert len(await uow.window_ends.newest_first(other)) == 2


# --- the rest ---------------------------------------------------------------------------------------------------


async def test_a_request_is_carried_out_once(new_unit_of_work: UnitOfWorkFactory) -> None:
    key, asset_id = RequestKey(uuid4(), "Stop", b"hash", "caller"), uuid4()
    async with new_unit_of_work() as uow:
        assert await uow.find_request(key.request_id) is None
        assert await uow.add_request(key, asset_id)
        await uow.commit()
    async with new_unit_of_work() as uow:
        logged = await uow.find_request(key.request_id)
        assert logged is not None
        assert (logged.key, logged.resource_id) == (key, asset_id)
        assert not await uow.add_request(key, asset_id)


async def test_the_first_identity_stays(new_unit_of_work: UnitOfWorkFactory) -> None:
    first, other = ChainIdentity(1, "0x1"), ChainIdentity(2, "0x2")
    async with new_unit_of_work() as uow:
        assert await uow.chain.last_look() == ChainLook(None, "")
        await uow.chain.record_look(ChainLook(None, "away"), NOW)
        assert await uow.chain.record_identity(first) == first
        assert await uow.chain.record_identity(other) == first
        assert await uow.chain.last_look() == ChainLook(None, "away")
        await uow.chain.record_look(ChainLook(BlockNumber(7), ""), NOW)
        await uow.chain.record_look(ChainLook(None, "away again"), NOW)
        assert await uow.chain.last_look() == ChainLook(BlockNumber(7), "away again")
        assert await uow.chain.record_identity(other) == first


async def test_an_event_comes_in_once(new_unit_of_work: UnitOfWorkFactory) -> None:
    event = IncomingEvent(uuid4(), "masspayout.asset.v1.asset_imported.x", "asset_imported", uuid4(), 1, b"")
    for is_new in (True, False):
        async with new_unit_of_work() as uow:
            assert await uow.record_incoming(event) is is_new
            await uow.commit()


def event_of(asset_id: UUID, sequence: int) -> HolderBalancesChanged:
    return HolderBalancesChanged(asset_id, sequence, BlockNumber(1), BlockRef(BlockNumber(1), "0x1"), (), True)


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


async def test_claims_of_others_are_skipped(engine: AsyncEngine) -> None:
    def new_unit_of_work() -> ChainSyncUnitOfWork:
        return ChainSyncUnitOfWork(engine, FakeClock(), lambda: None)

    first, second = await added(new_unit_of_work), await added(new_unit_of_work, begun(start_block=9))
    async with new_unit_of_work() as one, new_unit_of_work() as two, new_unit_of_work() as three:
        claims = [
            await uow.listeners.claim_due(last_block=BlockNumber(9), now=NOW, lease_until=LEASE, limit=10)
            for uow in (one, two, three)
        ]
    assert {each.asset_id for claim in claims for each in claim} == {first.asset_id, second.asset_id}
    assert [len(claim) for claim in claims] == [1, 1, 0]


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


_OLD_TOKEN = """
    INSERT INTO followed_token (asset_id, token, start_block, state, position_block, position_hash,
                                announced_block, last_sequence, window_blocks, last_error, version, due_time,
                                update_time)
    VALUES (:asset_id, :token, 3, :state, 20, '0x20', 19, 4, 10, '', 7, :now, :now)
"""
_OLD_TRANSFER = """
    INSERT INTO transfer_effect (asset_id, transaction_hash, log_index, block_number, sender, receiver, amount)
    VALUES (:asset_id, :hash, 0, :block, :sender, :receiver, :amount)
"""
_OLD_LOG = """
    INSERT INTO undecodable_log (asset_id, transaction_hash, log_index, block_number, block_hash, topics, data,
                                 problem, create_time)
    VALUES (:asset_id, '0xodd', 3, 9, '0x9', ARRAY['\\x01'::bytea], '\\x02', 'of another layout', :now)
"""


async def old_data(database: Database, asset_id: UUID, transfers: list[tuple[int, int, int, int]]) -> None:
    """What a service of before has followed; transfers as (block, sender, receiver, amount), 0 is nobody."""
    await database.migrate_to("0001")
    async with database.engine.begin() as connection:
        values = {"asset_id": asset_id, "token": TOKEN.value, "state": "FOLLOWING", "now": NOW}
        await connection.execute(text(_OLD_TOKEN), values)
        for number, (block, sender, receiver, amount) in enumerate(transfers):
            row = {"block": block, "sender": holder(sender), "receiver": holder(receiver), "amount": amount}
            await connection.execute(text(_OLD_TRANSFER), {"asset_id": asset_id, "hash": f"0xt{number}", **row})
        await connection.execute(text(_OLD_LOG), {"asset_id": asset_id, "now": NOW})
        end = "INSERT INTO window_end (asset_id, block_number, block_hash) VALUES (:asset_id, 20, '0x20')"
        await connection.execute(text(end), {"asset_id": asset_id})
    await migrate(database.engine, database.migrations_folder, SCHEMA)


async def test_what_was_followed_before_listeners_goes_on_from_its_position(database: Database) -> None:
    asset_id = uuid4()
    await old_data(database, asset_id, [(5, 0, 1, 100), (6, 1, 2, 30), (7, 2, 0, 30), (8, 0, 3, 5)])
    async with ChainSyncUnitOfWork(database.engine, FakeClock(), lambda: None) as uow:
        listener = await uow.listeners.find(asset_id)
        stale = await uow.holdings.stale(asset_id, 10)
        facts = await everything(uow, asset_id)
        ends = await uow.window_ends.newest_first(asset_id)
    begun_then = begun(asset_id=asset_id, contracts=Contracts(TOKEN))
    assert listener == replace(
        begun_then,
        state=ListenerState.FOLLOWING,
        position=BlockRef(BlockNumber(20), "0x20"),
        announced_block=BlockNumber(19),
        is_range_open=True,
        last_sequence=4,
        total_base_units=75,
        version=7,
    )
    # Told once more, since what was folded before may be wrong.
    assert stale == [
        StaleHolding(holder(1), Holding(70), reads_parts=True, must_tell=True),
        StaleHolding(holder(2), Holding(0), reads_parts=True, must_tell=True),
        StaleHolding(holder(3), Holding(5), reads_parts=True, must_tell=True),
    ]
    assert [(each.fact.kind, each.fact.problem, each.sequence) for each in facts] == [
        (FactKind.UNKNOWN, "of another layout", 0)
    ]
    assert ends == [BlockRef(BlockNumber(20), "0x20")]


async def test_what_was_folded_below_zero_before_can_be_brought_over(database: Database) -> None:
    """Silent adjustments, or a start block behind the first issue, made balances negative that nobody refused."""
    asset_id = uuid4()
    await old_data(database, asset_id, [(5, 0, 1, 10), (6, 1, 2, 15), (7, 2, 0, 2)])
    async with ChainSyncUnitOfWork(database.engine, FakeClock(), lambda: None) as uow:
        listener = await uow.listeners.find(asset_id)
        told = {each.holder: each.told.total for each in await uow.holdings.stale(asset_id, 10)}
    assert listener is not None
    assert listener.total_base_units == sum(told.values())
