"""PauseAsset and UnpauseAsset: an operator stops all payouts of an asset on the chain, and lets them go on."""

from __future__ import annotations

from uuid import uuid4

from libs.client.client import progress_of
from libs.protogen.typed.masspayout.asset.v1 import (
    Asset,
    AssetPauseState,
    GetAssetRequest,
    PauseAssetRequest,
    UnpauseAssetRequest,
)
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from tests.system.harness import Harness, eventually

TOTAL = 1_000_000


async def in_pause_state(harness: Harness, name: str, wanted: AssetPauseState) -> Asset:
    found: list[Asset] = []

    async def is_there() -> bool:
        found[:] = [await harness.call(harness.client.assets.get_asset, GetAssetRequest(name=name))]
        return found[0].pause_state is wanted

    await eventually(is_there, f"{name} {wanted}", lambda: found)
    return found[0]


async def test_a_paused_asset_pays_nobody_until_it_is_unpaused(harness: Harness) -> None:
    stage, distribution = await harness.unfunded(TOTAL)
    name = distribution.asset
    request = PauseAssetRequest(request_id=str(uuid4()), name=name)
    pausing = await harness.call(harness.client.assets.pause_asset, request)
    assert pausing.pause_state in (AssetPauseState.PAUSING, AssetPauseState.PAUSED)
    paused = await in_pause_state(harness, name, AssetPauseState.PAUSED)
    assert paused.pause_problem == ""

    await harness.deposit(stage, TOTAL)
    waiting = await harness.payout_when(
        distribution.payout,
        lambda payout: payout.waiting_for.startswith("LIFECYCLE_CONTRACT_PAUSED"),
        "waiting for the end of the pause",
    )
    assert progress_of(waiting).paid_count == 0
    assert set((await harness.balances(stage)).values()) <= {0}

    again = UnpauseAssetRequest(request_id=str(uuid4()), name=name)
    await harness.call(harness.client.assets.unpause_asset, again)
    await in_pause_state(harness, name, AssetPauseState.UNPAUSED)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    await harness.assert_paid_once(stage, distribution.payout, TOTAL)
