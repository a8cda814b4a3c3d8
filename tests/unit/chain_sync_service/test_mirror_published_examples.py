"""The mirror source reads what the mirror node's own documents show, served byte for byte.

The documents are facts under test, each with where it is published:

OPENAPI  hiero-ledger/hiero-mirror-node, rest/api/v1/openapi.yml (version 0.136.0), its examples written as JSON
SPECS    hiero-ledger/hiero-mirror-node, rest/__tests__/specs, the `responseJson` of the file that is named
HIP-1008 hashgraph/hedera-improvement-proposal, HIP/hip-1008.md, Specification, Response
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from chain_sync_service.application.source import ContractCall, LogQuery, StateUnavailableError
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from chain_sync_service.infrastructure.mirror_source import MirrorSource
from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError, Reason
from libs.hedera.mirror import MirrorNode, MirrorRefusedError, MirrorUnavailableError, parse_timestamp
from tests.support.mirror_node.canned import CannedServer, Reply, canned_server

# OPENAPI: components.responses.NotFoundError
NOT_FOUND = Reply(b'{"_status": {"messages": [{"message": "Not found"}]}}', 404)
# OPENAPI: components.responses.InvalidParameterError, its first message
INVALID_PARAMETER = Reply(b'{"_status": {"messages": [{"message": "Invalid parameter: account.id"}]}}', 400)
# OPENAPI: components.responses.ServiceUnavailableError
UNAVAILABLE = Reply(
    b'{"_status": {"messages": [{"message": "Require at least 1/3 signature files to prove consensus, got 1 out of '
    b'4 for file 2019-10-11T13_33_25.526889Z.rcd_sig"}]}}',
    500,
)

# OPENAPI: components.schemas.Block, example, without logs_bloom; in a list as in BlocksResponse
NEWEST_BLOCK = b"""{"blocks": [{
  "count": 3,
  "gas_used": 300000,
  "hapi_version": "0.11.0",
  "hash": "0x3c08bbbee74d287b1dcd3f0ca6d1d2cb92c90883c4acf9747de9f3f3162ad25b999fc7e86699f60f2a3fb3ed9a646c6b",
  "name": "2022-05-03T06_46_26.060890949Z.rcd",
  "number": 77,
  "previous_hash": "0xf7d6481f659c866c35391ee230c374f163642ebf13a5e604e04a95a9ca48a298dc2dfa10f51bcbaab8ae23bc6d662a0b",
  "size": 8192,
  "timestamp": {"from": "1651560386.060890949", "to": "1651560386.661997287"}
}], "links": {"next": null}}"""

# SPECS: blocks/limit-order-asc-params.json
TWO_BLOCKS = b"""{
  "blocks": [
    {
      "count": 3,
      "gas_used": 0,
      "hapi_version": "0.22.3",
      "hash": "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0492bf793a150769b1b4fb2c9b7cb4c1c",
      "logs_bloom": "0x",
      "name": "2022-04-27T12_09_24.499938763Z.rcd",
      "number": 16,
      "previous_hash": "0x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      "receipts_root": "0x56e91f271bcc54a6ff8345e692c0f86e5b48e21b936caed001722fb5e363b425",
      "size": 6,
      "timestamp": {"from": "1676540001.234390000", "to": "1676540001.234490000"}
    },
    {
      "count": 5,
      "gas_used": 0,
      "hapi_version": "0.22.3",
      "hash": "0xb0162e8a244dc05fbd6f321445b14dddf0e94b00eb169b58ff77b1b5206c12782457f7f1a2ae8cea890f378542ac7216",
      "logs_bloom": "0x",
      "name": "2022-04-27T12_24_30.768994443Z.rcd",
      "number": 17,
      "previous_hash": "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0492bf793a150769b1b4fb2c9b7cb4c1c",
      "receipts_root": "0x56e91f271bcc54a6ff8345e692c0f86e5b48e21b936caed001722fb5e363b425",
      "size": 6,
      "timestamp": {"from": "1676540001.234500000", "to": "1676540001.234600000"}
    }
  ],
  "links": {"next": "/api/v1/blocks?limit=2&order=asc&block.number=gt:17"}
}"""
NO_BLOCKS = b'{"blocks": [], "links": {"next": null}}'

# SPECS: contracts/{id}/results/logs/matching-logs.json, and the record file of its setup as a block
LOG_CONTRACT = EvmAddress("0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3")
LOG_HASH = "0x9db63968721fc76815d11b0b97734669bf88ae3810e07c199924553f0548eb98"
LOG_BLOCK_HASH = "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0"
LOGS = b"""{
  "logs": [
    {
      "address": "0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3",
      "bloom": "0x0123",
      "contract_id": "0.0.5001",
      "data": "0x0000000000000000000000000000000000000000000000000000000000000123",
      "index": 1,
      "root_contract_id": null,
      "timestamp": "1639010141.000000000",
      "topics": [
        "0x97c1fc0a6ed5551bc831571325e9bdb365d06803100dc20648640ba24ce69750",
        "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
        "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        "0xe8d47b56e8cdfa95f871b19d4f50a857217c44a95502b0811a350fec1500dd67"
      ],
      "transaction_hash": "0x9db63968721fc76815d11b0b97734669bf88ae3810e07c199924553f0548eb98",
      "transaction_index": 1,
      "block_hash": "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0492bf793a150769b1b4fb2c9b7cb4c1a",
      "block_number": 1
    }
  ],
  "links": {"next": null}
}"""
LOG_BLOCK = b"""{"blocks": [{
  "hash": "0xfbd921184e229e2051280d827ba3b31599117af7eafba65dc0e5a998b70c48c0492bf793a150769b1b4fb2c9b7cb4c1a",
  "number": 1,
  "timestamp": {"from": "1639010141.000000000", "to": "1639010141.500000000"}
}], "links": {"next": null}}"""

# SPECS: contracts/results/{id}/transactionid-or-hash.json, without its four lists
RESULT_HASH = "0x4a563af33c4871b51a8b108aa2fe1dd5280a30dfb7236170ae5e5e7957eb6392"
RESULT = b"""{
  "amount": 2000000000,
  "block_gas_used": 50000000,
  "block_hash": "0x6ceecd8bb224da491",
  "block_number": 17,
  "bloom": "0x0505",
  "call_result": "0x0606",
  "chain_id": "0x",
  "contract_id": "0.0.5001",
  "created_contract_ids": ["0.0.7001"],
  "error_message": null,
  "address": "0x25fe26adc577cc89172e6156c9e24f7b9751b762",
  "failed_initcode": null,
  "from": "0x0000000000000000000000000000000000001f41",
  "function_parameters": "0x0707",
  "gas_consumed": 123,
  "gas_limit": 1000000,
  "gas_price": "0x4a817c80",
  "gas_used": 123,
  "hash": "0x4a563af33c4871b51a8b108aa2fe1dd5280a30dfb7236170ae5e5e7957eb6392",
  "max_fee_per_gas": "0x",
  "max_priority_fee_per_gas": "0x",
  "nonce": 1,
  "r": "0xd693b532a80fed6392b428604171fb32fdbf953728a3a7ecc7d4062b1652c042",
  "result": "SUCCESS",
  "s": "0x24e9c602ac800b983b035700a14b23f78a253ab762deab5dc27e3555a750b354",
  "status": "0x1",
  "timestamp": "167654.000123456",
  "to": "0x0000000000000000000000000000000000001389",
  "transaction_index": 1,
  "type": 2,
  "v": 1
}"""

# HIP-1008, whose log's address is an event's topic, as in OPENAPI: components.schemas.ContractResultLog
LOG_BY_HASH_HASH = "0xda1aee3c386763b2cb2e830765053e346d11deff1c343a5fefe84910f9dfe63b"
LOG_BY_HASH = b"""{
  "logs": [
    {
      "address": "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
      "bloom": "0x549358c4c2e573e02410ef7b5a5ffa5f36dd7398",
      "contract_id": "0.0.2",
      "data": "0x00000000000000000000000000000000000000000000000000000000000000fa",
      "index": 0,
      "topics": [
        "0xf4757a49b326036464bec6fe419a4ae38c8a02ce3e68bf0809674f6aab8ad300"
      ],
      "block_hash": "0x553f9311833391c0a3b2f9ed64540a89f2190a511986cd94889f1c0cf7fa63e898b1c6730f14a61755d1fb4ca05fb073",
      "block_number": 10,
      "root_contract_id": "0.0.2",
      "timestamp": "1586567700.453054000",
      "transaction_hash": "0xda1aee3c386763b2cb2e830765053e346d11deff1c343a5fefe84910f9dfe63b",
      "transaction_index": 1
    }
  ],
  "links": {
    "next": null
  }
}"""

# SPECS: contracts/results/logs/pagination-index-timestamp.json, links of the first test
LINK_OF_LOGS = "/api/v1/contracts/results/logs?limit=1&order=asc&timestamp=gte:1639010141.000000000&index=gt:1"

# OPENAPI: components.schemas.Contract, examples of the properties
CONTRACT = b"""{
  "contract_id": "0.0.2",
  "deleted": false,
  "evm_address": "0000000000000000000000000000000000001f41",
  "memo": "contract memo",
  "nonce": 1
}"""
# OPENAPI: components.schemas.AccountInfo, example, without balance
ACCOUNT = b"""{
  "account": "0.0.8",
  "alias": "HIQQEXWKW53RKN4W6XXC4Q232SYNZ3SZANVZZSUME5B5PRGXL663UAQA",
  "auto_renew_period": null,
  "created_timestamp": "1562591528.000123456",
  "decline_reward": false,
  "deleted": false,
  "ethereum_nonce": 10,
  "evm_address": "0xac384c53f03855fa1b3616052f8ba32c6c2a2fec",
  "expiry_timestamp": null,
  "key": null,
  "max_automatic_token_associations": 200,
  "memo": "entity memo",
  "pending_reward": 100,
  "receiver_sig_required": false,
  "staked_account_id": null,
  "staked_node_id": 3,
  "stake_period_start": "172800000.000000000"
}"""
# OPENAPI: paths./api/v1/tokens/{tokenId}.get, example FungibleToken, without keys and fees
TOKEN = b"""{
  "auto_renew_account": "0.1.2",
  "created_timestamp": "1234567890.000000001",
  "deleted": false,
  "decimals": 1000,
  "freeze_default": false,
  "initial_supply": 1000000,
  "max_supply": 9223372036854776000,
  "memo": "token memo",
  "modified_timestamp": "1234567890.000000001",
  "name": "Token name",
  "pause_status": "UNPAUSED",
  "supply_type": "INFINITE",
  "symbol": "ORIGINALRDKSE",
  "token_id": "0.10.1",
  "total_supply": 1000000,
  "treasury_account_id": "0.1.2",
  "type": "FUNGIBLE_COMMON"
}"""
# OPENAPI: components.schemas.ContractCallResponse
CALL_RESULT = b'{"result": "0x0000000000006d8d"}'
# OPENAPI: components.schemas.Error, with the message of a revert as the API names it (its web3 module)
REVERTED = Reply(
    b'{"_status": {"messages": [{"data": "0x3000", "detail": "Generic detailed error message", '
    b'"message": "CONTRACT_REVERT_EXECUTED"}]}}',
    400,
)
# The same with the module's message for a block that it does not have.
UNKNOWN_BLOCK = Reply(b'{"_status": {"messages": [{"message": "Unknown block number"}]}}', 400)


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
            77,
            "0x3c08bbbee74d287b1dcd3f0ca6d1d2cb92c90883c4acf9747de9f3f3162ad25b",
            datetime(2022, 5, 3, 6, 46, 26, 661_997, UTC),
        )
    assert served.requests == [("/api/v1/blocks?order=desc&limit=1", b"")]


async def test_blocks_with_the_link_to_their_next_page() -> None:
    replies = {"blocks?limit=2&order=asc&block.number=gt:17": NO_BLOCKS, "blocks?block.number=gte:16": TWO_BLOCKS}
    async with reading({**replies, "blocks": NO_BLOCKS}) as (source, served):
        blocks = await source.blocks([17, 16, 18])
    assert [block and (block.number, block.hash[:12]) for block in blocks] == [
        (17, "0xb0162e8a24"),
        (16, "0xfbd921184e"),
        None,
    ]
    assert served.requests[-1] == ("/api/v1/blocks?limit=2&order=asc&block.number=gt:17", b"")


async def test_a_log() -> None:
    replies = {"blocks": LOG_BLOCK, f"contracts/{LOG_CONTRACT}/results/logs": LOGS}
    async with reading(replies) as (source, served):
        (log,) = await source.logs(LogQuery(frozenset({LOG_CONTRACT})), 1, 1)
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
        block_number=1,
        block_hash=LOG_BLOCK_HASH,
        transaction_hash=LOG_HASH,
        log_index=1,
        has_result=False,
    )
    assert [path for path, _ in served.requests] == [
        "/api/v1/blocks?block.number=gte:1&block.number=lte:1&order=asc&limit=100",
        f"/api/v1/contracts/{LOG_CONTRACT}/results/logs?timestamp=gte:1639010141.000000000"
        "&timestamp=lte:1639010141.500000000&order=asc&limit=100",
        f"/api/v1/contracts/results/{LOG_HASH}",
        f"/api/v1/contracts/results/logs?transaction.hash={LOG_HASH}&limit=1",
    ]


async def test_a_log_by_the_long_zero_address_of_its_contract() -> None:
    by_number = EvmAddress(f"0x{5001:040x}")
    replies = {"blocks": LOG_BLOCK, f"contracts/{by_number}/results/logs": LOGS}
    async with reading(replies) as (source, _):
        (log,) = await source.logs(LogQuery(frozenset({by_number})), 1, 1)
    assert log.contract == by_number.value


@pytest.mark.parametrize(
    ("path", "transaction_hash", "document"),
    [("contracts/results/0x", RESULT_HASH, RESULT), ("contracts/results/logs", LOG_BY_HASH_HASH, LOG_BY_HASH)],
)
async def test_a_transaction_that_resolves(path: str, transaction_hash: str, document: bytes) -> None:
    logs = LOGS.replace(LOG_HASH.encode(), transaction_hash.encode())
    replies = {"blocks": LOG_BLOCK, f"contracts/{LOG_CONTRACT}/results/logs": logs, path: document}
    async with reading(replies) as (source, _):
        (log,) = await source.logs(LogQuery(frozenset({LOG_CONTRACT})), 1, 1)
    assert log.has_result


async def test_another_transaction_than_the_one_asked_for_proves_nothing() -> None:
    replies = {"blocks": LOG_BLOCK, "contracts/results/0x": RESULT, "contracts/": LOGS}
    async with reading(replies) as (source, _):
        with pytest.raises(MirrorUnavailableError, match=f"{RESULT_HASH} for {LOG_HASH}"):
            await source.logs(LogQuery(frozenset({LOG_CONTRACT})), 1, 1)


async def test_a_log_whose_address_is_none_is_refused() -> None:
    replies = {"blocks": LOG_BLOCK, "contracts/": LOG_BY_HASH}
    async with reading(replies) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="0xddf252ad.* where there should be an address"):
            await source.logs(LogQuery(frozenset({LOG_CONTRACT})), 1, 1)


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
        assert await source.call_many([question], 78) == [bytes.fromhex("0000000000006d8d")]
    assert served.requests == [
        (
            "/api/v1/contracts/call",
            b'{"to": "0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3", "data": "0x47f1aae7", "block": "0x4e", '
            b'"estimate": false}',
        )
    ]
    async with reading({"contracts/call": REVERTED}) as (source, _):
        assert await source.call_many([question], 78) == [None]
    async with reading({"contracts/call": UNKNOWN_BLOCK}) as (source, _):
        with pytest.raises(StateUnavailableError, match="Unknown block number"):
            await source.call_many([question], 78)
    async with reading({"contracts/call": INVALID_PARAMETER}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="Invalid parameter"):
            await source.call_many([question], 78)


async def test_errors() -> None:
    async with reading({"blocks": UNAVAILABLE}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="HTTP 500: Require at least 1/3 signature files"):
            await source.head()
    async with reading({"blocks": INVALID_PARAMETER}) as (source, _):
        with pytest.raises(AppError) as caught:
            await source.head()
        assert caught.value.reason is Reason.CHAIN_UNAVAILABLE
        with pytest.raises(MirrorRefusedError, match="Invalid parameter: account.id"):
            await source.blocks([1])


def test_a_timestamp() -> None:
    # OPENAPI: components.schemas.Timestamp
    assert parse_timestamp("1586567700.453054000") == 1_586_567_700_453_054_000
