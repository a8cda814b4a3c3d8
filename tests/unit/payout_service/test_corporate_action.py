"""Dividends and coupons: amounts and holders of the record date, whatever happens to them on the way."""

import pytest

from libs.payout_terms.terms import PayoutKind
from payout_service.application.life.control_payout import cancel_payout, pause_payout, resume_payout
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.transaction import IntentState
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import CONTRACT, IMPLEMENTATION, TOKEN, holder
from tests.support.payout.stage import Stage, engine_settings
from tests.unit.payout_service.payouts_of_kinds import (
    announced,
    assert_books,
    assert_only_paid,
    committed_to,
    matured,
    now,
    operator_key,
    request_of,
    states,
)

S = PayoutState
ACTIONS = [PayoutKind.DIVIDEND, PayoutKind.COUPON]
MONEY = 100_000


def staged(kind: PayoutKind = PayoutKind.DIVIDEND, **arguments: object) -> Stage:
    stage = Stage(**arguments)  # type: ignore[arg-type]
    if kind is PayoutKind.COUPON:
        matured(stage)
    stage.chain.deposit(MONEY)
    return stage


@pytest.mark.parametrize("kind", ACTIONS)
async def test_holders_of_the_record_date_are_paid_although_tokens_moved(kind: PayoutKind) -> None:
    stage = staged(kind)
    held = list(stage.chain.balances)
    action_id = announced(stage, 10)
    payout_id = await request_of(stage, kind, action_id=action_id)
    await stage.run_to(payout_id, S.PLANNING)
    stage.chain.transfer(holder(9), holder(0), 101)
    stage.chain.transfer(holder(5), holder(77), 60)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert {payee: stage.chain.money_of(payee) for payee, _ in held} == {payee: 10 * each for payee, each in held}
    assert stage.chain.money_of(holder(77)) == 0
    assert payout.total_base_units == 10 * sum(balance for _, balance in held)
    assert payout.snapshot
    assert payout.snapshot.snapshot_id == 1
    assert len(stage.chain.state.snapshots) == 1, "the scheduled one, and none of our own"
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_frozen_tokens_count_in_a_dividend() -> None:
    stage = staged(balances=[10, 20])
    stage.chain.freeze(holder(0), 4)
    action_id = announced(stage, 10)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    payout = await stage.run(payout_id)
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [100, 200]
    assert payout.plan
    assert (payout.plan.frozen_share_base_units, payout.plan.rounding_dust_base_units) == (0, 0)


@pytest.mark.parametrize("kind", ACTIONS)
async def test_the_pending_snapshot_is_triggered_by_one_journaled_transaction(kind: PayoutKind) -> None:
    stage = staged(kind)
    action_id = announced(stage)
    payout_id = await request_of(stage, kind, action_id=action_id)
    await stage.run_to(payout_id, S.PLANNING)
    intents = [each for each in stage.database.intents() if each.key.startswith("snapshot/")]
    assert [(each.key, each.state) for each in intents] == [(f"snapshot/{payout_id}", IntentState.SUCCEEDED)]
    assert intents[0].call == stage.chain.trigger_snapshots(TOKEN)


async def test_a_snapshot_that_a_transfer_has_triggered_is_taken_as_it_is() -> None:
    stage = staged(balances=[10, 20])
    action_id = announced(stage)
    stage.chain.transfer(holder(1), holder(0), 5)
    stage.chain.mine(3)
    assert stage.chain.state.actions[action_id].snapshot_id == 1
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert not [each for each in stage.database.intents() if each.key.startswith("snapshot/")]
    # The trigger comes before the transfer that caused it.
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [100, 200]


async def test_a_trigger_by_others_that_a_reorg_takes_back_is_made_by_ourselves() -> None:
    stage = staged(balances=[10, 20])
    action_id = announced(stage)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    stage.chain.trigger_elsewhere()
    stage.chain.mine()
    await stage.run_to(payout_id, S.SNAPSHOTTING)
    assert not stage.database.intents()
    for block in stage.chain.blocks[-2:]:
        block.externals.clear()
    stage.chain.reorg(2)
    assert stage.chain.state.actions[action_id].snapshot_id == 0
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert stage.database.intent(f"snapshot/{payout_id}").state is IntentState.SUCCEEDED
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [100, 200]


async def test_a_reverted_trigger_fails_the_payout_by_name() -> None:
    stage = staged()
    stage.chain.reverting_snapshots = 1
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason.startswith("SNAPSHOT_REVERTED: 0x")


# ------------------------------------------------------------------------------------------------ not yet


async def test_a_record_date_ahead_is_waited_for_by_name() -> None:
    stage = staged()
    action_id = stage.chain.announce(now(stage) + 60, now(stage) + 60, 10)
    stage.chain.mine()
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.rounds(3)
    payout = stage.payout(payout_id)
    assert payout.state is S.REQUESTED
    assert payout.waiting_for.startswith("RECORD_DATE_REACHED: ")
    assert not stage.database.intents()
    assert (await stage.run(payout_id)).state is S.COMPLETED


async def test_an_execution_date_ahead_is_waited_for_with_everything_prepared() -> None:
    stage = staged()
    action_id = announced(stage, execution_in=600)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.rounds(5)
    payout = stage.payout(payout_id)
    assert payout.state is S.EXECUTING
    assert payout.waiting_for.startswith("EXECUTION_DATE_AHEAD: it may be paid from 2026-03-01T12:")
    assert payout.progress.batch_count == 0
    assert committed_to(stage, payout_id) == payout.total_base_units
    before = now(stage)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert now(stage) - before > 500
    reverted = [each for each in stage.chain.state.mined.values() if not each.succeeded]
    assert not reverted, "nothing was sent too early"


async def test_a_pending_rate_is_waited_for_by_name() -> None:
    stage = staged(PayoutKind.COUPON)
    action_id = announced(stage, None)
    payout_id = await request_of(stage, PayoutKind.COUPON, action_id=action_id)
    await stage.rounds(3)
    payout = stage.payout(payout_id)
    assert payout.state is S.REQUESTED
    assert payout.waiting_for == (
        f"RATE_SET: the rate of coupon {action_id} is pending; the issuer sets the coupon's rate on the asset"
    )
    stage.chain.set_rate(action_id, 7)
    stage.chain.mine()
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert stage.chain.money_of(holder(0)) == 70


# ------------------------------------------------------------------------------------------------ never


@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("action_id", [2, 99])
async def test_an_action_that_the_asset_does_not_have_fails_the_payout(kind: PayoutKind, action_id: int) -> None:
    stage = staged(kind)
    announced(stage)
    payout_id = await request_of(stage, kind, action_id=action_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason == (
        f"CORPORATE_ACTION_NOT_FOUND: the asset {TOKEN} has no {kind.value.lower()} {action_id}"
    )


@pytest.mark.parametrize("kind", ACTIONS)
async def test_a_cancelled_action_is_not_begun(kind: PayoutKind) -> None:
    stage = staged(kind)
    action_id = announced(stage)
    stage.chain.cancel(action_id)
    stage.chain.mine()
    payout_id = await request_of(stage, kind, action_id=action_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason.startswith("CORPORATE_ACTION_CANCELLED: ")
    assert not stage.database.intents()


@pytest.mark.parametrize("kind", ACTIONS)
async def test_an_action_that_is_cancelled_before_its_snapshot_fails_the_payout(kind: PayoutKind) -> None:
    stage = staged(kind)
    action_id = announced(stage)
    payout_id = await request_of(stage, kind, action_id=action_id)
    await stage.run_to(payout_id, S.SNAPSHOTTING)
    stage.chain.cancel(action_id)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason.startswith("CORPORATE_ACTION_CANCELLED: ")
    assert_only_paid(stage)


@pytest.mark.parametrize("kind", ACTIONS)
async def test_an_action_that_is_cancelled_before_the_first_batch_pays_nobody(kind: PayoutKind) -> None:
    """The lifecycle contract would pay a cancelled dividend all the same (docs/contract-surprises.md#11)."""
    stage = staged(kind)
    action_id = announced(stage)
    payout_id = await request_of(stage, kind, action_id=action_id)
    await stage.run_to(payout_id, S.WAITING_FOR_FUNDS)
    stage.chain.cancel(action_id)
    stage.chain.mine()
    await stage.rounds(5)
    payout = stage.payout(payout_id)
    assert payout.state is S.EXECUTING
    assert payout.waiting_for.startswith("CORPORATE_ACTION_CANCELLED: ")
    assert payout.progress.batch_count == 0
    assert_only_paid(stage)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    assert assert_books(stage, payout_id).progress.cancelled_count == 10
    assert stage.database.committed_base_units() == 0


@pytest.mark.parametrize("kind", ACTIONS)
async def test_an_action_that_is_cancelled_between_batches_pays_nobody_more(kind: PayoutKind) -> None:
    stage = staged(kind, settings=engine_settings(max_in_flight_transactions=1))
    action_id = announced(stage)
    payout_id = await request_of(stage, kind, action_id=action_id)
    await stage.run_to(payout_id, S.EXECUTING)
    while not stage.payout(payout_id).progress.batch_count:
        await stage.round()
    while stage.chain.pool:
        stage.chain.mine()
    stage.chain.cancel(action_id)
    stage.chain.mine()
    await stage.rounds(8)
    payout = stage.payout(payout_id)
    assert payout.state is S.EXECUTING
    assert payout.waiting_for.startswith("CORPORATE_ACTION_CANCELLED: ")
    assert (payout.progress.batch_count, payout.progress.paid_count) == (1, 4)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    assert states(stage, payout_id) == {"PAID": 4, "CANCELLED": 6}
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert stage.database.committed_base_units() == 0


# ------------------------------------------------------------------------------------------------ between batches


async def test_amounts_that_the_asset_changed_are_not_paid() -> None:
    stage = staged(balances=[10, 20])
    action_id = announced(stage)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.run_to(payout_id, S.WAITING_FOR_FUNDS)
    stage.chain.set_rate(action_id, 11)
    stage.chain.mine()
    await stage.rounds(5)
    payout = stage.payout(payout_id)
    assert payout.waiting_for == (
        f"AMOUNTS_CHANGED: the plan owes {holder(0)} 100, the asset now says 110; CancelPayout gives up"
    )
    assert payout.progress.batch_count == 0
    stage.chain.set_rate(action_id, 10)
    stage.chain.mine()
    assert (await stage.run(payout_id)).state is S.COMPLETED


@pytest.mark.parametrize(
    ("attribute", "value", "name"),
    [
        ("has_payout_role", False, "PAYOUT_ROLE_MISSING"),
        ("paused", True, "LIFECYCLE_CONTRACT_PAUSED"),
        ("pays_in", None, "PAYMENT_TOKEN_CHANGED"),
        ("implementation", CONTRACT, "IMPLEMENTATION_CHANGED"),
    ],
)
async def test_what_the_plan_relied_on_is_looked_at_for_a_dividend_too(
    attribute: str, value: object, name: str
) -> None:
    stage = staged()
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    await stage.run_to(payout_id, S.EXECUTING)
    before = getattr(stage.chain, attribute)
    assert stage.chain.implementation == IMPLEMENTATION
    setattr(stage.chain, attribute, value)
    await stage.rounds(3)
    assert stage.payout(payout_id).waiting_for.startswith(f"{name}: ")
    assert stage.payout(payout_id).progress.batch_count == 0
    setattr(stage.chain, attribute, before)
    assert (await stage.run(payout_id)).state is S.COMPLETED


async def test_a_dividend_needs_no_snapshot_role() -> None:
    stage = staged()
    stage.chain.has_snapshot_role = False
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    assert (await stage.run(payout_id)).state is S.COMPLETED


# ------------------------------------------------------------------------------------------------ paid once


async def test_a_dividend_that_was_paid_is_not_paid_by_a_second_payout() -> None:
    stage = staged()
    action_id = announced(stage)
    first = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    assert (await stage.run(first)).state is S.COMPLETED
    second = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    payout = await stage.run(second)
    assert payout.state is S.FAILED
    assert payout.failure_reason == f"ACTION_HAS_PAYOUT: payouts/{first} pays it"
    assert_only_paid(stage, first)


async def test_two_payouts_of_one_dividend_at_once_promise_its_money_once() -> None:
    stage = staged()
    action_id = announced(stage)
    payouts = [await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id) for _ in range(2)]
    await stage.rounds(4)
    begun = [each for each in payouts if stage.payout(each).state is not S.REQUESTED]
    assert len(begun) == 1
    (other,) = set(payouts) - set(begun)
    assert stage.payout(other).waiting_for == f"ACTION_HAS_PAYOUT: payouts/{begun[0]} pays it"
    assert (await stage.run(begun[0])).state is S.COMPLETED
    assert (await stage.run(other)).state is S.FAILED
    assert_only_paid(stage, begun[0])


async def test_other_actions_and_other_kinds_do_not_stand_in_each_others_way() -> None:
    stage = staged()
    actions = [announced(stage, 10), announced(stage, 3)]
    payouts = [await request_of(stage, PayoutKind.DIVIDEND, action_id=each) for each in actions]
    payouts.append(await request_of(stage, total=1_000))
    for each in payouts:
        assert (await stage.run(each)).state is S.COMPLETED
    assert stage.chain.money_of(holder(0)) == 100 + 30 + 1_000 * 10 // 551
    assert_only_paid(stage, *payouts)


async def test_who_a_cancelled_payout_has_paid_is_paid_by_it_when_the_dividend_is_paid_again() -> None:
    stage = staged(settings=engine_settings(max_in_flight_transactions=1))
    action_id = announced(stage)
    first = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.run_to(first, S.EXECUTING)
    while not stage.payout(first).progress.paid_count:
        await stage.round()
        stage.chain.mine()
    await cancel_payout(stage.engine, operator_key(), first)
    assert (await stage.run(first)).state is S.CANCELLED
    by_first = {row.planned.holder: row for row in stage.payments(first) if row.state is PaymentState.PAID}
    assert 0 < len(by_first) < 10
    second = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    assert (await stage.run(second)).state is S.COMPLETED
    hashes = {each.hash for block in stage.chain.blocks for each in block.transactions}
    for row in stage.payments(second):
        assert row.state is PaymentState.PAID
        assert row.transaction_hash in hashes or row.planned.holder not in by_first
        assert stage.chain.money_of(row.planned.holder) == row.planned.amount_base_units, "once"
        if row.planned.holder in by_first:
            batch = by_first[row.planned.holder].batch_number
            intent = stage.database.intent(f"batch/{first}/{batch}")
            assert intent.outcome
            assert row.transaction_hash == intent.outcome.transaction_hash
    assert_books(stage, second)
    assert stage.database.committed_base_units() == 0


async def test_who_somebody_else_has_paid_is_paid_by_that_transaction() -> None:
    stage = staged(balances=[10, 20])
    action_id = announced(stage)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.DISTRIBUTION, action_id, 0, (holder(0),)))
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (elsewhere,) = (
        each.transaction_hash
        for block in stage.chain.blocks
        for each in block.executions
        if each.event.execution.holders == (holder(0),)
    )
    assert stage.payments(payout_id)[0].transaction_hash == elsewhere
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_who_was_paid_and_nobody_knows_by_what_is_named() -> None:
    stage = staged(balances=[10, 20])
    action_id = announced(stage)
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.state.distributed[action_id, holder(0)] = 100
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    first, second = stage.payments(payout_id)
    assert (first.state, first.reason) == (PaymentState.FAILED, FailureReason.ALREADY_PAID_ELSEWHERE)
    assert second.state is PaymentState.PAID
    assert_books(stage, payout_id)


async def test_a_blocked_payee_of_a_dividend_is_named_and_retried() -> None:
    stage = staged(balances=[10, 20])
    stage.chain.blocked_payees = {holder(0)}
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    await stage.run_to(payout_id, S.EXECUTING)
    while not stage.payout(payout_id).progress.waiting_count:
        await stage.round()
        stage.chain.mine()
    assert stage.payments(payout_id)[0].reason == FailureReason.TRANSFER_REFUSED
    stage.chain.blocked_payees = set()
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_a_paused_dividend_goes_on_where_it_was() -> None:
    stage = staged()
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    for state in (S.SNAPSHOTTING, S.PLANNING, S.WAITING_FOR_FUNDS):
        await stage.run_to(payout_id, state)
        await pause_payout(stage.engine, operator_key(), payout_id)
        await stage.rounds(5)
        assert stage.payout(payout_id).paused_from is state
        await resume_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_books(stage, payout_id)


async def test_a_dividend_of_nothing_completes_without_a_batch() -> None:
    stage = staged()
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage, 0))
    payout = await stage.run(payout_id)
    assert (payout.state, payout.total_base_units, payout.progress.batch_count) == (S.COMPLETED, 0, 0)
    assert states(stage, payout_id) == {"ZERO_DUE": 10}


async def test_a_dividend_without_holders_fails_by_name() -> None:
    stage = staged()
    action_id = announced(stage)
    stage.chain.balances = []
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason == f"NO_HOLDERS: snapshot 1 of dividend {action_id} has none"


async def test_a_page_of_a_dividend_that_is_short_is_waited_for_and_never_planned() -> None:
    stage = staged()
    stage.chain.short_pages_by = 1
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=announced(stage))
    await stage.run_to(payout_id, S.PLANNING)
    await stage.rounds(3)
    assert stage.payout(payout_id).waiting_for.startswith("SNAPSHOT_PAGE_SHORT: page 0 has 2 holders, 3 belong")
    assert stage.payments(payout_id) == []
    stage.chain.short_pages_by = 0
    assert (await stage.run(payout_id)).state is S.COMPLETED
