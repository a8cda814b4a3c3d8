"""ImportAsset through a real channel, to rows and events."""

import asyncio
from uuid import uuid4

import grpc
import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from tests.integration.asset_service.fake_peers import CHAIN_ID, FakePeers
from tests.integration.asset_service.harness import Harness, id_of, import_request, new_address

HEDERA_ID = "0.0.1234"


async def test_import_returns_at_once_with_the_open_conditions(harness: Harness) -> None:
    request = import_request()
    asset = await harness.import_asset(request)
    assert asset.state == pb.Asset.STATE_IMPORTING
    assert asset.chain_id == CHAIN_ID
    assert asset.token.evm_address == checksummed(request.token)
    assert asset.payment_token.evm_address == checksummed(request.payment_token)
    assert asset.display_name == "Acme OrdinaryShares"  # a NUL character cannot be stored
    assert (asset.symbol, asset.isin, asset.decimals) == ("ACME", "CH0000000001", 6)
    assert (asset.payment_token_symbol, asset.payment_token_decimals) == ("USDX", 6)
    assert asset.security_type == pb.Asset.SECURITY_TYPE_EQUITY
    assert asset.lifecycle_origin == pb.Asset.LIFECYCLE_ORIGIN_DEPLOYED
    assert not asset.HasField("lifecycle_contract")
    assert not asset.HasField("register")
    assert (asset.total_supply_base_units, asset.token_paused) == ("1000000", False)
    assert (asset.sync_state, asset.pause_state) == (
        pb.Asset.SYNC_STATE_ENABLED,
        pb.Asset.PAUSE_STATE_UNPAUSED,
    )
    assert asset.sync_time == asset.create_time
    assert [condition.remedy for condition in asset.readiness] == ["the asset's administrator grants it"]
    assert asset == await harness.get(id_of(asset))


async def test_import_publishes_that_it_started(harness: Harness) -> None:
    asset = await harness.import_asset()
    [(name, payload)] = await harness.published_events(id_of(asset), 1)
    assert name == "asset_import_started"
    event = events_pb2.AssetImportStarted.FromString(payload)
    assert event.asset == asset
    assert (event.asset_id, event.version) == (str(id_of(asset)), 1)


async def test_import_attaches_a_named_contract(harness: Harness, peers: FakePeers) -> None:
    contract = new_address()
    request = import_request(lifecycle_contract=contract)
    asset = await harness.import_asset(request)
    assert asset.lifecycle_origin == pb.Asset.LIFECYCLE_ORIGIN_ATTACHED
    assert asset.lifecycle_contract.evm_address == checksummed(contract)
    asked = peers.readiness_requests[request.token]
    assert (asked.payment_token, asked.lifecycle_contract) == (request.payment_token, contract.value)


async def test_a_repeated_request_returns_the_same_asset(harness: Harness, peers: FakePeers) -> None:
    request = import_request()
    first = await harness.import_asset(request)
    assert await harness.import_asset(request) == first
    assert peers.calls["DescribeToken", request.token] == 1
    assert await harness.event_names(id_of(first)) == ["asset_import_started"]


async def test_a_request_id_is_refused_for_other_content(harness: Harness) -> None:
    request = import_request()
    await harness.import_asset(request)
    other = import_request(request_id=request.request_id)
    code, error = await harness.refused(harness.import_asset(other))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.field) == (Reason.REQUEST_ID_REUSED, "request_id")
    assert await _rows_of(harness, other) == 0


async def test_identical_calls_at_once_make_one_asset(harness: Harness, peers: FakePeers) -> None:
    request = import_request()
    peers.hold_until(_address(request.token), callers=6)
    answers = await asyncio.gather(*(harness.import_asset(request) for _ in range(6)))
    assert {answer.name for answer in answers} == {answers[0].name}
    assert await _rows_of(harness, request) == 1
    assert await harness.event_names(id_of(answers[0])) == ["asset_import_started"]


async def test_different_calls_at_once_for_one_token_make_one_asset(harness: Harness, peers: FakePeers) -> None:
    token = new_address()
    peers.hold_until(token, callers=4)
    requests = [import_request(token=token) for _ in range(4)]
    outcomes = await asyncio.gather(
        *(harness.import_asset(request) for request in requests), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, pb.Asset)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert (len(made), len(refused)) == (1, 3)
    assert {error.code() for error in refused} == {grpc.StatusCode.ALREADY_EXISTS}
    assert await _rows_of(harness, requests[0]) == 1
    # A refused call leaves no request behind: it may be sent again once the reason is gone.
    logged = await harness.database.fetchval(
        "SELECT count(*) FROM request_log WHERE request_id = ANY($1::uuid[])",
        [request.request_id for request in requests],
    )
    assert logged == 1


async def test_a_token_is_imported_once(harness: Harness) -> None:
    request = import_request()
    asset = await harness.import_asset(request)
    code, error = await harness.refused(harness.import_asset(import_request(token=request.token)))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason is Reason.ASSET_ALREADY_IMPORTED
    assert error.metadata == {"asset": asset.name}


async def test_a_contract_serves_one_asset(harness: Harness) -> None:
    contract = new_address()
    asset = await harness.import_asset(import_request(lifecycle_contract=contract))
    other = import_request(lifecycle_contract=contract)
    code, error = await harness.refused(harness.import_asset(other))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason is Reason.LIFECYCLE_CONTRACT_IN_USE
    assert error.metadata == {"asset": asset.name}
    assert await _rows_of(harness, other) == 0


async def test_a_failed_import_does_not_block_the_token(harness: Harness) -> None:
    contract = new_address()
    request = import_request(lifecycle_contract=contract)
    failed = id_of(await harness.import_asset(request))
    event_id = await harness.publish_lifecycle(failed, 1, "FAILED", failure_reason="not a contract")
    await harness.processed(event_id)
    again = await harness.import_asset(import_request(token=request.token, lifecycle_contract=contract))
    assert id_of(again) != failed
    assert (await harness.get(failed)).state == pb.Asset.STATE_FAILED


TOKEN, PAYMENT_TOKEN, CONTRACT = new_address(), new_address(), new_address()
BAD_CHECKSUM = "0x" + "aB" * 20


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"token": ""}, Reason.REQUIRED_FIELD_MISSING, "token"),
        ({"token": "0x12"}, Reason.INVALID_ADDRESS, "token"),
        ({"token": BAD_CHECKSUM}, Reason.INVALID_ADDRESS, "token"),
        ({"token": "0x" + "0" * 40}, Reason.INVALID_ADDRESS, "token"),
        ({"payment_token": ""}, Reason.REQUIRED_FIELD_MISSING, "payment_token"),
        ({"payment_token": "USD"}, Reason.INVALID_ADDRESS, "payment_token"),
        ({"payment_token": str(TOKEN)}, Reason.INVALID_ADDRESS, "payment_token"),
        ({"payment_token": checksummed(TOKEN)}, Reason.INVALID_ADDRESS, "payment_token"),
        ({"lifecycle_contract": "0x"}, Reason.INVALID_ADDRESS, "lifecycle_contract"),
        ({"lifecycle_contract": HEDERA_ID}, Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "lifecycle_contract"),
        ({"lifecycle_contract": str(TOKEN)}, Reason.INVALID_ADDRESS, "lifecycle_contract"),
        ({"lifecycle_contract": str(PAYMENT_TOKEN)}, Reason.INVALID_ADDRESS, "lifecycle_contract"),
        ({"request_id": ""}, Reason.INVALID_REQUEST_ID, "request_id"),
        ({"request_id": "17"}, Reason.INVALID_REQUEST_ID, "request_id"),
    ],
)
async def test_bad_input_is_refused_and_nothing_written(
    harness: Harness, peers: FakePeers, changes: dict[str, str], reason: Reason, field: str
) -> None:
    fields = {"token": str(TOKEN), "payment_token": str(PAYMENT_TOKEN), **changes}
    code, error = await harness.refused(harness.import_asset(import_request(**fields)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.field) == (reason, field)
    assert not peers.calls["DescribeToken", TOKEN.value]
    assert await _rows_of(harness, import_request(token=TOKEN)) == 0


@pytest.mark.parametrize("field", ["token", "payment_token"])
async def test_a_hedera_id_that_nobody_can_resolve_is_refused(harness: Harness, field: str) -> None:
    request = import_request(**{field: HEDERA_ID})
    code, error = await harness.refused(harness.import_asset(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.field) == (Reason.HEDERA_ID_NEEDS_MIRROR_NODE, field)


async def test_import_by_hedera_ids_shows_both_notations(harness: Harness, peers: FakePeers) -> None:
    token, payment_token = new_address(), new_address()
    peers.know_hedera_id("0.0.501", token)
    peers.know_hedera_id("0.0.502", payment_token)
    asset = await harness.import_asset(import_request("0.0.501", "0.0.502"))
    assert (asset.token.evm_address, asset.token.hedera_id) == (checksummed(token), "0.0.501")
    assert (asset.payment_token.evm_address, asset.payment_token.hedera_id) == (
        checksummed(payment_token),
        "0.0.502",
    )
    asked = peers.readiness_requests[token.value]
    assert (asked.token, asked.payment_token) == (token.value, payment_token.value)
    assert asset == await harness.get(id_of(asset))
    code, error = await harness.refused(harness.import_asset(import_request(token)))
    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, Reason.ASSET_ALREADY_IMPORTED)


@pytest.mark.parametrize(
    ("method", "reason", "their_field", "our_field"),
    [
        ("DescribeToken", Reason.NOT_A_CONTRACT, "token", "token"),
        ("DescribeToken", Reason.NOT_A_SECURITY_TOKEN, "token", "token"),
        ("DescribeToken", Reason.CHAIN_UNAVAILABLE, None, None),
        ("DescribePaymentToken", Reason.NOT_A_CONTRACT, "token", "payment_token"),
        ("DescribePaymentToken", Reason.NOT_A_PAYMENT_TOKEN, "token", "payment_token"),
        ("DescribePaymentToken", Reason.CHAIN_UNAVAILABLE, None, None),
        ("CheckReadiness", Reason.LIFECYCLE_ARTIFACT_NOT_CONFIGURED, "lifecycle_contract", "lifecycle_contract"),
        ("CheckReadiness", Reason.LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY, "lifecycle_contract", "lifecycle_contract"),
        ("CheckReadiness", Reason.INVALID_ADDRESS, "lifecycle_contract", "lifecycle_contract"),
        ("CheckReadiness", Reason.CHAIN_UNAVAILABLE, None, None),
    ],
)
async def test_a_peers_refusal_keeps_its_reason_and_gets_our_field(
    harness: Harness,
    peers: FakePeers,
    method: str,
    reason: Reason,
    their_field: str | None,
    our_field: str | None,
) -> None:
    request = import_request()
    about = _address(request.payment_token if method == "DescribePaymentToken" else request.token)
    peers.refuse(method, about, AppError(reason, "because", field=their_field))
    code, error = await harness.refused(harness.import_asset(request))
    assert code.value[0] == error.code.value
    assert (error.reason, error.field, error.message) == (reason, our_field, "because")
    assert await _rows_of(harness, request) == 0
    # Nothing is left of the refused call: the same request goes through once the reason is gone.
    peers.allow(method, about)
    assert (await harness.import_asset(request)).state == pb.Asset.STATE_IMPORTING


@pytest.mark.parametrize("method", ["DescribeToken", "CheckReadiness"])
async def test_a_peer_that_does_not_decide_is_unavailable(harness: Harness, peers: FakePeers, method: str) -> None:
    request = import_request()
    peers.refuse(method, _address(request.token), grpc.StatusCode.UNAVAILABLE)
    code, error = await harness.refused(harness.import_asset(request))
    assert code is grpc.StatusCode.UNAVAILABLE
    peer = "chain_sync_service" if method == "DescribeToken" else "payout_service"
    assert (error.reason, error.metadata) == (Reason.PEER_UNAVAILABLE, {"peer": peer})
    assert await _rows_of(harness, request) == 0


async def test_get_refuses_bad_and_unknown_names(harness: Harness) -> None:
    for name, reason in [
        ("", Reason.REQUIRED_FIELD_MISSING),
        ("assets/1", Reason.INVALID_RESOURCE_NAME),
        ("payouts/00000000-0000-4000-8000-000000000000", Reason.INVALID_RESOURCE_NAME),
        (f"assets/{uuid4()}", Reason.ASSET_NOT_FOUND),
    ]:
        _, error = await harness.refused(harness.assets.GetAsset(pb.GetAssetRequest(name=name)))
        assert error.reason is reason, name


async def test_assets_are_listed_oldest_first_in_pages(harness: Harness) -> None:
    made = [(await harness.import_asset()).name for _ in range(5)]
    listed: list[str] = []
    token = ""
    while True:
        page = await harness.assets.ListAssets(pb.ListAssetsRequest(page_size=2, page_token=token))
        assert len(page.assets) <= 2
        listed += [asset.name for asset in page.assets]
        token = page.next_page_token
        if not token:
            break
    assert listed[-5:] == made
    assert len(set(listed)) == len(listed)
    for request, reason in [
        (pb.ListAssetsRequest(page_size=1001), Reason.INVALID_PAGE_SIZE),
        (pb.ListAssetsRequest(page_size=-1), Reason.INVALID_PAGE_SIZE),
        (pb.ListAssetsRequest(page_token="x"), Reason.INVALID_PAGE_TOKEN),
    ]:
        code, error = await harness.refused(harness.assets.ListAssets(request))
        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


def _address(text: str) -> EvmAddress:
    return EvmAddress(text)


async def _rows_of(harness: Harness, request: pb.ImportAssetRequest) -> int:
    count: int = await harness.database.fetchval("SELECT count(*) FROM assets WHERE token = $1", request.token)
    return count
