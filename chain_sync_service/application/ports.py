"""The ports of the use cases: token reader, repositories, alarms. The port to the chain is in source.py."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chain_sync_service.application.source import ChainIdentity
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.facts import Fact, FactKind, LogMeaning, RawLog, SeenFact
from chain_sync_service.domain.holdings import Fold, Holding, HoldingChange
from chain_sync_service.domain.listener import Contracts, HolderBalancesChanged, Listener
from chain_sync_service.domain.pending_rates import PendingRate
from chain_sync_service.domain.tokens import PaymentTokenDescription, TokenDescription
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.unit_of_work import RecordingTransaction


@dataclass(frozen=True, slots=True)
class ChainLook:
    """The last look at the source: its newest block (None before the first look), and what went wrong."""

    head_block: BlockNumber | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon as the token describes it at a block; times in seconds since 1970."""

    rate: int
    rate_decimals: int
    is_rate_set: bool


class TokenReader(Protocol):
    """Asks tokens.

    Every method raises AppError CHAIN_UNAVAILABLE. Methods with a block raise StateUnavailableError, too.
    """

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """Describes a security token. Also raises AppError NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN."""
        ...

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """Describes a payment token. Also raises AppError NOT_A_CONTRACT, NOT_A_PAYMENT_TOKEN."""
        ...

    async def supplies(self, tokens: Sequence[EvmAddress], block_number: BlockNumber) -> list[int | None]:
        """Returns total supplies in base units; None for a token that reports none."""
        ...

    async def holdings(
        self, token: EvmAddress, holders: Sequence[str], block_number: BlockNumber, *, with_parts: Iterable[str]
    ) -> list[Holding]:
        """Returns what holders have. Only holders in `with_parts` get their parts read; the parts of others are 0.

        A part that the token has no getter for is 0. Also raises TokenUnreadableError.
        """
        ...

    async def holder_count(self, token: EvmAddress, block_number: BlockNumber) -> int | None:
        """Returns how many holders the token reports; None if it reports none."""
        ...

    async def holder_page(
        self, token: EvmAddress, *, page_index: int, page_size: int, block_number: BlockNumber
    ) -> list[str] | None:
        """Returns a page of the token's list of holders.

        It is empty behind the end, None if the token has no list.
        """
        ...

    async def coupons(
        self, asked: Sequence[tuple[EvmAddress, int]], block_number: BlockNumber
    ) -> list[Coupon | None]:
        """Returns coupons of tokens by number; None for one that does not exist."""
        ...


class TokenUnreadableError(Exception):
    """A token does not report the balance of a holder."""


ReadLog = Callable[[Contracts, RawLog], LogMeaning | None]


class ChainRecord(Protocol):
    """Stores which chain this database follows, and the last look at it."""

    async def record_identity(self, identity: ChainIdentity) -> ChainIdentity:
        """Records the chain unless one was recorded before. Returns the recorded chain."""
        ...

    async def record_look(self, look: ChainLook, now: datetime) -> None:
        """Records the last look at the source."""
        ...

    async def last_look(self) -> ChainLook:
        """Returns the last look that any replica recorded."""
        ...


class Listeners(Protocol):
    """Stores the listeners."""

    async def add(self, listener: Listener) -> Listener:
        """Adds a listener unless its asset has one already; returns the asset's listener."""
        ...

    async def find(self, asset_id: UUID) -> Listener | None:
        """Returns the listener of an asset; None when there is none."""
        ...

    async def page(self, after: UUID | None, limit: int) -> list[Listener]:
        """Returns at most `limit` listeners behind an asset's id, ordered by that id."""
        ...

    async def claim_due(
        self, *, last_block: BlockNumber, now: datetime, lease_until: datetime, limit: int
    ) -> list[Listener]:
        """Claims the listener that has been due longest and has work, and others that can be read together with
        it.

        Something to do: stale holdings or a list to read, or blocks up to `last_block`. With it go those that
        read windows from the same position. They are put off for others until `lease_until`; those that others
        are claiming at this moment are skipped. The lease only saves double work; `lock` and the version are
        what keeps two workers from doubling an effect.
        """
        ...

    async def lock(self, asset_id: UUID) -> Listener | None:
        """Returns the present state of the listener, locked until the transaction ends."""
        ...

    async def lock_many(self, asset_ids: Sequence[UUID]) -> list[Listener]:
        """Returns the present state of listeners in the order of their ids, locked until the transaction ends."""
        ...

    async def save(self, listeners: Sequence[Listener]) -> None:
        """Writes locked listeners."""
        ...


@dataclass(frozen=True, slots=True)
class StaleHolding:
    """A holding that must be read again: its last published value, and what to read and publish."""

    holder: str
    told: Holding
    reads_parts: bool
    must_tell: bool


class Holdings(Protocol):
    """Stores the holdings as they were published. Written only while the listener is locked."""

    async def fold(self, asset_id: UUID, folds: Sequence[Fold], as_of_block: BlockNumber) -> list[HoldingChange]:
        """Adds to balances and returns the changes. Stale holdings are left alone, because they will be read
        anyway.

        A holding that would fall below zero becomes stale instead: something is missing from the logs.
        """
        ...

    async def mark_stale(
        self, asset_id: UUID, holders: Sequence[str], *, reads_parts: bool, must_tell: bool = False
    ) -> None:
        """Marks holdings to be read again. Unknown holders become known."""
        ...

    async def mark_everybody_stale(self, asset_id: UUID, *, must_tell: bool = False) -> None:
        """Marks the holdings of all known holders to be read again, with their parts."""
        ...

    async def mark_stale_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        """Marks what was folded or read behind a block (None: at any time) to be read again, with its parts."""
        ...

    async def count_stale(self, asset_id: UUID) -> int:
        """Returns how many holdings must be read."""
        ...

    async def stale_among(self, asset_ids: Sequence[UUID]) -> set[UUID]:
        """Returns those of the assets that have a holding to be read."""
        ...

    async def stale(self, asset_id: UUID, limit: int) -> list[StaleHolding]:
        """Returns at most `limit` holdings that must be read, ordered by address."""
        ...

    async def record_read(
        self, asset_id: UUID, holders: Sequence[str], holdings: Sequence[Holding], as_of_block: BlockNumber
    ) -> None:
        """Writes holdings that were read. They are not stale any more."""
        ...


class Facts(Protocol):
    """Stores the facts that were seen in the logs of the listeners' contracts."""

    async def known_places(self, asset_id: UUID, facts: Sequence[Fact]) -> set[tuple[str, str, int]]:
        """Returns (kind, transaction hash, log index) of those facts that are already recorded."""
        ...

    async def add(self, asset_id: UUID, seen: Sequence[SeenFact], now: datetime) -> None:
        """Records facts."""
        ...

    async def take_back(self, asset_id: UUID, block_number: BlockNumber | None) -> list[SeenFact]:
        """Deletes the facts behind a block (None: all). Returns those that had been published, in sequence."""
        ...

    async def take_back_unseen(
        self, asset_id: UUID, *, from_block: BlockNumber, to_block: BlockNumber, seen: Sequence[Fact]
    ) -> list[SeenFact]:
        """Deletes what is recorded of these blocks and not among `seen`, and what of `seen` is recorded under
        another block; returns what had been published, in sequence. A rate is left: no log tells of it.
        """
        ...

    async def page(
        self,
        asset_id: UUID,
        *,
        kinds: Sequence[FactKind],
        from_block: BlockNumber,
        to_block: BlockNumber | None,
        after: tuple[int, int] | None,
        limit: int,
    ) -> list[tuple[SeenFact, tuple[int, int]]]:
        """Returns at most `limit` facts, oldest first, each with its place in the list.

        `after` is such a place.
        """
        ...

    async def add_pending_rates(self, asset_id: UUID, rates: Sequence[PendingRate]) -> None:
        """Adds coupons whose rate is to be asked for. Those that are already known stay as they are."""
        ...

    async def due_pending_rates(
        self, asset_ids: Sequence[UUID], block_time: datetime, limit: int
    ) -> list[tuple[UUID, PendingRate]]:
        """Returns the coupons whose rate is to be asked for at a block of this time."""
        ...

    async def save_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        """Stores when a coupon's rate is asked for next."""
        ...

    async def remove_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        """Stops asking for a coupon's rate."""
        ...


class WindowEnds(Protocol):
    """Stores the last blocks of each listener's newest windows, to find the common ancestor after a reorg."""

    async def add(self, asset_ids: Sequence[UUID], end: BlockRef, keep: int) -> None:
        """Records the end of a window, and deletes all but the newest `keep` of each listener."""
        ...

    async def newest_first(self, asset_id: UUID) -> list[BlockRef]:
        """Returns the ends of a listener's newest windows."""
        ...

    async def remove_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        """Deletes the window ends behind a block (None: all)."""
        ...


class UnitOfWork(RecordingTransaction, Protocol):
    """One database transaction. It is rolled back unless committed."""

    @property
    def chain(self) -> ChainRecord:
        """The record of the chain that is followed."""
        ...

    @property
    def listeners(self) -> Listeners:
        """The repository of listeners."""
        ...

    @property
    def holdings(self) -> Holdings:
        """The repository of holdings."""
        ...

    @property
    def facts(self) -> Facts:
        """The repository of facts."""
        ...

    @property
    def window_ends(self) -> WindowEnds:
        """The repository of window ends."""
        ...

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        """Puts events into the outbox; they leave with the commit."""
        ...

    def publish_facts(self, asset_id: UUID, facts: Sequence[SeenFact]) -> None:
        """Puts the events of facts that have a sequence number into the outbox; they leave with the commit."""
        ...

    def publish_retractions(self, asset_id: UUID, retracted: Sequence[SeenFact], sequences: Iterable[int]) -> None:
        """Puts events that take facts back into the outbox; they leave with the commit."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


class Alarms(Protocol):
    """Tells operators about what needs a person."""

    def raise_alarm(self, name: str, text: str) -> None:
        """Counts and logs a named alarm."""
        ...
