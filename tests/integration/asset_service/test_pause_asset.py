"""Pausing an asset's lifecycle contract: asked for over a real channel, answered over the real stream."""

from uuid import UUID, uuid4

import grpc
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events

from libs.chain.address import EvmAddress
from libs.errors import Reason
from tests.integration.asset_service.harness import Harness, id_of, import_request, new_address

PAUSED, UNPAUSED = pb.Asset.PAUSE_STATE_PAUSED, pb.Asset.PAUSE_STATE_UNPAUSED
PAUSING, UNPAUSING = pb.Asset.PAUSE_STATE_PAUSING, pb.Asset.PAUSE_STATE_UNPAUSING


async def pause(harness: Harness, asset_id: UUID, request_id: str | None = None) -> pb.Asset:
    request = pb.PauseAssetRequest(request_id=request_id or str(uuid4()), name=f"assets/{asset_id}")
    answer: pb.Asset = await harness.assets.PauseAsset(request)
    return answer


async def unpause(harness: Harness, asset_id: UUID) -> pb.Asset:
    request = pb.UnpauseAssetRequest(request_id=str(uuid4()), name=f"assets/{asset_id}")
    answer: pb.Asset = await harness.assets.UnpauseAsset(request)
    return answer


async def active_asset(harness: Harness) -> tuple[UUID, EvmAddress]:
    """An asset at version 2 with its contract."""
    asset_id, contract = id_of(await harness.import_asset()), new_address()
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "READY", contract))
    return asset_id, contract


async def test_a_pause_is_requested_carried_out_and_taken_back(harness: Harness) -> None:
    asset_id, contract = await active_asset(harness)
    request_id = str(uuid4())
    pausing = await pause(harness, asset_id, request_id)
    assert pausing.pause_state == PAUSING
    for repeated in (await pause(harness, asset_id, request_id), await pause(harness, asset_id)):
        assert repeated == pausing
    problem = await harness.publish_lifecycle(asset_id, 2, "READY", contract, pause_problem="PAUSER_ROLE_MISSING")
    await harness.processed(problem)
    assert (await harness.get(asset_id)).pause_problem == "PAUSER_ROLE_MISSING"
    done = await harness.publish_lifecycle(
        asset_id, 3, "NOT_READY", contract, paused=True, pause_request_version=3
    )
    await harness.processed(done)
    paused = await harness.get(asset_id)
    assert (paused.pause_state, paused.pause_problem, paused.state) == (PAUSED, "", pb.Asset.STATE_ACTIVE)
    assert await pause(harness, asset_id) == paused
    assert (await unpause(harness, asset_id)).pause_state == UNPAUSING
    done = await harness.publish_lifecycle(asset_id, 4, "READY", contract, pause_request_version=6)
    await harness.processed(done)
    assert (await harness.get(asset_id)).pause_state == UNPAUSED
    events = (await harness.published_events(asset_id, 9))[2:]
    assert [name for name, _ in events] == [
        "asset_pause_requested",
        "asset_changed",
        "asset_changed",
        "asset_changed",
        "asset_pause_requested",
        "asset_changed",
        "asset_changed",
    ]
    first, second = (
        events_pb2.AssetPauseRequested.FromString(payload)
        for name, payload in events
        if name == "asset_pause_requested"
    )
    assert (first.version, first.paused, first.asset) == (3, True, pausing)
    assert (second.version, second.paused) == (6, False)
    assert events_pb2.AssetChanged.FromString(events[3][1]).asset == paused


async def test_an_operator_changes_their_mind_before_it_is_done(harness: Harness) -> None:
    asset_id, contract = await active_asset(harness)
    await pause(harness, asset_id)
    assert (await unpause(harness, asset_id)).pause_state == UNPAUSING
    late = await harness.publish_lifecycle(asset_id, 2, "READY", contract, paused=True, pause_request_version=3)
    await harness.processed(late)
    assert (await harness.get(asset_id)).pause_state == UNPAUSING
    done = await harness.publish_lifecycle(asset_id, 3, "READY", contract, pause_request_version=4)
    await harness.processed(done)
    assert (await harness.get(asset_id)).pause_state == UNPAUSED


async def test_only_an_asset_with_a_contract_can_be_paused(harness: Harness) -> None:
    importing = id_of(await harness.import_asset())
    failed = id_of(await harness.import_asset(import_request(lifecycle_contract=new_address())))
    await harness.processed(await harness.publish_lifecycle(failed, 1, "FAILED", failure_reason="no"))
    for asset_id, state in ((importing, "IMPORTING"), (failed, "FAILED")):
        for call in (pause(harness, asset_id), unpause(harness, asset_id)):
            code, error = await harness.refused(call)
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert (error.reason, error.metadata) == (Reason.ASSET_STATE_FORBIDS, {"state": state})
    attached = id_of(await harness.import_asset(import_request(lifecycle_contract=new_address())))
    assert (await pause(harness, attached)).pause_state == PAUSING


async def test_what_others_do_on_the_chain_is_seen(harness: Harness) -> None:
    token = new_address()
    asset_id, contract = id_of(await harness.import_asset(import_request(token))), new_address()
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "READY", contract))
    await harness.processed(await see(harness, asset_id, 1, contract, is_paused=True))
    assert (await harness.get(asset_id)).pause_state == PAUSED
    await harness.processed(await see(harness, asset_id, 3, token, is_paused=True))
    await harness.processed(await see(harness, asset_id, 2, token, is_paused=False))
    asset = await harness.get(asset_id)
    assert asset.token_paused, "the older event came late"
    # The block in which the contract was paused leaves the chain.
    retracted = chain_sync_events.ChainEventRetracted(
        asset_id=str(asset_id), sequence=4, retracted_sequence=1, kind="KIND_PAUSE_CHANGED"
    )
    await harness.processed(await harness.publish_seen("chain_event_retracted", asset_id, retracted))
    asset = await harness.get(asset_id)
    assert (asset.pause_state, asset.token_paused) == (UNPAUSED, False)


async def see(harness: Harness, asset_id: UUID, sequence: int, contract: EvmAddress, *, is_paused: bool) -> UUID:
    message = chain_sync_events.PauseChanged(
        asset_id=str(asset_id), sequence=sequence, position={"contract": contract.value}, paused=is_paused
    )
    return await harness.publish_seen("pause_changed", asset_id, message)
