"""What only the memory database has: kills at any await, seeds, the lock order, backups.

The rest is a contract that PostgreSQL keeps too (tests/integration/payout_service).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import (
    ContractCall,
    IntentState,
    NonceLane,
    OwnerKind,
    Purpose,
    TransactionIntent,
)
from payout_service.domain.treasury import TreasuryKey
from tests.support.payout.memory_database import (
    START,
    DeadlockError,
    LockOrderError,
    MemoryDatabase,
    UniqueViolationError,
)
from tests.support.payout.memory_store import Index, MemoryStore, Schema, Transaction
from tests.support.payout.terms_of import terms_of

ADDRESS = EvmAddress("0x" + "ab" * 20)
KEY = TreasuryKey(1, ADDRESS, ADDRESS)


async def with_payout(database: MemoryDatabase) -> UUID:
    """A payout, a lane, a treasury and an intent, all committed."""
    payout_id, asset_id = uuid4(), uuid4()
    async with database.unit_of_work() as work:
        await work.lifecycle.add(
            LifecycleContract(
                asset_id=asset_id,
                chain_id=1,
                token=ADDRESS,
                payment_token=ADDRESS,
                payment_token_symbol="DUSD",
                payment_token_decimals=6,
                create_time=START,
                update_time=START,
                address=ADDRESS,
            )
        )
        payout = Payout.request(payout_id, asset_id, terms_of(total=10), create_time=START, now=START)
        await work.payouts.add(payout)
        await work.journal.add_lane(NonceLane(1, ADDRESS, "0xg", Nonce(0)))
        await work.journal.add(new_intent(payout_id, f"k/{payout_id}"))
        await work.treasury.lock(KEY)
        await work.commit()
    return payout_id


def new_intent(intent_id: UUID, key: str) -> TransactionIntent:
    call = ContractCall(ADDRESS, b"")
    return TransactionIntent(
        intent_id=intent_id,
        key=key,
        purpose=Purpose.BATCH,
        owner_kind=OwnerKind.PAYOUT,
        owner_id=intent_id,
        chain_id=1,
        signer=ADDRESS,
        call=call,
        gas_limit=0,
        create_time=START,
    )


async def begin(database: MemoryDatabase, payout_id: UUID) -> None:
    async with database.unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        payout.begin_snapshot(START)
        await work.payouts.save(payout)
        await work.journal.add(new_intent(uuid4(), f"snapshot/{payout_id}"))
        await work.commit()


def kill_after(steps: int, task: Coroutine[Any, Any, None]) -> bool:
    """Lets a task go on for so many awaits, then kills it. True when it had ended before."""
    for _ in range(steps):
        try:
            task.send(None)
        except StopIteration:
            return True
    task.close()
    return False


async def test_a_kill_at_any_await_leaves_all_or_nothing_and_no_lock() -> None:
    seen = set()
    for seed in range(30):
        for steps in range(40):
            database = MemoryDatabase(seed)
            payout_id = await with_payout(database)
            has_ended = kill_after(steps, begin(database, payout_id))
            has_begun = database.payout(payout_id).state is PayoutState.SNAPSHOTTING
            assert len(database.events) == (3 if has_begun else 2)
            assert len(database.intents()) == (2 if has_begun else 1)
            assert database.locks == {}
            seen.add((has_ended, has_begun))
            if has_ended:
                break
    assert seen == {(False, False), (False, True), (True, True)}, "also durable without the task knowing it"


Statement = Callable[[UnitOfWork], Coroutine[Any, Any, object]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("lane", "payout"),
        ("intent", "payout"),
        ("treasury", "payout"),
        ("intent", "lane"),
        ("treasury", "wake"),
        ("intent", "lifecycle"),
    ],
)
async def test_locks_out_of_order_are_refused_without_a_deadlock(first: str, second: str) -> None:
    database = MemoryDatabase()
    payout_id = await with_payout(database)
    asset_id = database.payout(payout_id).asset_id
    locks: dict[str, Statement] = {
        "payout": lambda work: work.payouts.lock(payout_id),
        "wake": lambda work: work.payouts.wake(payout_id, START),
        "lifecycle": lambda work: work.lifecycle.lock(asset_id),
        "lane": lambda work: work.journal.lock_lane(1, ADDRESS),
        "intent": lambda work: work.journal.lock(payout_id),
        "treasury": lambda work: work.treasury.lock(KEY),
    }
    async with database.unit_of_work() as work:
        await locks[second](work)
        await locks[first](work)
        await locks[second](work)
    async with database.unit_of_work() as work:
        await locks[first](work)
        with pytest.raises(LockOrderError):
            await locks[second](work)
        with pytest.raises(RuntimeError, match="aborted"):
            await work.commit()


async def test_a_deadlock_of_three_is_seen_at_once() -> None:
    database = MemoryDatabase()
    payouts = [await with_payout(database) for _ in range(3)]
    all_have_one = asyncio.Barrier(3)

    async def lock(number: int) -> None:
        async with database.unit_of_work() as work:
            await work.payouts.lock(payouts[number])
            await all_have_one.wait()
            await work.payouts.lock(payouts[(number + 1) % 3])

    async with asyncio.timeout(1):
        answers = await asyncio.gather(*map(lock, range(3)), return_exceptions=True)
    assert [type(each) for each in answers if each] == [DeadlockError]


async def test_a_seed_decides_who_is_first() -> None:
    async def order(seed: int) -> tuple[int, ...]:
        database = MemoryDatabase(seed)
        payout_id = await with_payout(database)
        done: list[int] = []

        async def wake(number: int) -> None:
            async with database.unit_of_work() as work:
                await work.payouts.wake(payout_id, START)
                await work.commit()
                done.append(number)

        await asyncio.gather(*map(wake, range(3)))
        return tuple(done)

    orders = {seed: await order(seed) for seed in range(40)}
    assert len(set(orders.values())) == 6, "every order occurs"
    assert all([await order(seed) == found for seed, found in orders.items()])


async def test_a_backup_brings_everything_back() -> None:
    database = MemoryDatabase()
    payout_id = await with_payout(database)
    backup = database.backup()
    await begin(database, payout_id)
    async with database.unit_of_work() as work:
        await work.payouts.lock(payout_id)
        with pytest.raises(RuntimeError):
            database.restore(backup)
    database.restore(backup)
    assert database.payout(payout_id).state is PayoutState.REQUESTED
    assert [intent.state for intent in database.intents()] == [IntentState.CREATED]
    assert len(database.events) == 2
    await begin(database, payout_id)
    assert database.intent(f"snapshot/{payout_id}").state is IntentState.CREATED
    assert len(database.events) == 3, "the same version may be published again after a restore"


async def test_a_row_that_is_deleted_is_in_no_index_and_in_no_backup() -> None:
    schema = Schema({"row": {"value": Index(lambda row: row, is_unique=True)}}, {}, frozenset())
    store = MemoryStore(schema)
    first, second = Transaction(store), Transaction(store)
    first.is_open = second.is_open = True
    await first.insert("row", 1, "a")
    first.commit()
    await first.delete("row", 1)
    assert (first.get("row", 1), first.rows("row"), first.find("row", "value", "a")) == (None, {}, [])
    assert (second.rows("row"), second.find("row", "value", "a")) == ({1: "a"}, ["a"]), "not committed yet"
    assert not second.try_lock("row", 1)
    first.end()
    assert store.rows("row") == {1: "a"}
    await first.delete("row", 1)
    await first.insert("row", 2, "a")
    await first.delete("row", 2)
    await first.insert("row", 3, "a")
    first.commit()
    assert second.find("row", "value", "a") == ["a"]
    assert store.backup().tables["row"] == second.rows("row") == {3: "a"}


async def test_a_version_is_published_once() -> None:
    database = MemoryDatabase()
    payout_id = await with_payout(database)
    stale = database.payout(payout_id)
    await begin(database, payout_id)
    async with database.unit_of_work() as work:
        await work.payouts.lock(payout_id)
        stale.version, work.payouts._loaded_versions[payout_id] = 2, 1
        await work.payouts.save(stale)
        with pytest.raises(UniqueViolationError):
            await work.commit()
    assert database.payout(payout_id).state is PayoutState.SNAPSHOTTING


async def test_outside_of_its_block_a_unit_of_work_does_nothing() -> None:
    database = MemoryDatabase()
    payout_id = await with_payout(database)
    work = database.unit_of_work()
    with pytest.raises(RuntimeError):
        await work.payouts.lock(payout_id)
    async with work:
        await work.payouts.lock(payout_id)
    with pytest.raises(RuntimeError):
        await work.commit()
