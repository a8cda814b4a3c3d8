"""Old executions: the node is asked first; what it refuses is taken from chain_sync_service's record."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from eth_abi.abi import encode

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.rpc import JsonRpc, Log, RpcRefusedError, RpcUnavailableError
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.domain.settlement import ExecutionEvent, ExecutionKind
from payout_service.infrastructure.chain.reader import LogsRefusedError
from payout_service.infrastructure.chain.recorded_executions import RecordedExecutions
from payout_service.infrastructure.peers.chain_sync_peer import ChainSyncPeer, RecordedLogs
from tests.support.payout.amounts import execution_of, money
from tests.support.payout.memory_chain import CONTRACT, holder

ASSET, OTHER_ASSET = UUID(int=1), UUID(int=2)
PAYEE = holder(0)
# Blocks of the executions, and the newest.
BLOCKS = (3, 1_500, 4_000, 7_000)
HEAD = 7_500


def log(block_number: int, topic: bytes = interfaces.CASH_OUT_BY_ADDRESSES_EXECUTED.topic) -> Log:
    data = encode(["address[]", "address[]", "address[]", "uint256[]"], [[PAYEE], [], [PAYEE], [block_number]])
    return Log(str(CONTRACT), (topic,), data, BlockNumber(block_number), "0xb", f"0x{block_number:064x}", 0)


def seen(*block_numbers: int) -> list[SeenExecution]:
    execution = execution_of(ExecutionKind.CASH_OUT, 0, 0, (PAYEE,))
    return [
        SeenExecution(
            f"0x{number:064x}", BlockNumber(number), ExecutionEvent(execution, (), money({PAYEE: number}))
        )
        for number in block_numbers
    ]


class PrunedNode(JsonRpc):
    """Keeps the logs of some blocks only; refuses the others, or is away."""

    def __init__(self, kept: Sequence[range], *, is_away: bool = False) -> None:
        super().__init__("http://nowhere")
        self._kept = kept
        self._is_away = is_away

    async def logs(self, address: str, topics: Sequence[object], from_block: int, to_block: int) -> list[Log]:
        if self._is_away:
            raise RpcUnavailableError("the node did not answer")
        if not all(any(number in kept for kept in self._kept) for number in (from_block, to_block)):
            raise RpcRefusedError(-32000, "pruned history unavailable", b"")
        return [log(number) for number in BLOCKS if from_block <= number <= to_block]


class Record(ChainSyncPeer):
    """What an asset's listener has read."""

    def __init__(self, covered: range | None, *, asset_id: UUID = ASSET, refusal: AppError | None = None) -> None:
        self._covered = covered
        self._asset_id = asset_id
        self._refusal = refusal
        self.asked: list[tuple[UUID, int, int]] = []

    async def execution_logs(
        self, asset_id: UUID, contract: EvmAddress, from_block: int, to_block: int
    ) -> RecordedLogs | None:
        self.asked.append((asset_id, from_block, to_block))
        if self._refusal:
            raise self._refusal
        if self._covered is None or asset_id != self._asset_id:
            return None
        first, last = max(from_block, self._covered.start), min(to_block, self._covered.stop - 1)
        logs = [log(number) for number in BLOCKS if first <= number <= last]
        # The listener keeps executions by page and by percentage, too.
        return RecordedLogs(
            first_block=BlockNumber(first),
            last_block=BlockNumber(last),
            logs=[*logs, log(first, topic=b"\x01" * 32)],
        )


def contracts(node: JsonRpc, record: Record) -> RecordedExecutions:
    async def assets_of_contract(contract: EvmAddress) -> list[UUID]:
        assert contract == CONTRACT
        return [ASSET, OTHER_ASSET]

    return RecordedExecutions(node, record, assets_of_contract)


async def test_a_node_that_tells_everything_is_enough() -> None:
    record = Record(range(HEAD))
    found = await contracts(PrunedNode([range(HEAD + 1)]), record).executions(
        CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(HEAD)
    )
    assert found == seen(*BLOCKS)
    assert record.asked == []


@pytest.mark.parametrize("asset_id", [ASSET, OTHER_ASSET])
async def test_what_the_node_refuses_is_taken_from_the_record_and_the_rest_from_the_node(asset_id: UUID) -> None:
    """The record ends before the head, and begins behind what the node keeps of old."""
    node = PrunedNode([range(100), range(5_000, HEAD + 1)])
    record = Record(range(50, 6_000), asset_id=asset_id)
    found = await contracts(node, record).executions(
        CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(HEAD)
    )
    assert found == seen(*BLOCKS), "each once, oldest first"
    assert record.asked[-1] == (asset_id, 0, HEAD)


@pytest.mark.parametrize(
    "covered",
    [
        # It began too late, or has not come far enough.
        range(500, HEAD),
        range(2_000),
        None,
    ],
)
async def test_what_neither_tells_is_not_taken_for_nothing(covered: range | None) -> None:
    node = PrunedNode([range(5_000, HEAD + 1)])
    with pytest.raises(LogsRefusedError, match="pruned history unavailable"):
        await contracts(node, Record(covered)).executions(
            CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(HEAD)
        )


async def test_the_reason_names_both() -> None:
    refusal = AppError(Reason.PEER_UNAVAILABLE, "chain_sync_service is away")
    with pytest.raises(RpcUnavailableError) as raised:
        await contracts(PrunedNode([]), Record(None, refusal=refusal)).executions(
            CONTRACT, from_block=BlockNumber(7), to_block=BlockNumber(9)
        )
    assert raised.value.message == (
        "the node refused the logs of block 7: pruned history unavailable (-32000); "
        "chain_sync_service answered PEER_UNAVAILABLE: chain_sync_service is away"
    )


async def test_a_node_that_is_away_is_not_replaced() -> None:
    """It will be back, and the receipts are needed from it besides."""
    record = Record(range(HEAD))
    with pytest.raises(RpcUnavailableError, match="did not answer"):
        await contracts(PrunedNode([], is_away=True), record).executions(
            CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(HEAD)
        )
    assert record.asked == []
