"""The aggregate: transitions, versions, events, and what it does not believe."""

from dataclasses import replace
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribution_service.domain.distribution import Distribution, PayoutContradictionError
from distribution_service.domain.events import (
    DistributionCompleted,
    DistributionFailed,
    DistributionIncomplete,
    DistributionReleased,
)
from distribution_service.domain.payout_report import PayoutReport, Progress
from distribution_service.domain.states import (
    LEGAL_TRANSITIONS,
    STATE_OF_PAYOUT,
    DistributionState,
    PayoutState,
)
from libs.chain.address import EvmAddress
from tests.unit.distribution_service.fakes import START, progress, released, report

_PAYOUT_STATE_OF = {state: payout_state for payout_state, state in STATE_OF_PAYOUT.items()}


def _in_state(state: DistributionState) -> Distribution:
    if state is DistributionState.RELEASED:
        return released()
    fresh = released()
    return fresh.apply_payout(report(fresh, 5, _PAYOUT_STATE_OF[state]), START)


def test_release_starts_at_version_one_and_records_its_event() -> None:
    distribution = released()

    assert (distribution.version, distribution.state) == (1, DistributionState.RELEASED)
    assert distribution.recorded_events == (DistributionReleased(),)
    assert distribution.progress is None


@pytest.mark.parametrize("total", [0, -1])
def test_release_refuses_an_amount_that_is_not_positive(total: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        released(total)


@pytest.mark.parametrize(("before", "after"), list(product(DistributionState, _PAYOUT_STATE_OF)))
def test_a_change_of_state_is_legal_only_if_the_table_says_so(
    before: DistributionState, after: DistributionState
) -> None:
    distribution = _in_state(before)
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


def test_final_states_are_completed_and_failed() -> None:
    assert {state for state in DistributionState if state.is_final} == {
        DistributionState.COMPLETED,
        DistributionState.FAILED,
    }
    assert {state for state in DistributionState if state.is_settled} == {
        DistributionState.COMPLETED,
        DistributionState.FAILED,
        DistributionState.INCOMPLETE,
    }


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (PayoutState.COMPLETED, DistributionCompleted()),
        (PayoutState.INCOMPLETE, DistributionIncomplete()),
        (PayoutState.FAILED, DistributionFailed()),
    ],
)
def test_an_event_is_recorded_on_entering_and_not_again(
    state: PayoutState, event: DistributionCompleted | DistributionIncomplete | DistributionFailed
) -> None:
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


def test_incomplete_may_go_on_and_complete() -> None:
    distribution = _in_state(DistributionState.INCOMPLETE)
    executing = distribution.apply_payout(report(distribution, 6, PayoutState.EXECUTING), START)
    completed = executing.apply_payout(report(distribution, 7, PayoutState.COMPLETED), START)

    assert completed.state is DistributionState.COMPLETED
    assert completed.recorded_events == (DistributionCompleted(),)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PayoutState.COMPLETED, progress(holders=4, paid=3)),
        (PayoutState.COMPLETED, progress(holders=4, paid=3, failed=1)),
        (PayoutState.FAILED, progress(paid=1)),
        (PayoutState.FAILED, progress(paid_base_units=1)),
        (PayoutState.EXECUTING, progress(paid=1, paid_base_units=1_000_001)),
    ],
)
def test_figures_that_break_the_promise_of_the_state_are_not_believed(state: PayoutState, told: Progress) -> None:
    distribution = released(1_000_000)

    with pytest.raises(PayoutContradictionError):
        distribution.apply_payout(report(distribution, 1, state, told), START)


def test_a_report_of_another_payment_is_not_believed() -> None:
    distribution = released()
    told = report(distribution, 1, PayoutState.EXECUTING)
    others = (
        replace(told, distribution_id=uuid4()),
        replace(told, asset_id=uuid4()),
        replace(told, total_base_units=told.total_base_units + 1),
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
    PayoutState.EXECUTING,
    PayoutState.INCOMPLETE,
    PayoutState.EXECUTING,
    PayoutState.INCOMPLETE,
    PayoutState.EXECUTING,
    PayoutState.COMPLETED,
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
    assert recorded.count(DistributionCompleted()) == (len(_HISTORY) in deliveries)


def _report_of_history(distribution: Distribution, version: int) -> PayoutReport:
    return report(distribution, version, _HISTORY[version - 1])
