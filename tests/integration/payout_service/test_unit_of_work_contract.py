"""One suite for the unit of work in memory and on PostgreSQL, so that the fakes can be trusted."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from libs.chain.address import EvmAddress
from payout_service.application.ports import TreasuryKey, UnitOfWorkFactory
from payout_service.domain.lifecycle import LifecycleState
from payout_service.domain.payments import Batch, BatchState, FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.transaction import Attempt, IntentState, NonceLane, Outcome, TransactionIntent
from tests.integration.payout_service.rows import (
    HUGE,
    add_contract,
    add_payout,
    frozen_payout,
    new_address,
    new_contract,
    new_intent,
    postgres,
)
from tests.support.payout.memory_chain import CHAIN_ID, holder
from tests.support.payout.memory_database import START, MemoryDatabase
from tests.support.payout.stage import incoming

LATER = START + timedelta(seconds=30)


@pytest.fixture(params=["memory", "postgres"])
def unit_of_work(request: pytest.FixtureRequest) -> UnitOfWorkFactory:
    if request.param == "memory":
        return MemoryDatabase().unit_of_work
    return postgres(request.getfixturevalue("engine"))


async def test_a_contract_is_read_as_it_was_stored(unit_of_work: UnitOfWorkFactory) -> None:
    contract = await add_contract(unit_of_work)
    async with unit_of_work() as work:
        assert await work.lifecycle.get(contract.asset_id) == contract
        assert not await work.lifecycle.add(replace(contract, token=new_address())), "one asset, one contract"
        locked = await work.lifecycle.lock(contract.asset_id)
        assert list(locked.created) == ["zebra", "ant"], "in the order of the creations"
        locked.fail("because", LATER)
        await work.lifecycle.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.lifecycle.get(contract.asset_id) == locked
        assert await work.lifecycle.get(uuid4()) is None


async def test_one_distribution_has_one_payout(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work, HUGE)
    async with unit_of_work() as work:
        assert not await work.payouts.add(replace(payout, total_base_units=1))
        assert await work.payouts.get(payout.payout_id) == payout
        assert await work.payouts.get(uuid4()) is None


async def test_a_frozen_plan_is_read_as_it_was_stored(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        rows = [row async for row in work.payments.plan_rows(payout_id)]
        free = await work.payments.unbatched(payout_id, 2)
    assert payout
    assert payout.plan
    assert (payout.state, payout.plan.holder_count) == (PayoutState.WAITING_FOR_FUNDS, 4)
    assert payout.plan.zero_due_count == 1
    assert [row.ordinal for row in rows] == [0, 1, 2, 3]
    assert sum(row.amount_base_units for row in rows) == payout.plan.payable_base_units
    assert [row.ordinal for row in free] == [0, 2], "who is due nothing is never batched"


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


async def executing(unit_of_work: UnitOfWorkFactory) -> UUID:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout_id)
        locked.begin_execution(LATER)
        await work.payouts.save(locked)
        await work.commit()
    return payout_id


async def batched(unit_of_work: UnitOfWorkFactory, payout_id: UUID, number: int) -> list[PlannedPayment]:
    intent = new_intent(new_address())
    async with unit_of_work() as work:
        payees = await work.payments.unbatched(payout_id, 2)
        batch = Batch(number, len(payees), sum(each.amount_base_units for each in payees), intent.key, START)
        await work.payments.add_batch(payout_id, batch, payees)
        await work.journal.add(intent)
        await work.commit()
    return payees


async def test_a_payee_is_in_one_batch(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work)
    payees = await batched(unit_of_work, payout_id, 1)
    async with unit_of_work() as work:
        assert [each.ordinal for each in await work.payments.unbatched(payout_id, 10)] == [3]
        assert await work.payments.payees_of(payout_id, 1) == payees
        with pytest.raises(RuntimeError):
            await work.payments.add_batch(payout_id, Batch(2, 1, 1, f"k/{uuid4()}", START), payees[:1])


async def test_a_batch_is_settled_payee_by_payee_and_once(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work)
    payees = await batched(unit_of_work, payout_id, 1)
    outcomes = [
        PaymentOutcome(payees[0].holder, PaymentState.PAID),
        PaymentOutcome(payees[1].holder, PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES),
    ]
    async with unit_of_work() as work:
        (batch,) = await work.payments.open_batches(payout_id)
        assert (batch.number, batch.holder_count) == (1, 2)
        await work.payments.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes, "0xt", LATER)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payments.open_batches(payout_id) == []
        assert await work.payments.open_sums(payout_id) == (1, payees[1].amount_base_units)
        with pytest.raises(RuntimeError):
            await work.payments.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes, "0xt", LATER)


async def test_payees_of_a_reverted_batch_return_until_their_tries_are_spent(
    unit_of_work: UnitOfWorkFactory,
) -> None:
    payout_id = await executing(unit_of_work)
    payees: list[PlannedPayment] = []
    for number, expected in ((1, (2, 0)), (2, (0, 2))):
        payees = await batched(unit_of_work, payout_id, number)
        assert [each.ordinal for each in payees] == [0, 2]
        async with unit_of_work() as work:
            await work.payments.settle_batch(payout_id, number, BatchState.REVERTED, [], "0xt", LATER)
            assert await work.payments.return_to_plan(payout_id, number, "0xt", 2, LATER) == expected
            await work.commit()
    async with unit_of_work() as work:
        owed = sum(each.amount_base_units for each in payees)
        assert await work.payments.open_sums(payout_id) == (1, owed)
        assert await work.payments.payees_of(payout_id, 1) == []
        assert await work.payments.payees_of(payout_id, 2) == payees


async def test_a_holder_has_one_place_in_a_plan(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    row = PlannedPayment(0, holder(0), HUGE, HUGE)
    async with unit_of_work() as work:
        await work.payments.add_planned(payout.payout_id, [row], START)
        await work.commit()
    for again in (row, replace(row, ordinal=1), replace(row, holder=holder(1))):
        async with unit_of_work() as work:
            with pytest.raises(Exception, match=r"(?i)payment"):
                await work.payments.add_planned(payout.payout_id, [again], START)
    async with unit_of_work() as work:
        assert await work.payments.unbatched(payout.payout_id, 9) == [row]


def signed(intent: TransactionIntent, nonce: int) -> TransactionIntent:
    intent.sign(nonce, 50_000, Attempt(1, bytes([nonce]), f"0x{uuid4().hex}", HUGE, START))
    return intent


async def test_an_intent_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    intent = new_intent(signer)
    async with unit_of_work() as work:
        assert await work.journal.add(intent)
        assert not await work.journal.add(new_intent(signer, intent.key)), "the key is the identity"
        await work.commit()
    outcome = Outcome("0xt", 7, "0xb", 40_000, new_address())
    for change in (
        lambda: signed(intent, 3),
        lambda: intent.mark_broadcast(1, "a problem", LATER),
        intent.mined,
        lambda: intent.conclude(True, outcome),
    ):
        change()
        async with unit_of_work() as work:
            await work.journal.lock(intent.intent_id)
            await work.journal.save(intent)
            await work.commit()
        async with unit_of_work() as work:
            assert await work.journal.find(intent.key) == intent
            assert await work.journal.lock(intent.intent_id) == intent
            in_flight = await work.journal.in_flight(CHAIN_ID, signer)
            assert in_flight == ([] if intent.outcome else [intent])


async def test_durable_bytes_never_change(unit_of_work: UnitOfWorkFactory) -> None:
    intent = new_intent(new_address())
    async with unit_of_work() as work:
        await work.journal.add(intent)
        await work.commit()
    async with unit_of_work() as work:
        await work.journal.save(signed(intent, 0))
        await work.commit()
    original = intent.attempts[0]
    intent.attempts = [replace(original, raw=b"other", last_broadcast_time=LATER)]
    async with unit_of_work() as work:
        await work.journal.save(intent)
        await work.commit()
    async with unit_of_work() as work:
        found = await work.journal.find(intent.key)
    assert found
    assert found.attempts == [replace(original, last_broadcast_time=LATER)]


async def test_a_nonce_belongs_to_one_intent(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    first, second = new_intent(signer), new_intent(signer)
    async with unit_of_work() as work:
        await work.journal.add(first)
        await work.journal.add(second)
        await work.journal.save(signed(first, 5))
        await work.commit()
    async with unit_of_work() as work:
        with pytest.raises(Exception, match="nonce"):
            await work.journal.save(signed(second, 5))


async def test_intents_without_a_nonce_come_by_age_those_with_a_problem_last(
    unit_of_work: UnitOfWorkFactory,
) -> None:
    signer = new_address()
    intents = [new_intent(signer) for _ in range(4)]
    async with unit_of_work() as work:
        for intent in intents:
            await work.journal.add(intent)
        await work.journal.add(new_intent(new_address()))
        await work.journal.note_problem(intents[0].intent_id, "blocked")
        await work.journal.save(signed(intents[3], 0))
        await work.commit()
    async with unit_of_work() as work:
        await work.journal.note_problem(intents[3].intent_id, "too late: it has a nonce")
        found = await work.journal.created(CHAIN_ID, signer, 2)
        assert [each.intent_id for each in found] == [intents[1].intent_id, intents[2].intent_id]
        await work.journal.note_problem_of_created(CHAIN_ID, signer, "halted")
        await work.commit()
    async with unit_of_work() as work:
        problems = {each.problem for each in await work.journal.created(CHAIN_ID, signer, 9)}
        (in_flight,) = await work.journal.in_flight(CHAIN_ID, signer)
    assert problems == {"halted"}
    assert in_flight.problem == ""


async def test_a_lane_is_made_once(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    async with unit_of_work() as work:
        assert await work.journal.find_lane(CHAIN_ID, signer) is None
        assert await work.journal.lock_lane(CHAIN_ID, signer) is None
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xg", 4))
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xother", 9))
        await work.commit()
    async with unit_of_work() as work:
        lane = await work.journal.lock_lane(CHAIN_ID, signer)
        assert lane == NonceLane(CHAIN_ID, signer, "0xg", 4)
        lane.allocate()
        lane.halt("because")
        await work.journal.save_lane(lane)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.journal.find_lane(CHAIN_ID, signer) == NonceLane(CHAIN_ID, signer, "0xg", 5, "because")


async def test_nonces_are_unique_under_concurrency(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    async with unit_of_work() as work:
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xg", 0))
        await work.commit()

    async def allocate() -> int:
        async with unit_of_work() as work:
            lane = await work.journal.lock_lane(CHAIN_ID, signer)
            assert lane
            await asyncio.sleep(0)
            nonce = lane.allocate()
            await work.journal.save_lane(lane)
            await work.commit()
            return nonce

    assert sorted(await asyncio.gather(*(allocate() for _ in range(8)))) == list(range(8))


def treasury() -> TreasuryKey:
    return TreasuryKey(CHAIN_ID, new_address(), EvmAddress("0x" + "bb" * 20))


async def test_commitments_add_up_and_raise_the_version(unit_of_work: UnitOfWorkFactory) -> None:
    key, other = treasury(), treasury()
    first, second = await frozen_payout(unit_of_work), await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        assert await work.treasury.version(key) == 0
        assert await work.treasury.lock(key) == 0
        await work.treasury.commit(key, first, HUGE // 2)
        await work.treasury.commit(key, second, 7)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.treasury.lock(key) == 2
        assert await work.treasury.committed(key) == HUGE // 2 + 7
        assert await work.treasury.committed(other) == 0
        await work.treasury.reduce(key, second, 5)
        assert await work.treasury.committed_to(key, second) == 2
        assert await work.treasury.committed_to(other, second) == 0
        assert await work.treasury.version(key) == 3
        with pytest.raises(RuntimeError):
            await work.treasury.reduce(key, second, 3)


async def test_the_treasurys_lock_lets_one_commit_at_a_time(unit_of_work: UnitOfWorkFactory) -> None:
    """Two payouts, money for one: the second sees the first's commitment."""
    key = treasury()
    async with unit_of_work() as work:
        # The row exists: its lock is what makes the second wait, not the first one's insert.
        await work.treasury.lock(key)
        await work.commit()
    payouts = [await frozen_payout(unit_of_work) for _ in range(2)]

    async def commit(payout_id: UUID) -> bool:
        async with unit_of_work() as work:
            await work.treasury.lock(key)
            available = 100 - await work.treasury.committed(key)
            await asyncio.sleep(0.01)
            if available < 60:
                return False
            await work.treasury.commit(key, payout_id, 60)
            await work.commit()
            return True

    assert sorted(await asyncio.gather(*(commit(each) for each in payouts))) == [False, True]


@pytest.mark.parametrize("kind", ["payouts", "lifecycle"])
async def test_a_claim_is_a_lease_that_ends(unit_of_work: UnitOfWorkFactory, kind: str) -> None:
    # Long before the rows of the other tests are due.
    now = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=0 if kind == "payouts" else 365)
    lease, end = now + timedelta(seconds=20), now + timedelta(days=30)
    await _retire(unit_of_work, kind, now, end)
    if kind == "payouts":
        keys = {(await add_payout(unit_of_work, create_time=now)).payout_id for _ in range(2)}
    else:
        keys = {(await add_contract(unit_of_work, new_contract(now))).asset_id for _ in range(2)}

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
        await work.commit()
    assert await claim(now) == one, "woken, and its claim had ended"
    await _retire(unit_of_work, kind, end, end + timedelta(days=30))


async def _retire(unit_of_work: UnitOfWorkFactory, kind: str, at: datetime, until: datetime) -> None:
    """Puts off whatever is due already."""
    async with unit_of_work() as work:
        for _ in range(1000):
            key = await getattr(work, kind).claim_due(at, until)
            if key is None:
                break
        await work.commit()


async def test_what_is_final_is_not_claimed(unit_of_work: UnitOfWorkFactory) -> None:
    now = datetime(1999, 1, 1, tzinfo=UTC)
    payout = await add_payout(unit_of_work, create_time=now)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        locked.fail("NO_HOLDERS", now)
        await work.payouts.save(locked)
        contract = await work.lifecycle.lock(payout.asset_id)
        contract.fail("because", now)
        await work.lifecycle.save(contract)
        await work.commit()
    assert contract.state is LifecycleState.FAILED
    async with unit_of_work() as work:
        assert await work.payouts.claim_due(now, LATER) is None
        assert await work.lifecycle.claim_due(now, LATER) is None


async def test_an_intent_has_its_state_after_a_lost_nonce(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    intent = signed(new_intent(signer), 1)
    async with unit_of_work() as work:
        await work.journal.add(replace(intent, state=IntentState.CREATED, nonce=None, attempts=[]))
        await work.journal.save(intent)
        await work.commit()
    intent.mark_broadcast(1, "", LATER)
    intent.lose_nonce()
    async with unit_of_work() as work:
        await work.journal.save(intent)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.journal.find(intent.key) == intent
        assert await work.journal.in_flight(CHAIN_ID, signer) == []
