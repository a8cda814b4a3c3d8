"""Rules per payee from request to the last payment: excluded, withheld and deferred money, and where it stays."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from libs.errors import AppError, Reason
from libs.payout_terms.terms import ExcludedShare, PayeeRules, PayoutKind
from payout_service.application.life.control_payout import cancel_payout, pause_payout, retry_payments
from payout_service.application.paying.release_deferred import release_deferred
from payout_service.application.treasury.treasury import get_treasury
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.retry import RetryPolicy
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings, ready_contract
from tests.unit.payout_service.payouts_of_kinds import (
    announced,
    assert_books,
    assert_only_paid,
    committed_to,
    operator_key,
    request_of,
    rows_of,
    states,
)

S = PayoutState
MONEY = 100_000
# Shares of a total of 1,000: 20, 30, 50, 400, 500.
HELD = (2, 3, 5, 40, 50)
MINIMUM = PayeeRules(minimum_base_units=50)


def staged(held: Sequence[int] = HELD) -> Stage:
    stage = Stage(held, settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(MONEY)
    return stage


async def deferred(stage: Stage, rules: PayeeRules = MINIMUM, total: int = 1_000) -> UUID:
    """A payout whose payments are made but for the deferred ones."""
    payout_id = await request_of(stage, total=total, rules=rules)
    await stage.run_to(payout_id, S.DEFERRED)
    return payout_id


def money(stage: Stage, count: int = 5) -> list[int]:
    return [stage.chain.money_of(holder(number)) for number in range(count)]


# ------------------------------------------------------------------------------------------------ exclusion


async def test_an_excluded_share_stays_in_the_contract_and_is_promised_to_nobody() -> None:
    stage = staged()
    rules = PayeeRules(excluded=frozenset({holder(3), holder(99)}))
    payout_id = await request_of(stage, total=1_000, rules=rules)
    await stage.run_to(payout_id, S.EXECUTING)
    assert committed_to(stage, payout_id) == 600
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert money(stage) == [20, 30, 50, 0, 500]
    (row,) = rows_of(stage, payout_id, holder(3))
    assert (row.state, row.planned.excluded_base_units) == (PaymentState.EXCLUDED, 400)
    assert payout.plan
    assert (payout.plan.excluded_count, payout.plan.excluded_base_units) == (1, 400)
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert (await get_treasury(stage.engine, ASSET_ID)).available_base_units == MONEY - 600


async def test_an_excluded_share_is_spread_over_the_others() -> None:
    stage = staged()
    rules = PayeeRules(excluded=frozenset({holder(3)}), excluded_share=ExcludedShare.REDISTRIBUTE)
    payout_id = await request_of(stage, total=1_000, rules=rules)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert (payout.excluded_balance, payout.call_total_base_units) == (40, 1_666)
    assert money(stage) == [33, 49, 83, 0, 833]
    assert payout.plan
    assert (payout.plan.payable_base_units, payout.plan.rounding_dust_base_units) == (998, 2)
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    totals = {each.event.execution.total_base_units for block in stage.chain.blocks for each in block.executions}
    assert totals == {1_666}


async def test_what_is_spread_goes_by_the_snapshot_and_not_by_live_balances() -> None:
    stage = staged()
    rules = PayeeRules(excluded=frozenset({holder(3)}), excluded_share=ExcludedShare.REDISTRIBUTE)
    payout_id = await request_of(stage, total=1_000, rules=rules)
    await stage.run_to(payout_id, S.SNAPSHOTTING)
    while not stage.chain.state.snapshots:
        await stage.drive()
        stage.chain.mine()
    stage.chain.transfer(holder(4), holder(3), 50)
    assert (await stage.run(payout_id)).excluded_balance == 40
    assert money(stage) == [33, 49, 83, 0, 833]


@pytest.mark.parametrize("share", ExcludedShare)
async def test_when_everybody_is_excluded_nobody_is_paid(share: ExcludedShare) -> None:
    stage = staged()
    everybody = frozenset(holder(number) for number in range(5))
    payout_id = await request_of(stage, total=1_000, rules=PayeeRules(everybody, share))
    payout = await stage.run(payout_id)
    if share is ExcludedShare.KEEP:
        assert (payout.state, payout.progress.batch_count) == (S.COMPLETED, 0)
        assert states(stage, payout_id) == {"EXCLUDED": 5}
        assert_books(stage, payout_id)
    else:
        assert payout.state is S.FAILED
        assert payout.failure_reason == "NO_HOLDERS: the rules exclude every holder of snapshot 1"
    assert stage.database.committed_base_units() == 0
    assert_only_paid(stage, payout_id)


@pytest.mark.parametrize("kind", [PayoutKind.DIVIDEND])
async def test_an_excluded_holder_of_a_dividend_is_in_no_call(kind: PayoutKind) -> None:
    stage = staged()
    rules = PayeeRules(excluded=frozenset({holder(3)}), minimum_base_units=25)
    payout_id = await request_of(stage, kind, action_id=announced(stage), rules=rules)
    payout = await stage.run_to(payout_id, S.DEFERRED)
    assert money(stage) == [0, 30, 50, 0, 500]
    assert payout.plan
    assert (payout.total_base_units, payout.plan.payable_base_units) == (1_000, 600)
    assert (payout.plan.excluded_base_units, payout.plan.deferred_base_units) == (400, 20)
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


# ------------------------------------------------------------------------------------------------ withholding


async def test_payees_of_each_rate_are_paid_by_calls_of_its_net_total() -> None:
    stage = staged([10, 20, 30, 40, 50, 60])
    rules = PayeeRules(
        withholding_basis_points=2_500,
        withholding_by_holder={holder(0): 0, holder(1): 0, holder(5): 10_000},
    )
    payout_id = await request_of(stage, total=1_000, rules=rules)
    await stage.run_to(payout_id, S.EXECUTING)
    expected = [1_000 * 10 // 210, 1_000 * 20 // 210, *(750 * each // 210 for each in (30, 40, 50)), 0]
    assert committed_to(stage, payout_id) == sum(expected)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert money(stage, 6) == expected
    by_total: dict[int, set[str]] = {}
    for block in stage.chain.blocks:
        for each in block.executions:
            by_total.setdefault(each.event.execution.total_base_units, set()).update(each.event.execution.holders)
    assert by_total == {1_000: {holder(0), holder(1)}, 750: {holder(2), holder(3), holder(4)}}
    assert payout.plan
    gross = sum(1_000 * each // 210 for each in (10, 20, 30, 40, 50, 60))
    assert payout.plan.withheld_base_units == gross - sum(expected)
    assert payout.plan.zero_due_count == 1
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert (await get_treasury(stage.engine, ASSET_ID)).available_base_units == MONEY - sum(expected)


@pytest.mark.parametrize("share", ExcludedShare)
async def test_all_rules_at_once(share: ExcludedShare) -> None:
    stage = staged([10, 20, 30, 40, 50, 60])
    rules = PayeeRules(
        excluded=frozenset({holder(5)}),
        excluded_share=share,
        withholding_basis_points=1_000,
        withholding_by_holder={holder(4): 3_000},
        minimum_base_units=100,
    )
    stage.chain.frozen = 30
    payout_id = await request_of(stage, total=1_000, rules=rules)
    payout = await stage.run_to(payout_id, S.DEFERRED)
    call_total = 1_000 if share is ExcludedShare.KEEP else 1_000 * 240 // 180
    net = {number: call_total * 9_000 // 10_000 * (10 * number + 10) // 240 for number in range(4)}
    net[4] = call_total * 7_000 // 10_000 * 50 // 240
    assert money(stage, 6) == [*(net[each] if net[each] >= 100 else 0 for each in range(5)), 0]
    assert payout.plan
    assert payout.plan.deferred_base_units == sum(each for each in net.values() if each < 100) > 0
    assert payout.plan.excluded_base_units == (250 if share is ExcludedShare.KEEP else 0)
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    view = await get_treasury(stage.engine, ASSET_ID)
    assert view.committed_base_units == payout.plan.deferred_base_units
    assert view.available_base_units == MONEY - sum(net.values())


# ------------------------------------------------------------------------------------------------ deferral


async def test_who_is_due_less_than_the_minimum_waits_and_its_money_stays_promised() -> None:
    stage = staged()
    payout_id = await deferred(stage)
    await stage.rounds(3)
    payout = assert_books(stage, payout_id)
    assert payout.state is S.DEFERRED
    assert payout.waiting_for == "DEFERRED: 2 payments wait for their holders' deferrals to reach the minimum"
    assert money(stage) == [0, 0, 50, 400, 500]
    assert (payout.progress.deferred_count, payout.progress.deferred_base_units) == (2, 50)
    view = await get_treasury(stage.engine, ASSET_ID)
    assert view.commitments == [(f"payouts/{payout_id}", 50)]
    assert stage.database.events[-1].event_name in ("payout_deferred", "payout_updated")
    assert "payout_deferred" in [each.event_name for each in stage.database.events]


async def test_deferrals_of_three_payouts_are_released_together_and_paid_from_their_own_snapshots() -> None:
    stage = staged()
    payouts = [await deferred(stage)]
    payouts.append(await request_of(stage, total=1_000, rules=MINIMUM))
    await stage.run_to(payouts[1], S.DEFERRED)
    # Of the second holder 30 and 30 have reached the minimum; of the first 20 and 20 have not.
    for each in payouts:
        await stage.run_to(each, S.DEFERRED)
        assert states(stage, each) == {"PAID": 4, "DEFERRED": 1}
    assert money(stage)[:2] == [0, 60]
    payouts.append(await request_of(stage, total=1_000, rules=MINIMUM))
    for each in payouts[:2]:
        assert (await stage.run(each)).state is S.COMPLETED
    assert money(stage)[:2] == [60, 60], "the third's 30 of the second holder begin to wait anew"
    third = await stage.run_to(payouts[2], S.DEFERRED)
    assert (third.progress.deferred_count, third.progress.deferred_base_units) == (1, 30)
    for payout_id in payouts:
        assert_books(stage, payout_id)
    assert_only_paid(stage, *payouts)
    by_snapshot: dict[int, int] = {}
    for event in (seen.event for block in stage.chain.blocks for seen in block.executions):
        snapshot_id = event.execution.reference_id
        by_snapshot[snapshot_id] = by_snapshot.get(snapshot_id, 0) + event.paid.get(holder(0), 0)
    assert by_snapshot == {1: 20, 2: 20, 3: 20}


async def test_a_deferral_of_a_dividend_and_one_of_a_total_count_together() -> None:
    stage = staged()
    first = await deferred(stage, PayeeRules(minimum_base_units=40))
    assert money(stage)[:2] == [0, 0]
    rules = PayeeRules(minimum_base_units=40)
    second = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage), rules=rules)
    assert (await stage.run(second)).state is S.COMPLETED
    assert (await stage.run(first)).state is S.COMPLETED
    assert money(stage) == [40, 60, 100, 800, 1_000]
    for payout_id in (first, second):
        assert_books(stage, payout_id)
    assert_only_paid(stage, first, second)


async def test_each_payout_is_released_by_its_own_minimum() -> None:
    stage = staged()
    low = await deferred(stage, PayeeRules(minimum_base_units=40))
    high = await deferred(stage, PayeeRules(minimum_base_units=1_000))
    assert (await stage.run(low)).state is S.COMPLETED
    payout = await stage.run_to(high, S.DEFERRED)
    assert payout.progress.deferred_count == 5
    assert money(stage)[:2] == [20, 30]
    for payout_id in (low, high):
        assert_books(stage, payout_id)


async def test_a_deferred_payment_is_made_when_its_holder_is_named() -> None:
    stage = staged()
    payout_id = await deferred(stage)
    with pytest.raises(AppError) as caught:
        await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert caught.value.reason is Reason.PAYMENT_NOT_RETRIABLE, "not all of them by a word"
    assert stage.payout(payout_id).state is S.DEFERRED
    payout = await retry_payments(stage.engine, operator_key(), payout_id, (holder(0),))
    assert (payout.state, payout.progress.deferred_count) == (S.EXECUTING, 1)
    await stage.run_to(payout_id, S.DEFERRED)
    assert money(stage)[:2] == [20, 0]
    assert_books(stage, payout_id)
    await retry_payments(stage.engine, operator_key(), payout_id, (holder(1),))
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert money(stage)[:2] == [20, 30]
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_a_cancelled_deferral_gives_its_money_back() -> None:
    stage = staged()
    payout_id = await deferred(stage)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.CANCELLED
    assert states(stage, payout_id) == {"PAID": 3, "CANCELLED": 2}
    assert (payout.progress.deferred_count, payout.progress.cancelled_base_units) == (0, 50)
    assert_books(stage, payout_id)
    assert stage.database.committed_base_units() == 0
    again = await deferred(stage)
    await stage.rounds(5)
    assert stage.payout(again).progress.deferred_count == 2, "what is given up counts for nobody"


async def test_what_is_deferred_and_paused_is_not_counted() -> None:
    stage = staged()
    first = await deferred(stage)
    await retry_payments(stage.engine, operator_key(), first, (holder(0),))
    await pause_payout(stage.engine, operator_key(), first)
    second = await deferred(stage)
    await stage.rounds(5)
    assert stage.payout(first).state is S.PAUSED
    assert stage.payout(second).progress.deferred_count == 2
    assert not await release_deferred(stage.engine, ready_contract())


async def test_what_comes_due_of_incomplete_payouts_is_released_by_the_last_to_come() -> None:
    """Nobody works on an INCOMPLETE payout; all the same its deferrals are paid with those of others."""
    stage = staged()
    stage.chain.blocked_payees = {holder(4)}
    payouts = [await request_of(stage, total=1_000, rules=MINIMUM) for _ in range(2)]
    for each in payouts:
        await stage.run_to(each, S.INCOMPLETE)
    stage.chain.blocked_payees = set()
    await stage.rounds(10)
    for each in payouts:
        payout = assert_books(stage, each)
        assert payout.state is S.INCOMPLETE
        assert payout.progress.deferred_count == 1
    assert money(stage)[:2] == [0, 60]
    assert_only_paid(stage, *payouts)


async def test_everybody_may_be_deferred() -> None:
    stage = staged()
    payout_id = await deferred(stage, PayeeRules(minimum_base_units=501))
    payout = assert_books(stage, payout_id)
    assert (payout.progress.batch_count, payout.progress.deferred_count) == (0, 5)
    assert committed_to(stage, payout_id) == 1_000


async def test_a_percentage_gives_back_what_is_excluded_and_withheld() -> None:
    stage = staged()
    rules = PayeeRules(excluded=frozenset({holder(3)}), withholding_basis_points=1_000, minimum_base_units=2_000)
    payout_id = await request_of(stage, percentage_basis_points=5_000, rules=rules)
    await stage.run_to(payout_id, S.WAITING_FOR_FUNDS)
    assert committed_to(stage, payout_id) == 50_000
    payout = await stage.run_to(payout_id, S.DEFERRED)
    # Net of a tenth: 900, 1,350, 2,250 and 22,500; 20,000 are kept back for the excluded one.
    assert money(stage) == [0, 0, 2_250, 0, 22_500]
    assert payout.plan
    assert (payout.plan.withheld_base_units, payout.plan.excluded_base_units) == (3_000, 20_000)
    assert committed_to(stage, payout_id) == 900 + 1_350
    assert_books(stage, payout_id)
