"""The asset's verbs."""

from itertools import product

import pytest

from asset_service.domain.asset import (
    LEGAL_TRANSITIONS,
    Asset,
    AssetEvent,
    AssetState,
    IllegalTransitionError,
    LifecycleContractMismatchError,
    LifecycleOrigin,
    LifecycleState,
)
from tests.unit.asset_service.samples import CONTRACT, LATER, NOW, OTHER_CONTRACT, new_asset, report

READY, NOT_READY = LifecycleState.READY, LifecycleState.NOT_READY
DEPLOYING, FAILED = LifecycleState.DEPLOYING, LifecycleState.FAILED


def active_asset() -> Asset:
    return new_asset().apply_lifecycle_report(report(1, READY), NOW)


def test_an_import_starts_at_version_one() -> None:
    asset = new_asset()
    assert (asset.state, asset.version, asset.lifecycle_version) == (AssetState.IMPORTING, 1, 0)
    assert asset.events == (AssetEvent.IMPORT_STARTED,)
    assert asset.lifecycle_origin is LifecycleOrigin.DEPLOYED
    assert new_asset(CONTRACT).lifecycle_origin is LifecycleOrigin.ATTACHED


@pytest.mark.parametrize(
    ("state", "expected", "events"),
    [
        (DEPLOYING, AssetState.IMPORTING, ()),
        (NOT_READY, AssetState.IMPORTING, ()),
        (READY, AssetState.ACTIVE, (AssetEvent.IMPORTED,)),
        (FAILED, AssetState.FAILED, (AssetEvent.IMPORT_FAILED,)),
    ],
)
def test_a_report_moves_an_import(
    state: LifecycleState, expected: AssetState, events: tuple[AssetEvent, ...]
) -> None:
    asset = new_asset().apply_lifecycle_report(report(3, state), LATER)
    assert (asset.state, asset.events) == (expected, events)
    assert (asset.version, asset.lifecycle_version, asset.update_time) == (2, 3, LATER)
    assert asset.lifecycle_contract == CONTRACT
    assert asset.readiness == ()


def test_a_report_that_is_not_newer_changes_nothing() -> None:
    asset = new_asset().apply_lifecycle_report(report(3, NOT_READY), LATER)
    for version in (1, 2, 3):
        assert asset.apply_lifecycle_report(report(version, READY), LATER) is asset


@pytest.mark.parametrize("state", [NOT_READY, READY, FAILED, DEPLOYING])
def test_an_active_asset_stays_active(state: LifecycleState) -> None:
    later = active_asset().apply_lifecycle_report(report(2, state), LATER)
    assert (later.state, later.events, later.failure_reason) == (AssetState.ACTIVE, (), "")
    assert later.lifecycle_version == 2


def test_a_failed_import_is_final() -> None:
    failed = new_asset().apply_lifecycle_report(report(1, FAILED, None, "reverted"), NOW)
    assert failed.failure_reason == "reverted"
    assert failed.apply_lifecycle_report(report(2, READY), LATER) is failed


def test_a_failure_always_has_a_reason() -> None:
    assert new_asset().apply_lifecycle_report(report(1, FAILED, None), NOW).failure_reason


def test_a_contract_once_known_is_kept_when_a_report_leaves_it_out() -> None:
    asset = new_asset().apply_lifecycle_report(report(1, NOT_READY), NOW)
    assert asset.apply_lifecycle_report(report(2, NOT_READY, None), LATER).lifecycle_contract == CONTRACT


@pytest.mark.parametrize("asset", [active_asset(), new_asset(CONTRACT)])
def test_a_bound_contract_is_never_exchanged(asset: Asset) -> None:
    with pytest.raises(LifecycleContractMismatchError):
        asset.apply_lifecycle_report(report(2, READY, OTHER_CONTRACT), LATER)


def test_ready_without_a_contract_is_refused() -> None:
    with pytest.raises(ValueError, match="READY without a contract"):
        new_asset().apply_lifecycle_report(report(1, READY, None), NOW)


def test_a_refused_contract_fails_the_import() -> None:
    refused = new_asset().refuse_lifecycle_contract(report(4, READY), "in use", LATER)
    assert (refused.state, refused.failure_reason) == (AssetState.FAILED, "in use")
    assert (refused.lifecycle_contract, refused.lifecycle_version, refused.version) == (None, 4, 2)
    assert refused.events == (AssetEvent.IMPORT_FAILED,)


def test_only_the_transitions_of_the_table_are_possible() -> None:
    samples = {
        AssetState.IMPORTING: new_asset(),
        AssetState.ACTIVE: active_asset(),
        AssetState.FAILED: new_asset().refuse_lifecycle_contract(report(1, READY), "in use", NOW),
    }
    assert set(LEGAL_TRANSITIONS) == set(AssetState) == set(samples)
    for state, target in product(AssetState, AssetState):
        if target in LEGAL_TRANSITIONS[state]:
            assert samples[state]._moved_to(target).state is target
        else:
            with pytest.raises(IllegalTransitionError):
                samples[state]._moved_to(target)
