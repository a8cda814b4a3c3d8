"""An operator stops all payouts of an asset by pausing its lifecycle contract, and lets them go on."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from libs.protogen.typed.masspayout.asset.v1 import (
    Asset,
    AssetPauseState,
    GetAssetRequest,
    PauseAssetRequest,
    UnpauseAssetRequest,
)
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from tests.chaos.final import amounts_owed
from tests.chaos.scenarios import Job, Scenario, in_state
from tests.chaos.world import World
from tests.system.harness import eventually

_PAUSED_SECONDS = 180.0


class PauseAnAsset(Scenario):
    """The service is killed over the pause; later the asset is unpaused, and a distribution paid."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Pauses a funded asset of its own: transactions for an asset would be found in the next case, too."""
        harness = world.harness
        stage = await harness.stage(world.holder_count, seed=world.next_seed())
        asset = await harness.import_stage(stage)
        await harness.deposit(stage, total_base_units)
        mark = await world.chain.mark(stage.payment_token, stage.holders, stage.contract)
        await harness.call(
            harness.client.assets.pause_asset, PauseAssetRequest(request_id=str(uuid4()), name=asset.name)
        )
        return Job(
            token=stage.token,
            payment_token=stage.payment_token,
            contract=stage.contract,
            owed=amounts_owed(total_base_units, stage.holders),
            mark=mark,
            asset=asset.name,
            distribution=None,
            total_base_units=total_base_units,
            pauses_due=(True, False),
        )

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the pause, unpauses, and pays."""
        await _in_pause_state(world, job, AssetPauseState.PAUSED)
        await _unpause(world, job)
        return await _pay_when_unpaused(world, job)


class UnpauseAnAsset(PauseAnAsset):
    """The service is killed over the end of the pause; a distribution is paid afterwards."""

    @property
    def name(self) -> str:
        """What it is killed over."""
        return "unpause"

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Waits until the asset is paused, and unpauses it."""
        job = await super().begin(world, total_base_units)
        await _in_pause_state(world, job, AssetPauseState.PAUSED)
        await _unpause(world, job)
        return job

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the end of the pause, and pays."""
        return await _pay_when_unpaused(world, job)


async def _unpause(world: World, job: Job) -> None:
    request = UnpauseAssetRequest(request_id=str(uuid4()), name=job.asset)
    await world.harness.call(world.harness.client.assets.unpause_asset, request)


async def _pay_when_unpaused(world: World, job: Job) -> Job:
    await _in_pause_state(world, job, AssetPauseState.UNPAUSED)
    distribution = await world.harness.create(job.asset, job.total_base_units)
    paying = replace(job, distribution=distribution.name)
    await in_state(world, paying, DistributionState.COMPLETED)
    return paying


async def _in_pause_state(world: World, job: Job, wanted: AssetPauseState) -> None:
    """Waits until the asset says so, without a problem. Raises AssertionError unless the chain says the same."""
    request = GetAssetRequest(name=job.asset)
    seen: list[Asset] = []

    async def is_there() -> bool:
        seen.append(await world.harness.call(world.harness.client.assets.get_asset, request))
        return seen[-1].pause_state is wanted and not seen[-1].pause_problem

    def last_seen() -> str:
        return f"{seen[-1].pause_state.name} {seen[-1].pause_problem}" if seen else ""

    await eventually(is_there, f"{job.asset} {wanted.name}", last_seen, seconds=_PAUSED_SECONDS)
    if await world.chain.is_paused(job.contract) is not (wanted is AssetPauseState.PAUSED):
        raise AssertionError(f"{job.asset} is {wanted.name}, its contract {job.contract} is not")
