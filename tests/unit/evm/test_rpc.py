"""What a node may answer, and what we make of it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from eth_utils.crypto import keccak

from libs.errors import Reason
from libs.evm.interfaces import BALANCE_OF, TRANSFER
from libs.evm.pacing import MethodPacing, TierLimits
from libs.evm.rpc import (
    AnswerTooLargeError,
    CallRevertedError,
    JsonRpc,
    RpcRefusedError,
    RpcUnavailableError,
    describe_revert,
    parse_log,
    quantity,
)
from tests.unit.evm.canned import CannedRpc, error
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
BLOCK = {"number": "0x5", "hash": HASH, "parentHash": HASH, "timestamp": "0x1"}
# Error(string) "no"
REVERT_DATA = "0x08c379a0" + f"{32:064x}" + f"{2:064x}" + "6e6f".ljust(64, "0")


async def test_a_batch_is_matched_by_id_and_split_by_size() -> None:
    rpc = CannedRpc(lambda call: {"result": call["params"][0]}, batch_size=3)
    assert await rpc.request_many("echo", [(number,) for number in range(8)]) == list(range(8))
    assert [len(post) if isinstance(post, list) else 0 for post in rpc.posts] == [3, 3, 2]


async def test_a_node_without_batches_is_asked_one_by_one() -> None:
    rpc = CannedRpc(lambda call: {"result": call["params"][0]}, batch_size=1)
    assert await rpc.request_many("echo", [(1,), (2,)]) == [1, 2]
    assert all(isinstance(post, dict) for post in rpc.posts)


async def test_one_error_in_a_batch_is_raised() -> None:
    rpc = CannedRpc(lambda call: error(-32000, "no") if call["params"][0] == 1 else {"result": 0})
    with pytest.raises(RpcRefusedError, match="no"):
        await rpc.request_many("echo", [(0,), (1,)])


@pytest.mark.parametrize(
    "refusal",
    [
        error(3, "execution reverted", REVERT_DATA),
        error(-32000, "execution reverted"),
        error(-32015, "VM execution error", REVERT_DATA),
        error(-32000, "VM", {"data": REVERT_DATA}),
    ],
)
async def test_a_revert_is_told_apart_however_it_is_wrapped(refusal: dict[str, Any]) -> None:
    with pytest.raises(CallRevertedError):
        await CannedRpc(lambda call: refusal).call(TOKEN, BALANCE_OF, TOKEN)


async def test_a_refusal_of_anything_but_a_call_is_no_revert() -> None:
    with pytest.raises(RpcRefusedError) as caught:
        await CannedRpc(lambda call: error(3, "reverted")).block(1)
    assert not isinstance(caught.value, CallRevertedError)


@pytest.mark.parametrize("answer", [None, 7, "", "0xzz", [], {}])
def test_what_is_no_quantity_makes_the_node_unavailable(answer: object) -> None:
    with pytest.raises(RpcUnavailableError) as caught:
        quantity(answer)
    assert caught.value.reason is Reason.CHAIN_UNAVAILABLE


def test_a_log_is_read_in_lower_case() -> None:
    log = parse_log(LOG)
    assert (log.address, log.block_hash, log.transaction_hash) == (TOKEN, HASH.lower(), HASH.lower())
    assert (log.block_number, log.log_index, log.topics, log.data) == (16, 2, (TRANSFER.topic,), b"\x01")


@pytest.mark.parametrize("field", list(LOG))
@pytest.mark.parametrize("value", [None, 5, "absent"])
def test_a_malformed_log_makes_the_node_unavailable(field: str, value: object) -> None:
    entry = {**LOG, field: value}
    if value == "absent":
        del entry[field]
    with pytest.raises(RpcUnavailableError):
        parse_log(entry)


@pytest.mark.parametrize("answer", [None, {}, "logs", ["odd"], [None], [7]])
async def test_nonsense_instead_of_logs_makes_the_node_unavailable(answer: object) -> None:
    with pytest.raises(RpcUnavailableError):
        await CannedRpc(lambda call: {"result": answer}).logs(TOKEN, [], 1, 2)


async def test_logs_are_ordered_and_removed_ones_left_out() -> None:
    entries = [
        {**LOG, "blockNumber": "0x11", "logIndex": "0x0"},
        {**LOG, "logIndex": "0xa"},
        {**LOG, "logIndex": "0x9"},
        {**LOG, "logIndex": "0x1", "removed": True},
    ]
    logs = await CannedRpc(lambda call: {"result": entries}).logs(TOKEN, [], 1, 99)
    assert [(log.block_number, log.log_index) for log in logs] == [(16, 9), (16, 10), (17, 0)]


async def test_blocks_are_read_in_one_batch_and_missing_ones_are_none() -> None:
    rpc = CannedRpc(lambda call: {"result": BLOCK if call["params"][0] == "0x5" else None})
    present, missing = await rpc.blocks([5, 6])
    assert present is not None
    assert (present.number, present.hash) == (5, HASH.lower())
    assert missing is None
    assert len(rpc.posts) == 1


@pytest.mark.parametrize("field", list(BLOCK))
async def test_a_malformed_block_makes_the_node_unavailable(field: str) -> None:
    with pytest.raises(RpcUnavailableError):
        await CannedRpc(lambda call: {"result": {**BLOCK, field: None}}).block(5)


async def test_a_node_that_is_not_there_is_unavailable_and_its_url_is_not_told() -> None:
    rpc = JsonRpc("http://user:secret@127.0.0.1:1/key", timeout_seconds=2)
    try:
        with pytest.raises(RpcUnavailableError) as caught:
            await rpc.chain_id()
    finally:
        await rpc.close()
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)


def test_reverts_are_described() -> None:
    assert describe_revert(bytes.fromhex(REVERT_DATA[2:])) == "Error(no)"
    assert describe_revert(bytes.fromhex("deadbeef")) == "custom error 0xdeadbeef"
    assert describe_revert(bytes.fromhex("08c379a0ff")) == "Error"
    assert describe_revert(b"") == "reverted without a reason"
    blocked = keccak(text="AccountBlacklisted(address)")[:4] + bytes(31) + b"\x07"
    assert describe_revert(blocked) == "AccountBlacklisted(0x0000000000000000000000000000000000000007)"


# ------------------------------------------------------------------------------------------ too many requests


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
            assert len(await rpc.logs_of_many([TOKEN], [], 0, 1, max_bytes=max_bytes)) == 2
        else:
            with pytest.raises(AnswerTooLargeError, match="300 bytes"):
                await rpc.logs_of_many([TOKEN], [], 0, 1, max_bytes=max_bytes)
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
