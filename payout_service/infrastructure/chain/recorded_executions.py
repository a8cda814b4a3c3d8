"""Reads old executions of lifecycle contracts from chain_sync_service when the node no longer has them."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError
from libs.evm.rpc import JsonRpc
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.infrastructure.chain.executions import seen_executions
from payout_service.infrastructure.chain.lifecycle_contract import EvmLifecycleContract
from payout_service.infrastructure.chain.reader import LogsRefusedError
from payout_service.infrastructure.peers.chain_sync_peer import ChainSyncPeer, RecordedLogs

AssetsOfContract = Callable[[EvmAddress], Awaitable[Sequence[UUID]]]


class RecordedExecutions(EvmLifecycleContract):
    """Wraps the port to the lifecycle contract. It asks chain_sync_service for the executions that the node
    refuses.

    What chain_sync_service has read counts as what the node tells: it is the same logs, decoded by the same code,
    and whoever pays or settles by them reads the receipts from the node besides.
    """

    def __init__(self, rpc: JsonRpc, chain_sync: ChainSyncPeer, assets_of_contract: AssetsOfContract) -> None:
        super().__init__(rpc)
        self._chain_sync = chain_sync
        self._assets_of_contract = assets_of_contract

    async def executions(
        self, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenExecution]:
        """Raises LogsRefusedError where neither has a block."""
        try:
            return await super().executions(contract, from_block=from_block, to_block=to_block)
        except LogsRefusedError as refusal:
            recorded = await self._recorded(contract, from_block, to_block, refusal)
        before = await super().executions(
            contract, from_block=from_block, to_block=BlockNumber(recorded.first_block - 1)
        )
        after = await super().executions(
            contract, from_block=BlockNumber(recorded.last_block + 1), to_block=to_block
        )
        return [*before, *seen_executions(recorded.logs), *after]

    async def _recorded(
        self, contract: EvmAddress, from_block: BlockNumber, to_block: BlockNumber, refusal: LogsRefusedError
    ) -> RecordedLogs:
        """Returns what is on record for any of the contract's assets. Raises LogsRefusedError when nothing is."""
        why = f"chain_sync_service has not read {contract} there"
        for asset_id in await self._assets_of_contract(contract):
            try:
                recorded = await self._chain_sync.execution_logs(
                    asset_id, contract, from_block=from_block, to_block=to_block
                )
            except AppError as error:
                why = f"chain_sync_service answered {error.reason}: {error.message}"
                continue
            if recorded is not None:
                return recorded
        raise LogsRefusedError(f"{refusal.message}; {why}") from refusal
