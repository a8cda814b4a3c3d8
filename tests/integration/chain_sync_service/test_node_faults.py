"""A node that answers wrongly for a while: that is named, nothing wrong is told, and all is told afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import events_pb2

from tests.integration.chain_sync_service.harness import CONFIRMATIONS, Harness, eventually
from tests.integration.chain_sync_service.rpc_proxy import (
    Fault,
    HttpAnswer,
    answer_with,
    change_results,
    cut_in_half,
)

ALICE, BOB = (to_checksum_address(f"0x{number:040x}") for number in (0xA11CE, 0xB0B))
ANOTHER_CONTRACT = "0x" + "77" * 20

LOGS, BLOCKS, CALLS = "eth_getLogs", "eth_getBlockByNumber", "eth_call"
Spoil = Callable[[Any, HttpAnswer], HttpAnswer]


def nonsense(method: str) -> Spoil:
    """A result of a type that the method never has."""
    return change_results(method, lambda _call, _result: "nonsense")


# Each with the words by which the status names it.
FAULTS: dict[str, tuple[Callable[[str], Spoil], tuple[str, ...]]] = {
    "http_500": (lambda _method: answer_with(500), ("HTTP 500",)),
    "nonsense": (nonsense, ("nonsense", "malformed")),
    "half_an_answer": (lambda _method: cut_in_half, ("did not answer",)),
    "too_many_requests": (lambda _method: answer_with(429, {"Retry-After": "1"}), ("too many requests",)),
}


def with_a_foreign_log(call: dict[str, Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One log more, of a contract that was not asked for."""
    foreign = {
        "address": ANOTHER_CONTRACT,
        "topics": ["0x" + "11" * 32],
        "data": "0x",
        "blockNumber": call["params"][0]["fromBlock"],
        "blockHash": "0x" + "22" * 32,
        "transactionHash": "0x" + "33" * 32,
        "logIndex": "0x0",
    }
    return [*logs, foreign]


async def followed_token(harness: Harness) -> tuple[ChecksumAddress, UUID]:
    """A token of which Alice has 1,000, told already."""
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {ALICE: 1000})
    await harness.mine(CONFIRMATIONS)
    asset_id = await harness.follow(token)
    await harness.caught_up(asset_id)
    return token, asset_id


async def transfer_often(harness: Harness, token: ChecksumAddress) -> None:
    """Three transfers in three blocks, all of them safe: Bob has 60 then."""
    for amount in (10, 20, 30):
        await harness.devnet.transfer(token, ALICE, BOB, amount)
    await harness.mine(CONFIRMATIONS)


async def says(harness: Harness, asset_id: UUID, words: tuple[str, ...]) -> None:
    """Waits until the status names the problem."""

    async def says_so() -> bool:
        error = (await harness.status(asset_id)).last_error
        return any(each in error for each in words)

    await eventually(says_so, f"the status says one of {words}")


async def assert_told_right(harness: Harness, token: ChecksumAddress, asset_id: UUID) -> None:
    """The register that the events make is the chain's; the sequences have no gaps (the harness sees to it)."""
    status = await harness.caught_up(asset_id)
    assert (status.last_error, status.discrepancy) == ("", "")
    register = await harness.register(asset_id)
    assert register == {ALICE.lower(): 940, BOB.lower(): 60}
    assert register == await harness.balances_on_chain(token, [ALICE, BOB])


@pytest.mark.parametrize("method", [LOGS, BLOCKS, CALLS])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_named_and_moves_nothing_until_it_is_over(
    harness: Harness, method: str, name: str
) -> None:
    make_spoil, words = FAULTS[name]
    token, asset_id = await followed_token(harness)
    before = await harness.status(asset_id)
    harness.proxy.set_fault(Fault(method, make_spoil(method)))
    await transfer_often(harness, token)
    await says(harness, asset_id, words)
    assert harness.proxy.spoilt_count > 0
    spoilt = await harness.status(asset_id)
    assert spoilt.last_sequence == before.last_sequence
    harness.proxy.set_fault(None)
    await assert_told_right(harness, token, asset_id)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _call, logs: [*logs, *logs], id="each_twice"),
        pytest.param(lambda _call, logs: logs[::-1], id="out_of_order"),
    ],
)
async def test_the_same_logs_told_otherwise_are_read_right(
    harness: Harness, change: Callable[[Any, list[Any]], list[Any]]
) -> None:
    token, asset_id = await followed_token(harness)
    harness.proxy.set_fault(Fault(LOGS, change_results(LOGS, change)))
    # Stopped meanwhile, so that one answer holds the logs of several blocks.
    name = f"listeners/{asset_id}"
    await harness.chain_sync.StopListener(pb.StopListenerRequest(request_id=str(uuid4()), name=name))
    await harness.devnet.pause(token)
    await harness.devnet.unpause(token)
    await transfer_often(harness, token)
    await harness.chain_sync.StartListener(pb.StartListenerRequest(request_id=str(uuid4()), name=name))
    await assert_told_right(harness, token, asset_id)
    assert harness.proxy.spoilt_count > 0
    changes = [change for event in await harness.events(asset_id) for change in event.changes]
    assert [change.delta_base_units for change in changes if change.holder == BOB.lower()] == ["60"]
    messages = await harness.messages(asset_id, "pause_changed", 2)
    pauses = [events_pb2.PauseChanged.FromString(message) for message in messages]
    assert [(pause.sequence, pause.paused) for pause in pauses] == [(1, True), (2, False)]


async def test_logs_that_were_not_asked_for_are_refused(harness: Harness) -> None:
    token, asset_id = await followed_token(harness)
    before = await harness.status(asset_id)
    harness.proxy.set_fault(Fault(LOGS, change_results(LOGS, with_a_foreign_log)))
    await transfer_often(harness, token)
    await says(harness, asset_id, ("not asked for",))
    spoilt = await harness.status(asset_id)
    assert spoilt.position_block_number == before.position_block_number
    harness.proxy.set_fault(None)
    await assert_told_right(harness, token, asset_id)
    assert not [event for event in await harness.chain_events(asset_id) if event.contract == ANOTHER_CONTRACT]


async def test_a_head_that_goes_back_takes_nothing_back(harness: Harness) -> None:
    token, asset_id = await followed_token(harness)
    old_head = await harness.head()
    old_block = await harness.rpc.request("eth_getBlockByNumber", hex(old_head), False)
    await transfer_often(harness, token)
    await harness.caught_up(asset_id)
    before = await harness.status(asset_id)
    events_before = await harness.events(asset_id)

    def as_a_node_that_lags(call: dict[str, Any], block: Any) -> Any:
        tag = call["params"][0]
        if tag == "latest":
            return old_block
        return block if int(tag, 16) <= old_head else None

    harness.proxy.set_fault(Fault(BLOCKS, change_results(BLOCKS, as_a_node_that_lags)))

    async def tells_old_head() -> bool:
        return (await harness.status(asset_id)).head_block_number == old_head

    await eventually(tells_old_head, "the status tells the head that went back")
    assert before.position_block_number > old_head - CONFIRMATIONS
    lagging = await harness.status(asset_id)
    assert lagging.position_block_number == before.position_block_number
    harness.proxy.set_fault(None)
    await harness.mine(1)
    await assert_told_right(harness, token, asset_id)
    assert (await harness.events(asset_id))[: len(events_before)] == events_before
