"""One suite for the unit of work in memory and on PostgreSQL, so that the fakes can be trusted.

Payouts, payments and the journal have suites of their own beside this one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, Nonce
from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey
from payout_service.application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState, PauseRequest
from payout_service.domain.payout import PayoutState
from payout_service.domain.sweep import SweepState
from payout_service.domain.transaction import NonceLane
from payout_service.domain.treasury import TreasuryKey
from payout_service.domain.waits import Wait, WaitFor, signer_stopped
from tests.integration.payout_service.rows import (
    CHAIN_ID,
    HUGE,
    LATER,
    add_contract,
    add_payout,
    executing,
    frozen_payout,
    new_address,
    new_contract,
    new_discrepancy,
    new_intent,
    new_payout,
    new_sweep,
)
from tests.support.payout.memory_database import START

WAIT = Wait(WaitFor.CALL_WOULD_REVERT, "because")
HALTED = signer_stopped(WaitFor.NONCE_LOST, "because")
NOBODY = Failure(FailedBecause.NO_HOLDERS, "because")

_SHORT_SECONDS = 0.05
_LONG_SECONDS = 60.0
Statement = Callable[[UnitOfWork], Awaitable[object]]


# ---------------------------------------------------------------------------------------- commit, rollback, locks


async def test_what_is_not_committed_did_not_happen(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    event, intent = incoming(uuid4()), new_intent(new_address())
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout_id)
        locked.begin_execution(LATER)
        await work.payouts.save(locked)
        await work.journal.add(intent)
        assert await work.record_incoming(event)
    async with unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        assert payout
        assert payout.state is PayoutState.WAITING_FOR_FUNDS
        assert await work.journal.find(intent.key) is None
        assert await work.record_incoming(event)
        await work.commit()
    async with unit_of_work() as work:
        assert not await work.record_incoming(event)


def incoming(aggregate_id: UUID) -> IncomingEvent:
    subject = f"masspayout.distribution.v1.distribution_released.{aggregate_id}"
    return IncomingEvent(uuid4(), subject, "distribution_released", aggregate_id, 1, b"")


async def test_nothing_is_left_of_a_task_that_was_cancelled(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    is_written = asyncio.Event()

    async def begin() -> None:
        async with unit_of_work() as work:
            locked = await work.payouts.lock(payout_id)
            locked.begin_execution(LATER)
            await work.payouts.save(locked)
            is_written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(begin())
    await is_written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(_LONG_SECONDS), unit_of_work() as work:
        assert (await work.payouts.lock(payout_id)).state is PayoutState.WAITING_FOR_FUNDS


async def test_what_others_have_not_committed_is_not_seen(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work, unit_of_work() as other:
        locked = await work.payouts.lock(payout_id)
        locked.begin_execution(LATER)
        await work.payouts.save(locked)
        seen = await other.payouts.get(payout_id)
        assert seen
        assert seen.state is PayoutState.WAITING_FOR_FUNDS
        await work.commit()
        seen = await other.payouts.get(payout_id)
        assert seen
        assert seen.state is PayoutState.EXECUTING, "each statement sees what is committed then"


async def test_after_a_commit_stands_what_others_made_of_it(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout_id)
        locked.begin_execution(LATER)
        await work.payouts.save(locked)
        await work.commit()
        async with unit_of_work() as other:
            locked = await other.payouts.lock(payout_id)
            locked.pause(LATER)
            await other.payouts.save(locked)
            await other.commit()
        assert await work.payouts.get(payout_id) == locked


async def test_behind_a_lock_stands_what_was_committed(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)

    async def begin() -> PayoutState:
        async with unit_of_work() as work:
            locked = await work.payouts.lock(payout_id)
            before = locked.state
            await asyncio.sleep(0.01)
            if before is PayoutState.WAITING_FOR_FUNDS:
                locked.begin_execution(LATER)
                await work.payouts.save(locked)
            await work.commit()
            return before

    states = await asyncio.gather(*(begin() for _ in range(3)))
    assert states.count(PayoutState.WAITING_FOR_FUNDS) == 1


async def waits(unit_of_work: UnitOfWorkFactory, first: Statement, second: Statement) -> bool:
    """Whether the second transaction's statement waits until the first transaction has ended."""
    async with unit_of_work() as work, unit_of_work() as other:
        await first(work)
        task = asyncio.create_task(_run(second, other))
        done, _ = await asyncio.wait([task], timeout=_SHORT_SECONDS)
        await work.commit()
        await asyncio.wait_for(task, _LONG_SECONDS)
        return not done


async def passes(unit_of_work: UnitOfWorkFactory, first: Statement, second: Statement) -> None:
    """The second transaction's statement goes through while the first transaction is open, however slowly."""
    async with unit_of_work() as work, unit_of_work() as other:
        await first(work)
        async with asyncio.timeout(_LONG_SECONDS):
            await second(other)


async def _run(statement: Statement, work: UnitOfWork) -> object:
    return await statement(work)


async def test_what_waits_for_a_locked_payout_and_what_does_not(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    payout_id, asset_id = payout.payout_id, payout.asset_id
    for statement in (
        lambda work: work.payouts.lock(payout_id),
        lambda work: work.payouts.wake(payout_id, LATER),
        lambda work: work.payouts.schedule(payout_id, LATER),
    ):
        assert await waits(unit_of_work, lambda work: work.payouts.lock(payout_id), statement)
        assert await waits(unit_of_work, lambda work: work.payouts.wake(payout_id, LATER), statement)
    for statement in (
        lambda work: work.payouts.get(payout_id),
        lambda work: work.payouts.add(payout),
        lambda work: work.payouts.waiting_for_snapshot(asset_id),
        lambda work: work.lifecycle.lock(asset_id),
        # Refers to the payout and to the asset.
        lambda work: work.discrepancies.add(new_discrepancy(asset_id, payout_id)),
    ):
        await passes(unit_of_work, lambda work: work.payouts.lock(payout_id), statement)


async def test_what_refers_to_a_locked_contract_does_not_wait(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    for statement in (
        lambda work: work.sweeps.add(new_sweep(asset_id)),
        lambda work: work.payouts.add(new_payout(asset_id)),
    ):
        await passes(unit_of_work, lambda work: work.lifecycle.lock(asset_id), statement)
    assert await waits(
        unit_of_work,
        lambda work: work.lifecycle.lock(asset_id),
        lambda work: work.lifecycle.wake(asset_id, LATER),
    )


async def test_lanes_intents_sweeps_and_treasuries_are_locked_alike(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id, signer, key = (await add_contract(unit_of_work)).asset_id, new_address(), treasury()
    intent, sweep = new_intent(signer), new_sweep(asset_id)
    async with unit_of_work() as work:
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xg", Nonce(0)))
        await work.journal.add(intent)
        await work.sweeps.add(sweep)
        await work.treasury.lock(key)
        await work.commit()
    statements: list[tuple[Statement, Statement]] = [
        (
            lambda work: work.journal.lock_lane(CHAIN_ID, signer),
            lambda work: work.journal.save_lane(NonceLane(CHAIN_ID, signer, "0xg", Nonce(1))),
        ),
        (
            lambda work: work.journal.lock(intent.intent_id),
            lambda work: work.journal.note_problem(intent.intent_id, WAIT),
        ),
        (
            lambda work: work.journal.lock(intent.intent_id),
            lambda work: work.journal.note_problem_of_created(CHAIN_ID, signer, HALTED),
        ),
        (
            lambda work: work.sweeps.lock(sweep.sweep_id),
            lambda work: work.sweeps.wake(sweep.sweep_id, LATER),
        ),
        (
            lambda work: work.treasury.lock(key),
            lambda work: work.treasury.set_checked_block(key, BlockNumber(7)),
        ),
    ]
    for lock, write in statements:
        assert await waits(unit_of_work, lock, lock)
        assert await waits(unit_of_work, lock, write)
        assert await waits(unit_of_work, write, lock)


async def test_what_is_being_inserted_is_waited_for(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    payout, key, event = new_payout(asset_id), request_key(), incoming(uuid4())
    found, treasury_key, intent = new_discrepancy(asset_id, None), treasury(), new_intent(new_address())
    lane = NonceLane(CHAIN_ID, new_address(), "0xg", Nonce(0))
    contract = new_contract()
    for insert in (
        lambda work: work.lifecycle.add(contract),
        lambda work: work.payouts.add(payout),
        lambda work: work.add_request(key, uuid4()),
        lambda work: work.record_incoming(event),
        lambda work: work.journal.add(replace(intent, intent_id=uuid4())),
        lambda work: work.journal.add_lane(lane),
        lambda work: work.treasury.lock(treasury_key),
        lambda work: work.discrepancies.add(replace(found, discrepancy_id=uuid4())),
    ):
        assert await waits(unit_of_work, insert, insert)


async def test_locks_in_opposite_orders_end_in_an_error(unit_of_work: UnitOfWorkFactory) -> None:
    payouts = [(await add_payout(unit_of_work)).payout_id for _ in range(2)]
    both_have_one = asyncio.Barrier(2)

    async def lock(first: UUID, second: UUID) -> bool:
        async with unit_of_work() as work:
            await work.payouts.lock(first)
            await both_have_one.wait()
            await work.payouts.lock(second)
            return True

    one, other = payouts
    answers = await asyncio.gather(lock(one, other), lock(other, one), return_exceptions=True)
    errors = [each for each in answers if isinstance(each, Exception)]
    assert len(errors) == 1, "one of them goes on"
    assert "deadlock" in str(errors[0]).lower()


def request_key() -> RequestKey:
    return RequestKey(uuid4(), "PausePayout", b"hash", "someone")


async def test_a_request_is_carried_out_once(unit_of_work: UnitOfWorkFactory) -> None:
    key, resource_id = request_key(), uuid4()
    async with unit_of_work() as work:
        assert await work.find_request(key.request_id) is None
        assert await work.add_request(key, resource_id)
    async with unit_of_work() as work:
        assert await work.find_request(key.request_id) is None, "it was not committed"
        assert await work.add_request(key, resource_id)
        await work.commit()
    async with unit_of_work() as work:
        assert not await work.add_request(replace(key, method="other"), uuid4())
        assert await work.find_request(key.request_id) == LoggedRequest(key, resource_id)


# ---------------------------------------------------------------------------------------- the treasury


def treasury() -> TreasuryKey:
    return TreasuryKey(CHAIN_ID, new_address(), EvmAddress("0x" + "bb" * 20))


async def test_commitments_add_up_and_raise_the_version(unit_of_work: UnitOfWorkFactory) -> None:
    key, other = treasury(), treasury()
    first, second = uuid4(), uuid4()
    async with unit_of_work() as work:
        assert await work.treasury.version(key) == 0
        assert await work.treasury.lock(key) == 0
        await work.treasury.commit(key, first, BaseUnits(HUGE // 2))
        await work.treasury.commit(key, second, BaseUnits(7))
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.lock(key) == 2
        assert await work.treasury.committed(key) == HUGE // 2 + 7
        assert await work.treasury.committed(other) == 0
        assert await work.treasury.commitments(key, 9) == [(first, HUGE // 2), (second, 7)]
        assert await work.treasury.commitments(key, 1) == [(first, HUGE // 2)]
        await work.treasury.reduce(key, second, BaseUnits(5))
        assert await work.treasury.committed_to(key, second) == 2
        assert await work.treasury.committed_to(other, second) == 0
        assert await work.treasury.version(key) == 3
        for wrong_key, owner, amount in ((key, second, 3), (other, second, 1), (key, uuid4(), 0)):
            with pytest.raises(RuntimeError):
                await work.treasury.reduce(wrong_key, owner, BaseUnits(amount))


async def test_money_is_promised_once(unit_of_work: UnitOfWorkFactory) -> None:
    key, owner_id = treasury(), uuid4()
    async with unit_of_work() as work:
        await work.treasury.lock(key)
        await work.treasury.commit(key, owner_id, BaseUnits(7))
        await work.commit()
    async with unit_of_work() as work:
        await work.treasury.lock(key)
        with pytest.raises(RuntimeError):
            await work.treasury.commit(key, owner_id, BaseUnits(5))
        await work.treasury.reduce(key, owner_id, BaseUnits(7))
        assert await work.treasury.commitments(key, 9) == []
        await work.treasury.commit(key, owner_id, BaseUnits(5))
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.lock(key) == 3
        assert await work.treasury.committed_to(key, owner_id) == 5


async def test_more_is_promised_to_who_had_a_promise(unit_of_work: UnitOfWorkFactory) -> None:
    key, other, owner_id = treasury(), treasury(), uuid4()
    async with unit_of_work() as work:
        for each in (key, other):
            await work.treasury.lock(each)
        with pytest.raises(RuntimeError):
            await work.treasury.add(key, owner_id, BaseUnits(5))
        await work.treasury.commit(key, owner_id, BaseUnits(7))
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.lock(key) == 1
        await work.treasury.add(key, owner_id, BaseUnits(HUGE - 7))
        await work.treasury.reduce(key, owner_id, BaseUnits(HUGE))
        await work.treasury.add(key, owner_id, BaseUnits(5))
        with pytest.raises(RuntimeError):
            await work.treasury.add(other, owner_id, BaseUnits(5))
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.committed_to(key, owner_id) == 5, "also after all of it was paid"
        assert await work.treasury.lock(key) == 4
        assert await work.treasury.committed(other) == 0


async def test_money_is_promised_from_a_treasury_that_was_locked(unit_of_work: UnitOfWorkFactory) -> None:
    async with unit_of_work() as work:
        with pytest.raises(Exception, match="commitment"):
            await work.treasury.commit(treasury(), uuid4(), BaseUnits(7))


async def test_a_treasury_knows_the_highest_block_that_is_settled(unit_of_work: UnitOfWorkFactory) -> None:
    key = treasury()
    async with unit_of_work() as work:
        assert await work.treasury.settled_block(key) == 0
        await work.treasury.lock(key)
        await work.treasury.raise_settled_block(key, BlockNumber(9))
        await work.treasury.raise_settled_block(key, BlockNumber(5))
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.settled_block(key) == 9, "never back"
        assert await work.treasury.settled_block(treasury()) == 0


async def test_a_treasury_is_checked_up_to_a_block(unit_of_work: UnitOfWorkFactory) -> None:
    key = treasury()
    for block in (5, 9):
        async with unit_of_work() as work:
            await work.treasury.set_checked_block(key, BlockNumber(block))
            await work.commit()
        async with unit_of_work() as work:
            assert await work.treasury.checked_block(key) == block
            assert await work.treasury.version(key) == 0, "no commitment has changed"
            assert await work.treasury.checked_block(treasury()) is None
    async with unit_of_work() as work:
        assert await work.treasury.lock(key) == 0
        await work.treasury.commit(key, uuid4(), BaseUnits(7))
        assert await work.treasury.checked_block(key) == 9


async def test_the_treasurys_lock_lets_one_commit_at_a_time(unit_of_work: UnitOfWorkFactory) -> None:
    """Two payouts, money for one: the second sees the first's commitment."""
    key = treasury()
    async with unit_of_work() as work:
        # The row exists: its lock is what makes the second wait, not the first one's insert.
        await work.treasury.lock(key)
        await work.commit()

    async def commit(owner_id: UUID) -> bool:
        async with unit_of_work() as work:
            await work.treasury.lock(key)
            available = 100 - await work.treasury.committed(key)
            await asyncio.sleep(0.01)
            if available < 60:
                return False
            await work.treasury.commit(key, owner_id, BaseUnits(60))
            await work.commit()
            return True

    assert sorted(await asyncio.gather(*(commit(uuid4()) for _ in range(2)))) == [False, True]


# ---------------------------------------------------------------------------------------- sweeps and discrepancies


async def test_a_sweep_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    first, second, third = (new_sweep(asset_id) for _ in range(3))
    async with unit_of_work() as work:
        for sweep in (first, second, third, new_sweep((await add_contract(unit_of_work)).asset_id)):
            await work.sweeps.add(sweep)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.sweeps.get(first.sweep_id) == first
        assert await work.sweeps.get(uuid4()) is None
        assert await work.sweeps.sending(asset_id) == [first, second, third]
        locked = await work.sweeps.lock(second.sweep_id)
        locked.waiting_for = "gas money"
        await work.sweeps.save(locked)
        assert await work.sweeps.get(second.sweep_id) == locked
        locked.fail(Failure(FailedBecause.TRANSACTION_REVERTED, "reverted"), "0xt", LATER)
        await work.sweeps.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.sweeps.get(second.sweep_id) == locked
        assert locked.state is SweepState.FAILED
        assert await work.sweeps.sending(asset_id) == [first, third]
        with pytest.raises(Exception, match="sweep"):
            await work.sweeps.add(first)


async def test_the_same_difference_is_open_once(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    asset_id, payout_id = payout.asset_id, payout.payout_id
    of_payout, of_asset = new_discrepancy(asset_id, payout_id), new_discrepancy(asset_id, None)
    later = new_discrepancy(asset_id, payout_id)
    other_kind = replace(later.finding, kind=DiscrepancyKind.LEDGER_DIFFERS)
    others = [later, replace(later, discrepancy_id=uuid4(), finding=other_kind)]
    async with unit_of_work() as work:
        before = await work.discrepancies.open_count()
        for found in (of_payout, of_asset, *others):
            assert await work.discrepancies.add(found)
            assert not await work.discrepancies.add(replace(found, discrepancy_id=uuid4()))
        same_subject = replace(of_payout, discrepancy_id=uuid4(), payout_id=None)
        assert await work.discrepancies.add(same_subject), "of another owner"
        await work.commit()
    async with unit_of_work() as work:
        assert await work.discrepancies.open_of(asset_id, payout_id) == [of_payout, *others]
        assert await work.discrepancies.open_of(asset_id, None) == [of_asset, same_subject]
        assert await work.discrepancies.open_of(uuid4(), payout_id) == []
        assert await work.discrepancies.open_count() == before + 5


async def test_a_difference_that_was_resolved_may_be_found_again(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    found = new_discrepancy(asset_id, None)
    seen = replace(found.finding, expected="6", actual="5", transaction_hash="0xu")

    async def stored() -> list[Discrepancy]:
        async with unit_of_work() as work:
            return await work.discrepancies.open_of(asset_id, None)

    async with unit_of_work() as work:
        await work.discrepancies.add(found)
        await work.commit()
    async with unit_of_work() as work:
        await work.discrepancies.seen_again(found.discrepancy_id, seen, LATER)
        await work.commit()
    assert await stored() == [replace(found, finding=seen, last_seen_time=LATER)]
    async with unit_of_work() as work:
        before = await work.discrepancies.open_count()
        await work.discrepancies.resolve(found.discrepancy_id, LATER)
        # What is resolved stays as it is, and is announced once.
        await work.discrepancies.resolve(found.discrepancy_id, LATER)
        await work.discrepancies.seen_again(found.discrepancy_id, found.finding, LATER)
        assert await work.discrepancies.open_count() == before - 1
        await work.commit()
    assert await stored() == []
    again = replace(found, discrepancy_id=uuid4())
    async with unit_of_work() as work:
        assert await work.discrepancies.add(again)
        await work.commit()
    assert await stored() == [again]


# ---------------------------------------------------------------------------------------- claims

_LEASED = ["payouts", "lifecycle", "sweeps"]


async def _add_due(unit_of_work: UnitOfWorkFactory, kind: str, now: datetime) -> UUID:
    if kind == "payouts":
        return (await add_payout(unit_of_work, create_time=now)).payout_id
    if kind == "lifecycle":
        return (await add_contract(unit_of_work, new_contract(now))).asset_id
    sweep = new_sweep((await add_contract(unit_of_work)).asset_id, now)
    async with unit_of_work() as work:
        await work.sweeps.add(sweep)
        await work.commit()
    return sweep.sweep_id


def _long_ago(kind: str, years: int = 0) -> datetime:
    """Long before the rows of the other tests are due."""
    return datetime(2001 + years, 1, 1, tzinfo=UTC) + timedelta(days=90 * _LEASED.index(kind))


@pytest.mark.parametrize("kind", _LEASED)
async def test_a_claim_is_a_lease_that_ends(unit_of_work: UnitOfWorkFactory, kind: str) -> None:
    now = _long_ago(kind)
    lease, end = now + timedelta(seconds=20), now + timedelta(days=30)
    await _retire(unit_of_work, kind, now, end)
    keys = {await _add_due(unit_of_work, kind, now) for _ in range(2)}

    async def claim(at: datetime) -> UUID | None:
        async with unit_of_work() as work:
            claimed = await getattr(work, kind).claim_due(at, at + timedelta(seconds=20))
            await asyncio.sleep(0)
            await work.commit()
            assert claimed is None or isinstance(claimed, UUID)
            return claimed

    claimed = await asyncio.gather(*(claim(now) for _ in range(4)))
    assert sorted(map(str, filter(None, claimed))) == sorted(map(str, keys)), "each once"
    assert await claim(now + timedelta(seconds=19)) is None
    assert await claim(lease) in keys, "a dead claimer's lease runs out"
    one = next(iter(keys))
    async with unit_of_work() as work:
        await getattr(work, kind).schedule(one, end)
        await work.commit()
    assert await claim(lease) != one
    async with unit_of_work() as work:
        await getattr(work, kind).wake(one, now)
        await getattr(work, kind).wake(uuid4(), now)
        await getattr(work, kind).schedule(uuid4(), now)
        await work.commit()
    assert await claim(now) == one, "woken, and its claim had ended"
    await _retire(unit_of_work, kind, end, end + timedelta(days=30))


@pytest.mark.parametrize("kind", _LEASED)
async def test_a_claim_passes_by_what_is_locked(unit_of_work: UnitOfWorkFactory, kind: str) -> None:
    now = _long_ago(kind, 1)
    await _retire(unit_of_work, kind, now, now + timedelta(days=30))
    first = await _add_due(unit_of_work, kind, now - timedelta(seconds=2))
    second = await _add_due(unit_of_work, kind, now - timedelta(seconds=1))
    async with unit_of_work() as work, unit_of_work() as other:
        await getattr(work, kind).lock(first)
        assert await getattr(other, kind).claim_due(now, LATER) == second
        assert await getattr(other, kind).claim_due(now, LATER) is None
        assert await getattr(work, kind).claim_due(now, LATER) == first, "its own lock is none to it"
    async with unit_of_work() as work:
        assert await getattr(work, kind).claim_due(now, LATER) == first, "what is due longest"
    await _retire(unit_of_work, kind, now, now + timedelta(days=3000))


async def _retire(unit_of_work: UnitOfWorkFactory, kind: str, at: datetime, until: datetime) -> None:
    """Puts off whatever is due already."""
    async with unit_of_work() as work:
        for _ in range(1000):
            key = await getattr(work, kind).claim_due(at, until)
            if key is None:
                break
        await work.commit()


async def test_a_request_to_pause_is_kept_until_it_is_carried_out(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id

    async def changed(change: Callable[[LifecycleContract], object]) -> LifecycleContract:
        async with unit_of_work() as work:
            locked = await work.lifecycle.lock(asset_id)
            change(locked)
            await work.lifecycle.save(locked)
            await work.commit()
        async with unit_of_work() as work:
            found = await work.lifecycle.get(asset_id)
        assert found == locked
        return found

    asked = await changed(lambda each: each.request_pause(PauseRequest(2**40, True), LATER))
    assert asked.pause_request == PauseRequest(2**40, True)
    await changed(lambda each: each.begin_pause("pause/1"))
    await changed(lambda each: each.note_pause_problem(WAIT, LATER))
    await changed(lambda each: each.request_pause(PauseRequest(2**40 + 1, False), LATER))
    await changed(lambda each: each.end_pause_transaction())
    done = await changed(lambda each: each.finish_pause(BlockNumber(2**33), LATER))
    assert (done.pause_request, done.pause_request_version, done.pause_final_block) == (None, 2**40 + 1, 2**33)


async def test_what_is_final_is_not_claimed(unit_of_work: UnitOfWorkFactory) -> None:
    now = datetime(1999, 1, 1, tzinfo=UTC)
    payout = await add_payout(unit_of_work, create_time=now)
    sweep = new_sweep(payout.asset_id, now)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        locked.fail(NOBODY, now)
        await work.payouts.save(locked)
        contract = await work.lifecycle.lock(payout.asset_id)
        contract.state = LifecycleState.DEPLOYING
        contract.fail("because", now)
        await work.lifecycle.save(contract)
        await work.sweeps.add(sweep)
        sweep.succeed("0xt", now)
        await work.sweeps.save(sweep)
        await work.commit()
    assert contract.state is LifecycleState.FAILED
    async with unit_of_work() as work:
        assert await work.payouts.claim_due(now, LATER) is None
        assert await work.lifecycle.claim_due(now, LATER) is None
        assert await work.sweeps.claim_due(now, LATER) is None


async def test_a_payout_with_deferred_payments_is_looked_at_again(unit_of_work: UnitOfWorkFactory) -> None:
    now = datetime(1995, 1, 1, tzinfo=UTC)
    payout = await add_payout(unit_of_work, create_time=now)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        locked.state = PayoutState.DEFERRED
        await work.payouts.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.claim_due(now, LATER) == payout.payout_id
        await work.payouts.schedule(payout.payout_id, LATER)
        await work.commit()


@pytest.mark.parametrize("state", [PayoutState.PAUSED, PayoutState.CANCELLING])
async def test_what_an_operator_stopped_is_still_settled(
    unit_of_work: UnitOfWorkFactory, state: PayoutState
) -> None:
    now = datetime(1998, 1, 1, tzinfo=UTC)
    payout = await add_payout(unit_of_work, create_time=now)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if state is PayoutState.PAUSED:
            locked.pause(now)
        else:
            locked.cancel({}, {}, now)
        await work.payouts.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.claim_due(now, LATER) == payout.payout_id
        await work.payouts.schedule(payout.payout_id, LATER)
        await work.commit()


async def test_payouts_with_a_plan_are_compared_again_and_again(unit_of_work: UnitOfWorkFactory) -> None:
    now = datetime(1997, 1, 1, tzinfo=UTC)
    next_time = now + timedelta(days=30)
    await add_payout(unit_of_work, create_time=now)
    first = await frozen_payout(unit_of_work, create_time=now)
    second = await frozen_payout(unit_of_work, create_time=now + timedelta(seconds=1))
    later = now + timedelta(seconds=1)
    async with unit_of_work() as work, unit_of_work() as other:
        assert await work.payouts.claim_reconciliation(now, next_time) == first
        assert await work.payouts.claim_reconciliation(now, next_time) is None
        assert await other.payouts.claim_reconciliation(later, next_time) == second, "the first is locked"
        assert await other.payouts.claim_due(now, LATER) != first, "locked for all"
    async with unit_of_work() as work:
        claimed = [await work.payouts.claim_reconciliation(later, next_time) for _ in range(3)]
        assert claimed == [first, second, None]
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.claim_reconciliation(next_time - timedelta(seconds=1), next_time) is None
        assert await work.payouts.claim_reconciliation(next_time, START) in (first, second)
        assert await work.payouts.claim_reconciliation(next_time, START) in (first, second)
        await work.commit()


async def test_what_has_not_changed_for_long_is_compared_less_often(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    now, due = START + timedelta(days=100), START + timedelta(days=110)

    async def claim_all(at: datetime) -> list[UUID | None]:
        async with unit_of_work() as work:
            next_time = at + timedelta(hours=1)
            claimed = [await work.payouts.claim_reconciliation(at, next_time)]
            while claimed[-1] is not None and len(claimed) < 1000:
                claimed.append(await work.payouts.claim_reconciliation(at, next_time))
            await work.commit()
            return claimed

    assert payout_id in await claim_all(now)
    assert payout_id not in await claim_all(due - timedelta(seconds=1))
    assert payout_id in await claim_all(due)


async def test_an_executing_payout_keeps_when_it_is_compared(unit_of_work: UnitOfWorkFactory) -> None:
    now = datetime(1996, 1, 1, tzinfo=UTC)
    payout_id = await executing(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        payout.wait_for(WAIT, LATER)
        await work.payouts.save(payout)
        assert await work.payouts.claim_reconciliation(now, now) is None
