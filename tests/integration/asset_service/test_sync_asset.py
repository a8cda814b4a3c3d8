"""What a token tells again and again, and whether the asset is followed, through real channel and stream."""

from uuid import UUID, uuid4

import grpc
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from tests.integration.asset_service.fake_peers import CHAIN_ID, FakePeers
from tests.integration.asset_service.harness import Harness, eventually, id_of, import_request, new_address


async def sync(harness: Harness, name: str, request_id: str | None = None) -> pb.Asset:
    request = pb.SyncAssetRequest(request_id=request_id or str(uuid4()), name=name)
    answer: pb.Asset = await harness.assets.SyncAsset(request)
    return answer


async def test_sync_reads_the_token_again_and_announces_what_changed(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    asset = await harness.import_asset(import_request(token))
    peers.change_token(
        token,
        display_name="Acme Bearer Shares",
        symbol="ACM",
        isin="CH0000000002",
        decimals=9,
        total_supply_base_units="5000000000",
        paused=True,
    )
    synced = await sync(harness, asset.name)
    assert (synced.display_name, synced.symbol, synced.isin) == ("Acme Bearer Shares", "ACM", "CH0000000002")
    assert (synced.decimals, synced.total_supply_base_units, synced.token_paused) == (9, "5000000000", True)
    assert synced.etag != asset.etag
    assert synced.sync_time == synced.update_time
    name, payload = (await harness.published_events(id_of(asset), 2))[1]
    assert name == "asset_changed"
    assert events_pb2.AssetChanged.FromString(payload).asset == synced


async def test_sync_of_what_is_the_same_moves_the_time_alone(harness: Harness) -> None:
    asset = await harness.import_asset()
    synced = await sync(harness, asset.name)
    assert synced.sync_time.ToDatetime() > asset.sync_time.ToDatetime()
    synced.sync_time.CopyFrom(asset.sync_time)
    assert synced == asset
    assert await harness.event_names(id_of(asset)) == ["asset_import_started"]


async def test_a_repeated_sync_does_not_ask_the_chain_again(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    asset = await harness.import_asset(import_request(token))
    request_id = str(uuid4())
    first = await sync(harness, asset.name, request_id)
    assert await sync(harness, asset.name, request_id) == first
    assert peers.calls["DescribeToken", token.value] == 2


async def test_sync_is_refused_with_the_chains_reason(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    asset = await harness.import_asset(import_request(token))
    request_id = str(uuid4())
    refusals: list[tuple[AppError | grpc.StatusCode, Reason]] = [
        (AppError(Reason.NOT_A_SECURITY_TOKEN, "gone", field="token"), Reason.NOT_A_SECURITY_TOKEN),
        (AppError(Reason.CHAIN_UNAVAILABLE, "away"), Reason.CHAIN_UNAVAILABLE),
        (grpc.StatusCode.UNAVAILABLE, Reason.PEER_UNAVAILABLE),
    ]
    for refusal, reason in refusals:
        peers.refuse("DescribeToken", token, refusal)
        _, error = await harness.refused(sync(harness, asset.name, request_id))
        assert error.reason is reason
    assert await harness.get(id_of(asset)) == asset
    peers.allow("DescribeToken", token)
    assert (await sync(harness, asset.name, request_id)).name == asset.name


async def test_bad_input_is_refused(harness: Harness) -> None:
    asset = await harness.import_asset()
    calls = {
        harness.assets.SyncAsset: pb.SyncAssetRequest,
        harness.assets.EnableSync: pb.EnableSyncRequest,
        harness.assets.DisableSync: pb.DisableSyncRequest,
        harness.assets.PauseAsset: pb.PauseAssetRequest,
        harness.assets.UnpauseAsset: pb.UnpauseAssetRequest,
    }
    for call, request_class in calls.items():
        for request_id, name, reason in [
            ("", asset.name, Reason.INVALID_REQUEST_ID),
            ("7", asset.name, Reason.INVALID_REQUEST_ID),
            (str(uuid4()), "", Reason.REQUIRED_FIELD_MISSING),
            (str(uuid4()), "assets/7", Reason.INVALID_RESOURCE_NAME),
            (str(uuid4()), f"assets/{uuid4()}", Reason.ASSET_NOT_FOUND),
        ]:
            _, error = await harness.refused(call(request_class(request_id=request_id, name=name)))
            assert error.reason is reason, (request_class, request_id, name)
    assert await harness.get(id_of(asset)) == asset


async def test_an_adjustment_seen_on_chain_has_the_token_read_again(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    asset_id = id_of(await harness.import_asset(import_request(token)))
    peers.change_token(token, decimals=8, total_supply_base_units="100000000")
    event_id = await harness.publish_seen("balances_adjusted", asset_id, adjusted(asset_id, 1))
    await harness.processed(event_id)
    asset = await harness.get(asset_id)
    assert (asset.decimals, asset.total_supply_base_units) == (8, "100000000")
    assert await harness.event_names(asset_id) == ["asset_import_started", "asset_changed"]
    # The block leaves the chain again.
    peers.change_token(token, decimals=6, total_supply_base_units="1000000")
    retracted = chain_sync_events.ChainEventRetracted(
        asset_id=str(asset_id), sequence=2, retracted_sequence=1, kind="KIND_BALANCES_ADJUSTED"
    )
    await harness.processed(await harness.publish_seen("chain_event_retracted", asset_id, retracted))
    assert (await harness.get(asset_id)).decimals == 6


async def test_an_adjustment_waits_for_the_chain_and_is_not_lost(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    asset_id = id_of(await harness.import_asset(import_request(token)))
    peers.change_token(token, decimals=8)
    peers.refuse("DescribeToken", token, AppError(Reason.CHAIN_UNAVAILABLE, "away"))
    event_id = await harness.publish_seen("balances_adjusted", asset_id, adjusted(asset_id, 1))

    async def was_asked_often() -> bool:
        return peers.calls["DescribeToken", token.value] >= 4

    await eventually(was_asked_often, "asked again while the chain is away")
    assert (await harness.get(asset_id)).decimals == 6
    peers.allow("DescribeToken", token)
    await harness.processed(event_id)
    assert (await harness.get(asset_id)).decimals == 8
    assert not await harness.dead_letters(asset_id)


def adjusted(asset_id: UUID, sequence: int) -> chain_sync_events.BalancesAdjusted:
    return chain_sync_events.BalancesAdjusted(
        asset_id=str(asset_id), sequence=sequence, factor="100", more_decimals=2
    )


async def test_following_is_switched_off_and_on(harness: Harness) -> None:
    asset = await harness.import_asset()
    off = pb.DisableSyncRequest(request_id=str(uuid4()), name=asset.name)
    disabled = await harness.assets.DisableSync(off)
    assert disabled.sync_state == pb.Asset.SYNC_STATE_DISABLED
    assert await harness.assets.DisableSync(off) == disabled
    again = pb.DisableSyncRequest(request_id=str(uuid4()), name=asset.name)
    assert await harness.assets.DisableSync(again) == disabled
    on = pb.EnableSyncRequest(request_id=str(uuid4()), name=asset.name)
    enabled = await harness.assets.EnableSync(on)
    assert enabled.sync_state == pb.Asset.SYNC_STATE_ENABLED
    events = (await harness.published_events(id_of(asset), 5))[1:]
    assert [name for name, _ in events] == ["asset_sync_changed", "asset_changed"] * 2
    changed = events_pb2.AssetSyncChanged.FromString(events[0][1])
    assert (changed.asset, changed.version) == (disabled, 2)
    assert events_pb2.AssetSyncChanged.FromString(events[2][1]).asset == enabled


async def test_a_request_id_is_refused_for_another_call(harness: Harness) -> None:
    asset = await harness.import_asset()
    request_id = str(uuid4())
    await harness.assets.EnableSync(pb.EnableSyncRequest(request_id=request_id, name=asset.name))
    for call in (
        harness.assets.DisableSync(pb.DisableSyncRequest(request_id=request_id, name=asset.name)),
        harness.assets.SyncAsset(pb.SyncAssetRequest(request_id=request_id, name=asset.name)),
    ):
        code, error = await harness.refused(call)
        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.REQUEST_ID_REUSED)
    assert await harness.get(id_of(asset)) == asset


async def test_token_info_before_and_after_the_import(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    peers.change_token(token, paused=True)
    info = await harness.assets.GetTokenInfo(pb.GetTokenInfoRequest(token=token.value))
    assert info == pb.TokenInfo(
        chain_id=CHAIN_ID,
        token={"evm_address": checksummed(token)},
        display_name="Acme OrdinaryShares",
        symbol="ACME",
        isin="CH0000000001",
        decimals=6,
        security_type="SECURITY_TYPE_EQUITY",
        total_supply_base_units="1000000",
        holder_count=3,
        block_number=7,
        paused=True,
    )
    asset = await harness.import_asset(import_request(token))
    assert (await info_of(harness, token)).asset == asset.name
    await harness.processed(await harness.publish_lifecycle(id_of(asset), 1, "FAILED", failure_reason="no"))
    assert (await info_of(harness, token)).asset == ""


async def info_of(harness: Harness, token: EvmAddress) -> pb.TokenInfo:
    answer: pb.TokenInfo = await harness.assets.GetTokenInfo(pb.GetTokenInfoRequest(token=token.value))
    return answer


async def test_token_info_by_hedera_id_and_its_refusals(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    peers.know_hedera_id("0.0.601", token)
    info = await harness.assets.GetTokenInfo(pb.GetTokenInfoRequest(token="0.0.601"))
    assert (info.token.evm_address, info.token.hedera_id) == (checksummed(token), "0.0.601")
    peers.refuse("DescribeToken", token, AppError(Reason.NOT_A_CONTRACT, "no code", field="token"))
    for text, reason in [
        ("", Reason.REQUIRED_FIELD_MISSING),
        ("0x12", Reason.INVALID_ADDRESS),
        ("0.0.01", Reason.INVALID_ADDRESS),
        ("0.0.699", Reason.HEDERA_ID_NEEDS_MIRROR_NODE),
        (token.value, Reason.NOT_A_CONTRACT),
    ]:
        _, error = await harness.refused(harness.assets.GetTokenInfo(pb.GetTokenInfoRequest(token=text)))
        assert (error.reason, error.field) == (reason, "token")
