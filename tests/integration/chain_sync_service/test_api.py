"""The API of the running service: answers and refusals."""

import asyncio
import os
import sys
from uuid import uuid4

import grpc
import pytest
from eth_utils.address import to_checksum_address
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb

from deploy.devnet.deployer import seeded_holders
from libs.errors import Reason
from tests.integration.chain_sync_service.harness import DEADLINE_SECONDS, SERVICE, Harness

NOWHERE = to_checksum_address("0x" + "5e" * 20)


async def test_a_security_token_is_described(harness: Harness) -> None:
    token = await harness.devnet.deploy_equity_token("Acme\x00  Shares", "ACME", "CH0012345678", 2)
    holders = seeded_holders(30, seed=3)
    await harness.devnet.issue(token, dict(holders))
    described = await harness.chain_sync.DescribeToken(pb.DescribeTokenRequest(token=token.lower()))
    assert described == pb.TokenDescription(
        chain_id=298,
        token=described.token,
        display_name="Acme Shares",
        symbol="ACME",
        isin="CH0012345678",
        decimals=2,
        security_type=pb.TokenDescription.SECURITY_TYPE_EQUITY,
        total_supply_base_units=str(sum(balance for _, balance in holders)),
        holder_count=30,
        block_number=await harness.head(),
    )
    assert described.token.evm_address == token


async def test_a_payment_token_is_described(harness: Harness) -> None:
    token = await harness.devnet.deploy_payment_token()
    described = await harness.chain_sync.DescribePaymentToken(pb.DescribePaymentTokenRequest(token=token))
    assert (described.chain_id, described.token.evm_address) == (298, token)
    assert (described.symbol, described.decimals) == ("DUSD", 6)


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("", grpc.StatusCode.INVALID_ARGUMENT, Reason.REQUIRED_FIELD_MISSING),
        ("0x12", grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_ADDRESS),
        ("0.0.1234", grpc.StatusCode.INVALID_ARGUMENT, Reason.HEDERA_ID_NEEDS_MIRROR_NODE),
        (NOWHERE, grpc.StatusCode.FAILED_PRECONDITION, Reason.NOT_A_CONTRACT),
    ],
)
async def test_what_is_no_token_is_refused(
    harness: Harness, text: str, code: grpc.StatusCode, reason: Reason
) -> None:
    for call in (
        harness.chain_sync.DescribeToken(pb.DescribeTokenRequest(token=text)),
        harness.chain_sync.DescribePaymentToken(pb.DescribePaymentTokenRequest(token=text)),
    ):
        found_code, error = await harness.refused(call)
        assert (found_code, error.reason, error.field) == (code, reason, "token")


async def test_contracts_of_another_kind_are_refused(harness: Harness) -> None:
    payment_token = await harness.devnet.deploy_payment_token()
    token = await harness.deploy_token()
    lifecycle = await harness.devnet.deploy_lifecycle_contract(token, payment_token, await harness.devnet.admin())
    code, error = await harness.refused(
        harness.chain_sync.DescribeToken(pb.DescribeTokenRequest(token=payment_token))
    )
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, Reason.NOT_A_SECURITY_TOKEN)
    assert error.field == "token"
    code, error = await harness.refused(
        harness.chain_sync.DescribePaymentToken(pb.DescribePaymentTokenRequest(token=lifecycle))
    )
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, Reason.NOT_A_PAYMENT_TOKEN)
    assert error.field == "token"


@pytest.mark.parametrize("failure", ["is_away", "refuses_calls"])
async def test_a_failing_node_is_never_mistaken_for_a_bad_token(harness: Harness, failure: str) -> None:
    token = await harness.deploy_token()
    setattr(harness.proxy, failure, True)
    for call in (
        harness.chain_sync.DescribeToken(pb.DescribeTokenRequest(token=token)),
        harness.chain_sync.DescribePaymentToken(pb.DescribePaymentTokenRequest(token=token)),
    ):
        code, error = await harness.refused(call)
        assert (code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.CHAIN_UNAVAILABLE)


@pytest.mark.parametrize(
    ("asset", "code", "reason"),
    [
        ("", grpc.StatusCode.INVALID_ARGUMENT, Reason.REQUIRED_FIELD_MISSING),
        ("assets/7", grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_RESOURCE_NAME),
        (
            "assets/00000000-0000-4000-8000-000000000000",
            grpc.StatusCode.UNAVAILABLE,
            Reason.ASSET_NOT_YET_KNOWN,
        ),
    ],
)
async def test_the_status_of_what_is_not_followed_is_refused(
    harness: Harness, asset: str, code: grpc.StatusCode, reason: Reason
) -> None:
    found_code, error = await harness.refused(
        harness.chain_sync.GetSyncStatus(pb.GetSyncStatusRequest(asset=asset))
    )
    assert (found_code, error.reason) == (code, reason)


async def test_a_wrong_chain_id_is_refused_at_start_by_the_settings_name(harness: Harness) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        SERVICE,
        env={
            **os.environ,
            **harness.service.stack.service_environment(SERVICE),
            "CHAIN_SYNC_SERVICE_CHAIN_ID": "5",
            "CHAIN_SYNC_SERVICE_LISTEN_ADDRESS": "127.0.0.1:0",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        _, errors = await process.communicate()
    assert process.returncode == 2
    last_line = errors.decode().strip().splitlines()[-1]
    assert last_line == (
        "wrong settings: CHAIN_SYNC_SERVICE_CHAIN_ID is 5, "
        "but the node of CHAIN_SYNC_SERVICE_RPC_URL serves chain 298"
    )
    assert "Traceback" not in errors.decode()


async def test_listeners_are_made_stopped_started_replayed_and_listed(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, dict(seeded_holders(5, seed=1)))
    await harness.mine(5)
    asset_id, request_id = uuid4(), str(uuid4())
    name = f"listeners/{asset_id}"
    upsert = pb.UpsertListenerRequest(
        request_id=request_id, name=name, token=token, holder_source=pb.Listener.HOLDER_SOURCE_LIST
    )
    made = await harness.chain_sync.UpsertListener(upsert)
    assert (made.name, made.holder_source, made.source) == (name, pb.Listener.HOLDER_SOURCE_LIST, "evm")
    assert (await harness.chain_sync.UpsertListener(upsert)).name == name
    status = await harness.caught_up(asset_id)
    assert (status.progress.holder_count, status.progress.listed_count, status.progress.unread_count) == (5, 5, 0)
    assert await harness.register(asset_id) == {address.lower(): has for address, has in seeded_holders(5, seed=1)}
    stop = pb.StopListenerRequest(request_id=str(uuid4()), name=name)
    assert (await harness.chain_sync.StopListener(stop)).state == pb.Listener.STATE_STOPPED
    start = pb.StartListenerRequest(request_id=str(uuid4()), name=name)
    assert (await harness.chain_sync.StartListener(start)).state == pb.Listener.STATE_FOLLOWING
    replay = pb.ReplayListenerRequest(request_id=str(uuid4()), name=name, from_block=1)
    assert (await harness.chain_sync.ReplayListener(replay)).start_block_number == 1
    await harness.caught_up(asset_id)
    listed = await harness.chain_sync.ListListeners(pb.ListListenersRequest(page_size=1000))
    assert name in {listener.name for listener in listed.listeners}


async def test_holdings_are_read_and_told_again(harness: Harness) -> None:
    token = await harness.deploy_token()
    ((holder, amount),) = seeded_holders(1, seed=2)
    await harness.devnet.issue(token, {holder: amount})
    block_number = await harness.head()
    await harness.mine(5)
    asset_id = await harness.follow(token)
    before = await harness.caught_up(asset_id)
    read = await harness.chain_sync.ReadHoldings(
        pb.ReadHoldingsRequest(asset=f"assets/{asset_id}", holders=[holder, NOWHERE], block_number=block_number)
    )
    assert [has.balance_base_units for has in read.holdings] == [str(amount), "0"]
    assert read.total_supply_base_units == str(amount)
    watch = harness.chain_sync.WatchSyncStatus(pb.WatchSyncStatusRequest(asset=f"assets/{asset_id}"))
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert (await watch.read()).last_sequence == before.last_sequence
        await harness.chain_sync.RefreshHoldings(
            pb.RefreshHoldingsRequest(
                request_id=str(uuid4()),
                asset=f"assets/{asset_id}",
                scope=pb.RefreshHoldingsRequest.SCOPE_ALL_KNOWN,
            )
        )
        while (await watch.read()).last_sequence == before.last_sequence:
            continue
    watch.cancel()
    (told,) = (await harness.events(asset_id))[-1].changes
    assert (told.holder, told.delta_base_units) == (holder.lower(), "0")
