"""The chain as the follower reads it, over JSON-RPC."""

from collections.abc import Sequence

from chain_sync_service.application.ports import ChainIdentity, WindowRefusedError
from chain_sync_service.domain.blocks import BlockRef, Transfer, UndecodableLog, WindowLogs
from libs.chain.address import EvmAddress
from libs.evm.abi import UndecodableError
from libs.evm.interfaces import TRANSFER
from libs.evm.rpc import BlockHeader, JsonRpc, Log, RpcRefusedError, RpcUnavailableError


class EvmChainReader:
    """See the port. A JSON-RPC error is no answer, except to a request for logs, where it has a meaning."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    async def chain_id(self) -> int:
        """See the port."""
        try:
            return await self._rpc.chain_id()
        except RpcRefusedError as error:
            raise _no_answer(error) from error

    async def identity(self) -> ChainIdentity:
        """See the port."""
        chain_id = await self.chain_id()
        (genesis,) = await self.blocks([0])
        if genesis is None:
            raise RpcUnavailableError("the node does not have the first block")
        return ChainIdentity(chain_id, genesis.hash)

    async def head(self) -> BlockRef:
        """See the port."""
        try:
            return _ref(await self._rpc.latest_block())
        except RpcRefusedError as error:
            raise _no_answer(error) from error

    async def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        """See the port."""
        try:
            headers = await self._rpc.blocks(numbers)
        except RpcRefusedError as error:
            raise _no_answer(error) from error
        return [_ref(header) if header else None for header in headers]

    async def transfers(self, token: EvmAddress, from_block: int, to_block: int) -> WindowLogs:
        """See the port."""
        try:
            logs = await self._rpc.logs(token.value, ["0x" + TRANSFER.topic.hex()], from_block, to_block)
        except RpcRefusedError as error:
            raise WindowRefusedError(str(error)) from error
        transfers, undecodable = [], []
        for log in logs:
            if log.address != token.value or not from_block <= log.block_number <= to_block:
                raise WindowRefusedError("the node answered with logs that were not asked for")
            try:
                transfers.append(_transfer(log))
            except UndecodableError as error:
                undecodable.append(_undecodable(log, error))
        end_hashes = frozenset(log.block_hash for log in logs if log.block_number == to_block)
        return WindowLogs(tuple(transfers), tuple(undecodable), end_hashes)


def _ref(header: BlockHeader) -> BlockRef:
    return BlockRef(header.number, header.hash)


def _transfer(log: Log) -> Transfer:
    sender, receiver, amount = TRANSFER.decode(log.topics, log.data)
    return Transfer(
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
        block_number=log.block_number,
        sender=sender.lower(),
        receiver=receiver.lower(),
        amount=amount,
    )


def _undecodable(log: Log, error: UndecodableError) -> UndecodableLog:
    return UndecodableLog(
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
        block_number=log.block_number,
        block_hash=log.block_hash,
        topics=log.topics,
        data=log.data,
        problem=str(error),
    )


def _no_answer(error: RpcRefusedError) -> RpcUnavailableError:
    return RpcUnavailableError(f"the node refused: {error}")
