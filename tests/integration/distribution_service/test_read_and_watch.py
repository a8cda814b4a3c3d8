"""Get, List and Watch."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import distribution_service_pb2_grpc as pb_grpc
from sqlalchemy import text

from deploy.local.stack import Stack
from libs.client.client import Endpoints, MassPayoutClient
from tests.integration.distribution_service.support import (
    WAIT_SECONDS,
    Refusal,
    World,
    eventually,
    refusal_of,
    refused,
)

_STATE = pb.Distribution.State


async def _list(world: World, **fields: Any) -> pb.ListDistributionsResponse:
    request = pb.ListDistributionsRequest(**fields)
    answer: pb.ListDistributionsResponse = await world.stub.ListDistributions(request)
    return answer


async def test_pages_hold_each_distribution_once_oldest_first(world: World) -> None:
    asset_id = await world.import_asset()
    other = await world.create()
    created = [(await world.create(asset_id)).name for _ in range(5)]
    asset = f"assets/{asset_id}"
    found: list[str] = []
    sizes: list[int] = []
    token = ""
    for _ in range(5):
        page = await _list(world, asset=asset, page_size=2, page_token=token)
        sizes.append(len(page.distributions))
        found += [item.name for item in page.distributions]
        token = page.next_page_token
        if not token:
            break

    assert (found, sizes) == (created, [2, 2, 1])
    everything = await _list(world, page_size=1000)
    names = [item.name for item in everything.distributions]
    assert {*created, other.name} <= set(names)
    times = [item.create_time.ToDatetime() for item in everything.distributions]
    assert times == sorted(times)


async def test_rules_are_told_of_one_distribution_and_left_out_of_lists(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id, terms={"percentage": "10", "rules": {"withholding_percentage": "5"}})
    created = await world.stub.CreateDistribution(request)
    one = await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name))
    assert one.terms.rules.withholding_percentage == "5"
    (listed,) = (await _list(world, asset=f"assets/{asset_id}")).distributions
    assert (listed.name, listed.terms.percentage) == (created.name, "10")
    assert not listed.terms.HasField("rules")


async def test_a_page_token_is_good_for_its_own_list_only(world: World) -> None:
    asset_id = await world.import_asset()
    for _ in range(2):
        await world.create(asset_id)
    token = (await _list(world, asset=f"assets/{asset_id}", page_size=1)).next_page_token
    expected = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN", "page_token", {})

    assert await refused(_list(world, page_token=token)) == expected
    assert await refused(_list(world, asset=f"assets/{uuid4()}", page_token=token)) == expected
    assert await refused(_list(world, page_token="nonsense")) == expected


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"page_size": -1}, "INVALID_PAGE_SIZE", "page_size"),
        ({"page_size": 1001}, "INVALID_PAGE_SIZE", "page_size"),
        ({"asset": "assets/x"}, "INVALID_RESOURCE_NAME", "asset"),
    ],
)
async def test_bad_lists(world: World, fields: dict[str, Any], reason: str, field: str) -> None:
    expected = Refusal(grpc.StatusCode.INVALID_ARGUMENT, reason, field, {})
    assert await refused(_list(world, **fields)) == expected


async def test_names_that_are_wrong_or_unknown(world: World) -> None:
    wrong = await refused(world.stub.GetDistribution(pb.GetDistributionRequest(name="distributions/1")))
    assert wrong == Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RESOURCE_NAME", "name", {})
    unknown = pb.GetDistributionRequest(name=f"distributions/{uuid4()}")
    refusal = await refused(world.stub.GetDistribution(unknown))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "DISTRIBUTION_NOT_FOUND")


_Watch: TypeAlias = "grpc.aio.UnaryStreamCall[pb.WatchDistributionRequest, pb.WatchDistributionResponse]"


def _watch(stub: pb_grpc.DistributionServiceStub, name: str) -> _Watch:
    request = pb.WatchDistributionRequest(name=name)
    call: _Watch = stub.WatchDistribution(request, timeout=WAIT_SECONDS)
    return call


async def _next(changes: AsyncIterator[pb.WatchDistributionResponse]) -> pb.Distribution:
    return (await anext(changes)).distribution


async def test_a_watch_sees_progress_and_ends(world: World) -> None:
    created = await world.create()
    changes = aiter(_watch(world.stub, created.name))
    assert await _next(changes) == created
    await world.tell_payout(created, 1, "EXECUTING", paid_count=1)
    assert (await _next(changes)).progress.paid_count == 1
    await world.tell_payout(created, 2, "EXECUTING", paid_count=2)
    assert (await _next(changes)).progress.paid_count == 2
    await world.tell_payout(created, 3, "PAUSED")
    assert (await _next(changes)).state == _STATE.Value("STATE_PAUSED")
    await world.tell_payout(created, 4, "COMPLETED")
    assert (await _next(changes)).state == _STATE.Value("STATE_COMPLETED")
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


@pytest.mark.parametrize("end", ["COMPLETED", "DEFERRED"])
async def test_the_published_client_watches_to_the_end(world: World, stack: Stack, end: str) -> None:
    created = await world.create()
    address = stack.endpoints.services["distribution_service"]
    seen: list[str] = []
    async with MassPayoutClient(Endpoints(address, address, address, address)) as client:
        async for item in client.watch_distribution(created.name, timeout_seconds=WAIT_SECONDS):
            seen.append(item.state.name or "")
            if len(seen) == 1:
                await world.tell_payout(created, 1, "EXECUTING")
            elif len(seen) == 2:
                await world.tell_payout(created, 2, end)

    assert seen == ["RELEASED", "EXECUTING", end]


@pytest.mark.parametrize("state", ["COMPLETED", "INCOMPLETE", "FAILED", "CANCELLED", "DEFERRED"])
async def test_a_watch_of_what_is_settled_ends_at_once(world: World, state: str) -> None:
    created = await world.create()
    await world.tell_payout(created, 1, state)
    settled = await world.wait_for(created.name, state)
    assert [item.distribution async for item in _watch(world.stub, created.name)] == [settled]


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        (f"distributions/{UUID(int=7)}", grpc.StatusCode.NOT_FOUND, "DISTRIBUTION_NOT_FOUND"),
        ("distributions/x", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RESOURCE_NAME"),
        ("", grpc.StatusCode.INVALID_ARGUMENT, "REQUIRED_FIELD_MISSING"),
    ],
)
async def test_a_watch_of_nothing(world: World, name: str, code: grpc.StatusCode, reason: str) -> None:
    refusal = await refused(anext(aiter(_watch(world.stub, name))))
    assert (refusal.code, refusal.reason) == (code, reason)


async def test_many_watches_share_few_connections(world: World) -> None:
    created = await world.create()
    watches = [aiter(_watch(world.stub, created.name)) for _ in range(100)]
    await asyncio.gather(*(_next(changes) for changes in watches))
    await world.tell_payout(created, 1, "COMPLETED")
    ends = await asyncio.gather(*(_next(changes) for changes in watches))

    assert {end.state for end in ends} == {_STATE.Value("STATE_COMPLETED")}
    count = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'distribution_service'")
    assert await world.scalar(count) <= 4


async def test_watches_on_a_replica(world: World, stack: Stack) -> None:
    """One replica started once, for all that needs it: the other's changes, the bound, cancelling, the drain."""
    replica = await asyncio.to_thread(
        stack.start_replica,
        "distribution_service",
        environment={"DISTRIBUTION_SERVICE_MAX_WATCHES": "2"},
    )
    try:
        async with grpc.aio.insecure_channel(replica.endpoint) as channel:
            stub = pb_grpc.DistributionServiceStub(channel)
            created = await world.create()
            here, there = aiter(_watch(world.stub, created.name)), aiter(_watch(stub, created.name))
            assert await _next(here) == await _next(there) == created
            # Whichever replica consumes it, both show it.
            await world.tell_payout(created, 1, "EXECUTING")
            for changes in (here, there):
                assert (await _next(changes)).state == _STATE.Value("STATE_EXECUTING")

            second = _watch(stub, created.name)
            await _next(aiter(second))
            full = await refused(anext(aiter(_watch(stub, created.name))))
            assert full.code is grpc.StatusCode.UNAVAILABLE
            second.cancel()

            async def admitted() -> bool | None:
                watch = _watch(stub, created.name)
                try:
                    await anext(aiter(watch))
                except grpc.aio.AioRpcError:
                    return None
                watch.cancel()
                return True

            await eventually(admitted, "a cancelled watch leaves its place to another")

            stopping = asyncio.create_task(asyncio.to_thread(replica.stop))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(there)
            assert refusal_of(caught.value) == Refusal(grpc.StatusCode.UNAVAILABLE, "SERVICE_STOPPING", None, {})
            await stopping
    finally:
        await asyncio.to_thread(replica.stop)
    await world.tell_payout(created, 2, "COMPLETED")
    assert (await _next(here)).state == _STATE.Value("STATE_COMPLETED")
