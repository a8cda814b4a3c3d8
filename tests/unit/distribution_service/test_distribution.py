"""The aggregate: transitions, versions, events, and what it does not believe."""

from dataclasses import replace
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribution_service.domain.distribution import Distribution, PayoutContradictionError
from distribution_service.domain.events import (
    DistributionCancelled,
    DistributionCompleted,
    DistributionDeferred,
    DistributionFailed,
    DistributionIncomplete,
    DistributionReleased,
    DomainEvent,
)
from distribution_service.domain.payout_report import PayoutReport, Progress
from distribution_service.domain.states import (
    LEGAL_TRANSITIONS,
    STATE_OF_PAYOUT,
    DistributionState,
    PayoutState,
    is_legal,
)
from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from libs.payout_terms.terms import (
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
from payout_service.domain.payout import TRANSITIONS
from payout_service.domain.payout import PayoutState as Theirs
from tests.unit.distribution_service.fakes import (
    START,
    progress,
    released,
    released_on,
    released_share,
    report,
)

_PAYOUT_STATE_OF = {state: payout_state for payout_state, state in STATE_OF_PAYOUT.items()}


_MILLION = FixedTotal(BaseUnits(1_000_000))
_REDEMPTION_ONLY = frozenset({DistributionState.PLANNING, DistributionState.WAITING_FOR_FUNDS})
_PLANNED = frozenset(
    {
        DistributionState.WAITING_FOR_FUNDS,
        DistributionState.EXECUTING,
        DistributionState.INCOMPLETE,
        DistributionState.DEFERRED,
    }
)


def _in_state(state: DistributionState, pays: WhatIsPaid = _MILLION) -> Distribution:
    fresh = released_on(pays)
    if state is DistributionState.RELEASED:
        return fresh
    return fresh.apply_payout(report(fresh, 5, _PAYOUT_STATE_OF[state]), START)


def test_release_starts_at_version_one_and_records_its_event() -> None:
    distribution = released()

    assert (distribution.version, distribution.state) == (1, DistributionState.RELEASED)
    assert distribution.recorded_events == (DistributionReleased(),)
    assert distribution.progress is None


@pytest.mark.parametrize(("before", "after"), list(product(DistributionState, _PAYOUT_STATE_OF)))
def test_a_change_of_state_is_legal_only_if_the_table_says_so(
    before: DistributionState, after: DistributionState
) -> None:
    distribution = _in_state(before, Redemption())
    told = report(distribution, 6, _PAYOUT_STATE_OF[after], waiting_for="something else")
    if after is before and not before.is_final:
        changed = distribution.apply_payout(told, START)
        assert (changed.version, changed.recorded_events) == (distribution.version + 1, ())
    elif after in LEGAL_TRANSITIONS[before]:
        changed = distribution.apply_payout(told, START)
        assert (changed.state, changed.version) == (after, distribution.version + 1)
    else:
        with pytest.raises(PayoutContradictionError):
            distribution.apply_payout(told, START)


@pytest.mark.parametrize("pays", [FixedTotal(BaseUnits(1_000_000)), ShareOfAvailable(1), Dividend(1), Coupon(1)])
def test_only_a_redemption_goes_back_to_planning_after_its_plan(pays: WhatIsPaid) -> None:
    for before, after in product(_PLANNED, _REDEMPTION_ONLY):
        if before is after:
            continue
        assert is_legal(PayoutKind.REDEMPTION, before, after)
        fresh = released_on(pays)
        planned = fresh.apply_payout(report(fresh, 5, _PAYOUT_STATE_OF[before], total_base_units=1_000_000), START)
        with pytest.raises(PayoutContradictionError, match="the payout says"):
            planned.apply_payout(report(planned, 6, _PAYOUT_STATE_OF[after]), START)


def test_final_and_settled_states() -> None:
    final = {DistributionState.COMPLETED, DistributionState.FAILED, DistributionState.CANCELLED}
    assert {state for state in DistributionState if state.is_final} == final
    waiting = {DistributionState.INCOMPLETE, DistributionState.DEFERRED}
    assert {state for state in DistributionState if state.is_settled} == final | waiting


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (PayoutState.COMPLETED, DistributionCompleted()),
        (PayoutState.INCOMPLETE, DistributionIncomplete()),
        (PayoutState.FAILED, DistributionFailed()),
        (PayoutState.CANCELLED, DistributionCancelled()),
        (PayoutState.DEFERRED, DistributionDeferred()),
    ],
)
def test_an_event_is_recorded_on_entering_and_not_again(state: PayoutState, event: DomainEvent) -> None:
    distribution = released()
    entered = distribution.apply_payout(report(distribution, 5, state), START)
    again = entered.apply_payout(report(distribution, 6, state), START)

    assert entered.recorded_events == (event,)
    assert again.recorded_events == ()
    assert (again.version, again.payout_version) == (entered.version, 6)


def test_an_older_or_equal_report_changes_nothing() -> None:
    distribution = _in_state(DistributionState.EXECUTING)

    for version in (1, 4, 5):
        assert distribution.apply_payout(report(distribution, version, PayoutState.FAILED), START) is distribution


def test_a_newer_report_that_says_the_same_moves_only_the_payout_version() -> None:
    distribution = _in_state(DistributionState.PLANNING)
    changed = distribution.apply_payout(report(distribution, 6, PayoutState.SNAPSHOTTING), START)

    assert changed == replace(distribution, payout_version=6)


def _reachable(start: tuple[Theirs, Theirs | None]) -> set[tuple[Theirs, Theirs | None]]:
    """Where a payout can get to from a state and, while it is paused, the state that it was paused in."""
    seen: set[tuple[Theirs, Theirs | None]] = set()
    ahead = [start]
    while ahead:
        state, paused_from = ahead.pop()
        for after in TRANSITIONS[state]:
            if state is Theirs.PAUSED and after is not Theirs.CANCELLING and after is not paused_from:
                continue
            place = (after, state if after is Theirs.PAUSED else None)
            if place not in seen:
                seen.add(place)
                ahead.append(place)
    return seen


def test_the_table_is_what_payout_service_allows_when_any_version_may_be_skipped() -> None:
    def shown(state: Theirs) -> DistributionState:
        return STATE_OF_PAYOUT[PayoutState(state)]

    first = (Theirs.REQUESTED, None)
    allowed: dict[DistributionState, set[DistributionState]] = {state: set() for state in DistributionState}
    for place in {first} | _reachable(first):
        allowed[shown(place[0])] |= {shown(after) for after, _ in _reachable(place)}
    allowed[DistributionState.RELEASED] = {shown(state) for state, _ in _reachable(first)}

    assert {state: after - {state} for state, after in allowed.items()} == LEGAL_TRANSITIONS


def test_incomplete_may_go_on_and_complete() -> None:
    distribution = _in_state(DistributionState.INCOMPLETE)
    executing = distribution.apply_payout(report(distribution, 6, PayoutState.EXECUTING), START)
    completed = executing.apply_payout(report(distribution, 7, PayoutState.COMPLETED), START)

    assert completed.state is DistributionState.COMPLETED
    assert completed.recorded_events == (DistributionCompleted(),)


def test_deferred_payments_come_due_and_complete() -> None:
    distribution = _in_state(DistributionState.DEFERRED)
    executing = distribution.apply_payout(report(distribution, 6, PayoutState.EXECUTING), START)
    completed = executing.apply_payout(report(distribution, 7, PayoutState.COMPLETED), START)
    assert completed.state is DistributionState.COMPLETED


def test_excluded_holders_are_done_with() -> None:
    distribution = released(1_000_000)
    told = progress(
        holders=6,
        paid=3,
        zero_due=1,
        excluded=2,
        paid_base_units=600_000,
        excluded_base_units=300_000,
        withheld_base_units=100_000,
    )
    completed = distribution.apply_payout(report(distribution, 1, PayoutState.COMPLETED, told), START)
    assert (completed.state, completed.progress) == (DistributionState.COMPLETED, told)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PayoutState.COMPLETED, progress(holders=4, paid=3)),
        (PayoutState.COMPLETED, progress(holders=4, paid=3, failed=1)),
        (PayoutState.FAILED, progress(paid=1)),
        (PayoutState.FAILED, progress(paid_base_units=1)),
        (PayoutState.COMPLETED, progress(holders=4, paid=4, waiting=1)),
        (PayoutState.COMPLETED, progress(holders=4, paid=4, cancelled=1)),
        (PayoutState.COMPLETED, progress(holders=4, paid=3, deferred=1)),
        (PayoutState.DEFERRED, progress(holders=4, paid=4)),
        (PayoutState.DEFERRED, progress(holders=4, paid=2, deferred=1)),
        (PayoutState.DEFERRED, progress(holders=4, paid=2, deferred=1, failed=1)),
        (PayoutState.CANCELLED, progress(holders=4, paid=1, cancelled=2, deferred=1)),
        (PayoutState.EXECUTING, progress(holders=4, paid=2, excluded=2, deferred=1)),
        (PayoutState.EXECUTING, progress(paid=1, paid_base_units=1_000_001)),
        (PayoutState.EXECUTING, progress(paid_base_units=1, excluded_base_units=1_000_000)),
        (PayoutState.EXECUTING, progress(paid_base_units=1, withheld_base_units=1_000_000)),
        (PayoutState.EXECUTING, progress(paid_base_units=1, deferred_base_units=1_000_000)),
        (PayoutState.CANCELLING, progress(cancelled_base_units=400_000, paid_base_units=600_001)),
        (PayoutState.EXECUTING, progress(holders=4, paid=1, failed=1, zero_due=1, waiting=1, cancelled=1)),
        (PayoutState.CANCELLED, progress(holders=4, paid=1, failed=1, zero_due=1)),
        (PayoutState.CANCELLED, progress(holders=4, paid=1, cancelled=2, waiting=1)),
    ],
)
def test_figures_that_break_the_promise_of_the_state_are_not_believed(state: PayoutState, told: Progress) -> None:
    distribution = released(1_000_000)

    with pytest.raises(PayoutContradictionError):
        distribution.apply_payout(report(distribution, 1, state, told), START)


@pytest.mark.parametrize("told", [progress(paid=1), progress(paid_base_units=1), progress(waiting=1)])
def test_nothing_is_paid_or_waits_in_a_payout_cancelled_without_a_plan(told: Progress) -> None:
    distribution = released()
    with pytest.raises(PayoutContradictionError):
        distribution.apply_payout(report(distribution, 1, PayoutState.CANCELLED, told, has_plan=False), START)


def test_a_payout_may_be_cancelled_while_its_plan_is_being_made() -> None:
    distribution = released()
    told = report(distribution, 1, PayoutState.CANCELLED, progress(holders=4), has_plan=False)
    assert distribution.apply_payout(told, START).state is DistributionState.CANCELLED


def test_the_total_of_a_percentage_is_taken_from_its_plan_once() -> None:
    distribution = released_share()
    requested = distribution.apply_payout(report(distribution, 1, PayoutState.REQUESTED), START)
    assert requested.total_base_units == 0
    fixed = requested.apply_payout(report(distribution, 2, PayoutState.PLANNING, total_base_units=700), START)
    assert (fixed.total_base_units, fixed.version) == (700, requested.version + 1)

    for other in (0, 699, 701):
        told = report(distribution, 3, PayoutState.PAUSED, total_base_units=other)
        with pytest.raises(PayoutContradictionError, match="total"):
            fixed.apply_payout(told, START)
    paid = report(fixed, 3, PayoutState.COMPLETED, progress(paid=4, paid_base_units=700))
    assert fixed.apply_payout(paid, START).total_base_units == 700


@pytest.mark.parametrize("state", PayoutState)
def test_a_percentage_without_a_total_has_no_frozen_plan_yet(state: PayoutState) -> None:
    distribution = released_share()
    told = report(distribution, 1, state)
    if state in ("WAITING_FOR_FUNDS", "EXECUTING", "COMPLETED", "INCOMPLETE", "DEFERRED"):
        with pytest.raises(PayoutContradictionError, match="without a total"):
            distribution.apply_payout(told, START)
    else:
        assert distribution.apply_payout(told, START).total_base_units == 0


@pytest.mark.parametrize("pays", [Dividend(2), Coupon(2)])
@pytest.mark.parametrize("state", PayoutState)
def test_a_corporate_action_may_complete_without_anybody_being_due_anything(
    state: PayoutState, pays: Dividend | Coupon
) -> None:
    distribution = released_on(pays)
    told = report(distribution, 1, state)
    if state in ("WAITING_FOR_FUNDS", "EXECUTING", "INCOMPLETE", "DEFERRED"):
        with pytest.raises(PayoutContradictionError, match="without a total"):
            distribution.apply_payout(told, START)
    else:
        assert distribution.apply_payout(told, START).total_base_units == 0


@pytest.mark.parametrize("pays", [Dividend(2), Coupon(2)])
def test_the_total_of_a_corporate_action_is_taken_from_its_plan_once(pays: Dividend | Coupon) -> None:
    distribution = released_on(pays)
    fixed = distribution.apply_payout(
        report(distribution, 1, PayoutState.WAITING_FOR_FUNDS, total_base_units=700), START
    )
    assert fixed.total_base_units == 700
    with pytest.raises(PayoutContradictionError, match="total"):
        fixed.apply_payout(report(fixed, 2, PayoutState.EXECUTING, total_base_units=701), START)


def test_the_total_of_a_redemption_follows_the_live_balances() -> None:
    distribution = released_on(Redemption())
    steps = [
        (PayoutState.EXECUTING, 700),
        (PayoutState.PLANNING, 650),
        (PayoutState.WAITING_FOR_FUNDS, 900),
        (PayoutState.EXECUTING, 0),
        (PayoutState.COMPLETED, 820),
    ]
    for version, (state, total) in enumerate(steps, 1):
        told = report(distribution, version, state, total_base_units=total)
        distribution = distribution.apply_payout(told, START)
        assert (distribution.state, distribution.total_base_units) == (STATE_OF_PAYOUT[state], total)


def test_a_percentage_pays_no_more_than_the_total_that_comes_with_the_report() -> None:
    distribution = released_share()
    told = progress(paid=1, paid_base_units=701)
    with pytest.raises(PayoutContradictionError):
        distribution.apply_payout(
            report(distribution, 1, PayoutState.EXECUTING, told, total_base_units=700), START
        )


def test_a_report_of_another_payment_is_not_believed() -> None:
    distribution = released()
    told = report(distribution, 1, PayoutState.EXECUTING)
    others = (
        replace(told, distribution_id=uuid4()),
        replace(told, asset_id=uuid4()),
        replace(told, total_base_units=told.total_base_units + 1),
        replace(told, terms=PayoutTerms(ShareOfAvailable(1_250))),
        replace(told, terms=PayoutTerms(Dividend(1))),
        replace(told, terms=PayoutTerms(Redemption())),
        replace(told, terms=PayoutTerms(FixedTotal(BaseUnits(told.total_base_units + 1)))),
        replace(told, terms=replace(told.terms, rules=PayeeRules(excluded_share=ExcludedShare.REDISTRIBUTE))),
        replace(told, payment_token=EvmAddress("0x" + "11" * 20)),
    )
    for other in others:
        with pytest.raises(PayoutContradictionError):
            distribution.apply_payout(other, START)


def test_progress_has_no_negative_figures() -> None:
    with pytest.raises(ValueError, match="failed_count"):
        progress(failed=-1)


_HISTORY = (
    PayoutState.REQUESTED,
    PayoutState.SNAPSHOTTING,
    PayoutState.PLANNING,
    PayoutState.WAITING_FOR_FUNDS,
    PayoutState.PAUSED,
    PayoutState.EXECUTING,
    PayoutState.INCOMPLETE,
    PayoutState.EXECUTING,
    PayoutState.PAUSED,
    PayoutState.EXECUTING,
    PayoutState.INCOMPLETE,
    PayoutState.CANCELLING,
    PayoutState.CANCELLED,
)


@given(st.lists(st.integers(1, len(_HISTORY)), min_size=1, max_size=30))
def test_whatever_is_lost_doubled_or_late_the_newest_report_wins(deliveries: list[int]) -> None:
    distribution = start = released()
    recorded: list[object] = []
    for version in deliveries:
        before = distribution.version
        distribution = distribution.apply_payout(_report_of_history(start, version), START)
        assert distribution.version - before in (0, 1)
        if distribution.version != before:
            recorded += distribution.recorded_events

    assert distribution.payout_version == max(deliveries)
    assert distribution.state is STATE_OF_PAYOUT[_HISTORY[max(deliveries) - 1]]
    assert recorded.count(DistributionCancelled()) == (len(_HISTORY) in deliveries)


def _report_of_history(distribution: Distribution, version: int) -> PayoutReport:
    return report(distribution, version, _HISTORY[version - 1])
