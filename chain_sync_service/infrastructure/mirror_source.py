"""Reads the chain from a Hedera mirror node, over REST.

A mirror node speaks of consensus timestamps, the port of blocks: a window of blocks is asked for by the timestamps
that bound it. What a mirror node shows may be repeated, or not be all there yet
(docs/facts-hedera.md#mirror-node-lag); whatever does not fit together is refused, never skipped.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Generic, TypeVar

from chain_sync_service.application.source import (
    ChainIdentity,
    ContractCall,
    LogQuery,
    StateUnavailableError,
    WindowRefusedError,
)
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from chain_sync_service.infrastructure.mirror_answers import (
    HASH_LENGTH,
    Row,
    Rows,
    Search,
    TimedBlock,
    Window,
    each_once,
    long_zero,
    misplaced,
    read_address,
    read_block,
    read_bytes,
    read_hash,
    word,
)
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.hedera.mirror import (
    MOST_ROWS_A_PAGE,
    MirrorNode,
    MirrorRefusedError,
    MirrorUnavailableError,
    TooManyPagesError,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# Topics in one request; the API takes a hundred values of one parameter.
_MOST_RECEIVERS_A_SEARCH = 50
_MOST_CACHED = 20_000
# A run of blocks is one page and an empty one, and a few more where a server gives fewer rows than asked for.
_MOST_PAGES_OF_BLOCKS = 12

# What the mirror node says of a call that the contract did not answer.
_NOT_ANSWERED = frozenset(
    {
        "CONTRACT_REVERT_EXECUTED",
        "CONTRACT_EXECUTION_EXCEPTION",
        "CONTRACT_DELETED",
        "INVALID_CONTRACT_ID",
        "INVALID_SOLIDITY_ADDRESS",
    }
)
_UNKNOWN_BLOCK = "Unknown block number"
_HTTP_BAD_REQUEST = 400


class MirrorSource:
    """`chain_id` is the configured one, because a mirror node does not report it.

    A contract's logs in a window are one chain of pages, at most `most_pages` of 100 logs. The order of logs is
    that of consensus timestamp and index: the index counts within a transaction.
    """

    kind = "mirror"

    def __init__(self, mirror: MirrorNode, chain_id: int, *, most_pages: int = 200) -> None:
        self._mirror = mirror
        self._chain_id = chain_id
        self._most_pages = most_pages
        self._resolved_transactions = _Recent[str, bool]()
        self._ids_of_receivers = _Recent[EvmAddress, str]()

    async def identity(self) -> ChainIdentity:
        (genesis,) = await self.blocks([BlockNumber(0)])
        if genesis is None:
            raise MirrorUnavailableError("the mirror node does not have the first block")
        return ChainIdentity(self._chain_id, genesis.hash)

    async def head(self) -> Block:
        newest = await self._find("blocks", [("order", "desc"), ("limit", "1")])
        blocks = newest.get("blocks") if newest is not None else None
        if not isinstance(blocks, list) or len(blocks) != 1:
            raise MirrorUnavailableError("the mirror node has no newest block")
        return read_block(blocks[0]).block

    async def blocks(self, numbers: Sequence[BlockNumber]) -> list[Block | None]:
        """It makes one request for each run of up to a hundred consecutive numbers."""
        found = await self._timed_blocks(numbers)
        return [found[number].block if number in found else None for number in numbers]

    async def logs(self, query: LogQuery, *, from_block: BlockNumber, to_block: BlockNumber) -> list[RawLog]:
        window = await self._window(from_block, to_block)
        searches = [search for each in await self._searches(query) for search in each.split(window)]
        found = await _all(self._search(search, window) for search in searches)
        rows = each_once([row for rows in found for row in rows])
        hashes = {row.log.transaction_hash for row in rows}
        resolved = dict(zip(hashes, await _all(self._has_result(each) for each in hashes), strict=True))
        return [replace(row.log, has_result=resolved[row.log.transaction_hash]) for row in rows]

    async def call_many(self, calls: Sequence[ContractCall], block_number: BlockNumber) -> list[bytes | None]:
        return await _all(self._call(call, block_number) for call in calls)

    async def has_code(self, address: EvmAddress) -> bool:
        return bool(await self.hedera_id(address))

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        for kind in ("contracts", "accounts"):
            entity = await self._living(f"{kind}/{hedera_id}")
            if entity is not None and entity.get("evm_address") is not None:
                return read_address(entity["evm_address"])
        if await self._living(f"tokens/{hedera_id}") is not None:
            return long_zero(hedera_id)
        raise AppError(Reason.NOT_A_CONTRACT, f"the mirror node knows no {hedera_id}", field=field_name)

    async def hedera_id(self, address: EvmAddress) -> str:
        entity, name = await self._living(f"contracts/{address}"), "contract_id"
        if entity is None and address.is_long_zero:
            entity, name = await self._living(f"tokens/0.0.{int(address.value, 16)}"), "token_id"
        if entity is None:
            return ""
        told = entity.get(name)
        if not isinstance(told, str) or HederaId.parse(told) is None:
            raise misplaced(told, "a Hedera id")
        return told

    # ------------------------------------------------------------------------------ blocks

    async def _timed_blocks(self, numbers: Iterable[BlockNumber]) -> dict[BlockNumber, TimedBlock]:
        """Returns the blocks that exist, by number."""
        found = await _all(self._run_of_blocks(first, last) for first, last in _runs(numbers))
        return {timed.block.number: timed for run in found for timed in run}

    async def _run_of_blocks(self, first: BlockNumber, last: BlockNumber) -> list[TimedBlock]:
        parameters = [
            ("block.number", f"gte:{first}"),
            ("block.number", f"lte:{last}"),
            ("order", "asc"),
            ("limit", str(MOST_ROWS_A_PAGE)),
        ]
        found: list[TimedBlock] = []
        try:
            async for rows in self._mirror.pages("blocks", parameters, "blocks", most_pages=_MOST_PAGES_OF_BLOCKS):
                found += [read_block(row) for row in rows]
        except MirrorRefusedError as error:
            raise _refused(error) from error
        numbers = [timed.block.number for timed in found]
        if any(not first <= number <= last for number in numbers) or any(a >= b for a, b in pairwise(numbers)):
            raise MirrorUnavailableError(f"the mirror node answered blocks {first} to {last} with {numbers}")
        return found

    async def _window(self, from_block: BlockNumber, to_block: BlockNumber) -> Window:
        timed = await self._timed_blocks({from_block, to_block})
        missing = [number for number in (from_block, to_block) if number not in timed]
        if missing:
            raise MirrorUnavailableError(f"the mirror node does not have block {missing[0]}")
        first, last = timed[from_block], timed[to_block]
        if first.from_nanoseconds > last.to_nanoseconds:
            raise MirrorUnavailableError(f"the mirror node answered that block {from_block} came after {to_block}")
        return Window(
            from_block=from_block,
            to_block=to_block,
            from_nanoseconds=first.from_nanoseconds,
            to_nanoseconds=last.to_nanoseconds,
        )

    # ------------------------------------------------------------------------------ logs

    async def _searches(self, query: LogQuery) -> list[Search]:
        searches = []
        for contract in sorted(query.contracts.union(query.deposits)):
            receivers = await self._spellings(query.deposits.get(contract, frozenset()))
            if contract in query.contracts:
                searches.append(Search(contract, None, receivers))
                continue
            spellings = sorted(receivers)
            for start in range(0, len(spellings), _MOST_RECEIVERS_A_SEARCH):
                only = tuple(spellings[start : start + _MOST_RECEIVERS_A_SEARCH])
                searches.append(Search(contract, only, receivers))
        return searches

    async def _spellings(self, receivers: Iterable[EvmAddress]) -> dict[bytes, bytes]:
        """Returns how the receivers may be written as a topic, and how they are asked for.

        A transfer of a native token that no contract made may name a contract by its number, as long-zero address.
        """
        asked_for = sorted(receivers)
        ids = await _all(self._id_of_receiver(receiver) for receiver in asked_for)
        spellings = {word(receiver): word(receiver) for receiver in asked_for}
        for receiver, told in zip(asked_for, ids, strict=True):
            hedera_id = HederaId.parse(told)
            if hedera_id is not None:
                spellings[word(long_zero(hedera_id))] = word(receiver)
        return spellings

    async def _id_of_receiver(self, receiver: EvmAddress) -> str:
        """Returns the receiver's id. It does not change once it has one."""
        known = self._ids_of_receivers.get(receiver)
        if known is not None:
            return known
        told = await self.hedera_id(receiver)
        if told:
            self._ids_of_receivers.put(receiver, told)
        return told

    async def _search(self, search: Search, window: Window) -> list[Row]:
        rows = Rows(search, window)
        try:
            async for page in self._mirror.pages(
                f"contracts/{search.contract}/results/logs",
                search.parameters,
                "logs",
                most_pages=self._most_pages,
            ):
                rows.take(page)
        except (MirrorRefusedError, TooManyPagesError) as error:
            raise WindowRefusedError(str(error)) from error
        return list(rows.taken.values())

    async def _has_result(self, transaction_hash: str) -> bool:
        """Returns True if the mirror node finds the transaction by its hash.

        One that no contract made, a transfer of a native token say, has no contract result: its logs are looked
        up by its hash instead.
        """
        if self._resolved_transactions.get(transaction_hash):
            return True
        result = await self._find(f"contracts/results/{transaction_hash[:HASH_LENGTH]}")
        if result is None:
            parameters = [("transaction.hash", transaction_hash), ("limit", "1")]
            logs = await self._find("contracts/results/logs", parameters)
            result = next(iter(logs.get("logs") or ()), None) if logs is not None else None
            told = result.get("transaction_hash") if isinstance(result, dict) else None
        else:
            told = result.get("hash")
        if result is None:
            return False
        if read_hash(told)[:HASH_LENGTH] != transaction_hash[:HASH_LENGTH]:
            raise MirrorUnavailableError(f"the mirror node answered transaction {told} for {transaction_hash}")
        self._resolved_transactions.put(transaction_hash, value=True)
        return True

    # ------------------------------------------------------------------------------ contracts

    async def _call(self, call: ContractCall, block_number: BlockNumber) -> bytes | None:
        question: dict[str, object] = {
            "to": call.contract.value,
            "data": "0x" + call.data.hex(),
            "block": hex(block_number),
            "estimate": False,
        }
        try:
            answer = await self._mirror.post("contracts/call", question)
        except MirrorRefusedError as error:
            if _NOT_ANSWERED.intersection(error.messages):
                return None
            if _UNKNOWN_BLOCK in str(error):
                raise StateUnavailableError(
                    f"the mirror node refused a call at {block_number}: {error}"
                ) from error
            raise _refused(error) from error
        # Nothing is what an address without code answers, and a function without values, which nobody calls.
        return read_bytes(answer.get("result")) or None

    async def _living(self, path: str) -> dict[str, Any] | None:
        """Returns an entity unless it is deleted. A number that is too large for an id belongs to no entity."""
        try:
            entity = await self._mirror.find(path)
        except MirrorRefusedError as error:
            if error.status == _HTTP_BAD_REQUEST:
                return None
            raise _refused(error) from error
        return None if entity is None or entity.get("deleted") is True else entity

    async def _find(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> dict[str, Any] | None:
        try:
            return await self._mirror.find(path, parameters)
        except MirrorRefusedError as error:
            raise _refused(error) from error


def _refused(error: MirrorRefusedError) -> MirrorUnavailableError:
    return MirrorUnavailableError(f"the mirror node refused: {error}")


def _runs(numbers: Iterable[BlockNumber]) -> list[tuple[BlockNumber, BlockNumber]]:
    """Returns the first and last of each run of consecutive numbers, at most a page long."""
    runs: list[tuple[BlockNumber, BlockNumber]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1 and number - runs[-1][0] < MOST_ROWS_A_PAGE:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


async def _all(questions: Iterable[Coroutine[Any, Any, _Value]]) -> list[_Value]:
    """Returns the answers in order. The first failure cancels the rest, so that no task goes on unobserved."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Recent(Generic[_Key, _Value]):
    """A cache of the most recently used values, of bounded size."""

    def __init__(self) -> None:
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """Returns a value; None if it is not known, or not any more."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: _Key, value: _Value) -> None:
        """Stores a value. When there are too many, the one that was unused longest is dropped."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _MOST_CACHED:
            self._values.popitem(last=False)
