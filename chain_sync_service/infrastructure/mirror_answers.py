"""Builds queries for a mirror node and parses its answers strictly: blocks, and pages of logs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chain_sync_service.application.source import WindowRefusedError
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.evm.interfaces import TRANSFER
from libs.hedera.mirror import MOST_ROWS_A_PAGE, MirrorUnavailableError, parse_timestamp, timestamp_text

# Hedera hashes have 48 bytes. Its JSON-RPC relays show the first 32, and so do we: a block has one name.
HASH_LENGTH = len("0x") + 64

_NANOSECONDS_PER_MICROSECOND = 1_000
_NANOSECONDS_PER_SECOND = 10**9
# A mirror node searches logs by topic in at most seven days at once.
_LONGEST_SEARCH_NANOSECONDS = 7 * 24 * 60 * 60 * _NANOSECONDS_PER_SECOND
_HASH = re.compile(r"0x(?:[0-9a-f]{64}|[0-9a-f]{96})")
_ADDRESS = re.compile(r"(?:0x)?([0-9a-f]{40})")
_BYTES = re.compile(r"0x((?:[0-9a-f]{2})*)")
_TRANSFER_TOPIC = TRANSFER.topic


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBlock:
    """A block with the consensus timestamps of its first and its last transaction."""

    block: Block
    from_nanoseconds: int
    to_nanoseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A range of blocks and of consensus timestamps, both ends included."""

    from_block: BlockNumber
    to_block: BlockNumber
    from_nanoseconds: int
    to_nanoseconds: int


@dataclass(frozen=True, slots=True)
class Search:
    """A search for the logs of one contract over at most seven days. Its answer is one chain of pages.

    `receivers` are the only ones whose Transfer logs are searched, None for all logs; `spellings` how each may
    be written, and how it is asked for.
    """

    contract: EvmAddress
    receivers: tuple[bytes, ...] | None
    spellings: Mapping[bytes, bytes]
    _: KW_ONLY
    from_nanoseconds: int = 0
    to_nanoseconds: int = 0

    def split(self, window: Window) -> list["Search"]:
        """Returns the searches that make up a window."""
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
        """Returns the query parameters of the search for the mirror node's API."""
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
        """Returns True if the search asked for a log with these topics."""
        if self.receivers is None:
            return True
        return len(topics) > 2 and topics[0] == _TRANSFER_TOPIC and topics[2] in self.receivers


@dataclass(frozen=True, slots=True)
class Row:
    """A log with its place in the consensus order."""

    timestamp_nanoseconds: int
    log: RawLog

    @property
    def place(self) -> tuple[int, int]:
        """The place in the consensus order. Logs of one transaction share its timestamp."""
        return self.timestamp_nanoseconds, self.log.log_index


@dataclass(slots=True)
class Rows:
    """Collects the rows of one search from its pages, each row once.

    A page may begin with rows of the one before. Raises WindowRefusedError for what cannot be a part of an honest
    answer.
    """

    search: Search
    window: Window
    taken: dict[tuple[int, int], Row] = field(default_factory=dict)
    _: KW_ONLY
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
        """Returns True if a page that brought nothing new only repeats the end of the one before."""
        return not places or (len(places) < self.last_page_rows and places == before[-len(places) :])

    def _take_row(self, row: Row) -> None:
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


def each_once(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows in the order of consensus.

    Raises WindowRefusedError where two rows have the same transaction and index.
    """
    by_key = {(row.log.transaction_hash, row.log.log_index): row for row in rows}
    if len(by_key) != len(rows):
        raise WindowRefusedError("the mirror node answered two different logs for one place")
    return sorted(rows, key=lambda row: row.place)


def _read_row(told: object, search: Search) -> Row:
    """Reads a row.

    Raises MirrorUnavailableError if it is malformed, WindowRefusedError for another contract's log.
    """
    if not isinstance(told, dict):
        raise misplaced(told, "a log")
    try:
        topics = tuple(read_bytes(topic) for topic in told["topics"])
        data = told["data"]
        row = Row(
            parse_timestamp(told["timestamp"]),
            RawLog(
                contract=search.contract.value,
                topics=topics,
                data=b"" if data is None else read_bytes(data),
                block_number=BlockNumber(_read_number(told["block_number"])),
                block_hash=read_hash(told["block_hash"])[:HASH_LENGTH],
                transaction_hash=read_hash(told["transaction_hash"]),
                log_index=_read_number(told["index"]),
            ),
        )
        told_addresses = {read_address(told["address"]), _address_of(told["contract_id"])}
    except (KeyError, TypeError) as error:
        raise MirrorUnavailableError(f"the mirror node answered a malformed log: {error!r}") from error
    if search.contract not in told_addresses or not search.asks_for(topics):
        raise WindowRefusedError("the mirror node answered with logs that were not asked for")
    return replace(row, log=_with_known_receiver(row.log, search))


def _with_known_receiver(log: RawLog, search: Search) -> RawLog:
    """Returns the log with the receiver spelled as it was asked for, if it is a transfer to one of those."""
    topics = log.topics
    if len(topics) < 3 or topics[0] != _TRANSFER_TOPIC or topics[2] not in search.spellings:
        return log
    return replace(log, topics=(*topics[:2], search.spellings[topics[2]], *topics[3:]))


def read_block(told: object) -> TimedBlock:
    """Reads a block of the API. Raises MirrorUnavailableError for anything else."""
    if not isinstance(told, dict):
        raise misplaced(told, "a block")
    try:
        from_nanoseconds = parse_timestamp(told["timestamp"]["from"])
        to_nanoseconds = parse_timestamp(told["timestamp"]["to"])
        number, block_hash = BlockNumber(_read_number(told["number"])), read_hash(told["hash"])[:HASH_LENGTH]
    except (KeyError, TypeError) as error:
        raise MirrorUnavailableError(f"the mirror node answered a malformed block: {error!r}") from error
    return TimedBlock(
        block=Block(number, block_hash, _time(to_nanoseconds)),
        from_nanoseconds=from_nanoseconds,
        to_nanoseconds=to_nanoseconds,
    )


def _time(nanoseconds: int) -> datetime:
    """Returns a time, rounded down to the microsecond.

    Computed in integers, as a float cannot hold nanoseconds.
    """
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // _NANOSECONDS_PER_MICROSECOND)


def _read_number(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or told < 0:
        raise misplaced(told, "a number")
    return told


def read_hash(told: object) -> str:
    """Reads a hash of 32 or 48 bytes, in lower case. Raises MirrorUnavailableError for anything else."""
    if isinstance(told, str) and _HASH.fullmatch(told.lower()):
        return told.lower()
    raise misplaced(told, "a hash")


def read_bytes(told: object) -> bytes:
    """Reads bytes in hexadecimal. Raises MirrorUnavailableError for anything else."""
    match = _BYTES.fullmatch(told.lower()) if isinstance(told, str) else None
    if match is None:
        raise misplaced(told, "bytes")
    return bytes.fromhex(match[1])


def read_address(told: object) -> EvmAddress:
    """Reads an address, with or without 0x. Raises MirrorUnavailableError for anything else."""
    match = _ADDRESS.fullmatch(told.lower()) if isinstance(told, str) else None
    if match is None:
        raise misplaced(told, "an address")
    return EvmAddress("0x" + match[1])


def _address_of(told_id: object) -> EvmAddress | None:
    """Returns the long-zero address of an entity."""
    hedera_id = HederaId.parse(told_id) if isinstance(told_id, str) else None
    return long_zero(hedera_id) if hedera_id is not None else None


def misplaced(told: object, what: str) -> MirrorUnavailableError:
    """Returns the error for a value of the wrong form."""
    return MirrorUnavailableError(f"the mirror node answered {str(told)[:60]!r} where there should be {what}")


def long_zero(hedera_id: HederaId) -> EvmAddress:
    """Returns the address that an entity has by its number."""
    return EvmAddress(f"0x{hedera_id.num:040x}")


def word(address: EvmAddress) -> bytes:
    """Returns an address as a topic."""
    return bytes.fromhex(address.value[2:]).rjust(32, b"\0")
