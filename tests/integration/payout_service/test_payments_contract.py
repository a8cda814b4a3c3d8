"""Payments and batches: one suite for the unit of work in memory and on PostgreSQL."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from libs.chain.quantities import BaseUnits
from payout_service.application.ports.plan_rows import RecordedState
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.application.ports.unsent_payments import WaitingPayment
from payout_service.domain.payments import (
    Batch,
    BatchState,
    FailureReason,
    PaymentOutcome,
    PaymentState,
    Tally,
)
from payout_service.domain.plan import PlannedPayment
from tests.integration.payout_service.rows import (
    HUGE,
    LATER,
    add_payout,
    batch_of,
    batched,
    executing,
    frozen_payout,
    holder,
)
from tests.support.payout.amounts import planned_payment
from tests.support.payout.memory_database import START
from tests.support.payout.outcomes import paid_outcome

# Amounts differ, so that sums tell who is in them.
BALANCES = (1, 2, 4, 8, 16, 32)


def paid(payee: PlannedPayment) -> PaymentOutcome:
    return paid_outcome(payee.holder, payee.amount_base_units)


def failed(payee: PlannedPayment, reason: FailureReason = FailureReason.TRANSFER_REFUSED) -> PaymentOutcome:
    return PaymentOutcome(payee.holder, PaymentState.FAILED, reason, "a detail")


def waiting(
    payee: PlannedPayment, seconds: int = 60, reason: FailureReason = FailureReason.UNFUNDED
) -> PaymentOutcome:
    retry_time = START + timedelta(seconds=seconds)
    return PaymentOutcome(payee.holder, PaymentState.WAITING, reason, "a detail", retry_time=retry_time)


def tally(*payees: PlannedPayment) -> Tally:
    return Tally(len(payees), amount_base_units=BaseUnits(sum(each.amount_base_units for each in payees)))


async def settle(
    unit_of_work: UnitOfWorkFactory, payout_id: UUID, number: int, outcomes: list[PaymentOutcome]
) -> None:
    async with unit_of_work() as work:
        await work.batches.settle_batch(payout_id, number, BatchState.SETTLED, outcomes, "0xt", LATER)
        await work.commit()


async def ledger(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> dict[int, RecordedState]:
    async with unit_of_work() as work:
        return {row.ordinal: row for row in await work.plan_rows.recorded_payments(payout_id, after=0, limit=100)}


async def unbatched(unit_of_work: UnitOfWorkFactory, payout_id: UUID, limit: int = 100) -> list[PlannedPayment]:
    async with unit_of_work() as work:
        return await work.batches.unbatched(payout_id, limit)


async def mixed(unit_of_work: UnitOfWorkFactory) -> tuple[UUID, list[PlannedPayment]]:
    """Paid, failed for good, failed for now, waiting, in flight, planned: in the order of the ordinals."""
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await unbatched(unit_of_work, payout_id)
    await batched(unit_of_work, payout_id, 1, 4)
    outcomes = [
        paid(payees[0]),
        failed(payees[1], FailureReason.ALREADY_PAID_ELSEWHERE),
        failed(payees[2]),
        waiting(payees[3]),
    ]
    await settle(unit_of_work, payout_id, 1, outcomes)
    await batched(unit_of_work, payout_id, 2, 1)
    return payout_id, payees


async def test_a_frozen_plan_is_read_as_it_was_stored(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        rows = [row async for row in work.plan_rows.plan_rows(payout_id)]
        tallies = await work.plan_rows.tallies(payout_id)
    assert payout
    assert payout.plan
    assert [row.ordinal for row in rows] == [0, 1, 2, 3]
    payable = payout.plan.payable_base_units
    assert sum(row.amount_base_units for row in rows) == payable
    assert tallies == {
        PaymentState.PLANNED: Tally(3, amount_base_units=payable),
        PaymentState.ZERO_DUE: Tally(1, amount_base_units=BaseUnits(0)),
    }
    free = await unbatched(unit_of_work, payout_id, 2)
    assert [row.ordinal for row in free] == [0, 2], "who is due nothing is never batched"


async def test_a_holder_has_one_place_in_a_plan(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    row = planned_payment(0, holder(0), HUGE, HUGE)
    async with unit_of_work() as work:
        await work.plan_rows.add_planned(payout.payout_id, [row], START)
        await work.plan_rows.add_planned(payout.payout_id, [], START)
        await work.commit()
    for again in (row, replace(row, ordinal=1), replace(row, holder=holder(1))):
        async with unit_of_work() as work:
            with pytest.raises(Exception, match=r"(?i)payment"):
                await work.plan_rows.add_planned(payout.payout_id, [again], START)
    assert await unbatched(unit_of_work, payout.payout_id) == [row]


async def test_a_payee_is_in_one_batch(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work)
    payees = await batched(unit_of_work, payout_id, 1)
    assert [each.ordinal for each in payees] == [0, 2]
    async with unit_of_work() as work:
        assert [each.ordinal for each in await work.batches.unbatched(payout_id, 10)] == [3]
        in_batch = await work.batches.payees_of(payout_id, 1)
        assert in_batch == [replace(each, tries=1) for each in payees]
        assert await work.batches.in_flight_base_units(payout_id) == tally(*payees).amount_base_units
        with pytest.raises(RuntimeError):
            await work.batches.add_batch(
                payout_id,
                Batch(
                    number=2,
                    holder_count=1,
                    amount_base_units=BaseUnits(1),
                    intent_key=f"k/{uuid4()}",
                    create_time=START,
                ),
                payees[:1],
            )
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 2)] == [3]
    assert await unbatched(unit_of_work, payout_id) == []


async def test_a_batch_has_one_number_and_one_transaction(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work)
    await batched(unit_of_work, payout_id, 1, 1)
    async with unit_of_work() as work:
        (first,) = await work.batches.open_batches(payout_id)
        payees = await work.batches.unbatched(payout_id, 1)
        with pytest.raises(Exception, match="batch"):
            await work.batches.add_batch(payout_id, batch_of(1, payees, "another"), payees)
    async with unit_of_work() as work:
        with pytest.raises(Exception, match=r"batch.*intent_key"):
            await work.batches.add_batch(payout_id, batch_of(2, payees, first.intent_key), payees)
    async with unit_of_work() as work:
        await work.batches.add_batch(payout_id, batch_of(2, payees, "never journaled"), payees)
        with pytest.raises(Exception, match=r"batch.*intent"):
            await work.commit()
    assert await unbatched(unit_of_work, payout_id, 1) == payees, "nothing of it happened"


async def test_a_batch_is_settled_payee_by_payee_and_once(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await batched(unit_of_work, payout_id, 1, 4)
    elsewhere = paid_outcome(payees[1].holder, payees[1].amount_base_units, "0xother")
    outcomes = [
        waiting(payees[3]),
        paid(payees[0]),
        elsewhere,
        PaymentOutcome(payees[2].holder, PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES, "why"),
    ]
    async with unit_of_work() as work:
        (batch,) = await work.batches.open_batches(payout_id)
        assert (batch.number, batch.holder_count, batch.settled_state) == (1, 4, None)
        with pytest.raises(RuntimeError):
            await work.batches.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes[:3], "0xt", LATER)
    await settle(unit_of_work, payout_id, 1, outcomes)
    async with unit_of_work() as work:
        assert await work.batches.open_batches(payout_id) == []
        assert await work.batches.settled_batches(payout_id, after=0, limit=9) == [
            replace(batch, settled_state=BatchState.SETTLED)
        ]
        assert await work.plan_rows.tallies(payout_id) == {
            PaymentState.PAID: tally(*payees[:2]),
            PaymentState.DISPUTED: tally(payees[2]),
            PaymentState.WAITING: tally(payees[3]),
            PaymentState.PLANNED: tally(*await work.batches.unbatched(payout_id, 9)),
        }
        assert await work.batches.in_flight_base_units(payout_id) == 0
        with pytest.raises(RuntimeError):
            await work.batches.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes, "0xt", LATER)
    rows = await ledger(unit_of_work, payout_id)
    assert [rows[number].transaction_hash for number in range(5)] == ["0xt", "0xother", "0xt", "0xt", ""]
    assert [rows[number].batch_number for number in range(5)] == [1, 1, 1, 1, None]


@pytest.mark.parametrize(
    ("state", "was_a_try"),
    [(BatchState.REVERTED, True), (BatchState.REVERTED, False), (BatchState.VOIDED, False)],
)
async def test_payees_of_a_batch_that_paid_nobody_are_owed_again(
    unit_of_work: UnitOfWorkFactory, state: BatchState, was_a_try: bool
) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await batched(unit_of_work, payout_id, 1, 3)
    other = await batched(unit_of_work, payout_id, 2, 1)
    async with unit_of_work() as work:
        returned = await work.batches.return_to_plan(
            payout_id, 1, state, batch_cap=None, now=LATER, was_a_try=was_a_try
        )
        assert returned == tally(*payees)
        await work.commit()
    async with unit_of_work() as work:
        assert [each.number for each in await work.batches.open_batches(payout_id)] == [2]
        assert await work.batches.settled_batches(payout_id, after=0, limit=9) == []
        assert await work.batches.payees_of(payout_id, 1) == []
        with pytest.raises(RuntimeError):
            await work.batches.return_to_plan(payout_id, 1, state, batch_cap=None, now=LATER, was_a_try=was_a_try)
        with pytest.raises(RuntimeError):
            await work.batches.cancel_batch(payout_id, 1, state, LATER)
        assert await work.batches.payees_of(payout_id, 2) == [replace(other[0], tries=1)]
    tries = 1 if was_a_try else 0
    free = await unbatched(unit_of_work, payout_id, 3)
    assert free == [replace(each, tries=tries) for each in payees]


async def test_a_cap_bounds_the_next_batches_and_only_of_its_payees(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)

    async def revert(number: int, cap: int | None, limit: int) -> list[int]:
        ordinals = [each.ordinal for each in await batched(unit_of_work, payout_id, number, limit)]
        async with unit_of_work() as work:
            await work.batches.return_to_plan(
                payout_id, number, BatchState.REVERTED, batch_cap=cap, now=LATER, was_a_try=True
            )
            await work.commit()
        return ordinals

    assert await revert(1, 2, 4) == [0, 1, 2, 3]
    assert await revert(2, 3, 9) == [4, 5], "those without a cap first, and alone"
    assert await revert(3, None, 9) == [0, 1], "the smallest cap, as many as it allows"
    assert await revert(4, 1, 1) == [0], "as asked, where that is less; the cap of before had stayed"
    assert await revert(5, None, 9) == [0]
    await batched(unit_of_work, payout_id, 6, 9)
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 7, 9)] == [1, 2]
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 8, 9)] == [3]
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 9, 9)] == [4, 5]
    assert await unbatched(unit_of_work, payout_id) == []


async def test_payees_of_a_cancelled_batch_are_given_up(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await batched(unit_of_work, payout_id, 1, 3)
    await batched(unit_of_work, payout_id, 2, 1)
    async with unit_of_work() as work:
        cancelled = await work.batches.cancel_batch(payout_id, 1, BatchState.VOIDED, LATER)
        assert cancelled == tally(*payees)
        await work.commit()
    async with unit_of_work() as work:
        tallies = await work.plan_rows.tallies(payout_id)
        assert [each.number for each in await work.batches.open_batches(payout_id)] == [2]
        with pytest.raises(RuntimeError):
            await work.batches.cancel_batch(payout_id, 1, BatchState.VOIDED, LATER)
    assert tallies[PaymentState.CANCELLED] == tally(*payees)
    assert tallies[PaymentState.IN_FLIGHT].count == 1
    assert tallies[PaymentState.PLANNED].count == 2


async def test_what_is_held_back_was_tried_without_being_sent(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await unbatched(unit_of_work, payout_id)
    async with unit_of_work() as work:
        await work.unsent.hold_back(payout_id, [waiting(payees[1]), failed(payees[0])], LATER)
        await work.commit()
    async with unit_of_work() as work:
        tallies = await work.plan_rows.tallies(payout_id)
        due = await work.unsent.due_waiting(payout_id, START + timedelta(seconds=60), 9)
        with pytest.raises(RuntimeError):
            await work.unsent.hold_back(payout_id, [failed(payees[0])], LATER)
    assert tallies[PaymentState.WAITING] == tally(payees[1])
    assert tallies[PaymentState.FAILED] == tally(payees[0])
    assert tallies[PaymentState.PLANNED] == tally(*payees[2:])
    assert due == [WaitingPayment(1, payees[1].holder, payees[1].amount_base_units, is_unfunded=True)]
    async with unit_of_work() as work:
        await work.unsent.resume(payout_id, [1], LATER)
        await work.commit()
    assert (await unbatched(unit_of_work, payout_id, 1)) == [replace(payees[1], tries=1)]


async def test_waiting_payments_come_when_their_time_has_come(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    payees = await unbatched(unit_of_work, payout_id)
    refused = FailureReason.TRANSFER_REFUSED
    outcomes = [waiting(payees[2], 60), waiting(payees[0], 120, refused), waiting(payees[1], 60, refused)]
    async with unit_of_work() as work:
        assert await work.unsent.next_retry_time(payout_id) is None
        await work.unsent.hold_back(payout_id, outcomes, LATER)
        await work.commit()

    async def due(seconds: float, limit: int = 9) -> list[tuple[int, bool]]:
        async with unit_of_work() as work:
            found = await work.unsent.due_waiting(payout_id, START + timedelta(seconds=seconds), limit)
            return [(each.ordinal, each.is_unfunded) for each in found]

    assert await due(59.9) == []
    assert await due(60) == [(1, False), (2, True)]
    assert await due(120) == [(0, False), (1, False), (2, True)]
    assert await due(120, 1) == [(0, False)]
    async with unit_of_work() as work:
        assert await work.unsent.next_retry_time(payout_id) == START + timedelta(seconds=60)
        resumed = await work.unsent.resume(payout_id, [1, 2, 3], LATER)
        assert resumed == tally(payees[1], payees[2]), "those that wait, and no others"
        await work.commit()
    async with unit_of_work() as work:
        assert await work.unsent.next_retry_time(payout_id) == START + timedelta(seconds=120)
    assert await due(120) == [(0, False)]


async def test_a_resumed_payment_is_free_of_its_last_batch(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, payees = await mixed(unit_of_work)
    async with unit_of_work() as work:
        await work.unsent.resume(payout_id, [3], LATER)
        await work.commit()
    row = (await ledger(unit_of_work, payout_id))[3]
    expected = RecordedState(
        ordinal=3,
        holder=payees[3].holder,
        amount_base_units=payees[3].amount_base_units,
        state=PaymentState.PLANNED,
        batch_number=None,
        transaction_hash="",
        balance=payees[3].balance,
    )
    assert row == expected
    assert (await unbatched(unit_of_work, payout_id))[0] == replace(payees[3], tries=1), "it was tried"


async def test_a_retry_takes_what_can_pass_and_forgets_its_tries(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, payees = await mixed(unit_of_work)
    everyone = [each.holder for each in payees]
    async with unit_of_work() as work:
        not_retriable = await work.unsent.not_retriable(payout_id, [*reversed(everyone), holder(99)])
        assert not_retriable == [*(payees[number].holder for number in (5, 4, 1, 0)), holder(99)]
        left = await work.unsent.retry(payout_id, None, LATER)
        assert left == {PaymentState.FAILED: tally(payees[2]), PaymentState.WAITING: tally(payees[3])}
        await work.commit()
    async with unit_of_work() as work:
        assert await work.unsent.retry(payout_id, None, LATER) == {}
        assert await work.batches.unbatched(payout_id, 9) == [payees[2], payees[3], payees[5]], "no tries"
        assert await work.unsent.next_retry_time(payout_id) is None
    rows = await ledger(unit_of_work, payout_id)
    assert [(rows[number].batch_number, rows[number].transaction_hash) for number in (2, 3)] == [(None, "")] * 2
    assert (rows[1].state, rows[1].batch_number) == (PaymentState.FAILED, 1), "nobody pays that one again"


async def test_a_retry_of_some_leaves_the_others(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, payees = await mixed(unit_of_work)
    async with unit_of_work() as work:
        asked = [payees[3].holder, payees[1].holder, payees[0].holder]
        left = await work.unsent.retry(payout_id, asked, LATER)
        assert left == {PaymentState.WAITING: tally(payees[3])}
        assert await work.unsent.retry(payout_id, [], LATER) == {}
        assert await work.unsent.not_retriable(payout_id, []) == []
        await work.commit()
    rows = await ledger(unit_of_work, payout_id)
    assert [rows[number].state for number in range(6)] == [
        PaymentState.PAID,
        PaymentState.FAILED,
        PaymentState.FAILED,
        PaymentState.PLANNED,
        PaymentState.IN_FLIGHT,
        PaymentState.PLANNED,
    ]


async def test_cancelling_takes_what_has_not_left(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, payees = await mixed(unit_of_work)
    async with unit_of_work() as work:
        cancelled = await work.unsent.cancel_unsent(payout_id, LATER)
        assert cancelled == {
            PaymentState.FAILED: tally(*payees[1:3]),
            PaymentState.WAITING: tally(payees[3]),
            PaymentState.PLANNED: tally(payees[5]),
        }
        await work.commit()
    async with unit_of_work() as work:
        assert await work.plan_rows.tallies(payout_id) == {
            PaymentState.PAID: tally(payees[0]),
            PaymentState.CANCELLED: tally(*payees[1:4], payees[5]),
            PaymentState.IN_FLIGHT: tally(payees[4]),
        }
        assert await work.unsent.cancel_unsent(payout_id, LATER) == {}
        assert await work.unsent.next_retry_time(payout_id) is None


async def test_pages_of_the_ledger_go_on_behind_a_place(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, _ = await mixed(unit_of_work)
    async with unit_of_work() as work:
        first = await work.plan_rows.recorded_payments(payout_id, after=0, limit=4)
        second = await work.plan_rows.recorded_payments(payout_id, after=4, limit=4)
        assert await work.plan_rows.recorded_payments(payout_id, after=6, limit=4) == []
    assert [row.ordinal for row in (*first, *second)] == [0, 1, 2, 3, 4, 5]


async def test_pages_of_settled_batches_go_on_behind_a_number(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work, BALANCES)
    for number in (1, 2, 3, 4):
        payees = await batched(unit_of_work, payout_id, number, 1)
        if number == 2:
            async with unit_of_work() as work:
                await work.batches.return_to_plan(
                    payout_id, 2, BatchState.REVERTED, batch_cap=None, now=LATER, was_a_try=True
                )
                await work.commit()
        else:
            await settle(unit_of_work, payout_id, number, [paid(payees[0])])
    async with unit_of_work() as work:
        pages = [await work.batches.settled_batches(payout_id, after=after, limit=2) for after in (0, 3, 4)]
    assert [[batch.number for batch in page] for page in pages] == [[1, 3], [4], []]


async def test_payments_of_other_payouts_are_left_alone(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, _ = await mixed(unit_of_work)
    before = await ledger(unit_of_work, payout_id)
    other, _ = await mixed(unit_of_work)
    async with unit_of_work() as work:
        await work.batches.return_to_plan(other, 2, BatchState.REVERTED, batch_cap=1, now=LATER, was_a_try=True)
        await work.unsent.retry(other, None, LATER)
        await work.unsent.cancel_unsent(other, LATER)
        await work.commit()
    assert await ledger(unit_of_work, payout_id) == before


async def test_what_is_not_committed_of_a_settlement_did_not_happen(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await executing(unit_of_work)
    payees = await batched(unit_of_work, payout_id, 1)
    before = await ledger(unit_of_work, payout_id)
    async with unit_of_work() as work:
        outcomes = [paid(each) for each in payees]
        await work.batches.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes, "0xt", LATER)
        assert PaymentState.PAID in await work.plan_rows.tallies(payout_id), "its own writes it sees"
    assert await ledger(unit_of_work, payout_id) == before
    await settle(unit_of_work, payout_id, 1, outcomes)


async def test_a_batch_of_another_payout_does_not_count(unit_of_work: UnitOfWorkFactory) -> None:
    first, second = await executing(unit_of_work), await executing(unit_of_work)
    await batched(unit_of_work, first, 1)
    async with unit_of_work() as work:
        assert await work.batches.open_batches(second) == []
        assert await work.batches.payees_of(second, 1) == []
        with pytest.raises(RuntimeError):
            await work.batches.cancel_batch(second, 1, BatchState.VOIDED, LATER)
