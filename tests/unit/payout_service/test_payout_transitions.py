"""A payout's, a payment's and a sweep's tables of legal transitions, and what the verbs count."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, SnapshotId, TokenUnits
from libs.payout_terms.terms import ExcludedShare, PayeeRules, PayoutKind, PayoutTerms
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.payments import (
    OPEN_STATES,
    PAYMENT_TRANSITIONS,
    SETTLED_STATES,
    PaymentState,
)
from payout_service.domain.payout import (
    CANCELLABLE_STATES,
    MOST_ROUNDS,
    PAUSABLE_STATES,
    SETTLING_STATES,
    TRANSITIONS,
    WORKED_STATES,
    IllegalTransitionError,
    Payout,
    PayoutState,
    Snapshot,
)
from payout_service.domain.plan import (
    AccountingIdentityError,
    PlanSum,
    PlanTotals,
)
from payout_service.domain.progress import Progress
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.sweep import SWEEP_TRANSITIONS, Sweep, SweepState
from payout_service.domain.waits import Wait, WaitFor
from tests.support.payout.amounts import execution_of, planned_payment, shares, tally
from tests.support.payout.memory_chain import SIGNER
from tests.support.payout.memory_database import START
from tests.support.payout.terms_of import terms_of

WAIT = Wait(WaitFor.INSUFFICIENT_FUNDS, "so much")
NOBODY = Failure(FailedBecause.NO_HOLDERS, "because")
REVERTED = Failure(FailedBecause.TRANSACTION_REVERTED, "because")

S = PayoutState
PLAN = PlanTotals(
    holder_count=2,
    zero_due_count=0,
    payable_base_units=BaseUnits(90),
    rounding_dust_base_units=BaseUnits(3),
    frozen_share_base_units=BaseUnits(7),
    plan_hash="hash",
)
TOTAL = terms_of(total=100)
FINAL_STATES = {S.COMPLETED, S.CANCELLED, S.FAILED}


def payout_in(state: PayoutState, *, terms: PayoutTerms = TOTAL, **changes: object) -> Payout:
    payout = Payout(
        uuid4(),
        uuid4(),
        terms,
        BaseUnits(100),
        START,
        START,
        state=state,
        holder_count=2,
        listed_count=2,
        planned_count=2,
        # Frozen by the verb itself.
        plan=None if state is PayoutState.PLANNING else PLAN,
    )
    for name, value in changes.items():
        setattr(payout, name, value)
    return payout


def redeeming(payout: Payout, **changes: object) -> Payout:
    payout.terms = terms_of(PayoutKind.REDEMPTION)
    for name, value in changes.items():
        setattr(payout, name, value)
    return payout


def with_progress(payout: Payout, **changes: Any) -> Payout:
    payout.progress = Progress(**changes)
    return payout


# ------------------------------------------------------------------------------------------------ verbs

STOPPED = {S.PAUSED, S.INCOMPLETE, S.DEFERRED}

# What each verb leads to, and the states in which it is used; RESUME and RETRY stand apart.
VERBS: dict[str, tuple[PayoutState, set[PayoutState], Callable[[Payout], None]]] = {
    "begin_snapshot": (S.SNAPSHOTTING, {S.REQUESTED}, lambda each: each.begin_snapshot(START)),
    "begin_planning": (
        S.PLANNING,
        {S.SNAPSHOTTING},
        lambda each: each.begin_planning(Snapshot(SnapshotId(1), BlockNumber(1), "0x"), 2, TokenUnits(10), START),
    ),
    "freeze_plan": (S.WAITING_FOR_FUNDS, {S.PLANNING}, lambda each: each.freeze_plan(PLAN, None, START)),
    "freeze_empty_plan": (
        S.COMPLETED,
        {S.PLANNING},
        lambda each: each.freeze_plan(replace(PLAN, payable_base_units=BaseUnits(0)), None, START),
    ),
    "begin_redemption": (
        S.PLANNING,
        {S.REQUESTED},
        lambda each: redeeming(each).begin_planning(
            Snapshot(SnapshotId(0), BlockNumber(1), "0x"), 2, TokenUnits(10), START
        ),
    ),
    "freeze_round_without_new_payees": (
        S.EXECUTING,
        {S.PLANNING},
        lambda each: redeeming(each, plan=PLAN).freeze_plan(PLAN, None, START),
    ),
    "begin_round": (
        S.PLANNING,
        {S.EXECUTING},
        lambda each: redeeming(each).begin_round(Snapshot(SnapshotId(0), BlockNumber(9), "0x"), 2, START),
    ),
    "begin_execution": (S.EXECUTING, {S.WAITING_FOR_FUNDS}, lambda each: each.begin_execution(START)),
    "finish_with_deferrals": (
        S.DEFERRED,
        {S.EXECUTING},
        lambda each: with_progress(each, deferred_count=1).finish(BaseUnits(90), START),
    ),
    "release_deferred": (
        S.EXECUTING,
        {S.EXECUTING, S.INCOMPLETE, S.DEFERRED},
        lambda each: each.release_deferred(tally(1, 5), START),
    ),
    "finish": (S.COMPLETED, {S.EXECUTING}, lambda each: each.finish(BaseUnits(90), START)),
    "pause": (
        S.PAUSED,
        {S.REQUESTED, S.SNAPSHOTTING, S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING},
        lambda each: each.pause(START),
    ),
    "cancel": (
        S.CANCELLING,
        {S.REQUESTED, S.SNAPSHOTTING, S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING, *STOPPED},
        lambda each: each.cancel({}, {}, START),
    ),
    "fail": (S.FAILED, {S.REQUESTED, S.SNAPSHOTTING}, lambda each: each.fail(NOBODY, START)),
}


@pytest.mark.parametrize("state", PayoutState)
@pytest.mark.parametrize("verb", VERBS)
def test_a_payout_moves_only_as_the_table_says(state: PayoutState, verb: str) -> None:
    target, used_in, act = VERBS[verb]
    if verb.startswith("finish") and state is S.CANCELLING:
        target, used_in = S.CANCELLED, {S.CANCELLING}
    payout = payout_in(state, waiting_for="something")
    if state in used_in:
        act(payout)
        assert (payout.state, payout.version) == (target, 2)
        if target is not state:
            assert payout.waiting_for == ""
            assert target in TRANSITIONS[state]
    else:
        with pytest.raises(IllegalTransitionError):
            act(payout)
        assert (payout.state, payout.version) == (state, 1)


def test_every_way_in_the_table_has_a_verb() -> None:
    ways = {(state, target) for target, used_in, _ in VERBS.values() for state in used_in if state is not target}
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
    left = {PaymentState.FAILED: tally(1, 30), PaymentState.WAITING: tally(2, 5)}
    if state in (S.INCOMPLETE, S.DEFERRED, S.EXECUTING, S.PAUSED):
        payout.retry(left, START)
        assert payout.state is (state if state is S.PAUSED else S.EXECUTING)
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
        lambda each: each.settle_batch({PaymentState.PAID: tally(1, 60)}, START),
        lambda each: each.move_payments({PaymentState.PAID: tally(1, 60)}, {}, START),
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
    payout.settle_batch({PaymentState.PAID: tally(1, 60), PaymentState.WAITING: tally(2, 20)}, START)
    payout.settle_batch({PaymentState.DISPUTED: tally(1, 10)}, START)
    payout.settle_batch({}, START)
    assert payout.progress == Progress(
        paid_count=1,
        failed_count=1,
        waiting_count=2,
        paid_base_units=BaseUnits(60),
        batch_count=3,
        final_batch_count=3,
    )
    payout.move_payments({PaymentState.FAILED: tally(1, 5)}, {PaymentState.WAITING: tally(2, 20)}, START)
    assert (payout.progress.failed_count, payout.progress.waiting_count) == (2, 0)
    for owed in (29, 31, 0):
        with pytest.raises(AccountingIdentityError):
            payout.finish(BaseUnits(owed), START)
    payout.finish(BaseUnits(30), START)
    assert (payout.state, payout.version) == (S.INCOMPLETE, 9)


def test_what_is_cancelled_is_counted_and_is_part_of_the_whole() -> None:
    payout = payout_in(
        S.EXECUTING, progress=Progress(failed_count=1, waiting_count=1, paid_base_units=BaseUnits(50))
    )
    left = {
        PaymentState.FAILED: tally(1, 10),
        PaymentState.WAITING: tally(1, 10),
        PaymentState.PLANNED: tally(1, 20),
    }
    payout.cancel({PaymentState.CANCELLED: tally(3, 40)}, left, START)
    assert payout.progress == Progress(
        cancelled_count=3, cancelled_base_units=BaseUnits(40), paid_base_units=BaseUnits(50)
    )
    with pytest.raises(AccountingIdentityError):
        payout.finish(BaseUnits(1), START)
    payout.finish(BaseUnits(0), START)
    assert payout.state is S.CANCELLED


def test_a_payout_that_was_cancelled_before_its_plan_has_no_books_to_balance() -> None:
    payout = payout_in(S.CANCELLING, plan=None)
    payout.finish(BaseUnits(0), START)
    assert payout.state is S.CANCELLED
    with pytest.raises(ValueError, match="without a plan"):
        payout_in(S.EXECUTING, plan=None).finish(BaseUnits(0), START)


@pytest.mark.parametrize("planned", [0, 1, 3])
def test_a_plan_without_every_holder_is_not_frozen(planned: int) -> None:
    for name in ("planned_count", "listed_count"):
        payout = payout_in(S.PLANNING)
        setattr(payout, name, planned)
        with pytest.raises(ValueError, match="every holder"):
            payout.freeze_plan(PLAN, None, START)
    with pytest.raises(ValueError, match="every holder"):
        payout_in(S.PLANNING).freeze_plan(replace(PLAN, holder_count=3), None, START)


@pytest.mark.parametrize("figures", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_a_plan_needs_a_snapshot_with_holders_and_a_total(figures: tuple[int, int, int, int]) -> None:
    snapshot_id, holder_count, supply, total = figures
    payout = payout_in(S.SNAPSHOTTING, total_base_units=total)
    with pytest.raises(ValueError, match="a plan needs a"):
        payout.begin_planning(
            Snapshot(SnapshotId(snapshot_id), BlockNumber(1), "0x"), holder_count, TokenUnits(supply), START
        )
    assert payout.state is S.SNAPSHOTTING


def test_a_percentage_becomes_a_total_once() -> None:
    payout = payout_in(S.SNAPSHOTTING, terms=terms_of(percentage_basis_points=2_500), total_base_units=0)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="cannot become the total"):
            payout.fix_total(BaseUnits(wrong))
    payout.fix_total(BaseUnits(250))
    assert payout.total_base_units == 250
    with pytest.raises(ValueError, match="cannot become the total"):
        payout.fix_total(BaseUnits(251))
    with pytest.raises(ValueError, match="cannot become the total"):
        payout_in(S.SNAPSHOTTING, total_base_units=0).fix_total(BaseUnits(250))


def test_a_cause_is_published_once() -> None:
    payout = payout_in(S.REQUESTED)
    assert payout.wait_for(WAIT, START)
    assert not payout.wait_for(WAIT, START)
    assert payout.wait_for(None, START)
    assert payout.version == 3


# ------------------------------------------------------------------------------------------------ kinds

ASSET_TOLD = [PayoutKind.DIVIDEND, PayoutKind.COUPON, PayoutKind.REDEMPTION]


@pytest.mark.parametrize("kind", PayoutKind)
def test_a_payout_pays_by_the_call_of_its_kind(kind: PayoutKind) -> None:
    snapshot = Snapshot(SnapshotId(0 if kind is PayoutKind.REDEMPTION else 7), BlockNumber(1), "0x")
    terms = terms_of(kind, total=100, action_id=3)
    payout = payout_in(S.EXECUTING, terms=terms, snapshot=snapshot, total_supply=10)
    execution = payout.execution_of([HolderAddress("0xb"), HolderAddress("0xa")], 0)
    assert (
        execution
        == {
            PayoutKind.SNAPSHOT: execution_of(
                ExecutionKind.AMOUNT_SNAPSHOT, 7, 100, (HolderAddress("0xb"), HolderAddress("0xa"))
            ),
            PayoutKind.DIVIDEND: execution_of(
                ExecutionKind.DISTRIBUTION, 3, 0, (HolderAddress("0xb"), HolderAddress("0xa"))
            ),
            PayoutKind.COUPON: execution_of(
                ExecutionKind.DISTRIBUTION, 3, 0, (HolderAddress("0xb"), HolderAddress("0xa"))
            ),
            PayoutKind.REDEMPTION: execution_of(
                ExecutionKind.CASH_OUT, 0, 0, (HolderAddress("0xb"), HolderAddress("0xa"))
            ),
        }[kind]
    )
    assert execution.is_of(payout.execution_kind, payout.reference_id)
    payout.snapshot = None
    with pytest.raises(ValueError, match="without a snapshot"):
        payout.execution_of([HolderAddress("0xb")], 0)


def test_a_call_is_made_with_the_net_total_of_its_rate() -> None:
    rules = PayeeRules(excluded=frozenset({HolderAddress("0xc")}), excluded_share=ExcludedShare.REDISTRIBUTE)
    payout = payout_in(S.EXECUTING, snapshot=Snapshot(SnapshotId(7), BlockNumber(1), "0x"), total_supply=10)
    assert [payout.execution_of([], rate).total_base_units for rate in (0, 1, 2_550, 10_000)] == [100, 99, 74, 0]
    payout.terms, payout.excluded_balance = terms_of(total=100, rules=rules), TokenUnits(4)
    assert payout.call_total_base_units == 166
    assert [payout.execution_of([], rate).total_base_units for rate in (0, 2_550)] == [166, 123]
    payout.terms = terms_of(total=100, rules=replace(rules, excluded_share=ExcludedShare.KEEP))
    assert payout.call_total_base_units == 100
    payout.terms = terms_of(total=100, rules=replace(rules, excluded=frozenset()))
    assert payout.call_total_base_units == 100
    payout.terms, payout.total_supply = terms_of(total=100, rules=rules), TokenUnits(0)
    assert payout.call_total_base_units == 100, "before the snapshot nobody knows"


@pytest.mark.parametrize("kind", PayoutKind)
def test_a_plan_begins_where_its_kind_does(kind: PayoutKind) -> None:
    is_redemption = kind is PayoutKind.REDEMPTION
    right, wrong = (S.REQUESTED, S.SNAPSHOTTING) if is_redemption else (S.SNAPSHOTTING, S.REQUESTED)
    listing = Snapshot(SnapshotId(0 if is_redemption else 1), BlockNumber(1), "0x")
    terms = terms_of(kind, total=100)
    payout = payout_in(right, terms=terms, total_base_units=terms.total_base_units)
    with pytest.raises(IllegalTransitionError):
        payout_in(wrong, terms=terms).begin_planning(listing, 2, TokenUnits(10), START)
    with pytest.raises(ValueError, match="snapshot"):
        payout.begin_planning(
            replace(listing, snapshot_id=SnapshotId(1 - listing.snapshot_id)), 2, TokenUnits(10), START
        )
    payout.begin_planning(listing, 2, TokenUnits(10), START, excluded_balance=TokenUnits(4))
    assert (payout.snapshot, payout.holder_count, payout.total_supply, payout.excluded_balance) == (
        listing,
        2,
        10,
        4,
    )


@pytest.mark.parametrize("kind", ASSET_TOLD)
def test_the_plan_fixes_the_total_that_the_asset_tells(kind: PayoutKind) -> None:
    plan = replace(
        PLAN,
        rounding_dust_base_units=BaseUnits(0),
        frozen_share_base_units=BaseUnits(0),
        excluded_base_units=BaseUnits(8),
    )
    payout = payout_in(S.PLANNING, terms=terms_of(kind, total=100), total_base_units=0)
    payout.freeze_plan(plan, None, START)
    assert payout.total_base_units == 98
    payout.begin_execution(START)
    payout.finish(BaseUnits(90), START)
    assert payout_in(S.PLANNING).total_base_units == 100
    declared = payout_in(S.PLANNING)
    declared.freeze_plan(plan, None, START)
    assert declared.total_base_units == 100, "a declared total stays"


@pytest.mark.parametrize("kind", PayoutKind)
def test_a_payout_sums_its_plan_as_its_kind_is_planned(kind: PayoutKind) -> None:
    declared = BaseUnits(100) if kind is PayoutKind.SNAPSHOT else None
    total = payout_in(S.PLANNING, terms=terms_of(kind, total=100), total_supply=10).new_plan_sum()
    expected = PlanSum(kind, declared, TokenUnits(10))
    for each in (total, expected):
        each.add(planned_payment(0, HolderAddress("0xa"), 5, 49))
    assert total.totals() == expected.totals()


def test_a_spread_total_is_summed_against_the_declared_one() -> None:
    rules = PayeeRules(excluded=frozenset({HolderAddress("0xb")}), excluded_share=ExcludedShare.REDISTRIBUTE)
    payout = payout_in(S.PLANNING, terms=terms_of(total=100, rules=rules), total_supply=100, excluded_balance=20)
    total = payout.new_plan_sum()
    for row in shares(
        0, [(HolderAddress("0xa"), 40), (HolderAddress("0xb"), 20)], payout.call_total_base_units, 100, rules
    ):
        total.add(row)
    plan = total.totals()
    assert (plan.payable_base_units, plan.frozen_share_base_units, plan.rounding_dust_base_units) == (50, 50, 0)


# ------------------------------------------------------------------------------------------------ rounds


def redemption(state: PayoutState = S.EXECUTING, **changes: object) -> Payout:
    return payout_in(state, terms=terms_of(PayoutKind.REDEMPTION), **changes)


def test_another_round_begins_with_another_listing() -> None:
    payout = redemption(snapshot=Snapshot(SnapshotId(0), BlockNumber(5), "0x"))
    payout.add_batch(START)
    payout.begin_round(Snapshot(SnapshotId(0), BlockNumber(9), "0x9"), 4, START)
    assert (payout.state, payout.round_number, payout.snapshot) == (
        S.PLANNING,
        2,
        Snapshot(SnapshotId(0), BlockNumber(9), "0x9"),
    )
    assert (payout.holder_count, payout.listed_count, payout.planned_count) == (4, 0, 2), "ordinals go on"
    assert not payout.wants_round, "nothing was sent since"
    assert payout.plan == PLAN, "what was planned before stays frozen"


def test_a_round_is_wanted_only_when_tokens_are_redeemed_or_gone_since_the_listing() -> None:
    payout = redemption()
    assert not payout.wants_round
    payout.add_batch(START)
    assert payout.wants_round
    sold = redemption()
    sold.found_nothing_due(0)
    assert sold.wants_round, "another execution has redeemed them, or they are at another holder"
    other = payout_in(S.EXECUTING)
    other.add_batch(START)
    assert not other.wants_round


@pytest.mark.parametrize("kind", [PayoutKind.SNAPSHOT, PayoutKind.DIVIDEND, PayoutKind.COUPON])
def test_what_was_fixed_at_a_snapshot_is_listed_once(kind: PayoutKind) -> None:
    with pytest.raises(ValueError, match="cannot begin round"):
        payout_in(S.EXECUTING, terms=terms_of(kind, total=100)).begin_round(
            Snapshot(SnapshotId(0), BlockNumber(9), "0x"), 4, START
        )


def test_rounds_are_bounded() -> None:
    payout = redemption(round_number=MOST_ROUNDS - 1)
    assert payout.may_begin_round
    payout.begin_round(Snapshot(SnapshotId(0), BlockNumber(9), "0x"), 0, START)
    assert not payout.may_begin_round
    payout.state = S.EXECUTING
    with pytest.raises(ValueError, match=f"cannot begin round {MOST_ROUNDS + 1}"):
        payout.begin_round(Snapshot(0, 10, "0x"), 0, START)
    assert payout.round_number == MOST_ROUNDS


def test_a_redemption_that_still_wants_a_round_is_not_complete() -> None:
    payout = redemption(round_number=MOST_ROUNDS)
    payout.add_batch(START)
    payout.settle_batch({}, START)
    payout.finish(BaseUnits(90), START)
    assert payout.state is S.INCOMPLETE


@pytest.mark.parametrize("is_more", [True, False])
def test_a_later_round_goes_to_the_money_only_with_somebody_new(is_more: bool) -> None:
    payout = redemption(S.PLANNING, plan=PLAN, planned_count=2 + is_more, round_number=2)
    plan = replace(PLAN, holder_count=2 + is_more, payable_base_units=BaseUnits(90 + 10 * is_more))
    payout.freeze_plan(plan, None, START)
    assert payout.state is (S.WAITING_FOR_FUNDS if is_more else S.EXECUTING)
    assert (payout.plan, payout.total_base_units) == (plan, plan.payable_base_units)


def test_a_later_round_counts_no_deferral_again_and_never_completes_a_payout() -> None:
    plan = replace(PLAN, payable_base_units=BaseUnits(0), deferred_count=1, deferred_base_units=BaseUnits(5))
    payout = redemption(S.PLANNING, plan=PLAN, round_number=2)
    payout.freeze_plan(plan, None, START)
    assert (payout.state, payout.progress) == (S.EXECUTING, Progress())


def test_a_redemption_is_repriced_as_live_balances_move() -> None:
    payout = redemption(total_base_units=90)
    payout.reprice(BaseUnits(0), START)
    assert payout.version == 1, "nothing changed"
    payout.reprice(BaseUnits(7), START)
    payout.reprice(BaseUnits(-3), START)
    assert payout.plan
    assert (payout.total_base_units, payout.plan.payable_base_units, payout.version) == (94, 94, 3)
    payout.found_nothing_due(2)
    assert payout.plan.zero_due_count == 2
    others = [payout_in(S.EXECUTING, terms=terms_of(kind)) for kind in ASSET_TOLD[:2]]
    for wrong in (redemption(plan=None), *others):
        with pytest.raises(ValueError, match="never change"):
            wrong.reprice(BaseUnits(1), START)
        wrong.reprice(BaseUnits(0), START)
    with pytest.raises(ValueError, match="no plan"):
        redemption(plan=None).found_nothing_due(1)


# ------------------------------------------------------------------------------------------------ deferral


def test_a_plan_brings_its_deferrals_and_they_leave_when_they_are_released() -> None:
    plan = replace(PLAN, deferred_count=2, deferred_base_units=BaseUnits(12))
    payout = payout_in(S.PLANNING)
    payout.freeze_plan(plan, None, START)
    assert payout.progress == Progress(deferred_count=2, deferred_base_units=BaseUnits(12))
    payout.begin_execution(START)
    payout.settle_batch({PaymentState.PAID: tally(1, 78)}, START)
    with pytest.raises(AccountingIdentityError):
        payout.finish(BaseUnits(11), START)
    payout.finish(BaseUnits(12), START)
    assert payout.state is S.DEFERRED
    payout.release_deferred(tally(1, 5), START)
    assert (payout.state, payout.progress.deferred_count, payout.progress.deferred_base_units) == (
        S.EXECUTING,
        1,
        7,
    )
    version = payout.version
    payout.release_deferred(tally(1, 7), START)
    assert (payout.state, payout.progress.deferred_count, payout.version) == (S.EXECUTING, 0, version + 1)
    payout.settle_batch({PaymentState.PAID: tally(2, 12)}, START)
    payout.finish(BaseUnits(0), START)
    assert payout.state.value == "COMPLETED"


def test_what_failed_is_named_before_what_is_deferred() -> None:
    payout = payout_in(S.EXECUTING, progress=Progress(failed_count=1, deferred_count=1))
    payout.finish(BaseUnits(90), START)
    assert payout.state is S.INCOMPLETE


def test_a_deferred_payment_is_retried_or_given_up_like_others() -> None:
    left = {PaymentState.DEFERRED: tally(1, 5)}
    payout = payout_in(S.DEFERRED, progress=Progress(deferred_count=1, deferred_base_units=BaseUnits(5)))
    payout.retry(left, START)
    assert (payout.state, payout.progress) == (S.EXECUTING, Progress())
    payout = payout_in(
        S.DEFERRED,
        progress=Progress(deferred_count=1, deferred_base_units=BaseUnits(5), paid_base_units=BaseUnits(85)),
    )
    payout.cancel({PaymentState.CANCELLED: tally(1, 5)}, left, START)
    assert payout.progress == Progress(
        cancelled_count=1, cancelled_base_units=BaseUnits(5), paid_base_units=BaseUnits(85)
    )
    payout.finish(BaseUnits(0), START)
    assert payout.state.value == "CANCELLED"


# ------------------------------------------------------------------------------------------------ payments


def test_money_that_was_paid_or_given_up_is_promised_to_nobody() -> None:
    assert set(PaymentState) - OPEN_STATES == {
        PaymentState.PAID,
        PaymentState.ZERO_DUE,
        PaymentState.CANCELLED,
        PaymentState.EXCLUDED,
    }


def test_who_may_have_been_paid_never_goes_back_into_the_plan() -> None:
    for state in ("PAID", "ZERO_DUE", "CANCELLED", "EXCLUDED"):
        assert PAYMENT_TRANSITIONS[PaymentState(state)] == frozenset()
    # A dispute ends by evidence alone; FAILED where that says that nothing was paid.
    assert not PAYMENT_TRANSITIONS[PaymentState.DISPUTED] & {PaymentState.PLANNED, PaymentState.IN_FLIGHT}
    back = {state for state, after in PAYMENT_TRANSITIONS.items() if PaymentState.PLANNED in after}
    assert back == {PaymentState.IN_FLIGHT, PaymentState.WAITING, PaymentState.FAILED, PaymentState.DEFERRED}
    paid = {state for state, after in PAYMENT_TRANSITIONS.items() if PaymentState.PAID in after}
    # Without a batch only where another execution has paid the holder, or evidence came late.
    elsewhere = {PaymentState.PLANNED, PaymentState.DEFERRED, PaymentState.FAILED}
    assert paid == {PaymentState.IN_FLIGHT, PaymentState.DISPUTED} | elsewhere
    assert PAYMENT_TRANSITIONS[PaymentState.IN_FLIGHT] >= SETTLED_STATES


def test_nobody_becomes_excluded_or_deferred_after_the_plan() -> None:
    after = frozenset[PaymentState]().union(*PAYMENT_TRANSITIONS.values())
    assert not after & {PaymentState.EXCLUDED, PaymentState.DEFERRED}
    by_itself = {PaymentState.PAID, PaymentState.FAILED, PaymentState.DISPUTED}
    released = {PaymentState.PLANNED, PaymentState.CANCELLED}
    assert PAYMENT_TRANSITIONS[PaymentState.DEFERRED] == released | by_itself, "by itself where others have paid"
    assert PaymentState.DEFERRED in OPEN_STATES, "its money stays promised"


# ------------------------------------------------------------------------------------------------ sweeps

SWEEP_VERBS: dict[SweepState, Callable[[Sweep], None]] = {
    SweepState.SUCCEEDED: lambda each: each.succeed("0xh", START),
    SweepState.FAILED: lambda each: each.fail(REVERTED, "0xh", START),
}


@pytest.mark.parametrize("state", SweepState)
@pytest.mark.parametrize("target", SWEEP_VERBS)
def test_a_sweep_moves_only_as_the_table_says(state: SweepState, target: SweepState) -> None:
    sweep = Sweep(uuid4(), uuid4(), SIGNER, BaseUnits(5), START, START, state, waiting_for="something")
    if target in SWEEP_TRANSITIONS[state]:
        SWEEP_VERBS[target](sweep)
        assert (sweep.state, sweep.waiting_for, sweep.transaction_hash) == (target, "", "0xh")
    else:
        with pytest.raises(ValueError, match="cannot become"):
            SWEEP_VERBS[target](sweep)
        assert sweep.state is state
