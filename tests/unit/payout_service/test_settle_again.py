"""Disputes settle by themselves once the evidence agrees; what others have paid is no longer deferred."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from libs.chain.quantities import HolderAddress
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayeeRules, PayoutKind
from payout_service.application.audit.reconcile_payout import reconcile_payout
from payout_service.application.life.control_payout import cancel_payout, retry_payments
from payout_service.application.paying import execute_payout
from payout_service.application.ports.lifecycle_contract import ReceiptEvidence
from payout_service.domain.discrepancy import DiscrepancyKind
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.waits import Wait
from tests.simulation.world import Alarms
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import Stage, engine_settings
from tests.unit.payout_service.payouts_of_kinds import (
    announced,
    assert_books,
    assert_only_paid,
    committed_to,
    matured,
    operator_key,
    principal_of,
    request_of,
    rows_of,
    states,
)

S = PayoutState
MONEY = 10**6
HalfTruth = Callable[[ReceiptEvidence], ReceiptEvidence]


def staged() -> Stage:
    stage = Stage((10, 20, 30), settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(MONEY)
    return stage


class Liar:
    """The node tells a half-truth of receipts until it is asked to stop."""

    def __init__(self, stage: Stage, half_truth: HalfTruth) -> None:
        self.is_lying = True
        self._truth = stage.chain.receipt_evidence
        self._half_truth = half_truth
        stage.chain.receipt_evidence = self.answer  # type: ignore[method-assign, assignment]

    async def answer(self, *arguments: object) -> ReceiptEvidence:
        truth = await self._truth(*arguments)  # type: ignore[arg-type]
        return self._half_truth(truth) if self.is_lying else truth


def without_logs(truth: ReceiptEvidence) -> ReceiptEvidence:
    return ReceiptEvidence(None, {})


def without_transfers(truth: ReceiptEvidence) -> ReceiptEvidence:
    return replace(truth, transferred={})


def without_burns(truth: ReceiptEvidence) -> ReceiptEvidence:
    """What an engine sees that counts burns in one form alone."""
    return replace(truth, redeemed={})


def with_a_contradiction(truth: ReceiptEvidence) -> ReceiptEvidence:
    return replace(truth, redeemed=dict.fromkeys(truth.redeemed, None))


async def look(stage: Stage, payout_id: UUID) -> set[DiscrepancyKind]:
    found = await reconcile_payout(stage.engine, payout_id, Alarms())
    return {each.finding.kind for each in found.discrepancies}


async def disputed(stage: Stage, kind: PayoutKind, half_truth: HalfTruth) -> tuple[UUID, Liar]:
    """All payees are paid on the chain, and all are in dispute."""
    if kind is PayoutKind.REDEMPTION:
        matured(stage)
    action_id = announced(stage) if kind.is_corporate_action else 0
    payout_id = await request_of(stage, kind, total=600 if kind is PayoutKind.SNAPSHOT else 0, action_id=action_id)
    liar = Liar(stage, half_truth)
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    assert states(stage, payout_id) == {"DISPUTED": 3}
    assert_books(stage, payout_id)
    return payout_id, liar


@pytest.mark.parametrize(
    ("kind", "half_truth"),
    [
        (PayoutKind.SNAPSHOT, without_logs),
        (PayoutKind.SNAPSHOT, without_transfers),
        (PayoutKind.DIVIDEND, without_logs),
        (PayoutKind.REDEMPTION, without_logs),
        (PayoutKind.REDEMPTION, without_transfers),
        (PayoutKind.REDEMPTION, without_burns),
        (PayoutKind.REDEMPTION, with_a_contradiction),
    ],
)
async def test_a_dispute_settles_by_itself_once_the_evidence_agrees(
    kind: PayoutKind, half_truth: HalfTruth
) -> None:
    stage = staged()
    payout_id, liar = await disputed(stage, kind, half_truth)
    assert DiscrepancyKind.PAYMENT_DISPUTED in await look(stage, payout_id)
    assert states(stage, payout_id) == {"DISPUTED": 3}
    liar.is_lying = False
    assert await look(stage, payout_id) == set()
    assert states(stage, payout_id) == {"PAID": 3}
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert committed_to(stage, payout_id) == 0
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert await look(stage, payout_id) == set()


async def test_disputes_of_a_redemption_that_waits_for_money_settle_too() -> None:
    """An installation that the older engine left: the money that it waits for is what has moved already."""
    stage = Stage((10, 20, 30), settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(principal_of(10) + principal_of(20) + principal_of(30))
    matured(stage)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    liar = Liar(stage, without_logs)
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    assert states(stage, payout_id) == {"DISPUTED": 3}
    stage.chain.balances = [(holder(7), 9)]
    stage.chain.mine(4)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    await stage.run_to(payout_id, S.WAITING_FOR_FUNDS)
    await stage.rounds(3)
    assert stage.payout(payout_id).waiting_for.startswith("INSUFFICIENT_FUNDS")
    liar.is_lying = False
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 3, "PLANNED": 1}
    stage.chain.deposit(principal_of(9))
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert committed_to(stage, payout_id) == 0
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_a_node_that_has_forgotten_the_block_before_does_not_keep_a_dispute_open() -> None:
    """Most nodes keep the states of few blocks. What was read before the batch tells the principal, too."""
    stage = staged()
    payout_id, liar = await disputed(stage, PayoutKind.REDEMPTION, without_burns)
    told = stage.chain.entitlements
    newest = len(stage.chain.blocks)

    async def pruned(*arguments: Any) -> object:
        if len(arguments) > 2 and arguments[2] is not None and arguments[2] < newest:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node has no state of block {arguments[2]}")
        return await told(*arguments)

    stage.chain.entitlements = pruned  # type: ignore[method-assign, assignment]
    stage.chain.mine(5)
    liar.is_lying = False
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 3}
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_a_dispute_that_is_settled_while_the_payout_ends_does_not_leave_it_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the look whether all tokens are reached and the lock under which the payout is finished."""
    stage = staged()
    payout_id, liar = await disputed(stage, PayoutKind.REDEMPTION, without_burns)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    tokens_left = execute_payout._tokens_left

    async def settled_meanwhile(*arguments: Any) -> Wait | None:
        left = await tokens_left(*arguments)
        if liar.is_lying:
            liar.is_lying = False
            await look(stage, payout_id)
        return left

    monkeypatch.setattr(execute_payout, "_tokens_left", settled_meanwhile)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert states(stage, payout_id) == {"PAID": 3}
    assert_books(stage, payout_id)


async def test_what_has_moved_is_not_promised_while_the_dispute_lasts() -> None:
    stage = staged()
    payout_id, _ = await disputed(stage, PayoutKind.REDEMPTION, without_burns)
    assert committed_to(stage, payout_id) == 0
    assert [row.moved_base_units for row in stage.payments(payout_id)] == [principal_of(n) for n in (10, 20, 30)]
    other = await request_of(stage, total=MONEY - principal_of(10) - principal_of(20) - principal_of(30))
    assert (await stage.run(other)).waiting_for != "INSUFFICIENT_FUNDS", "what is left can be promised"
    unknown = staged()
    payout_id, _ = await disputed(unknown, PayoutKind.REDEMPTION, without_logs)
    assert committed_to(unknown, payout_id) == sum(principal_of(n) for n in (10, 20, 30)), (
        "nobody knows that it moved"
    )


async def test_a_look_that_learns_what_has_moved_says_so_in_the_books() -> None:
    """Of disputes from before it was recorded: the migration leaves 0."""
    stage = staged()
    payout_id, liar = await disputed(stage, PayoutKind.REDEMPTION, without_logs)
    liar._half_truth = without_burns
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"DISPUTED": 3}
    assert committed_to(stage, payout_id) == 0
    assert_books(stage, payout_id)
    before = stage.payout(payout_id), stage.payments(payout_id), len(stage.database.events)
    assert await look(stage, payout_id) == {DiscrepancyKind.PAYMENT_DISPUTED}
    assert (stage.payout(payout_id), stage.payments(payout_id), len(stage.database.events)) == before, "told once"


async def test_who_was_refused_after_all_waits_for_an_operator_and_is_paid_once() -> None:
    stage = staged()
    stage.chain.blocked_payees = {holder(1)}
    payout_id, liar = await disputed(stage, PayoutKind.SNAPSHOT, without_logs)
    liar.is_lying = False
    await look(stage, payout_id)
    refused = stage.payments(payout_id)[1]
    assert (refused.state, refused.reason) == (PaymentState.FAILED, FailureReason.TRANSFER_REFUSED)
    assert states(stage, payout_id) == {"PAID": 2, "FAILED": 1}
    assert stage.payout(payout_id).state is S.INCOMPLETE
    assert_books(stage, payout_id)
    stage.chain.blocked_payees = set()
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert [stage.chain.money_of(holder(number)) for number in range(3)] == [100, 200, 300]


async def test_disputes_of_a_cancelled_payout_settle_too() -> None:
    stage = staged()
    stage.chain.blocked_payees = {holder(1)}
    payout_id, liar = await disputed(stage, PayoutKind.SNAPSHOT, without_logs)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    assert committed_to(stage, payout_id) == 600
    liar.is_lying = False
    assert await look(stage, payout_id) == set()
    assert states(stage, payout_id) == {"PAID": 2, "CANCELLED": 1}
    assert stage.payout(payout_id).state is S.CANCELLED
    assert_books(stage, payout_id)
    assert committed_to(stage, payout_id) == 0


async def test_a_cancelled_redemption_with_a_dispute_lets_no_other_pay_its_holders_again() -> None:
    """The tokens may still be there although they were paid for, as after an adjustment of balances."""
    stage = staged()
    payout_id, liar = await disputed(stage, PayoutKind.REDEMPTION, without_burns)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    # Somebody gets tokens: there is something to redeem.
    stage.chain.balances = [(holder(7), 9)]
    stage.chain.mine(4)
    second = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.rounds(3)
    waiting = stage.payout(second)
    assert waiting.state is S.REQUESTED
    assert waiting.waiting_for == (
        f"ACTION_HAS_PAYOUT: payouts/{payout_id} was cancelled with 3 payments in dispute"
    )
    liar.is_lying = False
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 3}
    assert (await stage.run(second)).state is S.COMPLETED
    assert stage.chain.money_of(holder(7)) == principal_of(9)


async def test_a_transaction_that_is_not_final_settles_nothing() -> None:
    stage = staged()
    payout_id, liar = await disputed(stage, PayoutKind.SNAPSHOT, without_logs)
    liar.is_lying = False
    snapshot = stage.payout(payout_id).snapshot
    assert snapshot
    stage.chain.reorg(len(stage.chain.blocks) - snapshot.block_number - 1, remine=True)
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"DISPUTED": 3}
    stage.chain.mine(10)
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 3}


# ---------------------------------------------------------------------------------------- paid elsewhere


@pytest.mark.parametrize(("total", "state"), [(600, "PAID"), (300, "DISPUTED")])
async def test_who_failed_and_was_paid_by_another_execution_needs_no_operator(total: int, state: str) -> None:
    """Its money would be promised until somebody tries it again."""
    stage = staged()
    stage.chain.blocked_payees = {holder(1)}
    payout_id = await stage.request(600)
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 2, "FAILED": 1}
    snapshot = stage.payout(payout_id).snapshot
    assert snapshot
    stage.chain.blocked_payees = set()
    kind = ExecutionKind.AMOUNT_SNAPSHOT
    stage.chain.pay_elsewhere(execution_of(kind, snapshot.snapshot_id, total, (holder(1),)))
    stage.chain.mine(4)
    await look(stage, payout_id)
    assert stage.payments(payout_id)[1].state == state
    assert_books(stage, payout_id)
    if state == "PAID":
        assert (await stage.run(payout_id)).state is S.COMPLETED
        assert committed_to(stage, payout_id) == 0


# ---------------------------------------------------------------------------------------- redeemed elsewhere


async def redeemed_elsewhere(stage: Stage, payee: HolderAddress) -> UUID:
    """A redemption is planned; then others redeem one of its holders, finally."""
    matured(stage)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.CASH_OUT, 0, 0, (payee,)))
    stage.chain.mine(4)
    return payout_id


async def test_the_event_of_another_execution_alone_pays_nobody() -> None:
    """Seeds 1003338, 1004196, 1004848: it says 2,010, and the token has moved nothing."""
    stage = staged()
    stage.chain.cheated_payees = {holder(1)}
    payout_id = await redeemed_elsewhere(stage, holder(1))
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    (row,) = rows_of(stage, payout_id, holder(1))
    assert (row.state, row.reason) == (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    assert f"the event says {principal_of(20)}, the token says 0" in row.detail
    assert states(stage, payout_id) == {"DISPUTED": 1, "PAID": 2}
    assert committed_to(stage, payout_id) == principal_of(20), "it has not moved"
    assert_books(stage, payout_id)
    assert await look(stage, payout_id) >= {DiscrepancyKind.PAYMENT_DISPUTED}
    assert states(stage, payout_id) == {"DISPUTED": 1, "PAID": 2}


async def test_a_dispute_about_another_execution_settles_by_its_own_evidence() -> None:
    stage = staged()
    liar = Liar(stage, without_burns)
    payout_id = await redeemed_elsewhere(stage, holder(1))
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    assert states(stage, payout_id) == {"DISPUTED": 3}
    liar.is_lying = False
    await look(stage, payout_id)
    assert states(stage, payout_id) == {"PAID": 3}
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


# ---------------------------------------------------------------------------------------- nothing is forgotten


async def test_an_incomplete_redemption_lists_again_although_nothing_can_be_retried() -> None:
    """Seed 1001681: the payee in dispute gave the rest of its tokens to somebody whom nothing names."""
    stage = staged()
    stage.chain.cheated_payees = {holder(1)}
    payout_id = await redeemed_elsewhere(stage, holder(1))
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    stage.chain.balances = [(holder(7), 9)]
    stage.chain.mine(4)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    assert stage.chain.money_of(holder(7)) == principal_of(9)
    assert states(stage, payout_id) == {"DISPUTED": 1, "PAID": 3}
    assert_books(stage, payout_id)


async def test_a_listed_holder_that_has_nothing_left_is_due_nothing() -> None:
    """Seed 1002021: the call reverts with it alone, and its tokens have long gone to somebody else."""
    stage = staged()
    matured(stage)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.transfer(holder(0), holder(7), 10)
    stage.chain.mine()
    stage.chain.list_holder(holder(0))
    stage.chain.mine(4)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert rows_of(stage, payout_id, holder(0))[0].state is PaymentState.ZERO_DUE
    assert stage.chain.money_of(holder(7)) == principal_of(10)
    assert stage.chain.state.supply == 0
    assert_books(stage, payout_id)


async def test_a_burn_that_is_worth_nothing_counts_as_nothing_due() -> None:
    """Seed 1011933: what was left was worth less than a base unit, and the next round counted it otherwise."""
    stage = staged()
    matured(stage)
    bond = stage.chain.bond
    assert bond
    stage.chain.bond = replace(bond, principal_per_token=bond.principal_per_token / 1_500)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    assert stage.chain.pool
    stage.chain.transfer(holder(1), holder(7), 15)
    payout = await stage.run(payout_id)
    assert payout.plan
    rows = {row.planned.holder: row for row in stage.payments(payout_id) if row.planned.round_number == 1}
    assert (rows[holder(1)].state, rows[holder(1)].planned.amount_base_units) == (PaymentState.ZERO_DUE, 0)
    assert_books(stage, payout_id)
    assert await look(stage, payout_id) == set()


async def test_a_deferred_payee_that_others_have_paid_is_paid_by_them() -> None:
    """Seed 1005441: another payout of the same coupon had paid it before this one was planned."""
    stage = staged()
    action_id = announced(stage)
    first = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    stage.chain.blocked_payees = {holder(2)}
    assert (await stage.run(first)).state is S.INCOMPLETE
    await cancel_payout(stage.engine, operator_key(), first)
    await stage.run(first)
    stage.chain.blocked_payees = set()
    rules = PayeeRules(minimum_base_units=250)
    second = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id, rules=rules)
    await stage.run_to(second, S.DEFERRED)
    assert states(stage, second) == {"DEFERRED": 2, "PAID": 1}
    assert await look(stage, second) == set()
    assert states(stage, second) == {"PAID": 3}
    assert (await stage.run(second)).state is S.COMPLETED
    assert [row.transaction_hash for row in stage.payments(second)][:2] == [
        row.transaction_hash for row in stage.payments(first)
    ][:2]
    assert committed_to(stage, second) == 0
    assert_books(stage, second)


async def test_a_deferred_payee_that_was_paid_another_amount_is_in_dispute() -> None:
    stage = staged()
    payout_id = await request_of(stage, total=600, rules=PayeeRules(minimum_base_units=150))
    await stage.run_to(payout_id, S.DEFERRED)
    snapshot_id = stage.payout(payout_id).reference_id
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, 300, (holder(0),)))
    stage.chain.mine(4)
    await look(stage, payout_id)
    (row,) = rows_of(stage, payout_id, holder(0))
    assert (row.state, row.reason, row.moved_base_units) == (
        PaymentState.DISPUTED,
        FailureReason.PAID_OTHER_AMOUNT,
        50,
    )
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    assert committed_to(stage, payout_id) == 50
    assert_books(stage, payout_id)
