"""What rules make of payments, deferrals above all: one suite for memory and PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from libs.payout_terms.terms import PayeeRules, PayoutKind
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.application.ports.unsent_payments import DeferredPayment
from payout_service.domain.payments import BatchState, FailureReason, PaymentOutcome, PaymentState, Tally
from payout_service.domain.payout import RELEASING_STATES, PayoutState
from payout_service.domain.plan import PlannedPayment, Treatment
from tests.integration.payout_service.rows import (
    HUGE,
    LATER,
    add_contract,
    add_payout,
    batched,
    begin_execution,
    frozen_entitlements,
    frozen_payout,
    holder,
)
from tests.support.payout.amounts import planned_payment, tally
from tests.support.payout.memory_database import START

# Amounts of 1000 base units at a supply of 100: ten times the balance, before anything is withheld.
BALANCES = (20, 4, 30, 6, 40, 0)
RULES = PayeeRules(
    excluded=frozenset({holder(0)}),
    withholding_basis_points=1_000,
    withholding_by_holder={holder(4): 0},
    minimum_base_units=50,
)


async def rows_of(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> list[PlannedPayment]:
    async with unit_of_work() as work:
        return [row async for row in work.plan_rows.plan_rows(payout_id)]


async def states_of(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> list[PaymentState]:
    async with unit_of_work() as work:
        return [row.state for row in await work.plan_rows.recorded_payments(payout_id, after=0, limit=100)]


# ---------------------------------------------------------------------------------------- the plan


async def test_a_plan_is_read_with_what_the_rules_made_of_it(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work, BALANCES, rules=RULES)
    rows = await rows_of(unit_of_work, payout_id)
    assert [(row.amount_base_units, row.withheld_base_units, row.excluded_base_units) for row in rows] == [
        (0, 0, 200),
        (36, 4, 0),
        (270, 30, 0),
        (54, 6, 0),
        (400, 0, 0),
        (0, 0, 0),
    ]
    assert [row.treatment for row in rows] == [Treatment.EXCLUDE, Treatment.DEFER, *[Treatment.PAY] * 4]
    assert [row.withholding_basis_points for row in rows] == [0, 1_000, 1_000, 1_000, 0, 1_000]
    async with unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        tallies = await work.plan_rows.tallies(payout_id)
    assert payout
    assert payout.plan
    total = payout.new_plan_sum()
    for row in rows:
        total.add(row)
    assert total.totals() == payout.plan, "the same sums and the same hash"
    assert tallies == {
        PaymentState.EXCLUDED: tally(1, 0),
        PaymentState.DEFERRED: tally(1, 36),
        PaymentState.PLANNED: tally(3, 724),
        PaymentState.ZERO_DUE: tally(1, 0),
    }
    assert (payout.progress.deferred_count, payout.progress.deferred_base_units) == (1, 36)


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        (planned_payment(0, holder(0), 1, 5, treatment=Treatment.EXCLUDE), "paid_or_excluded"),
        (planned_payment(0, holder(0), 1, 5, excluded_base_units=1), "paid_or_excluded"),
        (planned_payment(0, holder(0), 1, 5, withheld_base_units=-1), "payment"),
        (planned_payment(0, holder(0), 1, 5, withholding_basis_points=10_001), "withholding_basis_points"),
        (planned_payment(0, holder(0), 1, 5, round_number=0), "round_number"),
    ],
)
async def test_wrong_rows_are_refused(
    unit_of_work: UnitOfWorkFactory, row: PlannedPayment, constraint: str
) -> None:
    payout = await add_payout(unit_of_work)
    async with unit_of_work() as work:
        with pytest.raises(Exception, match=constraint):
            await work.plan_rows.add_planned(payout.payout_id, [row], START)


async def test_the_excluded_are_left_alone(unit_of_work: UnitOfWorkFactory) -> None:
    rules = PayeeRules(excluded=frozenset({holder(0)}))
    payout_id = await frozen_payout(unit_of_work, (1, 3), rules=rules)
    async with unit_of_work() as work:
        assert [row.ordinal for row in await work.batches.unbatched(payout_id, 9)] == [1]
        assert await work.unsent.not_retriable(payout_id, [holder(0)]) == [holder(0)]
        assert await work.unsent.retry(payout_id, [holder(0)], LATER) == {}
        assert await work.unsent.cancel_unsent(payout_id, LATER) == {PaymentState.PLANNED: tally(1, 750)}
        await work.commit()
    assert await states_of(unit_of_work, payout_id) == [PaymentState.EXCLUDED, PaymentState.CANCELLED]


async def test_a_batch_holds_payees_of_one_rate_and_one_cap(unit_of_work: UnitOfWorkFactory) -> None:
    rates = {holder(1): 1_000, holder(3): 1_000, holder(4): 2_500}
    rules = PayeeRules(withholding_by_holder=rates)
    payout_id = await frozen_payout(unit_of_work, (1, 1, 1, 1, 1, 1), rules=rules)
    await begin_execution(unit_of_work, payout_id)

    async def revert(number: int, cap: int | None, limit: int = 9) -> list[int]:
        payees = await batched(unit_of_work, payout_id, number, limit)
        assert len({payee.withholding_basis_points for payee in payees}) == 1
        async with unit_of_work() as work:
            assert await work.batches.payees_of(payout_id, number) == [
                replace(each, tries=each.tries + 1) for each in payees
            ]
            await work.batches.return_to_plan(
                payout_id, number, BatchState.REVERTED, batch_cap=cap, now=LATER, was_a_try=True
            )
            await work.commit()
        return [payee.ordinal for payee in payees]

    assert await revert(1, None, 2) == [0, 2], "as asked, of the lowest rate"
    assert await revert(2, 2) == [0, 2, 5]
    assert await revert(3, 2) == [1, 3], "without a cap first"
    assert await revert(4, 1) == [4]
    assert await revert(5, None) == [4], "the smallest cap"
    await batched(unit_of_work, payout_id, 6, 9)
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 7, 9)] == [0, 2], "as the cap allows"
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 8, 9)] == [5], "no other rate"
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 9, 9)] == [1, 3]


# ---------------------------------------------------------------------------------------- deferred payments


async def test_a_deferred_payment_waits_unless_its_holder_is_named(unit_of_work: UnitOfWorkFactory) -> None:
    rules = PayeeRules(minimum_base_units=100)
    payout_id = await frozen_entitlements(unit_of_work, PayoutKind.DIVIDEND, (30, 40, 500), rules=rules)
    async with unit_of_work() as work:
        assert [row.ordinal for row in await work.batches.unbatched(payout_id, 9)] == [2]
        assert await work.unsent.retry(payout_id, None, LATER) == {}
        assert await work.unsent.not_retriable(payout_id, [holder(0), holder(2)]) == [holder(2)]
        left = await work.unsent.retry(payout_id, [holder(1)], LATER)
        assert left == {PaymentState.DEFERRED: tally(1, 40)}
        await work.commit()
    planned, deferred = PaymentState.PLANNED, PaymentState.DEFERRED
    assert await states_of(unit_of_work, payout_id) == [deferred, planned, planned]
    async with unit_of_work() as work:
        free = await work.batches.unbatched(payout_id, 9)
    assert [(row.ordinal, row.treatment) for row in free] == [(1, Treatment.DEFER), (2, Treatment.PAY)]


async def test_released_payments_are_owed_as_others_are(unit_of_work: UnitOfWorkFactory) -> None:
    rules = PayeeRules(minimum_base_units=100)
    amounts = (30, 40, 50, 500)
    payout_id = await frozen_entitlements(unit_of_work, PayoutKind.COUPON, amounts, rules=rules)
    before = await rows_of(unit_of_work, payout_id)
    async with unit_of_work() as work:
        assert await work.unsent.resume(payout_id, [0, 1, 2, 3], LATER) == Tally(), "they wait for no time"
        assert await work.unsent.release_deferred(payout_id, [0, 2, 3], LATER) == tally(2, 80)
        assert await work.unsent.release_deferred(payout_id, [0, 2, 3], LATER) == Tally()
        await work.commit()
    planned, deferred = PaymentState.PLANNED, PaymentState.DEFERRED
    assert await states_of(unit_of_work, payout_id) == [planned, deferred, planned, planned]
    assert await rows_of(unit_of_work, payout_id) == before, "the plan is what it was"
    assert [each.ordinal for each in await batched(unit_of_work, payout_id, 1, 9)] == [0, 2, 3]


async def test_waiting_payments_are_not_released(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_entitlements(unit_of_work, PayoutKind.COUPON, (500,))
    waits = PaymentOutcome(
        holder(0), PaymentState.WAITING, FailureReason.UNFUNDED, retry_time=LATER, detail="no money"
    )
    async with unit_of_work() as work:
        await work.unsent.hold_back(payout_id, [waits], LATER)
        assert await work.unsent.release_deferred(payout_id, [0], LATER) == Tally()


async def test_cancelling_gives_up_deferred_payments(unit_of_work: UnitOfWorkFactory) -> None:
    rules = PayeeRules(minimum_base_units=100)
    payout_id = await frozen_entitlements(unit_of_work, PayoutKind.DIVIDEND, (30, 500), rules=rules)
    async with unit_of_work() as work:
        cancelled = await work.unsent.cancel_unsent(payout_id, LATER)
        assert cancelled == {PaymentState.DEFERRED: tally(1, 30), PaymentState.PLANNED: tally(1, 500)}
        await work.commit()
    assert await states_of(unit_of_work, payout_id) == [PaymentState.CANCELLED] * 2


# ---------------------------------------------------------------------------------------- deferrals that are due


async def dividend(
    unit_of_work: UnitOfWorkFactory, asset_id: UUID, amounts: Sequence[int], minimum: int = 100
) -> UUID:
    rules = PayeeRules(minimum_base_units=minimum)
    kind = PayoutKind.DIVIDEND
    return await frozen_entitlements(unit_of_work, kind, amounts, asset_id=asset_id, rules=rules)


async def due(unit_of_work: UnitOfWorkFactory, asset_id: UUID, limit: int = 100) -> list[DeferredPayment]:
    async with unit_of_work() as work:
        return await work.unsent.deferrals_due(asset_id, limit)


async def new_asset(unit_of_work: UnitOfWorkFactory) -> UUID:
    return (await add_contract(unit_of_work)).asset_id


async def test_deferrals_of_a_holder_count_together_over_payouts(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id, elsewhere = await new_asset(unit_of_work), await new_asset(unit_of_work)
    first = await dividend(unit_of_work, asset_id, (60, 60, 99, 0, 300))
    await dividend(unit_of_work, elsewhere, (99, 99, 99))
    assert await due(unit_of_work, asset_id) == []
    second = await dividend(unit_of_work, asset_id, (40, 39, 0, 50, 300))
    assert await due(unit_of_work, asset_id) == [DeferredPayment(first, 0), DeferredPayment(second, 0)]
    third = await dividend(unit_of_work, asset_id, (0, 1, 0, 49))
    assert await due(unit_of_work, asset_id) == [
        DeferredPayment(first, 0),
        DeferredPayment(second, 0),
        DeferredPayment(first, 1),
        DeferredPayment(second, 1),
        DeferredPayment(third, 1),
    ], "by holder, oldest payout first; 99 are not 100"
    assert await due(unit_of_work, elsewhere) == []


async def test_each_payout_has_a_minimum_of_its_own(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = await new_asset(unit_of_work)
    low = await dividend(unit_of_work, asset_id, (60, 60), 100)
    high = await dividend(unit_of_work, asset_id, (90, 140), 200)
    assert await due(unit_of_work, asset_id) == [
        DeferredPayment(low, 0),
        DeferredPayment(low, 1),
        DeferredPayment(high, 1),
    ]


async def test_a_sum_may_be_more_than_one_amount_can_be(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = await new_asset(unit_of_work)
    one = await dividend(unit_of_work, asset_id, (HUGE - 1, HUGE - 1), HUGE)
    assert await due(unit_of_work, asset_id) == []
    other = await dividend(unit_of_work, asset_id, (0, HUGE - 1), HUGE)
    assert await due(unit_of_work, asset_id) == [DeferredPayment(one, 1), DeferredPayment(other, 1)]


@pytest.mark.parametrize("state", PayoutState)
async def test_only_payouts_that_may_release_count(unit_of_work: UnitOfWorkFactory, state: PayoutState) -> None:
    asset_id = await new_asset(unit_of_work)
    one, other = [await dividend(unit_of_work, asset_id, (60,)) for _ in range(2)]
    async with unit_of_work() as work:
        payout = await work.payouts.lock(other)
        payout.state = state
        payout.paused_from = PayoutState.EXECUTING if state is PayoutState.PAUSED else None
        await work.payouts.save(payout)
        await work.commit()
    both = [DeferredPayment(one, 0), DeferredPayment(other, 0)]
    assert await due(unit_of_work, asset_id) == (both if state in RELEASING_STATES else [])


async def test_a_limit_counts_holders_and_splits_none(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = await new_asset(unit_of_work)
    one, other = [
        await dividend(unit_of_work, asset_id, amounts) for amounts in ((9, 60, 60, 60), (9, 50, 50, 50))
    ]
    all_due = [DeferredPayment(payout_id, ordinal) for ordinal in (1, 2, 3) for payout_id in (one, other)]
    for limit in (1, 2, 3, 4):
        assert await due(unit_of_work, asset_id, limit) == all_due[: 2 * limit], "who is not due takes no place"


async def test_what_is_not_deferred_any_more_does_not_count(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = await new_asset(unit_of_work)
    one, other = [await dividend(unit_of_work, asset_id, (60, 60)) for _ in range(2)]
    async with unit_of_work() as work:
        await work.unsent.release_deferred(one, [0], LATER)
        assert await work.unsent.deferrals_due(asset_id, 9) == [
            DeferredPayment(one, 1),
            DeferredPayment(other, 1),
        ]
        await work.unsent.cancel_unsent(other, LATER)
        assert await work.unsent.deferrals_due(asset_id, 9) == []
        await work.commit()
    assert await due(unit_of_work, asset_id) == []
