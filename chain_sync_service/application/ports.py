"""What the use cases need from outside, apart from the chain (source.py)."""

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
    """What the last look at the source showed: its newest block (None before the first), and what went wrong."""

    head_block: BlockNumber | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon as the token tells it at a block; times in seconds since 1970."""

    rate: int
    rate_decimals: int
    is_rate_set: bool


class TokenReader(Protocol):
    """Asks tokens. Every method raises AppError CHAIN_UNAVAILABLE; with a block StateUnavailableError, too."""

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """Also raises AppError NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN."""
        ...

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """Also raises AppError NOT_A_CONTRACT, NOT_A_PAYMENT_TOKEN."""
        ...

    async def supplies(self, tokens: Sequence[EvmAddress], block_number: BlockNumber) -> list[int | None]:
        """Total supplies, base units; None where a token tells none."""
        ...

    async def holdings(
        self, token: EvmAddress, holders: Sequence[str], block_number: BlockNumber, *, with_parts: Iterable[str]
    ) -> list[Holding]:
        """What holders have; the parts of those only that `with_parts` names, 0 of the others.

        A part that the token has no getter for is 0. Also raises TokenUnreadableError.
        """
        ...

    async def holder_count(self, token: EvmAddress, block_number: BlockNumber) -> int | None:
        """How many holders the token tells; None where it tells none."""
        ...

    async def holder_page(
        self, token: EvmAddress, *, page_index: int, page_size: int, block_number: BlockNumber
    ) -> list[str] | None:
        """A page of the token's list of holders; empty behind its end, None where the token has no list."""
        ...

    async def coupons(
        self, asked: Sequence[tuple[EvmAddress, int]], block_number: BlockNumber
    ) -> list[Coupon | None]:
        """Coupons of tokens by number; None where there is none."""
        ...


class TokenUnreadableError(Exception):
    """A token does not tell the balance of a holder."""


ReadLog = Callable[[Contracts, RawLog], LogMeaning | None]


class ChainRecord(Protocol):
    """What is recorded of the chain that this database follows."""

    async def record_identity(self, identity: ChainIdentity) -> ChainIdentity:
        """Records it unless a chain was recorded before; returns what is recorded."""
        ...

    async def record_look(self, look: ChainLook, now: datetime) -> None:
        """Records the last look."""
        ...

    async def last_look(self) -> ChainLook:
        """The last look of any replica."""
        ...


class Listeners(Protocol):
    """The listeners."""

    async def add(self, listener: Listener) -> Listener:
        """Adds a listener unless its asset has one already; returns the asset's listener."""
        ...

    async def find(self, asset_id: UUID) -> Listener | None:
        """The listener of an asset; None when there is none."""
        ...

    async def page(self, after: UUID | None, limit: int) -> list[Listener]:
        """At most `limit` listeners behind an asset's id, ordered by it."""
        ...

    async def claim_due(
        self, *, last_block: BlockNumber, now: datetime, lease_until: datetime, limit: int
    ) -> list[Listener]:
        """The longest due listener that has something to do, and others that can be read with it.

        Something to do: stale holdings or a list to read, or blocks up to `last_block`. With it go those that
        read windows from the same position. They are put off for others until `lease_until`; those that others
        are claiming at this moment are skipped. The lease only saves double work; `lock` and the version are
        what keeps two workers from doubling an effect.
        """
        ...

    async def lock(self, asset_id: UUID) -> Listener | None:
        """The listener as it is now, locked until the transaction ends."""
        ...

    async def lock_many(self, asset_ids: Sequence[UUID]) -> list[Listener]:
        """Listeners as they are now, locked until the transaction ends, in the order of their ids."""
        ...

    async def save(self, listeners: Sequence[Listener]) -> None:
        """Writes locked listeners."""
        ...


@dataclass(frozen=True, slots=True)
class StaleHolding:
    """A holding that must be read: as it was told last, whether its parts must be, whether to tell it anyway."""

    holder: str
    told: Holding
    reads_parts: bool
    must_tell: bool


class Holdings(Protocol):
    """What holders have, as it was told. Written only while the listener is locked."""

    async def fold(self, asset_id: UUID, folds: Sequence[Fold], as_of_block: BlockNumber) -> list[HoldingChange]:
        """Adds to balances; returns the changes. Stale holdings are left alone, they are read anyway.

        A holding that would fall below zero becomes stale instead: something is missing from the logs.
        """
        ...

    async def mark_stale(
        self, asset_id: UUID, holders: Sequence[str], *, reads_parts: bool, must_tell: bool = False
    ) -> None:
        """To be read; unknown holders become known."""
        ...

    async def mark_everybody_stale(self, asset_id: UUID, *, must_tell: bool = False) -> None:
        """All holders that are known must be read, parts too."""
        ...

    async def mark_stale_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        """What was folded or read behind a block (None: ever) must be read, parts too."""
        ...

    async def count_stale(self, asset_id: UUID) -> int:
        """How many must be read."""
        ...

    async def stale_among(self, asset_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the assets of which a holding must be read."""
        ...

    async def stale(self, asset_id: UUID, limit: int) -> list[StaleHolding]:
        """At most `limit` that must be read, ordered by address."""
        ...

    async def record_read(
        self, asset_id: UUID, holders: Sequence[str], holdings: Sequence[Holding], as_of_block: BlockNumber
    ) -> None:
        """What was read; these are not stale any more."""
        ...


class Facts(Protocol):
    """What was seen of the listeners' contracts."""

    async def known_places(self, asset_id: UUID, facts: Sequence[Fact]) -> set[tuple[str, str, int]]:
        """(kind, transaction hash, log index) of those facts that are recorded already."""
        ...

    async def add(self, asset_id: UUID, seen: Sequence[SeenFact], now: datetime) -> None:
        """Records facts."""
        ...

    async def take_back(self, asset_id: UUID, block_number: BlockNumber | None) -> list[SeenFact]:
        """Deletes what was seen behind a block (None: ever); returns what had been published, in sequence."""
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
        """At most `limit` facts, oldest first, each with its place in the list; `after` is such a place."""
        ...

    async def add_pending_rates(self, asset_id: UUID, rates: Sequence[PendingRate]) -> None:
        """Coupons whose rate is to be asked for; those known are left alone."""
        ...

    async def due_pending_rates(
        self, asset_ids: Sequence[UUID], block_time: datetime, limit: int
    ) -> list[tuple[UUID, PendingRate]]:
        """Those to be asked for at a block of this time."""
        ...

    async def save_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        """Asked for again later."""
        ...

    async def remove_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        """Not to be asked for any more."""
        ...


class WindowEnds(Protocol):
    """Last blocks of the newest windows of each listener: where a reorg's common ancestor is looked for."""

    async def add(self, asset_ids: Sequence[UUID], end: BlockRef, keep: int) -> None:
        """Records the end of a window, and forgets all but the newest `keep` of each."""
        ...

    async def newest_first(self, asset_id: UUID) -> list[BlockRef]:
        """Ends of the newest windows."""
        ...

    async def remove_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        """Forgets those behind a block (None: all)."""
        ...


class UnitOfWork(RecordingTransaction, Protocol):
    """One transaction; rolled back unless committed."""

    @property
    def chain(self) -> ChainRecord:
        """The chain's record."""
        ...

    @property
    def listeners(self) -> Listeners:
        """The listeners."""
        ...

    @property
    def holdings(self) -> Holdings:
        """What holders have."""
        ...

    @property
    def facts(self) -> Facts:
        """What was seen."""
        ...

    @property
    def window_ends(self) -> WindowEnds:
        """Ends of windows."""
        ...

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        """Puts events into the outbox with the commit."""
        ...

    def publish_facts(self, asset_id: UUID, facts: Sequence[SeenFact]) -> None:
        """Puts the events of facts into the outbox with the commit, those that have a sequence number."""
        ...

    def publish_retractions(self, asset_id: UUID, retracted: Sequence[SeenFact], sequences: Iterable[int]) -> None:
        """Puts events that take facts back into the outbox with the commit."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


class Alarms(Protocol):
    """Tells operators of what needs a person."""

    def raise_alarm(self, name: str, text: str) -> None:
        """Counts and logs a named alarm."""
        ...
