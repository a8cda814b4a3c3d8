"""Reads the chain from an EVM node, over JSON-RPC."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from chain_sync_service.application.source import (
    ChainIdentity,
    ContractCall,
    LogQuery,
    StateUnavailableError,
    WindowRefusedError,
)
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm.interfaces import TRANSFER
from libs.evm.rpc import BlockHeader, JsonRpc, Log, RpcRefusedError, RpcUnavailableError

# Nobody has its key and nothing is deployed there: a call to it succeeds with an empty answer.
_NO_CONTRACT = "0x000000000000000000000000000000000000dEaD"

# Some 20,000 logs, which take ten times as much memory once they are read; a node may have no limit of its own.
_MAX_ANSWER_BYTES = 13_000_000


class EvmSource:
    """A JSON-RPC error is treated as no answer, unless a method says otherwise."""

    kind = "evm"

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    async def identity(self) -> ChainIdentity:
        try:
            chain_id = await self._rpc.chain_id()
        except RpcRefusedError as error:
            raise _no_answer(error) from error
        (genesis,) = await self.blocks([BlockNumber(0)])
        if genesis is None:
            raise RpcUnavailableError("the node does not have the first block")
        return ChainIdentity(chain_id, genesis.hash)

    async def head(self) -> Block:
        try:
            return _block(await self._rpc.latest_block())
        except RpcRefusedError as error:
            raise _no_answer(error) from error

    async def blocks(self, numbers: Sequence[BlockNumber]) -> list[Block | None]:
        try:
            headers = await self._rpc.blocks(numbers)
        except RpcRefusedError as error:
            raise _no_answer(error) from error
        for number, header in zip(numbers, headers, strict=True):
            if header is not None and header.number != number:
                raise RpcUnavailableError(f"the node answered block {header.number} where {number} was asked for")
        return [_block(header) if header else None for header in headers]

    async def logs(self, query: LogQuery, *, from_block: BlockNumber, to_block: BlockNumber) -> list[RawLog]:
        """It makes one request for all contracts, and one more for deposits."""
        found: list[Log] = []
        if query.contracts:
            found += await self._logs(sorted(query.contracts), [], from_block, to_block)
        found += await self._deposits(query.deposits, from_block, to_block)
        return _each_once(found)

    async def _deposits(
        self, deposits: Mapping[EvmAddress, frozenset[EvmAddress]], from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        wanted = {token: receivers for token, receivers in deposits.items() if receivers}
        # Nodes take an empty list of topics for any.
        if not wanted:
            return []
        any_receiver = sorted(set().union(*wanted.values()))
        topics = ["0x" + TRANSFER.topic.hex(), None, ["0x" + _word(receiver).hex() for receiver in any_receiver]]
        logs = await self._logs(sorted(wanted), topics, from_block, to_block)
        # One request for all tokens and all receivers: what goes to another token's receiver was not asked for.
        pairs = {(token.value, _word(receiver)) for token, receivers in wanted.items() for receiver in receivers}
        return [log for log in logs if len(log.topics) > 2 and (log.address, log.topics[2]) in pairs]

    async def call_many(self, calls: Sequence[ContractCall], block_number: BlockNumber) -> list[bytes | None]:
        block = hex(block_number)
        parameters = [({"to": call.contract.value, "data": "0x" + call.data.hex()}, block) for call in calls]
        try:
            # An address without code answers, with nothing.
            return [answer or None for answer in await self._rpc.eth_call_many(parameters)]
        except RpcRefusedError as refusal:
            if not await self._has_state(block):
                raise StateUnavailableError(
                    f"the node does not tell what contracts held at block {block_number}: {refusal}"
                ) from refusal
        # The refusal was about one of the calls: some nodes do not say that a call reverted.
        return [await self._call_or_none(each) for each in parameters]

    async def _call_or_none(self, parameters: Sequence[object]) -> bytes | None:
        try:
            (answer,) = await self._rpc.eth_call_many([parameters])
        except RpcRefusedError:
            return None
        return answer or None

    async def _has_state(self, block: str) -> bool:
        try:
            await self._rpc.eth_call_many([({"to": _NO_CONTRACT, "data": "0x"}, block)])
        except RpcRefusedError:
            return False
        return True

    async def has_code(self, address: EvmAddress) -> bool:
        try:
            return bool(await self._rpc.code(address.value))
        except RpcRefusedError as error:
            raise _no_answer(error) from error

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        """An EVM node knows no Hedera ids."""
        raise AppError(
            Reason.HEDERA_ID_NEEDS_MIRROR_NODE,
            f"{hedera_id} is a Hedera id, and no mirror node is configured that could resolve it: give the EVM "
            "address",
            field=field_name,
        )

    async def hedera_id(self, address: EvmAddress) -> str:
        """An EVM node knows no Hedera ids."""
        return ""

    async def _logs(
        self,
        addresses: Sequence[EvmAddress],
        topics: Sequence[object],
        from_block: BlockNumber,
        to_block: BlockNumber,
    ) -> list[Log]:
        asked_for = {address.value for address in addresses}
        # A single block cannot be asked for in parts.
        max_bytes = _MAX_ANSWER_BYTES if from_block < to_block else None
        try:
            logs = await self._rpc.logs_of_many(
                sorted(asked_for), topics, from_block=from_block, to_block=to_block, max_bytes=max_bytes
            )
        except RpcRefusedError as error:
            raise WindowRefusedError(str(error)) from error
        for log in logs:
            if log.address not in asked_for or not from_block <= log.block_number <= to_block:
                raise WindowRefusedError("the node answered with logs that were not asked for")
        return logs


def _each_once(logs: Sequence[Log]) -> list[RawLog]:
    """Returns the logs in order, each once. Raises WindowRefusedError when two copies of a log differ."""
    by_place: dict[tuple[str, int], Log] = {}
    for log in logs:
        if by_place.setdefault((log.transaction_hash, log.log_index), log) != log:
            raise WindowRefusedError("the node answered two different logs for one place")
    ordered = sorted(by_place.values(), key=lambda log: (log.block_number, log.log_index))
    return [_raw(log) for log in ordered]


def _raw(log: Log) -> RawLog:
    return RawLog(
        contract=log.address,
        topics=log.topics,
        data=log.data,
        block_number=log.block_number,
        block_hash=log.block_hash,
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
    )


def _block(header: BlockHeader) -> Block:
    try:
        time = datetime.fromtimestamp(header.timestamp_seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise RpcUnavailableError(f"the node told of a block at {header.timestamp_seconds}") from error
    return Block(header.number, header.hash, time)


def _word(address: EvmAddress) -> bytes:
    return bytes(12) + bytes.fromhex(address.value[2:])


def _no_answer(error: RpcRefusedError) -> RpcUnavailableError:
    return RpcUnavailableError(f"the node refused: {error}")
