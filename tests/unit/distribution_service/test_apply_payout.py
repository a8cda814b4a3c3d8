"""Events of payouts and assets, once each."""

from uuid import uuid4

import pytest

from distribution_service.application.apply_payout import ApplyPayout, ApplyPayoutCommand
from distribution_service.application.keep_asset import KeepAsset, KeepAssetCommand
from distribution_service.domain.distribution import PayoutContradictionError
from distribution_service.domain.events import DistributionCompleted
from distribution_service.domain.states import DistributionState, PayoutState
from libs.events import EventNotReadyError
from tests.unit.distribution_service.fakes import (
    FakeClock,
    Store,
    asset,
    incoming,
    progress,
    released,
    report,
)


async def test_a_duplicate_event_is_applied_once() -> None:
    store, distribution = Store(), released()
    store.distributions[distribution.distribution_id] = distribution
    use_case = ApplyPayout(store.new_unit_of_work, FakeClock())
    command = ApplyPayoutCommand(
        incoming(distribution.distribution_id, "payout_completed"),
        report(distribution, 9, PayoutState.COMPLETED),
    )
    await use_case(command)
    await use_case(command)

    stored = store.distributions[distribution.distribution_id]
    assert (stored.state, stored.version) == (DistributionState.COMPLETED, 2)
    assert [event for event, _ in store.events] == [DistributionCompleted()]


async def test_an_event_id_that_was_processed_is_not_processed_again_whatever_it_says() -> None:
    store, distribution = Store(), released()
    store.distributions[distribution.distribution_id] = distribution
    use_case = ApplyPayout(store.new_unit_of_work, FakeClock())
    event = incoming(distribution.distribution_id, "payout_progressed")
    await use_case(ApplyPayoutCommand(event, report(distribution, 1, PayoutState.EXECUTING)))
    await use_case(ApplyPayoutCommand(event, report(distribution, 2, PayoutState.COMPLETED)))

    assert store.distributions[distribution.distribution_id].state is DistributionState.EXECUTING


async def test_an_event_that_is_late_is_recorded_and_changes_nothing() -> None:
    store, distribution = Store(), released()
    newer = distribution.apply_payout(report(distribution, 5, PayoutState.EXECUTING), distribution.create_time)
    store.distributions[distribution.distribution_id] = newer
    late = incoming(distribution.distribution_id, "payout_progressed")
    told = report(distribution, 4, PayoutState.PLANNING)
    await ApplyPayout(store.new_unit_of_work, FakeClock())(ApplyPayoutCommand(late, told))

    assert store.distributions[distribution.distribution_id] == newer
    assert late.event_id in store.inbox


async def test_an_unknown_distribution_waits() -> None:
    store, distribution = Store(), released()
    event = incoming(distribution.distribution_id, "payout_progressed")
    with pytest.raises(EventNotReadyError):
        await ApplyPayout(store.new_unit_of_work, FakeClock())(
            ApplyPayoutCommand(event, report(distribution, 1, PayoutState.PLANNING))
        )
    assert store == Store()


async def test_a_contradiction_is_raised_and_nothing_is_written() -> None:
    store, distribution = Store(), released()
    store.distributions[distribution.distribution_id] = distribution
    before = store.copy()
    told = report(distribution, 1, PayoutState.FAILED, progress(paid=1))
    with pytest.raises(PayoutContradictionError):
        await ApplyPayout(store.new_unit_of_work, FakeClock())(
            ApplyPayoutCommand(incoming(distribution.distribution_id, "payout_failed"), told)
        )
    assert store == before


async def test_only_a_newer_asset_is_kept() -> None:
    store, asset_id = Store(), uuid4()
    use_case = KeepAsset(store.new_unit_of_work)
    for version in (2, 5, 3):
        event = incoming(asset_id, "asset_imported", version)
        await use_case(KeepAssetCommand(event, asset(version=version, asset_id=asset_id)))

    assert store.assets[asset_id].version == 5
    assert len(store.inbox) == 3
