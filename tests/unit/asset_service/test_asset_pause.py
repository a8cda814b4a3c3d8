"""Pausing and unpausing an asset's lifecycle contract."""

from itertools import product

import pytest

from asset_service.domain.asset import (
    PAUSE_TRANSITIONS,
    Asset,
    AssetEvent,
    IllegalTransitionError,
    LifecycleState,
    NotPausableError,
    PauseSeen,
    PauseState,
)
from tests.unit.asset_service.samples import CONTRACT, LATER, NOW, OTHER_CONTRACT, TOKEN, new_asset, report

READY, NOT_READY, FAILED = LifecycleState.READY, LifecycleState.NOT_READY, LifecycleState.FAILED
PAUSE_REQUESTED = (AssetEvent.PAUSE_REQUESTED, AssetEvent.CHANGED)


def active_asset() -> Asset:
    return new_asset().apply_lifecycle_report(report(1, READY), NOW)


def paused_asset() -> Asset:
    """Paused by somebody else."""
    return active_asset().apply_lifecycle_report(report(2, NOT_READY, is_paused=True), NOW)


def test_a_request_carries_its_own_version() -> None:
    asset = active_asset().request_pause(LATER)
    assert (asset.pause_state, asset.pause_request, asset.version) == (PauseState.PAUSING, 3, 3)
    assert (asset.events, asset.update_time) == (PAUSE_REQUESTED, LATER)
    asset = paused_asset().request_unpause(LATER)
    assert (asset.pause_state, asset.pause_request, asset.version) == (PauseState.UNPAUSING, 4, 4)
    assert asset.events == PAUSE_REQUESTED


def test_asking_again_or_for_what_is_so_changes_nothing() -> None:
    for asset in (active_asset().request_pause(NOW), paused_asset()):
        assert asset.request_pause(LATER) is asset
    for asset in (paused_asset().request_unpause(NOW), active_asset()):
        assert asset.request_unpause(LATER) is asset


def test_an_operator_may_change_their_mind_both_ways() -> None:
    asset = active_asset().request_pause(NOW).request_unpause(NOW)
    assert (asset.pause_state, asset.pause_request) == (PauseState.UNPAUSING, 4)
    asset = asset.request_pause(NOW)
    assert (asset.pause_state, asset.pause_request) == (PauseState.PAUSING, 5)
    # What was carried out for the first request is no answer to the third.
    asset = asset.apply_lifecycle_report(report(2, READY, is_paused=True, pause_request_version=3), NOW)
    assert asset.pause_state is PauseState.PAUSING
    asset = asset.apply_lifecycle_report(report(3, READY, is_paused=True, pause_request_version=5), NOW)
    assert (asset.pause_state, asset.pause_request) == (PauseState.PAUSED, None)


def test_an_import_with_a_contract_can_be_paused_and_one_without_or_failed_cannot() -> None:
    assert new_asset(CONTRACT).request_pause(NOW).pause_state is PauseState.PAUSING
    with pytest.raises(NotPausableError, match="not deployed"):
        new_asset().request_pause(NOW)
    failed = new_asset(CONTRACT).apply_lifecycle_report(report(1, FAILED, failure_reason="gone"), NOW)
    for request in (failed.request_pause, failed.request_unpause):
        with pytest.raises(NotPausableError, match="failed"):
            request(NOW)


def test_a_report_ends_the_request_when_it_was_carried_out_and_stands() -> None:
    asset = active_asset().request_pause(NOW)
    done = asset.apply_lifecycle_report(report(2, NOT_READY, is_paused=True, pause_request_version=3), LATER)
    assert (done.pause_state, done.pause_request, done.pause_problem) == (PauseState.PAUSED, None, "")
    assert (done.events, done.version) == ((AssetEvent.CHANGED,), 4)
    back = done.request_unpause(LATER)
    done = back.apply_lifecycle_report(report(3, READY, pause_request_version=5), LATER)
    assert (done.pause_state, done.pause_request) == (PauseState.UNPAUSED, None)


def test_what_holds_a_request_up_is_shown_until_it_ends() -> None:
    asset = active_asset().request_pause(NOW)
    held_up = asset.apply_lifecycle_report(report(2, READY, pause_problem="PAUSER_ROLE_MISSING: 0x01"), LATER)
    assert (held_up.pause_state, held_up.pause_problem) == (PauseState.PAUSING, "PAUSER_ROLE_MISSING: 0x01")
    assert held_up.events == (AssetEvent.CHANGED,)
    again = held_up.apply_lifecycle_report(report(3, READY, pause_problem=held_up.pause_problem), LATER)
    assert again.events == ()
    assert held_up.request_unpause(LATER).pause_problem == ""
    done = held_up.apply_lifecycle_report(report(3, READY, is_paused=True, pause_request_version=3), LATER)
    assert (done.pause_state, done.pause_problem) == (PauseState.PAUSED, "")


def test_a_request_that_somebody_undid_stays_open_and_says_so() -> None:
    asset = active_asset().request_pause(NOW)
    undone = asset.apply_lifecycle_report(report(2, READY, pause_request_version=3), LATER)
    assert (undone.pause_state, undone.pause_request) == (PauseState.PAUSING, 3)
    assert "somebody undid it" in undone.pause_problem


def test_without_a_request_the_state_follows_the_report() -> None:
    asset = paused_asset()
    assert (asset.pause_state, asset.events) == (PauseState.PAUSED, (AssetEvent.CHANGED,))
    asset = asset.apply_lifecycle_report(report(3, READY), LATER)
    assert (asset.pause_state, asset.events) == (PauseState.UNPAUSED, (AssetEvent.CHANGED,))
    assert asset.apply_lifecycle_report(report(4, READY), LATER).events == ()


def test_an_import_of_a_paused_contract_shows_it_with_its_own_event() -> None:
    asset = new_asset().apply_lifecycle_report(report(1, READY, is_paused=True), NOW)
    assert asset.pause_state is PauseState.PAUSED
    assert asset.events == (AssetEvent.IMPORTED, AssetEvent.CHANGED)


def test_an_import_that_fails_with_an_open_request_says_so() -> None:
    asset = new_asset(CONTRACT).request_pause(NOW)
    failed = asset.apply_lifecycle_report(report(1, FAILED, failure_reason="no contract"), NOW)
    assert (failed.pause_state, failed.pause_problem) == (PauseState.PAUSING, "the import failed")


def test_a_pause_of_the_token_is_seen() -> None:
    asset = active_asset()
    seen = asset.see_pause(PauseSeen(4, TOKEN, is_paused=True), LATER)
    assert (seen.token.is_paused, seen.pause_state) == (True, PauseState.UNPAUSED)
    assert (seen.events, seen.version, seen.update_time) == ((AssetEvent.CHANGED,), 3, LATER)
    back = seen.see_pause(PauseSeen(5, TOKEN, is_paused=False), LATER)
    assert (back.token.is_paused, back.version) == (False, 4)


def test_a_pause_of_the_contract_is_seen_unless_a_request_is_open() -> None:
    seen = active_asset().see_pause(PauseSeen(4, CONTRACT, is_paused=True), LATER)
    assert (seen.pause_state, seen.token.is_paused) == (PauseState.PAUSED, False)
    assert seen.events == (AssetEvent.CHANGED,)
    back = seen.see_pause(PauseSeen(5, CONTRACT, is_paused=False), LATER)
    assert (back.pause_state, back.events) == (PauseState.UNPAUSED, (AssetEvent.CHANGED,))
    pausing = active_asset().request_pause(NOW)
    after = pausing.see_pause(PauseSeen(4, CONTRACT, is_paused=True), LATER)
    assert (after.pause_state, after.version, after.events) == (PauseState.PAUSING, pausing.version, ())


def test_what_was_seen_before_or_of_another_contract_changes_nothing_that_is_shown() -> None:
    asset = active_asset().see_pause(PauseSeen(4, TOKEN, is_paused=True), NOW)
    for sequence in (3, 4):
        assert asset.see_pause(PauseSeen(sequence, TOKEN, is_paused=False), LATER) is asset
    for seen in (PauseSeen(5, OTHER_CONTRACT, is_paused=False), PauseSeen(5, TOKEN, is_paused=True)):
        after = asset.see_pause(seen, LATER)
        assert (after.version, after.events, after.pause_state) == (asset.version, (), PauseState.UNPAUSED)
        assert after.token.is_paused
        assert after.pause_seen_sequence == 5


def test_a_pause_that_left_the_chain_gives_way_to_the_last_report() -> None:
    seen = active_asset().see_pause(PauseSeen(4, CONTRACT, is_paused=True), NOW)
    forgotten = seen.forget_pause_seen(LATER)
    assert (forgotten.pause_state, forgotten.events) == (PauseState.UNPAUSED, (AssetEvent.CHANGED,))
    assert forgotten.forget_pause_seen(LATER) is forgotten
    still = paused_asset().see_pause(PauseSeen(4, CONTRACT, is_paused=False), NOW).forget_pause_seen(LATER)
    assert still.pause_state is PauseState.PAUSED
    pausing = active_asset().request_pause(NOW)
    assert pausing.forget_pause_seen(LATER) is pausing


def test_only_the_transitions_of_the_table_are_possible() -> None:
    samples = {
        PauseState.UNPAUSED: active_asset(),
        PauseState.PAUSING: active_asset().request_pause(NOW),
        PauseState.PAUSED: paused_asset(),
        PauseState.UNPAUSING: paused_asset().request_unpause(NOW),
    }
    assert set(PAUSE_TRANSITIONS) == set(PauseState) == set(samples)
    for state, target in product(PauseState, PauseState):
        if target in PAUSE_TRANSITIONS[state]:
            assert samples[state]._pause_moved_to(target).pause_state is target
        else:
            with pytest.raises(IllegalTransitionError):
                samples[state]._pause_moved_to(target)
