"""A payout's, a payment's and a sweep's tables of legal transitions, and what the verbs count."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from payout_service.domain.payments import (
    OPEN_STATES,
    PAYMENT_TRANSITIONS,
    SETTLED_STATES,
    PaymentState,
    Tally,
)
from payout_service.domain.payout import (
    CANCELLABLE_STATES,
    PAUSABLE_STATES,
    SETTLING_STATES,
    TRANSITIONS,
    WORKED_STATES,
    IllegalTransitionError,
    Payout,
    PayoutState,
    Progress,
    Snapshot,
)
from payout_service.domain.plan import AccountingIdentityError, PlanTotals
from payout_service.domain.sweep import SWEEP_TRANSITIONS, Sweep, SweepState
from tests.support.payout.memory_chain import SIGNER
from tests.support.payout.memory_database import START

S = PayoutState
PLAN = PlanTotals(2, 0, 90, 3, 7, "hash")
FINAL_STATES = {S.COMPLETED, S.CANCELLED, S.FAILED}


def payout_in(state: PayoutState, **changes: object) -> Payout:
    payout = Payout(uuid4(), uuid4(), 100, START, START, state=state, holder_count=2, planned_count=2, plan=PLAN)
    for name, value in changes.items():
        setattr(payout, name, value)
    return payout


# ------------------------------------------------------------------------------------------------ verbs

# What each verb leads to, and the states in which it is used; RESUME and RETRY stand apart.
VERBS: dict[str, tuple[PayoutState, set[PayoutState], Callable[[Payout], None]]] = {
    "begin_snapshot": (S.SNAPSHOTTING, {S.REQUESTED}, lambda each: each.begin_snapshot(START)),
    "begin_planning": (
        S.PLANNING,
        {S.SNAPSHOTTING},
        lambda each: each.begin_planning(Snapshot(1, 1, "0x"), 2, 10, START),
    ),
    "freeze_plan": (S.WAITING_FOR_FUNDS, {S.PLANNING}, lambda each: each.freeze_plan(PLAN, None, START)),
    "freeze_empty_plan": (
        S.COMPLETED,
        {S.PLANNING},
        lambda each: each.freeze_plan(replace(PLAN, payable_base_units=0), None, START),
    ),
    "begin_execution": (S.EXECUTING, {S.WAITING_FOR_FUNDS}, lambda each: each.begin_execution(START)),
    "finish": (S.COMPLETED, {S.EXECUTING}, lambda each: each.finish(90, START)),
    "pause": (
        S.PAUSED,
        {S.REQUESTED, S.SNAPSHOTTING, S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING},
        lambda each: each.pause(START),
    ),
    "cancel": (
        S.CANCELLING,
        {S.REQUESTED, S.SNAPSHOTTING, S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING, S.PAUSED, S.INCOMPLETE},
        lambda each: each.cancel({}, {}, START),
    ),
    "fail": (S.FAILED, {S.REQUESTED, S.SNAPSHOTTING}, lambda each: each.fail("NO_HOLDERS", START)),
}


@pytest.mark.parametrize("state", PayoutState)
@pytest.mark.parametrize("verb", VERBS)
def test_a_payout_moves_only_as_the_table_says(state: PayoutState, verb: str) -> None:
    target, used_in, act = VERBS[verb]
    if verb == "finish" and state is S.CANCELLING:
        target, used_in = S.CANCELLED, {S.CANCELLING}
    payout = payout_in(state, waiting_for="something")
    if state in used_in:
        act(payout)
        assert (payout.state, payout.version, payout.waiting_for) == (target, 2, "")
        assert target in TRANSITIONS[state]
    else:
        with pytest.raises(IllegalTransitionError):
            act(payout)
        assert (payout.state, payout.version) == (state, 1)


def test_every_way_in_the_table_has_a_verb() -> None:
    ways = {(state, target) for target, used_in, _ in VERBS.values() for state in used_in}
    ways |= {(S.PAUSED, state) for state in PAUSABLE_STATES}
    ways |= {(S.EXECUTING, S.INCOMPLETE), (S.CANCELLING, S.CANCELLED), (S.INCOMPLETE, S.EXECUTING)}
    assert ways == {(state, target) for state, after in TRANSITIONS.items() for target in after}


def test_every_state_that_can_be_left_is_worked_on_or_waits_for_an_operator() -> None:
    assert {state for state in PayoutState if TRANSITIONS[state]} == WORKED_STATES | {S.INCOMPLETE}
    assert {state for state in PayoutState if not TRANSITIONS[state]} == FINAL_STATES
    assert VERBS["pause"][1] == PAUSABLE_STATES
    assert VERBS["cancel"][1] == CANCELLABLE_STATES


@pytest.mark.parametrize("state", sorted(PAUSABLE_STATES))
def test_a_paused_payout_resumes_where_it_was(state: PayoutState) -> None:
    payout = payout_in(state)
    payout.pause(START)
    assert payout.paused_from is state
    payout.resume(START)
    assert (payout.state, payout.version) == (state, 3)
    assert payout.paused_from is None


@pytest.mark.parametrize("state", sorted(set(PayoutState) - {S.PAUSED}))
def test_only_a_paused_payout_resumes(state: PayoutState) -> None:
    payout = payout_in(state, paused_from=S.REQUESTED)
    with pytest.raises(IllegalTransitionError):
        payout.resume(START)
    assert payout.state is state


def test_a_cancelled_pause_forgets_where_it_was() -> None:
    payout = payout_in(S.EXECUTING)
    payout.pause(START)
    payout.cancel({}, {}, START)
    assert (payout.state, payout.paused_from) == (S.CANCELLING, None)


@pytest.mark.parametrize("state", PayoutState)
def test_an_operator_retries_where_something_can_have_failed(state: PayoutState) -> None:
    payout = payout_in(state, progress=Progress(failed_count=1, waiting_count=2))
    left = {PaymentState.FAILED: Tally(1, 30), PaymentState.WAITING: Tally(2, 5)}
    if state in (S.INCOMPLETE, S.EXECUTING, S.PAUSED):
        payout.retry(left, START)
        assert payout.state is (S.EXECUTING if state is S.INCOMPLETE else state)
        assert (payout.progress, payout.version) == (Progress(), 2)
    else:
        with pytest.raises(IllegalTransitionError):
            payout.retry(left, START)
        assert (payout.state, payout.version) == (state, 1)


# ------------------------------------------------------------------------------------------------ figures


@pytest.mark.parametrize("state", sorted(set(PayoutState) - {S.EXECUTING}))
def test_batches_are_made_only_while_a_payout_executes(state: PayoutState) -> None:
    payout = payout_in(state)
    with pytest.raises(IllegalTransitionError):
        payout.add_batch(START)
    assert payout.progress == Progress()


@pytest.mark.parametrize("state", sorted(PayoutState))
def test_payments_move_only_where_batches_may_be_under_way(state: PayoutState) -> None:
    moves: list[Callable[[Payout], None]] = [
        lambda each: each.settle_batch({PaymentState.PAID: Tally(1, 60)}, START),
        lambda each: each.move_payments({PaymentState.PAID: Tally(1, 60)}, {}, START),
    ]
    for act in moves:
        payout = payout_in(state)
        if state in SETTLING_STATES:
            act(payout)
            assert (payout.progress.paid_count, payout.progress.paid_base_units) == (1, 60)
        else:
            with pytest.raises(IllegalTransitionError):
                act(payout)
            assert payout.progress == Progress()


def test_a_payout_counts_what_is_proven() -> None:
    payout = payout_in(S.EXECUTING)
    assert [payout.add_batch(START), payout.add_batch(START), payout.add_batch(START)] == [1, 2, 3]
    payout.settle_batch({PaymentState.PAID: Tally(1, 60), PaymentState.WAITING: Tally(2, 20)}, START)
    payout.settle_batch({PaymentState.DISPUTED: Tally(1, 10)}, START)
    payout.settle_batch({}, START)
    assert payout.progress == Progress(
        paid_count=1, failed_count=1, waiting_count=2, paid_base_units=60, batch_count=3, final_batch_count=3
    )
    payout.move_payments({PaymentState.FAILED: Tally(1, 5)}, {PaymentState.WAITING: Tally(2, 20)}, START)
    assert (payout.progress.failed_count, payout.progress.waiting_count) == (2, 0)
    for owed in (29, 31, 0):
        with pytest.raises(AccountingIdentityError):
            payout.finish(owed, START)
    payout.finish(30, START)
    assert (payout.state, payout.version) == (S.INCOMPLETE, 9)


def test_what_is_cancelled_is_counted_and_is_part_of_the_whole() -> None:
    payout = payout_in(S.EXECUTING, progress=Progress(failed_count=1, waiting_count=1, paid_base_units=50))
    left = {
        PaymentState.FAILED: Tally(1, 10),
        PaymentState.WAITING: Tally(1, 10),
        PaymentState.PLANNED: Tally(1, 20),
    }
    payout.cancel({PaymentState.CANCELLED: Tally(3, 40)}, left, START)
    assert payout.progress == Progress(cancelled_count=3, cancelled_base_units=40, paid_base_units=50)
    with pytest.raises(AccountingIdentityError):
        payout.finish(1, START)
    payout.finish(0, START)
    assert payout.state is S.CANCELLED


def test_a_payout_that_was_cancelled_before_its_plan_has_no_books_to_balance() -> None:
    payout = payout_in(S.CANCELLING, plan=None)
    payout.finish(0, START)
    assert payout.state is S.CANCELLED
    with pytest.raises(ValueError, match="without a plan"):
        payout_in(S.EXECUTING, plan=None).finish(0, START)


@pytest.mark.parametrize("planned", [0, 1, 3])
def test_a_plan_without_every_holder_is_not_frozen(planned: int) -> None:
    payout = payout_in(S.PLANNING, planned_count=planned)
    with pytest.raises(ValueError, match="every holder"):
        payout.freeze_plan(PLAN, None, START)
    with pytest.raises(ValueError, match="every holder"):
        payout_in(S.PLANNING).freeze_plan(replace(PLAN, holder_count=3), None, START)


@pytest.mark.parametrize("figures", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_a_plan_needs_a_snapshot_with_holders_and_a_total(figures: tuple[int, int, int, int]) -> None:
    snapshot_id, holder_count, supply, total = figures
    payout = payout_in(S.SNAPSHOTTING, total_base_units=total)
    with pytest.raises(ValueError, match="snapshot"):
        payout.begin_planning(Snapshot(snapshot_id, 1, "0x"), holder_count, supply, START)
    assert payout.state is S.SNAPSHOTTING


def test_a_percentage_becomes_a_total_once() -> None:
    payout = payout_in(S.SNAPSHOTTING, percentage_basis_points=2_500, total_base_units=0)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="cannot become the total"):
            payout.fix_total(wrong)
    payout.fix_total(250)
    assert payout.total_base_units == 250
    with pytest.raises(ValueError, match="cannot become the total"):
        payout.fix_total(251)
    with pytest.raises(ValueError, match="cannot become the total"):
        payout_in(S.SNAPSHOTTING, total_base_units=0).fix_total(250)


def test_a_cause_is_published_once() -> None:
    payout = payout_in(S.REQUESTED)
    assert payout.wait_for("A", START)
    assert not payout.wait_for("A", START)
    assert payout.wait_for("", START)
    assert payout.version == 3


# ------------------------------------------------------------------------------------------------ payments


def test_money_that_was_paid_or_given_up_is_promised_to_nobody() -> None:
    assert set(PaymentState) - OPEN_STATES == {PaymentState.PAID, PaymentState.ZERO_DUE, PaymentState.CANCELLED}


def test_who_may_have_been_paid_never_goes_back_into_the_plan() -> None:
    for state in (PaymentState.PAID, PaymentState.DISPUTED, PaymentState.ZERO_DUE, PaymentState.CANCELLED):
        assert PAYMENT_TRANSITIONS[state] == frozenset()
    back = {state for state, after in PAYMENT_TRANSITIONS.items() if PaymentState.PLANNED in after}
    assert back == {PaymentState.IN_FLIGHT, PaymentState.WAITING, PaymentState.FAILED}
    paid = {state for state, after in PAYMENT_TRANSITIONS.items() if PaymentState.PAID in after}
    assert paid == {PaymentState.IN_FLIGHT}
    assert PAYMENT_TRANSITIONS[PaymentState.IN_FLIGHT] >= SETTLED_STATES


# ------------------------------------------------------------------------------------------------ sweeps

SWEEP_VERBS: dict[SweepState, Callable[[Sweep], None]] = {
    SweepState.SUCCEEDED: lambda each: each.succeed("0xh", START),
    SweepState.FAILED: lambda each: each.fail("because", "0xh", START),
}


@pytest.mark.parametrize("state", SweepState)
@pytest.mark.parametrize("target", SWEEP_VERBS)
def test_a_sweep_moves_only_as_the_table_says(state: SweepState, target: SweepState) -> None:
    sweep = Sweep(uuid4(), uuid4(), SIGNER, 5, START, START, state, waiting_for="something")
    if target in SWEEP_TRANSITIONS[state]:
        SWEEP_VERBS[target](sweep)
        assert (sweep.state, sweep.waiting_for, sweep.transaction_hash) == (target, "", "0xh")
    else:
        with pytest.raises(ValueError, match="cannot become"):
            SWEEP_VERBS[target](sweep)
        assert sweep.state is state
