"""The adapters to the node, on given answers."""

from typing import Any

import pytest
from eth_abi.abi import encode

from chain_sync_service.application.source import ChainIdentity, LogQuery, WindowRefusedError
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.infrastructure.evm_source import EvmSource
from chain_sync_service.infrastructure.token_reader import SourceTokenReader
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm.abi import Function
from libs.evm.interfaces import (
    BALANCE_OF,
    DECIMALS,
    GET_ERC20_METADATA,
    GET_TOTAL_SECURITY_HOLDERS,
    SYMBOL,
    TOTAL_SUPPLY,
    TRANSFER,
)
from libs.evm.rpc import RpcUnavailableError
from tests.unit.chain_sync_service.fake_chain import NOBODY, TOKEN, holder
from tests.unit.evm.canned import CannedRpc, error

HASH = "0x" + "0c" * 32
Answers = dict[Function, dict[str, Any]]


def answer(function: Function, *values: object) -> dict[str, Any]:
    return {"result": "0x" + encode(function.outputs, values).hex()}


SECURITY_TOKEN: Answers = {
    GET_ERC20_METADATA: answer(GET_ERC20_METADATA, (("Acme", "ACM", "CH1", 2), 2)),
    TOTAL_SUPPLY: answer(TOTAL_SUPPLY, 2**256 - 1),
    GET_TOTAL_SECURITY_HOLDERS: answer(GET_TOTAL_SECURITY_HOLDERS, 3),
}
PAYMENT_TOKEN: Answers = {
    DECIMALS: answer(DECIMALS, 6),
    SYMBOL: answer(SYMBOL, "USD"),
    BALANCE_OF: answer(BALANCE_OF, 0),
}


def node(answers: Answers, code: str = "0x60") -> CannedRpc:
    def say(call: dict[str, Any]) -> dict[str, Any]:
        match call["method"]:
            case "eth_getBlockByNumber":
                return {"result": {"number": "0x4d", "hash": HASH, "parentHash": HASH, "timestamp": "0x1"}}
            case "eth_getCode":
                return {"result": code}
            case "eth_call":
                data = call["params"][0]["data"]
                if data == "0x":
                    return {"result": "0x"}
                assert call["params"][1] == "0x4d", "all reads are pinned to one block"
                by_selector = {function.selector.hex(): said for function, said in answers.items()}
                return by_selector.get(data[2:10], error(3, "execution reverted"))
        raise AssertionError(call)

    return CannedRpc(say)


def reader(answers: Answers, code: str = "0x60") -> SourceTokenReader:
    return SourceTokenReader(EvmSource(node(answers, code)), 298)


async def test_a_security_token_is_read_at_one_block() -> None:
    described = await SourceTokenReader(EvmSource(node(SECURITY_TOKEN)), 298).describe_token(TOKEN)
    assert (described.display_name, described.symbol, described.isin) == ("Acme", "ACM", "CH1")
    assert described.security_type.name == "BOND"
    assert (described.total_supply, described.holder_count, described.block_number) == (2**256 - 1, 3, 77)


async def test_a_payment_token_is_read() -> None:
    described = await SourceTokenReader(EvmSource(node(PAYMENT_TOKEN)), 298).describe_payment_token(TOKEN)
    assert (described.symbol, described.decimals) == ("USD", 6)


@pytest.mark.parametrize("missing", list(SECURITY_TOKEN))
async def test_a_security_token_that_lacks_an_answer_is_none(missing: Function) -> None:
    answers = {function: said for function, said in SECURITY_TOKEN.items() if function is not missing}
    await assert_not_a_security_token(answers)


@pytest.mark.parametrize(
    ("function", "odd"),
    [
        (GET_ERC20_METADATA, answer(GET_ERC20_METADATA, (("Acme", "ACM", "CH1", 78), 1))),
        (GET_ERC20_METADATA, {"result": "0x" + "ff" * 320}),
        (GET_TOTAL_SECURITY_HOLDERS, answer(GET_TOTAL_SECURITY_HOLDERS, 2**63)),
        (TOTAL_SUPPLY, {"result": "0x"}),
        (TOTAL_SUPPLY, error(-32000, "stack underflow")),
    ],
)
async def test_a_token_that_answers_nonsense_is_no_security_token(function: Function, odd: dict[str, Any]) -> None:
    await assert_not_a_security_token({**SECURITY_TOKEN, function: odd})


async def assert_not_a_security_token(answers: Answers) -> None:
    with pytest.raises(AppError) as caught:
        await SourceTokenReader(EvmSource(node(answers)), 298).describe_token(TOKEN)
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_A_SECURITY_TOKEN, "token")


@pytest.mark.parametrize("function", list(PAYMENT_TOKEN))
@pytest.mark.parametrize("odd", [error(3, "execution reverted"), {"result": "0x"}])
async def test_a_token_that_does_not_answer_is_no_payment_token(function: Function, odd: dict[str, Any]) -> None:
    with pytest.raises(AppError) as caught:
        await reader({**PAYMENT_TOKEN, function: odd}).describe_payment_token(TOKEN)
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_A_PAYMENT_TOKEN, "token")


async def test_too_many_decimals_are_no_payment_token() -> None:
    with pytest.raises(AppError) as caught:
        await reader({**PAYMENT_TOKEN, DECIMALS: answer(DECIMALS, 78)}).describe_payment_token(TOKEN)
    assert caught.value.reason is Reason.NOT_A_PAYMENT_TOKEN


async def test_an_account_without_code_is_no_contract() -> None:
    reader = SourceTokenReader(EvmSource(node(SECURITY_TOKEN, code="0x")), 298)
    for describe in (reader.describe_token, reader.describe_payment_token):
        with pytest.raises(AppError) as caught:
            await describe(TOKEN)
        assert (caught.value.reason, caught.value.field) == (Reason.NOT_A_CONTRACT, "token")


def log(index: int, block: int = 5, address: str = TOKEN.value, *, topics: int = 3) -> dict[str, Any]:
    all_topics = [TRANSFER.topic.hex(), NOBODY[2:].rjust(64, "0"), holder(1)[2:].rjust(64, "0")]
    return {
        "address": address,
        "topics": ["0x" + topic for topic in all_topics[:topics]],
        "data": f"0x{7:064x}",
        "blockNumber": hex(block),
        "blockHash": HASH,
        "transactionHash": HASH,
        "logIndex": hex(index),
    }


QUERY = LogQuery(frozenset({TOKEN}))


def source_of(*logs: dict[str, Any]) -> EvmSource:
    return EvmSource(CannedRpc(lambda call: {"result": list(logs)}))


async def test_logs_come_in_order_and_each_once() -> None:
    logs = await source_of(log(1), log(2, topics=1), log(0, block=4), log(1)).logs(
        QUERY, from_block=BlockNumber(4), to_block=BlockNumber(5)
    )
    assert [(found.block_number, found.log_index) for found in logs] == [(4, 0), (5, 1), (5, 2)]
    assert (logs[2].contract, logs[2].block_hash, logs[2].data) == (TOKEN.value, HASH, (7).to_bytes(32))
    assert all(found.has_result for found in logs)


@pytest.mark.parametrize("odd", [log(1, block=3), log(1, block=6), log(1, address=holder(9)), log(0, topics=1)])
async def test_logs_that_were_not_asked_for_or_contradict_each_other_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(WindowRefusedError):
        await source_of(log(0), odd).logs(QUERY, from_block=BlockNumber(4), to_block=BlockNumber(5))


async def test_a_refused_request_for_logs_is_a_refused_window() -> None:
    with pytest.raises(WindowRefusedError, match="too many"):
        await EvmSource(CannedRpc(lambda call: error(-32005, "too many"))).logs(
            QUERY, from_block=BlockNumber(1), to_block=BlockNumber(2)
        )


async def test_any_other_refusal_is_no_answer() -> None:
    source = EvmSource(CannedRpc(lambda call: error(-32000, "no")))
    for question in (source.identity(), source.head(), source.blocks([BlockNumber(1)])):
        with pytest.raises(RpcUnavailableError):
            await question


async def test_the_identity_is_chain_id_and_first_block() -> None:
    def say(call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "eth_chainId":
            return {"result": "0x12a"}
        assert call["params"][0] == "0x0"
        return {"result": {"number": "0x0", "hash": HASH, "parentHash": HASH, "timestamp": "0x1"}}

    source = EvmSource(CannedRpc(say))
    assert await source.identity() == ChainIdentity(298, HASH)
    (block,) = await source.blocks([BlockNumber(0)])
    assert block is not None
    assert block.ref == BlockRef(BlockNumber(0), HASH)
