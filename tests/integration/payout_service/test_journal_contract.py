"""Intents, attempts, lanes, foreign transactions: one suite for memory and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce, Wei
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import (
    Attempt,
    ForeignTransaction,
    IntentState,
    NonceLane,
    Outcome,
    TransactionIntent,
)
from payout_service.domain.waits import Wait, WaitFor, signer_stopped
from tests.integration.payout_service.rows import (
    CHAIN_ID,
    HUGE,
    LATER,
    add_payout,
    new_address,
    new_intent,
    signed,
)
from tests.support.payout.memory_database import START

BLOCKED = Wait(WaitFor.CALL_WOULD_REVERT, "blocked")
UNANSWERED = Wait(WaitFor.OUTCOME_UNKNOWN, "no answer")
HALTED = signer_stopped(WaitFor.NONCE_LOST, "a nonce: used by others")
CANCELLED = VoidReason(VoidedBecause.CANCELLED, "because")


async def store(unit_of_work: UnitOfWorkFactory, *intents: TransactionIntent) -> None:
    async with unit_of_work() as work:
        for intent in intents:
            assert await work.journal.add(intent)
        await work.commit()


async def save(unit_of_work: UnitOfWorkFactory, intent: TransactionIntent) -> None:
    async with unit_of_work() as work:
        await work.journal.lock(intent.intent_id)
        await work.journal.save(intent)
        await work.commit()


async def test_an_intent_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    intent = new_intent(signer)
    async with unit_of_work() as work:
        assert await work.journal.add(intent)
        assert not await work.journal.add(new_intent(signer, intent.key)), "the key is the identity"
        await work.commit()
    outcome = Outcome("0xt", BlockNumber(7), "0xb", 40_000, new_address())
    no_op = Attempt(
        2,
        b"\x02",
        f"0x{uuid4().hex}",
        Fees(max_fee_per_gas_wei=Wei(9), max_priority_fee_per_gas_wei=None),
        LATER,
        is_no_op=True,
    )
    for change in (
        lambda: signed(intent, 3),
        lambda: intent.mark_unknown(1, UNANSWERED, LATER),
        lambda: intent.void(CANCELLED),
        lambda: intent.replace_with(no_op),
        lambda: intent.mark_broadcast(2, BLOCKED, LATER),
        intent.mined,
        lambda: intent.conclude(True, replace(outcome, transaction_hash=no_op.transaction_hash)),
    ):
        change()
        await save(unit_of_work, intent)
        async with unit_of_work() as work:
            assert await work.journal.find(intent.key) == intent
            assert await work.journal.lock(intent.intent_id) == intent
            in_flight = await work.journal.in_flight(CHAIN_ID, signer)
            assert in_flight == ([] if intent.outcome else [intent])
    assert intent.state is IntentState.VOIDED


async def test_durable_bytes_never_change(unit_of_work: UnitOfWorkFactory) -> None:
    intent = new_intent(new_address())
    await store(unit_of_work, intent)
    await save(unit_of_work, signed(intent, 0))
    original = intent.attempts[0]
    intent.attempts = [
        replace(
            original,
            raw=b"other",
            fees=Fees(max_fee_per_gas_wei=Wei(1), max_priority_fee_per_gas_wei=Wei(1)),
            last_broadcast_time=LATER,
        )
    ]
    await save(unit_of_work, intent)
    async with unit_of_work() as work:
        found = await work.journal.find(intent.key)
    assert found
    assert found.attempts == [replace(original, last_broadcast_time=LATER)]


async def test_bytes_belong_to_one_intent(unit_of_work: UnitOfWorkFactory) -> None:
    first, second = new_intent(new_address()), new_intent(new_address())
    await store(unit_of_work, first, second)
    await save(unit_of_work, signed(first, 0))
    signed(second, 0)
    second.attempts = list(first.attempts)
    async with unit_of_work() as work:
        with pytest.raises(Exception, match="attempt"):
            await work.journal.save(second)


async def test_a_nonce_belongs_to_one_intent(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    first, second, elsewhere = new_intent(signer), new_intent(signer), new_intent(new_address())
    await store(unit_of_work, first, second, elsewhere)
    await save(unit_of_work, signed(first, 5))
    await save(unit_of_work, signed(elsewhere, 5))
    async with unit_of_work() as work:
        with pytest.raises(Exception, match="nonce"):
            await work.journal.save(signed(second, 5))


async def test_what_was_never_signed_has_no_nonce_and_all_else_has_one(unit_of_work: UnitOfWorkFactory) -> None:
    created, voided, adopted = (new_intent(new_address()) for _ in range(3))
    await store(unit_of_work, created, voided, adopted)
    assert voided.void(CANCELLED)
    await save(unit_of_work, voided)
    adopted.adopt(Outcome("0xt", BlockNumber(7), "0xb", 1, None))
    await save(unit_of_work, adopted)
    for wrong in (
        replace(created, state=IntentState.SIGNED),
        replace(created, nonce=Nonce(3)),
        replace(created, state=IntentState.UNKNOWN),
    ):
        async with unit_of_work() as work:
            with pytest.raises(Exception, match="nonce_once_signed"):
                await work.journal.save(wrong)


async def test_intents_without_a_nonce_come_by_age_those_with_a_problem_last(
    unit_of_work: UnitOfWorkFactory,
) -> None:
    signer = new_address()
    intents = [new_intent(signer) for _ in range(4)]
    await store(unit_of_work, *intents, new_intent(new_address()))
    async with unit_of_work() as work:
        await work.journal.note_problem(intents[0].intent_id, BLOCKED)
        await work.journal.save(signed(intents[3], 0))
        await work.commit()
    async with unit_of_work() as work:
        await work.journal.note_problem(intents[3].intent_id, BLOCKED)
        found = await work.journal.created(CHAIN_ID, signer, limit=2)
        assert [each.intent_id for each in found] == [intents[1].intent_id, intents[2].intent_id]
        assert await work.journal.queued_count(CHAIN_ID, signer) == 3
        await work.journal.note_problem_of_created(CHAIN_ID, signer, HALTED)
        await work.commit()
    async with unit_of_work() as work:
        problems = {each.problem for each in await work.journal.created(CHAIN_ID, signer, limit=9)}
        (in_flight,) = await work.journal.in_flight(CHAIN_ID, signer)
        assert await work.journal.queued_count(CHAIN_ID, new_address()) == 0
    assert problems == {HALTED}
    assert in_flight.problem is None


async def test_what_is_in_flight_comes_by_nonce(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    intents = [new_intent(signer) for _ in range(4)]
    await store(unit_of_work, *intents)
    for intent, nonce in zip(intents[:3], (7, 5, 6), strict=True):
        await save(unit_of_work, signed(intent, nonce))
    intents[0].mark_unknown(1, UNANSWERED, LATER)
    await save(unit_of_work, intents[0])
    async with unit_of_work() as work:
        in_flight = await work.journal.in_flight(CHAIN_ID, signer)
        assert [each.nonce for each in in_flight] == [5, 6, 7]
        assert await work.journal.in_flight(CHAIN_ID + 1, signer) == []


async def concluded(
    unit_of_work: UnitOfWorkFactory, signer: EvmAddress, nonce: int, *, is_lost: bool = False
) -> TransactionIntent:
    intent = new_intent(signer)
    await store(unit_of_work, intent)
    signed(intent, nonce).mark_broadcast(1, None, LATER)
    if is_lost:
        intent.lose_nonce()
    else:
        intent.conclude(True, Outcome(intent.attempts[0].transaction_hash, BlockNumber(7), "0xb", 1, None))
    await save(unit_of_work, intent)
    return intent


async def test_final_intents_come_by_nonce_from_a_nonce_on(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    for nonce in (3, 1, 2):
        await concluded(unit_of_work, signer, nonce, is_lost=nonce == 2)
    open_one, voided = new_intent(signer), new_intent(signer)
    await store(unit_of_work, open_one, voided)
    await save(unit_of_work, signed(open_one, 4))
    voided.void(CANCELLED)
    await save(unit_of_work, voided)
    async with unit_of_work() as work:

        async def nonces(from_nonce: int, limit: int) -> list[int | None]:
            found = await work.journal.next_final(CHAIN_ID, signer, Nonce(from_nonce), limit=limit)
            return [each.nonce for each in found]

        assert await nonces(0, 9) == [1, 2, 3]
        assert await nonces(2, 1) == [2]
        assert await nonces(4, 9) == []


async def test_a_lost_nonce_is_lost_until_it_is_accounted_for(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    later = await concluded(unit_of_work, signer, 6, is_lost=True)
    earlier = await concluded(unit_of_work, signer, 2, is_lost=True)
    await concluded(unit_of_work, signer, 4)
    async with unit_of_work() as work:
        assert await work.journal.lost(CHAIN_ID, signer) == [earlier, later]
        await work.journal.add_foreign([foreign(signer, 2), foreign(new_address(), 6)])
        assert await work.journal.lost(CHAIN_ID, signer) == [later]


def foreign(signer: EvmAddress, nonce: int) -> ForeignTransaction:
    return ForeignTransaction(
        CHAIN_ID, signer, Nonce(nonce), "0xf", BlockNumber(9), new_address(), "a transfer", None, LATER
    )


async def test_foreign_transactions_are_stored_once_per_nonce(unit_of_work: UnitOfWorkFactory) -> None:
    signer, payout = new_address(), await add_payout(unit_of_work)
    first = replace(foreign(signer, 8), payout_id=payout.payout_id)
    second = replace(foreign(signer, 3), to=None)
    async with unit_of_work() as work:
        await work.journal.add_foreign([])
        await work.journal.add_foreign([first, second])
        await work.commit()
    async with unit_of_work() as work:
        again = [replace(first, account="other"), replace(foreign(signer, 5), find_time=START)]
        await work.journal.add_foreign(again)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.journal.foreign(CHAIN_ID, signer, LATER) == [second, first]
        assert await work.journal.foreign(CHAIN_ID, signer, START) == again[1:]
        assert await work.journal.foreign(CHAIN_ID, signer, LATER + timedelta(seconds=1)) == []


async def test_a_foreign_transaction_is_known_when_it_was_matched(unit_of_work: UnitOfWorkFactory) -> None:
    signer, payout = new_address(), await add_payout(unit_of_work)
    matched = replace(foreign(signer, 8), payout_id=payout.payout_id, transaction_hash=f"0x{uuid4().hex}")
    unmatched = replace(foreign(signer, 9), transaction_hash=f"0x{uuid4().hex}")
    async with unit_of_work() as work:
        await work.journal.add_foreign([matched, unmatched])
        known = await work.journal.known_hashes([unmatched.transaction_hash, matched.transaction_hash])
    assert known == {matched.transaction_hash}


async def test_an_adopted_intent_has_an_outcome_and_no_attempt(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    outcome = Outcome(f"0x{uuid4().hex}", BlockNumber(7), "0xb", 40_000, None)
    adopted = replace(new_intent(signer), state=IntentState.SUCCEEDED, nonce=Nonce(3), outcome=outcome)
    found_later = new_intent(signer)
    await store(unit_of_work, adopted, found_later)
    async with unit_of_work() as work:
        assert await work.journal.find(adopted.key) == adopted
        with pytest.raises(Exception, match="nonce"):
            await work.journal.add(replace(new_intent(signer), state=IntentState.SUCCEEDED, nonce=Nonce(3)))
    second = replace(outcome, transaction_hash=f"0x{uuid4().hex}")
    found_later.state, found_later.nonce, found_later.outcome = IntentState.SUCCEEDED, Nonce(4), second
    await save(unit_of_work, found_later)
    async with unit_of_work() as work:
        assert await work.journal.find(found_later.key) == found_later
        known = await work.journal.known_hashes([outcome.transaction_hash, second.transaction_hash, "0xno"])
    assert known == {outcome.transaction_hash, second.transaction_hash}


async def test_attempts_and_adopted_transactions_are_known(unit_of_work: UnitOfWorkFactory) -> None:
    intent = new_intent(new_address())
    await store(unit_of_work, intent)
    signed(intent, 0).mark_broadcast(1, None, LATER)
    replacement = Attempt(
        2,
        b"\x02",
        f"0x{uuid4().hex}",
        Fees(max_fee_per_gas_wei=Wei(HUGE), max_priority_fee_per_gas_wei=None),
        LATER,
    )
    intent.replace_with(replacement)
    async with unit_of_work() as work:
        await work.journal.save(intent)
        hashes = [each.transaction_hash for each in intent.attempts]
        assert await work.journal.known_hashes([*hashes, "0xno"]) == set(hashes)
        assert await work.journal.known_hashes([]) == set()
    async with unit_of_work() as work:
        assert await work.journal.known_hashes(hashes) == set(), "it was not committed"


async def test_an_intent_may_be_added_with_its_bytes(unit_of_work: UnitOfWorkFactory) -> None:
    intent = signed(new_intent(new_address()), 9)
    await store(unit_of_work, intent)
    async with unit_of_work() as work:
        assert await work.journal.find(intent.key) == intent


async def test_one_of_two_adds_its_intent(unit_of_work: UnitOfWorkFactory) -> None:
    """The second waits for the first, and sees what it committed."""
    key, signer = f"test/{uuid4()}", new_address()

    async def add(intent: TransactionIntent) -> bool:
        async with unit_of_work() as work:
            is_new = await work.journal.add(intent)
            await asyncio.sleep(0.01)
            found = await work.journal.find(key)
            assert found
            assert is_new == (found.intent_id == intent.intent_id)
            await work.commit()
            return is_new

    intents = [new_intent(signer, key) for _ in range(3)]
    assert sorted(await asyncio.gather(*map(add, intents))) == [False, False, True]


async def test_a_lane_is_made_once(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    async with unit_of_work() as work:
        assert await work.journal.find_lane(CHAIN_ID, signer) is None
        assert await work.journal.lock_lane(CHAIN_ID, signer) is None
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xg", Nonce(4)))
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xother", Nonce(9)))
        await work.commit()
    async with unit_of_work() as work:
        lane = await work.journal.lock_lane(CHAIN_ID, signer)
        assert lane == NonceLane(CHAIN_ID, signer, "0xg", Nonce(4))
        lane.allocate()
        lane.halt(HALTED)
        await work.journal.save_lane(lane)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.journal.find_lane(CHAIN_ID, signer) == NonceLane(
            CHAIN_ID, signer, "0xg", Nonce(5), HALTED
        )


async def test_nonces_are_unique_under_concurrency(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    async with unit_of_work() as work:
        await work.journal.add_lane(NonceLane(CHAIN_ID, signer, "0xg", Nonce(0)))
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


async def test_an_intent_has_its_state_after_a_lost_nonce(unit_of_work: UnitOfWorkFactory) -> None:
    signer = new_address()
    intent = await concluded(unit_of_work, signer, 1, is_lost=True)
    async with unit_of_work() as work:
        assert await work.journal.find(intent.key) == intent
        assert await work.journal.in_flight(CHAIN_ID, signer) == []
