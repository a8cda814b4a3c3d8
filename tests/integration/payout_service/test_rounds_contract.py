"""Rounds of a redemption, and amounts that follow live balances: one suite for memory and PostgreSQL."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from libs.chain.quantities import BaseUnits, TokenUnits
from libs.payout_terms.terms import PayeeRules, PayoutKind
from payout_service.application.ports.plan_rows import RecordedState
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.domain.payments import BatchState, FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import PlannedPayment
from tests.integration.payout_service.rows import HUGE, LATER, batched, frozen_entitlements, holder
from tests.support.payout.amounts import entitlement, planned_payment, tally
from tests.support.payout.memory_database import START
from tests.support.payout.outcomes import paid_outcome

AMOUNTS = (10, 20, 40, 80)
_SHORT_SECONDS = 0.05
_LONG_SECONDS = 60.0


async def redemption(unit_of_work: UnitOfWorkFactory) -> UUID:
    return await frozen_entitlements(unit_of_work, PayoutKind.REDEMPTION, AMOUNTS)


async def settle(unit_of_work: UnitOfWorkFactory, payout_id: UUID, number: int, *outcomes: PaymentOutcome) -> None:
    async with unit_of_work() as work:
        await work.batches.settle_batch(payout_id, number, BatchState.SETTLED, outcomes, "0xt", LATER)
        await work.commit()


async def ledger(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> list[RecordedState]:
    async with unit_of_work() as work:
        return await work.plan_rows.recorded_payments(payout_id, after=0, limit=100)


async def plan_rows(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> list[PlannedPayment]:
    async with unit_of_work() as work:
        return [row async for row in work.plan_rows.plan_rows(payout_id)]


def of_round_2(ordinal: int, of_holder: int, amount: int = 5) -> PlannedPayment:
    return planned_payment(ordinal, holder(of_holder), 7, amount, round_number=2)


async def add(unit_of_work: UnitOfWorkFactory, payout_id: UUID, *rows: PlannedPayment) -> None:
    async with unit_of_work() as work:
        await work.plan_rows.add_planned(payout_id, rows, START)
        await work.commit()


async def paid_once(unit_of_work: UnitOfWorkFactory) -> UUID:
    """Holder 0 is PAID in round 1, and PLANNED again in round 2; the others are PLANNED in round 1."""
    payout_id = await redemption(unit_of_work)
    await batched(unit_of_work, payout_id, 1, 1)
    await settle(unit_of_work, payout_id, 1, paid_outcome(holder(0), 10))
    await add(unit_of_work, payout_id, of_round_2(4, 0))
    return payout_id


# ---------------------------------------------------------------------------------------- rows of a round


async def test_a_holder_has_one_place_in_each_round(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await redemption(unit_of_work)
    await add(unit_of_work, payout_id, of_round_2(4, 0))
    for again in (of_round_2(5, 0), replace(of_round_2(5, 0), round_number=1), of_round_2(4, 1)):
        async with unit_of_work() as work:
            with pytest.raises(Exception, match=r"(?i)payment"):
                await work.plan_rows.add_planned(payout_id, [again], START)
    await add(unit_of_work, payout_id, replace(of_round_2(5, 0), round_number=3))
    rows = await plan_rows(unit_of_work, payout_id)
    assert [(row.holder, row.round_number) for row in rows if row.holder == holder(0)] == [
        (holder(0), 1),
        (holder(0), 2),
        (holder(0), 3),
    ]


async def test_rows_of_a_round_that_was_not_frozen_are_forgotten(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    await add(unit_of_work, payout_id, of_round_2(5, 8), of_round_2(6, 9, 0))
    before = await plan_rows(unit_of_work, payout_id)
    async with unit_of_work() as work:
        await work.plan_rows.drop_rows(payout_id, 5)
        assert [row async for row in work.plan_rows.plan_rows(payout_id)] == before[:5], "its own writes it sees"
        await work.plan_rows.drop_rows(payout_id, 5)
    assert await plan_rows(unit_of_work, payout_id) == before, "it was not committed"
    other = await paid_once(unit_of_work)
    async with unit_of_work() as work:
        await work.plan_rows.drop_rows(payout_id, 4)
        await work.plan_rows.add_planned(payout_id, [of_round_2(4, 8)], START)
        await work.commit()
    await add(unit_of_work, payout_id, of_round_2(5, 0), of_round_2(6, 9))
    rows = (await plan_rows(unit_of_work, payout_id))[4:]
    assert [row.holder for row in rows] == [holder(8), holder(0), holder(9)], "their places are free again"
    assert len(await plan_rows(unit_of_work, other)) == 5


async def test_what_was_dropped_is_found_nowhere(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await redemption(unit_of_work)
    async with unit_of_work() as work:
        await work.plan_rows.drop_rows(payout_id, 1)
        await work.commit()
    async with unit_of_work() as work:
        assert [row.ordinal for row in await work.batches.unbatched(payout_id, 9)] == [0]
        assert await work.plan_rows.open_holders(payout_id, [holder(0), holder(1)]) == {holder(0)}
        assert await work.plan_rows.tallies(payout_id) == {PaymentState.PLANNED: tally(1, 10)}


async def test_rows_that_were_sent_are_never_forgotten(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    before = await ledger(unit_of_work, payout_id)
    async with unit_of_work() as work:
        with pytest.raises(RuntimeError):
            await work.plan_rows.drop_rows(payout_id, 0)
    assert await ledger(unit_of_work, payout_id) == before


async def test_open_holders_are_those_that_are_promised_something(unit_of_work: UnitOfWorkFactory) -> None:
    rules, kind = PayeeRules(excluded=frozenset({holder(9)}), minimum_base_units=10), PayoutKind.DIVIDEND
    amounts = (10, 20, 30, 40, 50, 60, 5, 0, 70, 80)
    payout_id = await frozen_entitlements(unit_of_work, kind, amounts, rules=rules)
    await batched(unit_of_work, payout_id, 1, 4)
    refused = FailureReason.TRANSFER_REFUSED
    await settle(
        unit_of_work,
        payout_id,
        1,
        paid_outcome(holder(0), 10),
        PaymentOutcome(holder(1), PaymentState.FAILED, refused),
        PaymentOutcome(holder(2), PaymentState.WAITING, refused, retry_time=LATER),
        PaymentOutcome(holder(3), PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES),
    )
    await batched(unit_of_work, payout_id, 2, 1)
    everyone = [holder(number) for number in range(11)]
    async with unit_of_work() as work:
        tallies = await work.plan_rows.tallies(payout_id)
        assert len(tallies) == len(PaymentState) - 1, "every state but CANCELLED"
        found = await work.plan_rows.open_holders(payout_id, everyone)
        assert found == {holder(number) for number in (1, 2, 3, 4, 5, 6, 8)}
        assert await work.plan_rows.open_holders(payout_id, everyone[:2]) == {holder(1)}
        assert await work.plan_rows.open_holders(payout_id, []) == set()
        await work.unsent.cancel_unsent(payout_id, LATER)
        assert await work.plan_rows.open_holders(payout_id, everyone) == {holder(3), holder(4)}


async def test_a_holder_that_was_paid_may_be_owed_again(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    async with unit_of_work() as work:
        assert await work.plan_rows.open_holders(payout_id, [holder(0)]) == {holder(0)}
        held = PaymentOutcome(holder(0), PaymentState.FAILED, FailureReason.BATCH_REVERTED)
        await work.unsent.hold_back(payout_id, [held], LATER)
        assert await work.unsent.not_retriable(payout_id, [holder(0)]) == []
        assert await work.unsent.retry(payout_id, [holder(0)], LATER) == {PaymentState.FAILED: tally(1, 5)}
        await work.commit()
    rows = await ledger(unit_of_work, payout_id)
    assert (rows[0].state, rows[4].state) == (PaymentState.PAID, PaymentState.PLANNED)


# ---------------------------------------------------------------------------------------- live balances


async def test_only_planned_payments_are_repriced(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    await batched(unit_of_work, payout_id, 2, 1)
    other = await paid_once(unit_of_work)
    before, of_other = await plan_rows(unit_of_work, payout_id), await plan_rows(unit_of_work, other)
    async with unit_of_work() as work:
        entitlements = [
            entitlement(holder(3), 3, 70),
            entitlement(holder(0), 9, 500),
            entitlement(holder(1), 9, 500),
            entitlement(holder(77), 9, 500),
        ]
        rise = await work.plan_rows.reprice(payout_id, entitlements, LATER)
        assert rise == (70 - 80) + (500 - 5), "paid and in flight are holders 0, in round 1, and 1"
        await work.commit()
    rows = await plan_rows(unit_of_work, payout_id)
    assert rows == [
        *before[:3],
        replace(before[3], balance=TokenUnits(3), amount_base_units=BaseUnits(70)),
        replace(before[4], balance=TokenUnits(9), amount_base_units=BaseUnits(500)),
    ]
    assert await plan_rows(unit_of_work, other) == of_other
    async with unit_of_work() as work:
        assert await work.plan_rows.reprice(payout_id, [], LATER) == 0
        assert await work.plan_rows.reprice(payout_id, [entitlement(holder(3), 0, 0)], LATER) == -70
        assert await work.plan_rows.reprice(payout_id, [entitlement(holder(3), HUGE, HUGE)], LATER) == HUGE


async def test_payments_are_settled_that_were_not_sent(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    before = await ledger(unit_of_work, payout_id)
    elsewhere = paid_outcome(holder(0), 8, "0xother")
    nothing = [
        PaymentOutcome(holder(number), PaymentState.ZERO_DUE, amount_base_units=BaseUnits(0)) for number in (1, 3)
    ]
    async with unit_of_work() as work:
        left = await work.unsent.conclude(payout_id, PaymentState.PLANNED, [*nothing, elsewhere], LATER)
        assert left == {PaymentState.PAID: tally(1, 5), PaymentState.ZERO_DUE: tally(2, 100)}
        assert await work.unsent.conclude(payout_id, PaymentState.PLANNED, [], LATER) == {}
        await work.commit()
    zero_due, paid = PaymentState.ZERO_DUE, PaymentState.PAID
    assert await ledger(unit_of_work, payout_id) == [
        before[0],
        RecordedState(
            ordinal=1,
            holder=holder(1),
            amount_base_units=BaseUnits(0),
            state=zero_due,
            batch_number=None,
            transaction_hash="",
            balance=before[1].balance,
        ),
        before[2],
        RecordedState(
            ordinal=3,
            holder=holder(3),
            amount_base_units=BaseUnits(0),
            state=zero_due,
            batch_number=None,
            transaction_hash="",
            balance=before[3].balance,
        ),
        RecordedState(
            ordinal=4,
            holder=holder(0),
            amount_base_units=BaseUnits(8),
            state=paid,
            batch_number=None,
            transaction_hash="0xother",
            balance=before[4].balance,
        ),
    ]


async def test_only_planned_payments_are_settled_without_a_batch(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await redemption(unit_of_work)
    await batched(unit_of_work, payout_id, 1, 1)
    before = await ledger(unit_of_work, payout_id)
    nothing = [
        PaymentOutcome(holder(number), PaymentState.ZERO_DUE, amount_base_units=BaseUnits(0)) for number in (0, 1)
    ]
    async with unit_of_work() as work:
        with pytest.raises(RuntimeError):
            await work.unsent.conclude(payout_id, PaymentState.PLANNED, nothing, LATER)
    assert await ledger(unit_of_work, payout_id) == before


async def test_what_a_batch_paid_is_what_was_due(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await redemption(unit_of_work)
    await batched(unit_of_work, payout_id, 1, 3)
    await settle(
        unit_of_work,
        payout_id,
        1,
        PaymentOutcome(holder(2), PaymentState.ZERO_DUE, amount_base_units=BaseUnits(0)),
        paid_outcome(holder(0), HUGE),
        paid_outcome(holder(1), 20),
    )
    paid, zero_due, planned = PaymentState.PAID, PaymentState.ZERO_DUE, PaymentState.PLANNED
    assert [(row.amount_base_units, row.state) for row in await ledger(unit_of_work, payout_id)] == [
        (HUGE, paid),
        (20, paid),
        (0, zero_due),
        (80, planned),
    ]


async def test_payees_of_a_batch_are_settled_in_their_round(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await paid_once(unit_of_work)
    await batched(unit_of_work, payout_id, 2, 9)
    async with unit_of_work() as work:
        payees = await work.batches.payees_of(payout_id, 2)
    assert [(payee.holder, payee.round_number) for payee in payees] == [
        *((holder(number), 1) for number in (1, 2, 3)),
        (holder(0), 2),
    ]
    outcomes = [paid_outcome(payee.holder, 1) for payee in payees]
    await settle(unit_of_work, payout_id, 2, *outcomes)
    amounts = [row.amount_base_units for row in await ledger(unit_of_work, payout_id)]
    assert amounts == [10, 1, 1, 1, 1], "what was paid in the round before stays"


async def test_what_another_transaction_has_moved_is_looked_at_again(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await redemption(unit_of_work)
    nothing = PaymentOutcome(holder(1), PaymentState.ZERO_DUE, amount_base_units=BaseUnits(0))
    async with unit_of_work() as work, unit_of_work() as other:
        assert await work.plan_rows.reprice(payout_id, [entitlement(holder(1), 9, 500)], LATER) == 480
        settling = asyncio.create_task(other.unsent.conclude(payout_id, PaymentState.PLANNED, [nothing], LATER))
        await asyncio.wait([settling], timeout=_SHORT_SECONDS)
        await work.commit()
        assert await asyncio.wait_for(settling, _LONG_SECONDS) == {PaymentState.ZERO_DUE: tally(1, 500)}
        async with unit_of_work() as third:
            prices = [entitlement(holder(1), 9, 7), entitlement(holder(2), 9, 41)]
            pricing = asyncio.create_task(third.plan_rows.reprice(payout_id, prices, LATER))
            await asyncio.wait([pricing], timeout=_SHORT_SECONDS)
            await other.commit()
            assert await asyncio.wait_for(pricing, _LONG_SECONDS) == 1, "holder 1 is not planned any more"
            await third.commit()
    assert [row.amount_base_units for row in await ledger(unit_of_work, payout_id)] == [10, 0, 41, 80]


# ------------------------------------------------------------------------------------------------ disputes


async def disputed(unit_of_work: UnitOfWorkFactory, moved_base_units: int = 7) -> UUID:
    """A redemption whose first batch left holder 1 in dispute; the token had moved something to it."""
    payout_id = await redemption(unit_of_work)
    await batched(unit_of_work, payout_id, 1, 3)
    why = FailureReason.EVIDENCE_DISAGREES
    await settle(
        unit_of_work,
        payout_id,
        1,
        paid_outcome(holder(0), 10),
        PaymentOutcome(holder(1), PaymentState.DISPUTED, why, "why", moved_base_units=BaseUnits(moved_base_units)),
        paid_outcome(holder(2), 40),
    )
    return payout_id


async def test_what_has_moved_to_a_payee_in_dispute_is_not_promised(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await disputed(unit_of_work)
    async with unit_of_work() as work:
        tallies = await work.plan_rows.tallies(payout_id)
        (found,) = await work.plan_rows.disputed(payout_id, after=0, limit=9)
        assert (
            await work.plan_rows.disputed(payout_id, after=2, limit=9)
            == await work.plan_rows.disputed(payout_id, after=0, limit=0)
            == []
        )
        paid = [
            [
                each.holder
                for each in await work.plan_rows.of_state(payout_id, PaymentState.PAID, after=after, limit=limit)
            ]
            for after, limit in ((0, 9), (1, 9), (0, 1))
        ]
    assert paid == [[holder(0), holder(2)], [holder(2)], [holder(0)]]
    assert tallies[PaymentState.DISPUTED] == tally(1, 20, 7)
    assert tallies[PaymentState.DISPUTED].promised_base_units == 13
    assert (found.planned.holder, found.planned.tries, found.batch_number) == (holder(1), 1, 1)
    assert (found.reason, found.detail, found.moved_base_units) == (FailureReason.EVIDENCE_DISAGREES, "why", 7)


async def test_more_than_was_owed_moves_no_more_than_was_promised(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await disputed(unit_of_work, moved_base_units=HUGE)
    async with unit_of_work() as work:
        (found,) = await work.plan_rows.disputed(payout_id, after=0, limit=9)
    assert found.moved_base_units == 20


async def test_a_dispute_ends_by_what_evidence_says(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await disputed(unit_of_work)
    before = await ledger(unit_of_work, payout_id)
    again = FailureReason.PAID_OTHER_AMOUNT
    still = PaymentOutcome(
        holder(1), PaymentState.DISPUTED, again, "other", "0xother", moved_base_units=BaseUnits(9)
    )
    async with unit_of_work() as work:
        left = await work.unsent.conclude(payout_id, PaymentState.DISPUTED, [still], LATER)
        assert left == {PaymentState.DISPUTED: tally(1, 20, 9)}
        with pytest.raises(RuntimeError):
            await work.unsent.conclude(payout_id, PaymentState.DISPUTED, [paid_outcome(holder(0), 10)], LATER)
    async with unit_of_work() as work:
        left = await work.unsent.conclude(payout_id, PaymentState.DISPUTED, [paid_outcome(holder(1), 21)], LATER)
        assert left == {PaymentState.PAID: tally(1, 20)}
        await work.commit()
    rows = await ledger(unit_of_work, payout_id)
    assert (rows[1].amount_base_units, rows[1].state, rows[1].batch_number) == (21, PaymentState.PAID, 1)
    assert [rows[0], *rows[2:]] == [before[0], *before[2:]]
    async with unit_of_work() as work:
        assert await work.plan_rows.disputed(payout_id, after=0, limit=9) == []
        assert (await work.plan_rows.tallies(payout_id))[PaymentState.PAID] == tally(3, 71)
