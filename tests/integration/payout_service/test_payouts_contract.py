"""Lifecycle contracts and payouts as they are stored and found: one suite for memory and PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from libs.chain.quantities import BaseUnits, BlockNumber, SnapshotId, TokenUnits
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)
from payout_service.application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleState
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.progress import Progress
from payout_service.domain.waits import Wait, WaitFor
from tests.integration.payout_service.rows import (
    HUGE,
    LATER,
    add_contract,
    add_payout,
    frozen_entitlements,
    frozen_payout,
    holder,
    new_address,
    new_contract,
)
from tests.support.payout.memory_database import START
from tests.support.payout.terms_of import terms_of

MONEY = Wait(WaitFor.INSUFFICIENT_FUNDS, "so much")
NOBODY = Failure(FailedBecause.NO_HOLDERS, "because")

Statement = Callable[[UnitOfWork], Awaitable[object]]


async def test_a_contract_is_read_as_it_was_stored(unit_of_work: UnitOfWorkFactory) -> None:
    contract = await add_contract(unit_of_work)
    async with unit_of_work() as work:
        assert await work.lifecycle.get(contract.asset_id) == contract
        assert not await work.lifecycle.add(replace(contract, token=new_address())), "one asset, one contract"
        locked = await work.lifecycle.lock(contract.asset_id)
        assert list(locked.created) == ["zebra", "ant"], "in the order of the creations"
        locked.state = LifecycleState.DEPLOYING
        locked.fail("because", LATER)
        await work.lifecycle.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.lifecycle.get(contract.asset_id) == locked
        assert await work.lifecycle.get(uuid4()) is None


async def test_a_contract_is_found_by_its_address_and_its_tokens(unit_of_work: UnitOfWorkFactory) -> None:
    first = await add_contract(unit_of_work)
    second = await add_contract(unit_of_work, replace(new_contract(), token=first.token))
    assert first.address
    async with unit_of_work() as work:
        assert await work.lifecycle.with_address(first.address) == [first]
        both = sorted((first, second), key=lambda each: each.asset_id)
        assert await work.lifecycle.with_address(first.token) == both
        assert await work.lifecycle.with_address(first.payment_token) == []


async def test_one_distribution_has_one_payout(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work, HUGE)
    async with unit_of_work() as work:
        assert not await work.payouts.add(replace(payout, total_base_units=BaseUnits(1)))
        assert await work.payouts.get(payout.payout_id) == payout
        assert await work.payouts.get(uuid4()) is None


async def test_a_payout_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        assert payout.plan
        assert (payout.state, payout.plan.holder_count) == (PayoutState.WAITING_FOR_FUNDS, 4)
        assert payout.plan.zero_due_count == 1
        payout.progress = Progress(
            paid_count=1,
            failed_count=2,
            waiting_count=3,
            cancelled_count=4,
            paid_base_units=BaseUnits(500),
            cancelled_base_units=BaseUnits(6),
            batch_count=7,
            final_batch_count=8,
            deferred_count=9,
            deferred_base_units=BaseUnits(10),
        )
        payout.wait_for(MONEY, LATER)
        payout.pause(LATER)
        await work.payouts.save(payout)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.get(payout_id) == payout
        assert payout.paused_from is PayoutState.WAITING_FOR_FUNDS


async def test_what_was_not_locked_is_not_saved(unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    async with unit_of_work() as work:
        with pytest.raises(KeyError):
            await work.payouts.save(payout)
        contract = await work.lifecycle.get(payout.asset_id)
        assert contract
        with pytest.raises(KeyError):
            await work.lifecycle.save(contract)


async def test_what_is_locked_exists(unit_of_work: UnitOfWorkFactory) -> None:
    locks: list[Statement] = [
        lambda work: work.payouts.lock(uuid4()),
        lambda work: work.lifecycle.lock(uuid4()),
        lambda work: work.sweeps.lock(uuid4()),
        lambda work: work.journal.lock(uuid4()),
    ]
    for lock in locks:
        async with unit_of_work() as work:
            with pytest.raises(Exception, match=r"(?i)no row|there is no|not enough values"):
                await lock(work)


RULES = PayeeRules(
    excluded=frozenset({holder(1), holder(2)}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=1_500,
    withholding_by_holder={holder(3): 0, holder(4): 10_000},
    minimum_base_units=HUGE,
)


@pytest.mark.parametrize(
    "pays", [FixedTotal(BaseUnits(HUGE)), ShareOfAvailable(1_250), Dividend(2**63 - 1), Coupon(1), Redemption()]
)
@pytest.mark.parametrize("rules", [NO_RULES, RULES])
async def test_the_terms_of_a_payout_are_read_as_they_were_stored(
    unit_of_work: UnitOfWorkFactory, pays: WhatIsPaid, rules: PayeeRules
) -> None:
    asset_id, terms = (await add_contract(unit_of_work)).asset_id, PayoutTerms(pays, rules)
    payout = Payout.request(uuid4(), asset_id, terms, create_time=START, now=START)
    async with unit_of_work() as work:
        assert await work.payouts.add(payout)
        await work.commit()
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        assert locked == payout
        locked.wait_for(MONEY, LATER)
        await work.payouts.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.get(payout.payout_id) == locked
        assert locked.terms == terms


async def test_what_the_rules_make_of_a_plan_is_read_as_it_was_stored(unit_of_work: UnitOfWorkFactory) -> None:
    rules = PayeeRules(
        excluded=frozenset({holder(0)}), withholding_by_holder={holder(2): 2_500}, minimum_base_units=200
    )
    payout_id = await frozen_payout(unit_of_work, (3, 0, 5, 2), rules=rules)
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        assert payout.plan
        plan = payout.plan
        assert (plan.excluded_count, plan.excluded_base_units, plan.withheld_base_units) == (1, 300, 125)
        assert (plan.holder_count, plan.zero_due_count, plan.payable_base_units) == (4, 1, 575)
        assert (plan.deferred_count, plan.deferred_base_units) == (0, 0)
        payout.plan = replace(plan, deferred_count=1, deferred_base_units=BaseUnits(17))
        payout.excluded_balance = TokenUnits(3)
        await work.payouts.save(payout)
        assert await work.payouts.get(payout_id) == payout


async def test_a_redemption_keeps_its_plan_while_it_plans_another_round(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_entitlements(unit_of_work, PayoutKind.REDEMPTION, (5, 6, 0))
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        payout.add_batch(LATER)
        payout.begin_round(Snapshot(SnapshotId(0), BlockNumber(20), "0xb"), 2, LATER)
        payout.listed_count, payout.planned_count = 1, 4
        await work.payouts.save(payout)
        await work.commit()
    async with unit_of_work() as work:
        stored = await work.payouts.get(payout_id)
        assert stored == payout
        assert stored.plan
        assert (stored.round_number, stored.is_listing_stale, stored.holder_count) == (2, False, 2)
        assert (stored.plan.holder_count, stored.planned_count) == (3, 4), "rows of the round are not in it yet"


def _exceed(payout: Payout) -> None:
    assert payout.plan
    part = payout.plan.payable_base_units // 2 + 1
    payout.progress = Progress(paid_base_units=BaseUnits(part), cancelled_base_units=BaseUnits(part))


def _exceed_with_what_is_deferred(payout: Payout) -> None:
    assert payout.plan
    payout.progress = Progress(
        paid_base_units=BaseUnits(1), deferred_count=1, deferred_base_units=payout.plan.payable_base_units
    )


def _unbalance(part: str) -> Callable[[Payout], None]:
    def change(payout: Payout) -> None:
        assert payout.plan
        payout.plan = replace(payout.plan, **{part: getattr(payout.plan, part) + 1})

    return change


def _change(**values: object) -> Callable[[Payout], None]:
    def change(payout: Payout) -> None:
        for name, value in values.items():
            setattr(payout, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        (_change(listed_count=5), "listed_count"),
        (_change(planned_count=5), "planned_count_within_the_list"),
        (_change(round_number=0), "round"),
        (_change(round_number=2), "only_redemptions_have_rounds"),
        (_change(paused_from=PayoutState.PLANNING), "paused_from_somewhere"),
        (_change(state=PayoutState.PAUSED), "paused_from_somewhere"),
        (_unbalance("rounding_dust_base_units"), "plan_makes_the_total"),
        (_unbalance("excluded_base_units"), "plan_makes_the_total"),
        (_unbalance("withheld_base_units"), "plan_makes_the_total"),
        (_exceed, "never_more_than_planned"),
        (_exceed_with_what_is_deferred, "never_more_than_planned"),
    ],
)
async def test_wrong_books_are_refused(
    unit_of_work: UnitOfWorkFactory, change: Callable[[Payout], None], constraint: str
) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        change(payout)
        with pytest.raises(Exception, match=constraint):
            await work.payouts.save(payout)
        with pytest.raises(Exception, match=r"(?i)abort|transaction"):
            await work.payouts.get(payout_id)


async def test_payouts_of_an_action_come_oldest_first(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    kinds = (PayoutKind.DIVIDEND, PayoutKind.COUPON, PayoutKind.REDEMPTION, PayoutKind.DIVIDEND)
    payouts = [await add_payout(unit_of_work, asset_id=asset_id, kind=kind) for kind in kinds]
    await add_payout(unit_of_work, kind=PayoutKind.DIVIDEND)
    terms = terms_of(PayoutKind.DIVIDEND, action_id=2)
    other_action = Payout.request(uuid4(), asset_id, terms, create_time=START, now=START)
    async with unit_of_work() as work:
        await work.payouts.add(other_action)
        await work.commit()
    async with unit_of_work() as work:
        assert await work.payouts.of_action(asset_id, PayoutKind.DIVIDEND, 1) == [payouts[0], payouts[3]]
        assert await work.payouts.of_action(asset_id, PayoutKind.DIVIDEND, 2) == [other_action]
        assert await work.payouts.of_action(asset_id, PayoutKind.COUPON, 1) == [payouts[1]]
        assert await work.payouts.of_action(asset_id, PayoutKind.REDEMPTION, 0) == [payouts[2]]
        assert await work.payouts.of_action(uuid4(), PayoutKind.DIVIDEND, 1) == []


async def test_payouts_of_one_action_may_share_its_snapshot(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    kinds = (PayoutKind.DIVIDEND, PayoutKind.DIVIDEND, PayoutKind.COUPON, PayoutKind.SNAPSHOT)
    payouts = [await add_payout(unit_of_work, asset_id=asset_id, kind=kind) for kind in kinds]
    for payout in payouts:
        async with unit_of_work() as work:
            if payout.kind is PayoutKind.SNAPSHOT:
                assert await work.payouts.with_snapshot(asset_id, SnapshotId(7)) is None, (
                    "it is no snapshot of our own"
                )
            locked = await work.payouts.lock(payout.payout_id)
            locked.begin_snapshot(START)
            locked.begin_planning(Snapshot(SnapshotId(7), BlockNumber(10), "0xb"), 3, TokenUnits(100), START)
            await work.payouts.save(locked)
            await work.commit()
    async with unit_of_work() as work:
        found = await work.payouts.with_snapshot(asset_id, SnapshotId(7))
    assert found
    assert found.payout_id == payouts[-1].payout_id


async def test_redemptions_have_no_snapshot_to_share(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    for _ in range(2):
        await frozen_entitlements(unit_of_work, PayoutKind.REDEMPTION, (5,), asset_id=asset_id)
    async with unit_of_work() as work:
        assert len(await work.payouts.of_action(asset_id, PayoutKind.REDEMPTION, 0)) == 2
        assert await work.payouts.with_snapshot(asset_id, SnapshotId(0)) is None


async def test_a_snapshot_belongs_to_one_payout(unit_of_work: UnitOfWorkFactory) -> None:
    first = await add_payout(unit_of_work)
    second = await add_payout(unit_of_work, asset_id=first.asset_id)
    elsewhere = await add_payout(unit_of_work)

    async def plan(payout: Payout) -> None:
        async with unit_of_work() as work:
            locked = await work.payouts.lock(payout.payout_id)
            locked.begin_snapshot(START)
            locked.begin_planning(Snapshot(SnapshotId(7), BlockNumber(10), "0xb"), 3, TokenUnits(100), START)
            await work.payouts.save(locked)
            await work.commit()

    await plan(first)
    await plan(elsewhere)
    with pytest.raises(Exception, match=r"payout.*snapshot"):
        await plan(second)
    async with unit_of_work() as work:
        found = await work.payouts.with_snapshot(first.asset_id, SnapshotId(7))
        assert found
        assert found.payout_id == first.payout_id
        assert await work.payouts.with_snapshot(first.asset_id, SnapshotId(8)) is None


async def test_payouts_that_wait_for_a_snapshot_come_oldest_first(unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    payouts = [await add_payout(unit_of_work, asset_id=asset_id) for _ in range(6)]
    await add_payout(unit_of_work)
    for kind in (PayoutKind.DIVIDEND, PayoutKind.COUPON, PayoutKind.REDEMPTION):
        await add_payout(unit_of_work, asset_id=asset_id, kind=kind)

    def plan(payout: Payout) -> None:
        payout.begin_planning(Snapshot(SnapshotId(7), BlockNumber(10), "0xb"), 3, TokenUnits(100), LATER)

    requested, snapshotting, paused, failed, planning, planning_paused = payouts
    verbs: list[tuple[Payout, list[Callable[[Payout], object]]]] = [
        (snapshotting, [lambda each: each.begin_snapshot(LATER)]),
        (paused, [lambda each: each.begin_snapshot(LATER), lambda each: each.pause(LATER)]),
        (failed, [lambda each: each.fail(NOBODY, LATER)]),
        (planning, [lambda each: each.begin_snapshot(LATER), plan]),
        (planning_paused, [lambda each: each.cancel({}, {}, LATER)]),
    ]
    async with unit_of_work() as work:
        for payout, changes in verbs:
            locked = await work.payouts.lock(payout.payout_id)
            for change in changes:
                change(locked)
            await work.payouts.save(locked)
        await work.commit()
    async with unit_of_work() as work:
        found = await work.payouts.waiting_for_snapshot(asset_id)
    expected = [requested.payout_id, snapshotting.payout_id, paused.payout_id]
    assert [each.payout_id for each in found] == expected


async def test_a_paused_plan_does_not_wait_for_a_snapshot(unit_of_work: UnitOfWorkFactory) -> None:
    payout_id = await frozen_payout(unit_of_work)
    async with unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        payout.pause(LATER)
        await work.payouts.save(payout)
        assert await work.payouts.waiting_for_snapshot(payout.asset_id) == []
