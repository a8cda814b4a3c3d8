"""The record of chain_sync_service over real gRPC: pages, what it covers, and its refusals."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from eth_abi.abi import encode

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.rpc import JsonRpc, Log, RpcRefusedError
from libs.grpc_kit.peer import open_channel
from payout_service.infrastructure.chain.recorded_executions import RecordedExecutions
from payout_service.infrastructure.peers.chain_sync_peer import ChainSyncPeer, RecordedLogs
from tests.support.payout.fake_chain_sync import FakeChainSync
from tests.support.payout.memory_chain import CONTRACT, TOKEN, holder

ASSET_ID = uuid4()
EVENT = interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED
BLOCKS = (5, 9, 9, 12, 30)


def log(block_number: int, index: int = 0) -> Log:
    payee = holder(index)
    data = encode(EVENT.inputs, [7, [payee], [], [payee], [block_number]])
    transaction_hash = f"0x{block_number:063x}{index}"
    return Log(
        str(CONTRACT),
        (EVENT.topic,),
        data,
        BlockNumber(block_number),
        f"0x{block_number:064x}",
        transaction_hash,
        index,
    )


LOGS = [log(number, index) for index, number in enumerate(BLOCKS)]


@asynccontextmanager
async def serving(last_block: int = 20) -> AsyncIterator[tuple[FakeChainSync, ChainSyncPeer]]:
    served = FakeChainSync(f"assets/{ASSET_ID}", CONTRACT, LOGS, first_block=2, last_block=last_block)
    channel = open_channel(await served.start())
    try:
        yield served, ChainSyncPeer(channel)
    finally:
        await channel.close()
        await served.stop()


async def test_all_pages_are_read_with_what_they_cover() -> None:
    async with serving() as (served, peer):
        recorded = await peer.execution_logs(
            ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25)
        )
        assert recorded == RecordedLogs(first_block=BlockNumber(2), last_block=BlockNumber(20), logs=LOGS[:4])
        assert len(served.requests) == 2
        assert all(request.page_size <= 16 for request in served.requests), "a page stays below 4 MB"
        assert await peer.execution_logs(
            ASSET_ID, CONTRACT, from_block=BlockNumber(9), to_block=BlockNumber(9)
        ) == RecordedLogs(first_block=BlockNumber(9), last_block=BlockNumber(9), logs=LOGS[1:3])


@pytest.mark.parametrize(("from_block", "to_block"), [(0, 1), (21, 40)])
async def test_what_it_has_not_read_it_does_not_cover(from_block: int, to_block: int) -> None:
    async with serving() as (_, peer):
        assert (
            await peer.execution_logs(
                ASSET_ID, CONTRACT, from_block=BlockNumber(from_block), to_block=BlockNumber(to_block)
            )
            is None
        )


async def test_before_its_first_block_it_covers_nothing() -> None:
    async with serving(last_block=-1) as (_, peer):
        assert (
            await peer.execution_logs(ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25))
            is None
        )


async def test_a_position_that_goes_back_takes_its_logs_back() -> None:
    async with serving() as (served, peer):
        served.last_block_later = 8
        assert await peer.execution_logs(
            ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25)
        ) == RecordedLogs(first_block=BlockNumber(2), last_block=BlockNumber(8), logs=LOGS[:1])


async def test_a_listener_of_another_contract_covers_nothing() -> None:
    async with serving() as (served, peer):
        served.lifecycle_contract = TOKEN
        assert (
            await peer.execution_logs(ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25))
            is None
        )
        assert served.requests == []


async def test_its_refusal_and_its_absence_have_names() -> None:
    async with serving() as (served, peer):
        served.refusal = AppError(Reason.ASSET_NOT_YET_KNOWN, "not yet", field="asset")
        with pytest.raises(AppError) as refused:
            await peer.execution_logs(ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25))
        assert refused.value.reason is Reason.ASSET_NOT_YET_KNOWN
        await served.stop()
        with pytest.raises(AppError) as away:
            await peer.execution_logs(ASSET_ID, CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(25))
        assert away.value.reason is Reason.PEER_UNAVAILABLE


async def test_a_pruned_node_and_the_record_tell_everything_together() -> None:
    class PrunedNode(JsonRpc):
        async def logs(self, address: str, topics: Sequence[object], from_block: int, to_block: int) -> list[Log]:
            if from_block <= 15:
                raise RpcRefusedError(-32000, "pruned history unavailable", b"")
            return [each for each in LOGS if from_block <= each.block_number <= to_block]

    async def assets_of_contract(contract: EvmAddress) -> list[UUID]:
        return [ASSET_ID]

    async with serving() as (_, peer):
        contracts = RecordedExecutions(PrunedNode("http://nowhere"), peer, assets_of_contract)
        found = await contracts.executions(CONTRACT, from_block=BlockNumber(3), to_block=BlockNumber(40))
    assert [each.block_number for each in found] == list(BLOCKS)
    assert [each.event.paid for each in found] == [{holder(index): number} for index, number in enumerate(BLOCKS)]
