"""A node behind HTTP: too many requests, answers that are too large, no node at all."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from libs.chain.quantities import BlockNumber
from libs.evm.interfaces import TRANSFER
from libs.evm.pacing import MethodPacing, TierLimits
from libs.evm.rpc import AnswerTooLargeError, JsonRpc, RpcUnavailableError
from tests.unit.evm.canned import error
from tests.unit.evm.fake_time import FakeTime

TOKEN = "0x" + "ab" * 20
HASH = "0x" + "Cd" * 32
LOG: dict[str, Any] = {
    "address": "0x" + "AB" * 20,
    "topics": ["0x" + TRANSFER.topic.hex()],
    "data": "0x01",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "transactionHash": HASH,
    "logIndex": "0x2",
}


async def test_a_node_that_is_not_there_is_unavailable_and_its_url_is_not_told() -> None:
    rpc = JsonRpc("http://user:secret@127.0.0.1:1/key", timeout_seconds=2)
    try:
        with pytest.raises(RpcUnavailableError) as caught:
            await rpc.chain_id()
    finally:
        await rpc.close()
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)


class Node:
    """A real HTTP server that answers with what is queued, then with 1; it counts what arrives."""

    def __init__(self) -> None:
        self.queued: list[web.Response] = []
        self.served = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.served += 1
        body = await request.json()
        if self.queued:
            return self.queued.pop(0)
        if isinstance(body, list):
            return web.json_response([{"id": call["id"], "result": "0x1"} for call in body])
        return web.json_response({"id": body["id"], "result": "0x1"})


@pytest_asyncio.fixture
async def node() -> AsyncIterator[Node]:
    made = Node()
    application = web.Application()
    application.router.add_post("/", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/"
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def opened(node: Node) -> AsyncIterator[Callable[..., JsonRpc]]:
    """Opens JsonRpc to the node; closed at the end."""
    rpcs: list[JsonRpc] = []

    def open_rpc(**options: Any) -> JsonRpc:
        rpcs.append(JsonRpc(node.url, **options))
        return rpcs[-1]

    yield open_rpc
    for rpc in rpcs:
        await rpc.close()


async def test_an_answer_is_read_up_to_a_bound(node: Node, opened: Callable[..., JsonRpc]) -> None:
    rpc = opened()
    for max_bytes, is_read in ((None, True), (10_000, True), (300, False)):
        node.queued.append(web.json_response({"id": 1, "result": [LOG, LOG]}))
        if is_read:
            assert (
                len(
                    await rpc.logs_of_many(
                        [TOKEN], [], from_block=BlockNumber(0), to_block=BlockNumber(1), max_bytes=max_bytes
                    )
                )
                == 2
            )
        else:
            with pytest.raises(AnswerTooLargeError, match="300 bytes"):
                await rpc.logs_of_many(
                    [TOKEN], [], from_block=BlockNumber(0), to_block=BlockNumber(1), max_bytes=max_bytes
                )
    # The connection was left in the middle of an answer; the next request gets its own.
    assert await rpc.chain_id() == 1


async def test_http_429_is_not_repeated_and_holds_every_request_as_long_as_the_node_says(
    node: Node, opened: Callable[..., JsonRpc]
) -> None:
    time = FakeTime()
    rpc = opened(timeout_seconds=10, timing=time.timing)
    node.queued.append(web.Response(status=429, headers={"Retry-After": "9"}))
    with pytest.raises(RpcUnavailableError, match="429"):
        await rpc.request("eth_sendRawTransaction", "0x")
    assert node.served == 1
    assert await rpc.chain_id() == 1
    assert time.slept == [9]


async def test_a_request_that_would_wait_longer_than_its_timeout_is_not_sent(
    node: Node, opened: Callable[..., JsonRpc]
) -> None:
    time = FakeTime()
    rpc = opened(timeout_seconds=10, timing=time.timing)
    node.queued.append(web.Response(status=429, headers={"Retry-After": "11"}))
    with pytest.raises(RpcUnavailableError, match="429"):
        await rpc.chain_id()
    for _ in range(3):
        with pytest.raises(RpcUnavailableError, match="not sent"):
            await rpc.chain_id()
    assert node.served == 1


@pytest.mark.parametrize("status", [200, 409])
@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_relay_says_it_in_the_body_too(
    node: Node, opened: Callable[..., JsonRpc], status: int, is_batch: bool
) -> None:
    time = FakeTime()
    rpc = opened(timing=time.timing)
    refusal = {"id": 1, **error(-32605, "IP Rate limit exceeded on eth_call")}
    node.queued.append(
        web.json_response([{"id": 2, "result": 1}, refusal] if is_batch else refusal, status=status)
    )
    with pytest.raises(RpcUnavailableError, match="too many"):
        await rpc.chain_id()
    await rpc.chain_id()
    assert time.slept == [1]


async def test_an_answer_ends_the_growth_of_the_hold(node: Node, opened: Callable[..., JsonRpc]) -> None:
    time = FakeTime()
    rpc = opened(timing=time.timing)
    for _ in range(2):
        node.queued += [web.Response(status=429), web.Response(status=429)]
        for _ in range(2):
            with pytest.raises(RpcUnavailableError):
                await rpc.chain_id()
        await rpc.chain_id()
    assert time.slept == [1, 2, 1, 2]


async def test_a_paced_batch_is_as_large_as_may_leave_at_once_and_counts_each_call(
    node: Node, opened: Callable[..., JsonRpc]
) -> None:
    time = FakeTime()
    pacing = MethodPacing(TierLimits(moderate=50), longest_wait_seconds=60, timing=time.timing)
    rpc = opened(batch_size=100, pacing=pacing)
    assert await rpc.request_many("eth_getStorageAt", [(number,) for number in range(12)]) == ["0x1"] * 12
    assert node.served == 3
    assert time.now == pytest.approx(7 / 0.75)


async def test_a_call_beyond_the_relays_limit_is_not_sent(node: Node, opened: Callable[..., JsonRpc]) -> None:
    pacing = MethodPacing(TierLimits(moderate=10), longest_wait_seconds=1, timing=FakeTime().timing)
    rpc = opened(pacing=pacing)
    await rpc.chain_id()
    with pytest.raises(RpcUnavailableError, match="not sent"):
        await rpc.chain_id()
    assert node.served == 1
