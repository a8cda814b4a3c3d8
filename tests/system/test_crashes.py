"""Kill -9 in the middle of a payout: every holder is paid once, whatever was killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.component import Component
from deploy.local.stack import Stack
from libs.protogen.typed.masspayout.asset.v1 import Asset
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import BatchState
from tests.system.harness import (
    PAYOUT_SERVICE,
    Harness,
    Stage,
    eventually,
    file_appears,
    kill,
    open_harness,
    restart_payout_service,
)

_TOTAL = 1_000_000_007
_HOLDERS = 30
_VICTIMS = (
    "asset_service",
    "distribution_service",
    PAYOUT_SERVICE,
    "chain_sync_service",
    "nats",
    "postgres",
)
# Where payout_service kills itself, in the order in which a payout comes by; the place says what is durable then
# and what is not.
_KILL_POINTS = (
    "snapshot.journaled",
    "plan.before_page_commit",
    "funds.before_commit",
    "batch.before_store_commit",
    "batch.before_journal_commit",
    "batch.journaled",
    "batch.broadcast@2",
    "batch.before_outcome_commit",
    "batch.before_settle_commit",
    "payout.before_finish_commit",
)


@pytest.fixture
async def funded(harness: Harness) -> AsyncIterator[tuple[Stage, Asset]]:
    """An active asset with money; afterwards every part runs again."""
    stage = await harness.stage(_HOLDERS)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    yield stage, asset
    for component in (*harness.stack.infrastructure, *harness.stack.services.values()):
        if not component.running:
            await asyncio.to_thread(component.start)


@pytest.mark.parametrize("victim", _VICTIMS)
async def test_a_killed_part_loses_and_doubles_nothing(
    harness: Harness, funded: tuple[Stage, Asset], victim: str, tmp_path: Path
) -> None:
    stage, asset = funded
    marker = tmp_path / "held"
    # The first batch was sent; that it was is not recorded yet.
    await restart_payout_service(harness.stack, f"batch.broadcast=hold:{marker}")
    distribution = await harness.create(asset.name, _TOTAL)
    await file_appears(marker, "the first batch is sent")

    in_flight = [
        batch for batch in await harness.batches(distribution.payout) if batch.state is BatchState.IN_FLIGHT
    ]
    assert in_flight

    component = _component(harness.stack, victim)
    kill(component)
    if victim == PAYOUT_SERVICE:
        await restart_payout_service(harness.stack)
    else:
        await asyncio.to_thread(component.start)
    marker.unlink()

    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    await harness.assert_paid_once(stage, distribution.payout, _TOTAL)


@dataclass(frozen=True)
class Killed:
    """A payout, and the points at which payout_service killed itself during it, in this order."""

    stage: Stage
    distribution: str
    payout: str
    points: tuple[str, ...]


@pytest.fixture(scope="module")
def killed(stack: Stack) -> Killed:
    """One payout during which payout_service is killed at every named point, one after the other."""
    return asyncio.run(_kill_at_every_point(stack))


async def _kill_at_every_point(stack: Stack) -> Killed:
    service = stack.services[PAYOUT_SERVICE]

    async def is_dead() -> bool:
        return not service.running

    async with open_harness(stack) as harness:
        await harness.run_payout_service()
        stage = await harness.stage(_HOLDERS)
        asset = await harness.import_stage(stage)
        await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
        await restart_payout_service(stack, f"{_KILL_POINTS[0]}=kill")
        distribution = await harness.create(asset.name, _TOTAL)
        for point, following in zip(_KILL_POINTS, (*_KILL_POINTS[1:], ""), strict=True):
            await eventually(is_dead, f"{point} is reached")
            await restart_payout_service(stack, f"{following}=kill" if following else "")
        return Killed(stage, distribution.name, distribution.payout, _KILL_POINTS)


@pytest.mark.parametrize("point", _KILL_POINTS)
async def test_payout_service_killed_at_a_named_point_goes_on(
    harness: Harness, killed: Killed, point: str
) -> None:
    assert point in killed.points
    await harness.in_state(killed.distribution, DistributionState.COMPLETED)
    await harness.assert_paid_once(killed.stage, killed.payout, _TOTAL)


def _component(stack: Stack, name: str) -> Component:
    return stack.components[name]
