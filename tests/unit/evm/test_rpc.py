"""What a node may answer, and what we make of it."""

from typing import Any

import pytest
from eth_utils.crypto import keccak

from libs.chain.quantities import BlockNumber
from libs.errors import Reason
from libs.evm.interfaces import BALANCE_OF, TRANSFER
from libs.evm.rpc import (
    CallRevertedError,
    RpcRefusedError,
    RpcUnavailableError,
    describe_revert,
    parse_log,
    quantity,
)
from tests.unit.evm.canned import CannedRpc, error

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
        await CannedRpc(lambda call: error(3, "reverted")).block(BlockNumber(1))
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
        await CannedRpc(lambda call: {"result": answer}).logs(
            TOKEN, [], from_block=BlockNumber(1), to_block=BlockNumber(2)
        )


async def test_logs_are_ordered_and_removed_ones_left_out() -> None:
    entries = [
        {**LOG, "blockNumber": "0x11", "logIndex": "0x0"},
        {**LOG, "logIndex": "0xa"},
        {**LOG, "logIndex": "0x9"},
        {**LOG, "logIndex": "0x1", "removed": True},
    ]
    logs = await CannedRpc(lambda call: {"result": entries}).logs(
        TOKEN, [], from_block=BlockNumber(1), to_block=BlockNumber(99)
    )
    assert [(log.block_number, log.log_index) for log in logs] == [(16, 9), (16, 10), (17, 0)]


async def test_blocks_are_read_in_one_batch_and_missing_ones_are_none() -> None:
    rpc = CannedRpc(lambda call: {"result": BLOCK if call["params"][0] == "0x5" else None})
    present, missing = await rpc.blocks([BlockNumber(5), BlockNumber(6)])
    assert present is not None
    assert (present.number, present.hash) == (5, HASH.lower())
    assert missing is None
    assert len(rpc.posts) == 1


@pytest.mark.parametrize("field", list(BLOCK))
async def test_a_malformed_block_makes_the_node_unavailable(field: str) -> None:
    with pytest.raises(RpcUnavailableError):
        await CannedRpc(lambda call: {"result": {**BLOCK, field: None}}).block(BlockNumber(5))


def test_reverts_are_described() -> None:
    assert describe_revert(bytes.fromhex(REVERT_DATA[2:])) == "Error(no)"
    assert describe_revert(bytes.fromhex("deadbeef")) == "custom error 0xdeadbeef"
    assert describe_revert(bytes.fromhex("08c379a0ff")) == "Error"
    assert describe_revert(b"") == "reverted without a reason"
    blocked = keccak(text="AccountBlacklisted(address)")[:4] + bytes(31) + b"\x07"
    assert describe_revert(blocked) == "AccountBlacklisted(0x0000000000000000000000000000000000000007)"
