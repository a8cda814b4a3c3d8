"""The mirror source reads what the mirror node's own documents show, served byte for byte.

The documents are facts under test, each with where it is published:

OPENAPI  hiero-ledger/hiero-mirror-node, rest/api/v1/openapi.yml (version 0.136.0), its YAML written as JSON
SPECS    hiero-ledger/hiero-mirror-node, rest/__tests__/specs, the `responseJson` of the file that is named
HIP-1008 hashgraph/hedera-improvement-proposal, HIP/hip-1008.md, Specification, Response
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_sync_service.application.source import ContractCall, LogQuery, StateUnavailableError
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from chain_sync_service.infrastructure.mirror_source import MirrorSource
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.hedera.mirror import MirrorNode, MirrorUnavailableError, parse_timestamp
from tests.support.mirror_node.canned import CannedServer, Reply, canned_server

_FOLDER = Path(__file__).parent / "mirror_examples"

# Where each document of the folder is published.
CITATIONS = {
    "newest_block": "OPENAPI components/schemas/Block/example, without logs_bloom, in a BlocksResponse",
    "two_blocks": "SPECS blocks/limit-order-asc-params.json",
    "logs": "SPECS contracts/{id}/results/logs/matching-logs.json",
    "contract_result": "SPECS contracts/results/{id}/transactionid-or-hash.json, without its lists of objects",
    "log_by_hash": "HIP-1008",
    "contract": "OPENAPI components/schemas/Contract, the examples of five properties",
    "account": "OPENAPI components/schemas/AccountInfo/example, without balance",
    "token": "OPENAPI paths/tokens/{tokenId}/get, example FungibleToken, without keys and fees",
    "call_result": "OPENAPI components/schemas/ContractCallResponse",
    "not_found": "OPENAPI components/responses/NotFoundError",
    "invalid_parameter": "OPENAPI components/responses/InvalidParameterError, its first message",
    "unavailable": "OPENAPI components/responses/ServiceUnavailableError",
    "reverted": "OPENAPI components/schemas/Error, with the message that the web3 module has for a revert",
    "unknown_block": "OPENAPI components/schemas/Error, with the message of its BlockNumberNotFoundException",
}


def document(name: str) -> bytes:
    """As it is published."""
    return (_FOLDER / f"{name}.json").read_bytes()


NOT_FOUND = Reply(document("not_found"), 404)
INVALID_PARAMETER = Reply(document("invalid_parameter"), 400)
UNAVAILABLE = Reply(document("unavailable"), 500)
REVERTED = Reply(document("reverted"), 400)
UNKNOWN_BLOCK = Reply(document("unknown_block"), 400)
NEWEST_BLOCK, TWO_BLOCKS, LOGS = document("newest_block"), document("two_blocks"), document("logs")
RESULT, LOG_BY_HASH, CALL_RESULT = document("contract_result"), document("log_by_hash"), document("call_result")
CONTRACT, ACCOUNT, TOKEN = document("contract"), document("account"), document("token")

NO_BLOCKS = b'{"blocks": [], "links": {"next": null}}'
LOG_CONTRACT = EvmAddress("0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3")
LOG_HASH = "0x9db63968721fc76815d11b0b97734669bf88ae3810e07c199924553f0548eb98"
LOG_BLOCK_HASH = "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0"
# The record file in the setup of the document `logs`, as a block.
LOG_BLOCK = b"""{"blocks": [{
  "hash": "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0492bf793a150769b1b4fb2c9b7cb4c1a",
  "number": 1,
  "timestamp": {"from": "1639010141.000000000", "to": "1639010141.500000000"}
}], "links": {"next": null}}"""
LOG_PARAMETERS = "timestamp=gte:1639010141.000000000&timestamp=lte:1639010141.500000000&order=asc&limit=100"
RESULT_HASH = "0x4a563af33c4871b51a8b108aa2fe1dd5280a30dfb7236170ae5e5e7957eb6392"
LOG_BY_HASH_HASH = "0xda1aee3c386763b2cb2e830765053e346d11deff1c343a5fefe84910f9dfe63b"
# A link of SPECS contracts/results/logs/pagination-index-timestamp.json.
LINK_OF_LOGS = "/api/v1/contracts/results/logs?limit=1&order=asc&timestamp=gte:1639010141.000000000&index=gt:1"


@asynccontextmanager
async def reading(replies: Mapping[str, bytes | Reply]) -> AsyncIterator[tuple[MirrorSource, CannedServer]]:
    """A source whose mirror node answers by the beginning of the path behind /api/v1/; the first that fits."""

    def reply_to(path: str) -> Reply:
        reply = next((each for start, each in replies.items() if path.startswith("/api/v1/" + start)), NOT_FOUND)
        return Reply(reply) if isinstance(reply, bytes) else reply

    with canned_server(reply_to) as served:
        client = MirrorNode(served.url)
        try:
            yield MirrorSource(client, 296), served
        finally:
            await client.close()


async def test_the_newest_block() -> None:
    async with reading({"blocks": NEWEST_BLOCK}) as (source, served):
        assert await source.head() == Block(
            BlockNumber(77),
            "0x3c08bbbee74d287b1dcd3f0ca6d1d2cb92c90883c4acf9747de9f3f3162ad25b",
            datetime(2022, 5, 3, 6, 46, 26, 661_997, UTC),
        )
    assert served.requests == [("/api/v1/blocks?order=desc&limit=1", b"")]


async def test_blocks_with_the_link_to_their_next_page() -> None:
    replies = {"blocks?limit=2&order=asc&block.number=gt:17": NO_BLOCKS, "blocks?block.number=gte:16": TWO_BLOCKS}
    async with reading({**replies, "blocks": NO_BLOCKS}) as (source, served):
        blocks = await source.blocks([BlockNumber(17), BlockNumber(16), BlockNumber(18)])
    assert [block and (block.number, block.hash[:12]) for block in blocks] == [
        (17, "0xb0162e8a24"),
        (16, "0xfbd921184e"),
        None,
    ]
    assert served.requests[-1] == ("/api/v1/blocks?limit=2&order=asc&block.number=gt:17", b"")


async def test_a_log() -> None:
    replies = {"blocks": LOG_BLOCK, f"contracts/{LOG_CONTRACT}/results/logs": LOGS}
    async with reading(replies) as (source, served):
        (log,) = await source.logs(
            LogQuery(frozenset({LOG_CONTRACT})), from_block=BlockNumber(1), to_block=BlockNumber(1)
        )
    assert log == RawLog(
        contract=LOG_CONTRACT.value,
        topics=tuple(
            bytes.fromhex(topic)
            for topic in (
                "97c1fc0a6ed5551bc831571325e9bdb365d06803100dc20648640ba24ce69750",
                "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
                "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
                "e8d47b56e8cdfa95f871b19d4f50a857217c44a95502b0811a350fec1500dd67",
            )
        ),
        data=(0x123).to_bytes(32, "big"),
        block_number=BlockNumber(1),
        block_hash=LOG_BLOCK_HASH,
        transaction_hash=LOG_HASH,
        log_index=1,
        has_result=False,
    )
    assert [path for path, _ in served.requests] == [
        "/api/v1/blocks?block.number=gte:1&block.number=lte:1&order=asc&limit=100",
        f"/api/v1/contracts/{LOG_CONTRACT}/results/logs?{LOG_PARAMETERS}",
        f"/api/v1/contracts/results/{LOG_HASH}",
        f"/api/v1/contracts/results/logs?transaction.hash={LOG_HASH}&limit=1",
    ]


async def test_a_log_by_the_long_zero_address_of_its_contract() -> None:
    by_number = EvmAddress(f"0x{5001:040x}")
    replies = {"blocks": LOG_BLOCK, f"contracts/{by_number}/results/logs": LOGS}
    async with reading(replies) as (source, _):
        (log,) = await source.logs(
            LogQuery(frozenset({by_number})), from_block=BlockNumber(1), to_block=BlockNumber(1)
        )
    assert log.contract == by_number.value


@pytest.mark.parametrize(
    ("path", "transaction_hash", "document"),
    [("contracts/results/0x", RESULT_HASH, RESULT), ("contracts/results/logs", LOG_BY_HASH_HASH, LOG_BY_HASH)],
)
async def test_a_transaction_that_resolves(path: str, transaction_hash: str, document: bytes) -> None:
    logs = LOGS.replace(LOG_HASH.encode(), transaction_hash.encode())
    replies = {"blocks": LOG_BLOCK, f"contracts/{LOG_CONTRACT}/results/logs": logs, path: document}
    async with reading(replies) as (source, _):
        (log,) = await source.logs(
            LogQuery(frozenset({LOG_CONTRACT})), from_block=BlockNumber(1), to_block=BlockNumber(1)
        )
    assert log.has_result


async def test_another_transaction_than_the_one_asked_for_proves_nothing() -> None:
    replies = {"blocks": LOG_BLOCK, "contracts/results/0x": RESULT, "contracts/": LOGS}
    async with reading(replies) as (source, _):
        with pytest.raises(MirrorUnavailableError, match=f"{RESULT_HASH} for {LOG_HASH}"):
            await source.logs(
                LogQuery(frozenset({LOG_CONTRACT})), from_block=BlockNumber(1), to_block=BlockNumber(1)
            )


async def test_a_log_whose_address_is_none_is_refused() -> None:
    replies = {"blocks": LOG_BLOCK, "contracts/": LOG_BY_HASH}
    async with reading(replies) as (source, _):
        with pytest.raises(MirrorUnavailableError, match=r"0xddf252ad.* where there should be an address"):
            await source.logs(
                LogQuery(frozenset({LOG_CONTRACT})), from_block=BlockNumber(1), to_block=BlockNumber(1)
            )


async def test_a_link_is_followed_as_it_came() -> None:
    first = b'{"logs": [1], "links": {"next": "%s"}}' % LINK_OF_LOGS.encode()
    last = b'{"logs": [2], "links": {"next": null}}'

    def reply_to(path: str) -> Reply:
        return Reply(last if path == LINK_OF_LOGS else first)

    with canned_server(reply_to) as served:
        client = MirrorNode(served.url)
        pages = [page async for page in client.pages("contracts/results/logs", [], "logs", most_pages=2)]
        await client.close()
    assert pages == [[1], [2]]
    assert served.requests[-1] == (LINK_OF_LOGS, b"")


async def test_entities() -> None:
    replies = {
        "contracts/0.0.2": CONTRACT,
        "contracts/0x0000000000000000000000000000000000001f41": CONTRACT,
        "accounts/0.0.8": ACCOUNT,
        "tokens/0.10.1": TOKEN,
    }
    async with reading(replies) as (source, _):
        contract = await source.resolve(HederaId(0, 0, 2), "token")
        assert contract == EvmAddress("0x0000000000000000000000000000000000001f41")
        assert await source.hedera_id(contract) == "0.0.2"
        assert await source.has_code(contract)
        account = await source.resolve(HederaId(0, 0, 8), "token")
        assert account == EvmAddress("0xac384c53f03855fa1b3616052f8ba32c6c2a2fec")
        assert await source.resolve(HederaId(0, 10, 1), "token") == EvmAddress("0x" + "0" * 39 + "1")
        with pytest.raises(AppError) as caught:
            await source.resolve(HederaId(0, 0, 9), "payment_token")
        assert (caught.value.reason, caught.value.field) == (Reason.NOT_A_CONTRACT, "payment_token")


async def test_a_deleted_entity_and_an_id_that_cannot_be_are_nobody() -> None:
    deleted = CONTRACT.replace(b'"deleted": false', b'"deleted": true')
    async with reading({"contracts/": deleted, "accounts/": INVALID_PARAMETER}) as (source, _):
        with pytest.raises(AppError) as caught:
            await source.resolve(HederaId(0, 0, 2), "token")
        assert caught.value.reason is Reason.NOT_A_CONTRACT
        assert not await source.has_code(LOG_CONTRACT)


async def test_calls() -> None:
    question = ContractCall(LOG_CONTRACT, bytes.fromhex("47f1aae7"))
    async with reading({"contracts/call": CALL_RESULT}) as (source, served):
        assert await source.call_many([question], BlockNumber(78)) == [bytes.fromhex("0000000000006d8d")]
    assert served.requests == [
        (
            "/api/v1/contracts/call",
            b'{"to": "%s", "data": "0x47f1aae7", "block": "0x4e", "estimate": false}'
            % LOG_CONTRACT.value.encode(),
        )
    ]
    async with reading({"contracts/call": REVERTED}) as (source, _):
        assert await source.call_many([question], BlockNumber(78)) == [None]
    async with reading({"contracts/call": UNKNOWN_BLOCK}) as (source, _):
        with pytest.raises(StateUnavailableError, match="Unknown block number"):
            await source.call_many([question], BlockNumber(78))
    async with reading({"contracts/call": INVALID_PARAMETER}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="Invalid parameter"):
            await source.call_many([question], BlockNumber(78))


async def test_errors() -> None:
    async with reading({"blocks": UNAVAILABLE}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="HTTP 500: Require at least 1/3 signature files"):
            await source.head()
    async with reading({"blocks": INVALID_PARAMETER}) as (source, _):
        for question in (source.head, lambda: source.blocks([BlockNumber(1)]), source.identity):
            with pytest.raises(MirrorUnavailableError, match=r"Invalid parameter: account\.id"):
                await question()


def test_every_document_is_cited() -> None:
    assert {path.stem for path in _FOLDER.iterdir()} == CITATIONS.keys()


def test_the_example_of_a_timestamp() -> None:
    assert parse_timestamp("1586567700.453054000") == 1_586_567_700_453_054_000
