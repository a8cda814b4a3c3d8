"""The base class of the readers of contracts: reads at a fixed block, roles, logs in windows, a receipt's logs."""

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from libs.chain.quantities import BlockNumber, HolderAddress
from libs.evm import interfaces
from libs.evm.abi import Function
from libs.evm.rpc import CallRevertedError, JsonRpc, Log, RpcRefusedError, RpcUnavailableError, parse_log
from libs.evm.tokens import try_call

_T = TypeVar("_T")

# A Hedera relay's most (docs/facts-hedera.md#relay-limits); other nodes' limits are found by halving.
_MOST_BLOCKS_IN_A_WINDOW = 1_000


class LogsRefusedError(RpcUnavailableError):
    """The node refuses the logs of even one block: a relay's limit, or the block is older than what it keeps."""


class EvmReader:
    """Reads contracts through one node. It retries nothing; the engine decides that."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    async def _read(self, contract: str, function: Function, *arguments: object, block: str) -> tuple[Any, ...]:
        """Returns the decoded answer at a block. Raises RpcUnavailableError and CallRevertedError."""
        return await _answered(self._rpc.call(contract, function, *arguments, block=block), function, block)

    async def _read_each(
        self, contract: str, function: Function, arguments: Sequence[Sequence[object]], block: str
    ) -> list[tuple[Any, ...]]:
        """Returns decoded answers for many arguments, in order, in as few requests as possible.

        Raises as `_read`.
        """
        return await _answered(self._rpc.call_many(contract, function, arguments, block), function, block)

    async def _page_of_holders(
        self, token: str, function: Function, arguments: Sequence[object], page: int, length: int, block: str
    ) -> list[HolderAddress]:
        """Returns a page of a list of holders. Raises as `_read`.

        Versions 2 to 6 of the asset begin every page of a snapshot's list with its first holder: such a page is
        the end of one that begins there and is longer.
        """
        (holders,) = await self._read(token, function, *arguments, page, length, block=block)
        if page == 0 or not holders:
            return list(holders)
        (first,) = await self._read(token, function, *arguments, 0, 1, block=block)
        if list(first) != [holders[0]]:
            return list(holders)
        start = page * length
        (longer,) = await self._read(token, function, *arguments, 0, start + len(holders), block=block)
        return list(longer[start:])

    async def _newest_block(self) -> str:
        """Returns the newest block's number, so that several reads can see the same block."""
        return hex((await self._rpc.latest_block()).number)

    async def _holds_any_role(self, contract: str, roles: Sequence[bytes], account: str) -> bool:
        """Returns True if the account has one of the roles. Versions of the asset name a role differently."""
        for role in roles:
            answer = await try_call(
                self._rpc, contract, interfaces.HAS_ROLE_ON_ASSET, role, account, block="latest"
            )
            if answer and answer[0]:
                return True
        return False

    async def _logs(
        self, contract: str, topics: Sequence[object], from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        """Returns logs of a range of blocks. Windows halve when the node refuses one, and grow again.

        Raises RpcUnavailableError; LogsRefusedError when the node refuses a single block.
        """
        found: list[Log] = []
        size = _MOST_BLOCKS_IN_A_WINDOW
        while from_block <= to_block:
            size = min(size, to_block - from_block + 1)
            try:
                found += await self._rpc.logs(
                    contract, topics, from_block=from_block, to_block=BlockNumber(from_block + size - 1)
                )
            except RpcRefusedError as refusal:
                if size == 1:
                    raise LogsRefusedError(
                        f"the node refused the logs of block {from_block}: {refusal}"
                    ) from refusal
                size //= 2
                continue
            from_block = BlockNumber(from_block + size)
            size = min(2 * size, _MOST_BLOCKS_IN_A_WINDOW)
        return found

    async def _receipt_logs(self, transaction_hash: str) -> list[Log]:
        """Returns the logs in a final transaction's receipt.

        Raises RpcUnavailableError if the node has no receipt.
        """
        receipt = await self._rpc.request("eth_getTransactionReceipt", transaction_hash)
        if receipt is None:
            # It was final when it was recorded: this node lags or is another one.
            raise RpcUnavailableError(f"the node has no receipt of {transaction_hash}")
        return [parse_log(entry) for entry in receipt["logs"]]


async def _answered(answer: Awaitable[_T], function: Function, block: str) -> _T:
    try:
        return await answer
    except CallRevertedError:
        raise
    except RpcRefusedError as refusal:
        # One of several nodes that does not have the block yet, in words of its own.
        raise RpcUnavailableError(f"the node refused {function.name} at {block}: {refusal}") from refusal
