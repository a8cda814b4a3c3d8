"""The chain as a Hedera mirror node tells it, over REST.

A mirror node speaks of consensus timestamps, the port of blocks: a window of blocks is asked for by the timestamps
that bound it. What a mirror node shows may be repeated, or not be all there yet (hedera.md); whatever does not fit
together is refused, never skipped.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
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
from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError, Reason
from libs.evm.interfaces import TRANSFER
from libs.hedera.mirror import (
    MOST_ROWS_A_PAGE,
    MirrorNode,
    MirrorRefusedError,
    MirrorUnavailableError,
    TooManyPagesError,
    parse_timestamp,
    timestamp_text,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_NANOSECONDS_PER_MICROSECOND = 1_000
_NANOSECONDS_PER_SECOND = 10**9
# A mirror node searches logs by topic in at most seven days at once.
_LONGEST_SEARCH_NANOSECONDS = 7 * 24 * 60 * 60 * _NANOSECONDS_PER_SECOND
# Topics in one request; the API takes a hundred values of one parameter.
_MOST_RECEIVERS_A_SEARCH = 50
_MOST_CACHED = 20_000

# Hedera hashes have 48 bytes. Its JSON-RPC relays show the first 32, and so do we: a block has one name.
_HASH_LENGTH = len("0x") + 64
_HASH = re.compile(r"0x(?:[0-9a-f]{64}|[0-9a-f]{96})")
_ADDRESS = re.compile(r"(?:0x)?([0-9a-f]{40})")
_BYTES = re.compile(r"0x((?:[0-9a-f]{2})*)")
_TRANSFER_TOPIC = TRANSFER.topic

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
    """See the port. `chain_id` is the configured one, which a mirror node does not tell.

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
        """See the port."""
        (genesis,) = await self.blocks([0])
        if genesis is None:
            raise MirrorUnavailableError("the mirror node does not have the first block")
        return ChainIdentity(self._chain_id, genesis.hash)

    async def head(self) -> Block:
        """See the port."""
        newest = await self._find("blocks", [("order", "desc"), ("limit", "1")])
        blocks = newest.get("blocks") if newest is not None else None
        if not isinstance(blocks, list) or len(blocks) != 1:
            raise MirrorUnavailableError("the mirror node has no newest block")
        return _read_block(blocks[0]).block

    async def blocks(self, numbers: Sequence[int]) -> list[Block | None]:
        """See the port: one request for each run of up to a hundred numbers that follow each other."""
        found = await self._timed_blocks(numbers)
        return [found[number].block if number in found else None for number in numbers]

    async def logs(self, query: LogQuery, from_block: int, to_block: int) -> list[RawLog]:
        """See the port."""
        window = await self._window(from_block, to_block)
        searches = [search for each in await self._searches(query) for search in each.split(window)]
        found = await _all(self._search(search, window) for search in searches)
        rows = _each_once([row for rows in found for row in rows])
        hashes = {row.log.transaction_hash for row in rows}
        resolved = dict(zip(hashes, await _all(self._has_result(each) for each in hashes), strict=True))
        return [replace(row.log, has_result=resolved[row.log.transaction_hash]) for row in rows]

    async def call_many(self, calls: Sequence[ContractCall], block_number: int) -> list[bytes | None]:
        """See the port."""
        return await _all(self._call(call, block_number) for call in calls)

    async def has_code(self, address: EvmAddress) -> bool:
        """See the port."""
        return bool(await self.hedera_id(address))

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        """See the port."""
        for kind in ("contracts", "accounts"):
            entity = await self._living(f"{kind}/{hedera_id}")
            if entity is not None and entity.get("evm_address") is not None:
                return _read_address(entity["evm_address"])
        if await self._living(f"tokens/{hedera_id}") is not None:
            return _long_zero(hedera_id)
        raise AppError(Reason.NOT_A_CONTRACT, f"the mirror node knows no {hedera_id}", field=field_name)

    async def hedera_id(self, address: EvmAddress) -> str:
        """See the port."""
        entity, name = await self._living(f"contracts/{address}"), "contract_id"
        if entity is None and address.is_long_zero:
            entity, name = await self._living(f"tokens/0.0.{int(address.value, 16)}"), "token_id"
        if entity is None:
            return ""
        told = entity.get(name)
        if not isinstance(told, str) or HederaId.parse(told) is None:
            raise _misplaced(told, "a Hedera id")
        return told

    # ------------------------------------------------------------------------------ blocks

    async def _timed_blocks(self, numbers: Iterable[int]) -> dict[int, "_TimedBlock"]:
        """The blocks that there are, by number."""
        found = await _all(self._run_of_blocks(first, last) for first, last in _runs(numbers))
        return {timed.block.number: timed for run in found for timed in run}

    async def _run_of_blocks(self, first: int, last: int) -> list["_TimedBlock"]:
        parameters = [
            ("block.number", f"gte:{first}"),
            ("block.number", f"lte:{last}"),
            ("order", "asc"),
            ("limit", str(MOST_ROWS_A_PAGE)),
        ]
        found: list[_TimedBlock] = []
        # A run is one page; a full one is followed by an empty one.
        try:
            async for rows in self._mirror.pages("blocks", parameters, "blocks", most_pages=2):
                found += [_read_block(row) for row in rows]
        except MirrorRefusedError as error:
            raise _refused(error) from error
        numbers = [timed.block.number for timed in found]
        if any(not first <= number <= last for number in numbers) or any(a >= b for a, b in pairwise(numbers)):
            raise MirrorUnavailableError(f"the mirror node answered blocks {first} to {last} with {numbers}")
        return found

    async def _window(self, from_block: int, to_block: int) -> "_Window":
        timed = await self._timed_blocks({from_block, to_block})
        missing = [number for number in (from_block, to_block) if number not in timed]
        if missing:
            raise MirrorUnavailableError(f"the mirror node does not have block {missing[0]}")
        first, last = timed[from_block], timed[to_block]
        if first.from_nanoseconds > last.to_nanoseconds:
            raise MirrorUnavailableError(f"the mirror node answered that block {from_block} came after {to_block}")
        return _Window(from_block, to_block, first.from_nanoseconds, last.to_nanoseconds)

    # ------------------------------------------------------------------------------ logs

    async def _searches(self, query: LogQuery) -> list["_Search"]:
        searches = []
        for contract in sorted(query.contracts.union(query.deposits)):
            receivers = await self._spellings(query.deposits.get(contract, frozenset()))
            if contract in query.contracts:
                searches.append(_Search(contract, None, receivers))
                continue
            spellings = sorted(receivers)
            for start in range(0, len(spellings), _MOST_RECEIVERS_A_SEARCH):
                only = tuple(spellings[start : start + _MOST_RECEIVERS_A_SEARCH])
                searches.append(_Search(contract, only, receivers))
        return searches

    async def _spellings(self, receivers: Iterable[EvmAddress]) -> dict[bytes, bytes]:
        """How the receivers may be written as a topic, and how they are asked for.

        A transfer of a native token that no contract made may name a contract by its number, as long-zero address.
        """
        asked_for = sorted(receivers)
        ids = await _all(self._id_of_receiver(receiver) for receiver in asked_for)
        spellings = {_word(receiver): _word(receiver) for receiver in asked_for}
        for receiver, told in zip(asked_for, ids, strict=True):
            hedera_id = HederaId.parse(told)
            if hedera_id is not None:
                spellings[_word(_long_zero(hedera_id))] = _word(receiver)
        return spellings

    async def _id_of_receiver(self, receiver: EvmAddress) -> str:
        """Its id does not change once it has one."""
        known = self._ids_of_receivers.get(receiver)
        if known is not None:
            return known
        told = await self.hedera_id(receiver)
        if told:
            self._ids_of_receivers.put(receiver, told)
        return told

    async def _search(self, search: "_Search", window: "_Window") -> list["_Row"]:
        rows = _Rows(search, window)
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
        """True if the mirror node finds the transaction by its hash.

        One that no contract made, a transfer of a native token say, has no contract result: its logs are looked
        up by its hash instead.
        """
        if self._resolved_transactions.get(transaction_hash):
            return True
        result = await self._find(f"contracts/results/{transaction_hash[:_HASH_LENGTH]}")
        if result is None:
            parameters = [("transaction.hash", transaction_hash), ("limit", "1")]
            logs = await self._find("contracts/results/logs", parameters)
            result = next(iter(logs.get("logs") or ()), None) if logs is not None else None
            told = result.get("transaction_hash") if isinstance(result, dict) else None
        else:
            told = result.get("hash")
        if result is None:
            return False
        if _read_hash(told)[:_HASH_LENGTH] != transaction_hash[:_HASH_LENGTH]:
            raise MirrorUnavailableError(f"the mirror node answered transaction {told} for {transaction_hash}")
        self._resolved_transactions.put(transaction_hash, value=True)
        return True

    # ------------------------------------------------------------------------------ contracts

    async def _call(self, call: ContractCall, block_number: int) -> bytes | None:
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
        return _read_bytes(answer.get("result")) or None

    async def _living(self, path: str) -> dict[str, Any] | None:
        """An entity that is not deleted. A number that is too large for an id is nobody's."""
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


@dataclass(frozen=True, slots=True)
class _TimedBlock:
    """A block and the consensus timestamps of its first and its last transaction."""

    block: Block
    from_nanoseconds: int
    to_nanoseconds: int


@dataclass(frozen=True, slots=True)
class _Window:
    """A range of blocks and of consensus timestamps, both ends included."""

    from_block: int
    to_block: int
    from_nanoseconds: int
    to_nanoseconds: int


@dataclass(frozen=True, slots=True)
class _Search:
    """The logs of one contract, of at most seven days, as one chain of pages.

    `receivers` are the only ones whose Transfer logs are searched, None for all logs; `spellings` how each may
    be written, and how it is asked for.
    """

    contract: EvmAddress
    receivers: tuple[bytes, ...] | None
    spellings: Mapping[bytes, bytes]
    from_nanoseconds: int = 0
    to_nanoseconds: int = 0

    def split(self, window: _Window) -> list["_Search"]:
        """The searches that make up a window."""
        starts = range(window.from_nanoseconds, window.to_nanoseconds + 1, _LONGEST_SEARCH_NANOSECONDS)
        return [
            replace(
                self,
                from_nanoseconds=start,
                to_nanoseconds=min(start + _LONGEST_SEARCH_NANOSECONDS - 1, window.to_nanoseconds),
            )
            for start in starts
        ]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The question as the API has it."""
        parameters = [
            ("timestamp", f"gte:{timestamp_text(self.from_nanoseconds)}"),
            ("timestamp", f"lte:{timestamp_text(self.to_nanoseconds)}"),
            ("order", "asc"),
            ("limit", str(MOST_ROWS_A_PAGE)),
        ]
        if self.receivers is not None:
            parameters.append(("topic0", "0x" + _TRANSFER_TOPIC.hex()))
            parameters += [("topic2", "0x" + receiver.hex()) for receiver in self.receivers]
        return parameters

    def asks_for(self, topics: Sequence[bytes]) -> bool:
        """True if a log with these topics was searched."""
        if self.receivers is None:
            return True
        return len(topics) > 2 and topics[0] == _TRANSFER_TOPIC and topics[2] in self.receivers


@dataclass(frozen=True, slots=True)
class _Row:
    """A log with its place in the order of consensus."""

    timestamp_nanoseconds: int
    log: RawLog

    @property
    def place(self) -> tuple[int, int]:
        """Logs of one transaction share its timestamp."""
        return self.timestamp_nanoseconds, self.log.log_index


@dataclass(slots=True)
class _Rows:
    """The rows of one search as its pages come, each row once.

    A page may begin with rows of the one before. Raises WindowRefusedError for
    what cannot be a part of an honest answer.
    """

    search: _Search
    window: _Window
    taken: dict[tuple[int, int], _Row] = field(default_factory=dict)
    newest_nanoseconds: int = 0
    last_page_rows: int = 0

    def take(self, page: Sequence[object]) -> None:
        """Adds a page."""
        rows = [_read_row(told, self.search) for told in page]
        before = list(self.taken)
        for row in rows:
            self._take_row(row)
        if len(self.taken) == len(before) and not self._is_edge([row.place for row in rows], before):
            raise WindowRefusedError("the mirror node answered the same page of logs again")
        self.last_page_rows = len(rows)

    def _is_edge(self, places: list[tuple[int, int]], before: list[tuple[int, int]]) -> bool:
        """True if a page that brought nothing new repeats only the end of the one before."""
        return not places or (len(places) < self.last_page_rows and places == before[-len(places) :])

    def _take_row(self, row: _Row) -> None:
        known = self.taken.get(row.place)
        if known is not None:
            if known != row:
                raise WindowRefusedError("the mirror node answered two different logs for one place")
            return
        search, window = self.search, self.window
        if (
            not search.from_nanoseconds <= row.timestamp_nanoseconds <= search.to_nanoseconds
            or not window.from_block <= row.log.block_number <= window.to_block
        ):
            raise WindowRefusedError("the mirror node answered with logs that were not asked for")
        if row.timestamp_nanoseconds < self.newest_nanoseconds:
            raise WindowRefusedError("the mirror node answered logs out of order")
        self.newest_nanoseconds = row.timestamp_nanoseconds
        self.taken[row.place] = row


def _each_once(rows: Sequence[_Row]) -> list[_Row]:
    """In the order of consensus. Raises WindowRefusedError where two rows have one transaction and index."""
    by_key = {(row.log.transaction_hash, row.log.log_index): row for row in rows}
    if len(by_key) != len(rows):
        raise WindowRefusedError("the mirror node answered two different logs for one place")
    return sorted(rows, key=lambda row: row.place)


def _read_row(told: object, search: _Search) -> _Row:
    """Raises MirrorUnavailableError for what is malformed, WindowRefusedError for another contract's log."""
    if not isinstance(told, dict):
        raise _misplaced(told, "a log")
    try:
        topics = tuple(_read_bytes(topic) for topic in told["topics"])
        data = told["data"]
        row = _Row(
            parse_timestamp(told["timestamp"]),
            RawLog(
                contract=search.contract.value,
                topics=topics,
                data=b"" if data is None else _read_bytes(data),
                block_number=_read_number(told["block_number"]),
                block_hash=_read_hash(told["block_hash"])[:_HASH_LENGTH],
                transaction_hash=_read_hash(told["transaction_hash"]),
                log_index=_read_number(told["index"]),
            ),
        )
        told_addresses = {_read_address(told["address"]), _address_of(told["contract_id"])}
    except (KeyError, TypeError) as error:
        raise MirrorUnavailableError(f"the mirror node answered a malformed log: {error!r}") from error
    if search.contract not in told_addresses or not search.asks_for(topics):
        raise WindowRefusedError("the mirror node answered with logs that were not asked for")
    return replace(row, log=_with_known_receiver(row.log, search))


def _with_known_receiver(log: RawLog, search: _Search) -> RawLog:
    """The log with the receiver as it was asked for, if it is a transfer to one."""
    topics = log.topics
    if len(topics) < 3 or topics[0] != _TRANSFER_TOPIC or topics[2] not in search.spellings:
        return log
    return replace(log, topics=(*topics[:2], search.spellings[topics[2]], *topics[3:]))


def _read_block(told: object) -> _TimedBlock:
    if not isinstance(told, dict):
        raise _misplaced(told, "a block")
    try:
        from_nanoseconds = parse_timestamp(told["timestamp"]["from"])
        to_nanoseconds = parse_timestamp(told["timestamp"]["to"])
        number, block_hash = _read_number(told["number"]), _read_hash(told["hash"])[:_HASH_LENGTH]
    except (KeyError, TypeError) as error:
        raise MirrorUnavailableError(f"the mirror node answered a malformed block: {error!r}") from error
    return _TimedBlock(Block(number, block_hash, _time(to_nanoseconds)), from_nanoseconds, to_nanoseconds)


def _time(nanoseconds: int) -> datetime:
    """To the microsecond before. In integers: a float cannot hold a time to the nanosecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // _NANOSECONDS_PER_MICROSECOND)


def _read_number(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or told < 0:
        raise _misplaced(told, "a number")
    return told


def _read_hash(told: object) -> str:
    if isinstance(told, str) and _HASH.fullmatch(told.lower()):
        return told.lower()
    raise _misplaced(told, "a hash")


def _read_bytes(told: object) -> bytes:
    match = _BYTES.fullmatch(told.lower()) if isinstance(told, str) else None
    if match is None:
        raise _misplaced(told, "bytes")
    return bytes.fromhex(match[1])


def _read_address(told: object) -> EvmAddress:
    match = _ADDRESS.fullmatch(told.lower()) if isinstance(told, str) else None
    if match is None:
        raise _misplaced(told, "an address")
    return EvmAddress("0x" + match[1])


def _address_of(told_id: object) -> EvmAddress | None:
    """The long-zero address of an entity."""
    hedera_id = HederaId.parse(told_id) if isinstance(told_id, str) else None
    return _long_zero(hedera_id) if hedera_id is not None else None


def _refused(error: MirrorRefusedError) -> MirrorUnavailableError:
    return MirrorUnavailableError(f"the mirror node refused: {error}")


def _misplaced(told: object, what: str) -> MirrorUnavailableError:
    return MirrorUnavailableError(f"the mirror node answered {str(told)[:60]!r} where there should be {what}")


def _long_zero(hedera_id: HederaId) -> EvmAddress:
    return EvmAddress(f"0x{hedera_id.num:040x}")


def _word(address: EvmAddress) -> bytes:
    return bytes.fromhex(address.value[2:]).rjust(32, b"\0")


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers that follow each other, at most a page long."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1 and number - runs[-1][0] < MOST_ROWS_A_PAGE:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


async def _all(questions: Iterable[Coroutine[Any, Any, _Value]]) -> list[_Value]:
    """The answers, in order. The first that fails ends the others, so that nothing goes on unobserved."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Recent(Generic[_Key, _Value]):
    """What was used last, of bounded size."""

    def __init__(self) -> None:
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """None where it is not (any more) known."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: _Key, value: _Value) -> None:
        """Forgets the one that was not used for longest when there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _MOST_CACHED:
            self._values.popitem(last=False)
