"""The listener that follows one asset's contracts: its position, its fork, its state and what it has published."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chain_sync_service.domain.blocks import Block, BlockRef
from chain_sync_service.domain.holdings import HoldingChange
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber

MAX_CHANGES_PER_EVENT = 1000


class ListenerState(StrEnum):
    """The states of a listener. The follow worker owns all of them; a stopped listener keeps its state."""

    LISTING = "LISTING"
    BACKFILLING = "BACKFILLING"
    READING = "READING"
    FOLLOWING = "FOLLOWING"


LEGAL_TRANSITIONS: Mapping[ListenerState, frozenset[ListenerState]] = {
    # The token's list of holders is complete, or cannot be had: what is known is read. FOLLOWING where the block
    # that it was read at is gone.
    ListenerState.LISTING: frozenset({ListenerState.READING, ListenerState.FOLLOWING}),
    # Caught up; READING where holdings are stale or do not sum to the supply.
    ListenerState.BACKFILLING: frozenset({ListenerState.FOLLOWING, ListenerState.READING}),
    # Everything is read, or the block that it was read at is gone; LISTING where the holdings still do not sum to
    # the supply.
    ListenerState.READING: frozenset({ListenerState.FOLLOWING, ListenerState.LISTING}),
    # BACKFILLING is a replay; LISTING an operator's wish.
    ListenerState.FOLLOWING: frozenset({ListenerState.READING, ListenerState.LISTING, ListenerState.BACKFILLING}),
}


class HolderSource(StrEnum):
    """Where the holders of a new asset are read from."""

    LOGS = "LOGS"
    LIST = "LIST"


class Doubt(StrEnum):
    """How much has been tried to make holdings and supply agree; each step is taken once."""

    NONE = "NONE"
    EVERYBODY_READ = "EVERYBODY_READ"
    LISTED_AGAIN = "LISTED_AGAIN"


class IllegalTransitionError(Exception):
    """A transition that the table does not allow. It is a defect."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts that a listener follows."""

    token: EvmAddress
    lifecycle_contract: EvmAddress | None = None
    payment_token: EvmAddress | None = None


@dataclass(frozen=True, slots=True)
class HolderBalancesChanged:
    """Domain event: some of the balances that changed in a range of blocks. Events are applied in sequence.

    Where `to_block` lies before what was announced earlier, a reorg took blocks back.
    """

    asset_id: UUID
    sequence: int
    from_block: BlockNumber
    to_block: BlockRef
    changes: tuple[HoldingChange, ...]
    is_range_complete: bool


@dataclass(frozen=True, slots=True)
class ListingProgress:
    """How much of the token's list of holders has been copied, at the listener's position."""

    _: KW_ONLY
    next_page: int = 0
    listed_count: int = 0
    holder_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """The aggregate. Each verb returns the changed listener; `version` counts changes and guards each write.

    `position` is the last block whose logs were turned into events, None before the first window;
    `announced_block` the last block that an event named. `total_base_units` is the sum of all holdings as they
    were told. Up to `replay_until` logs are read for a second time: what they touch is read, never folded.
    `supply_gap_base_units` is by how much the supply exceeded the holdings after everything was tried.
    """

    asset_id: UUID
    contracts: Contracts
    start_block: BlockNumber
    holder_source: HolderSource
    state: ListenerState
    is_stopped: bool
    position: BlockRef | None
    position_time: datetime | None
    announced_block: BlockNumber | None
    is_range_open: bool
    last_sequence: int
    fact_sequence: int
    total_base_units: int
    supply_gap_base_units: int
    doubt: Doubt
    listing: ListingProgress
    replay_until: BlockNumber | None
    window_blocks: int
    last_error: str
    # Of the asset's event that was carried out last; 0 before the first.
    asset_version: int
    version: int
    due_time: datetime
    update_time: datetime

    @classmethod
    def begin(
        cls,
        asset_id: UUID,
        contracts: Contracts,
        *,
        start_block: BlockNumber,
        holder_source: HolderSource,
        window_blocks: int,
        now: datetime,
    ) -> "Listener":
        """Returns a new listener, which begins with the logs of `start_block` or the token's list of holders."""
        is_listed = holder_source is HolderSource.LIST
        return cls(
            asset_id=asset_id,
            contracts=contracts,
            start_block=start_block,
            holder_source=holder_source,
            state=ListenerState.LISTING if is_listed else ListenerState.BACKFILLING,
            is_stopped=False,
            position=None,
            position_time=None,
            announced_block=None,
            is_range_open=False,
            last_sequence=0,
            fact_sequence=0,
            total_base_units=0,
            supply_gap_base_units=0,
            doubt=Doubt.NONE,
            listing=ListingProgress(),
            replay_until=None,
            window_blocks=window_blocks,
            last_error="",
            asset_version=0,
            version=1,
            due_time=now,
            update_time=now,
        )

    @property
    def floor_block(self) -> BlockNumber:
        """The block before the first whose logs count.

        It is 0 when counting begins at 0, as the genesis block has no logs.
        """
        return BlockNumber(max(self.start_block - 1, 0))

    @property
    def reads_windows(self) -> bool:
        """True while the listener reads logs; False while it lists or reads holdings at its position."""
        return self.state in (ListenerState.BACKFILLING, ListenerState.FOLLOWING)

    @property
    def is_replaying(self) -> bool:
        """True while logs are read for the second time."""
        return self.replay_until is not None

    def window_size(self, *, safe_block: BlockNumber, position_block: BlockNumber, max_window_blocks: int) -> int:
        """Returns the number of blocks in the next window; less than 1 means nothing to read.

        A replay ends with a window.
        """
        last = safe_block if self.replay_until is None else min(safe_block, self.replay_until)
        return min(self.window_blocks, max_window_blocks, last - position_block)

    def needs_supply(self, end_block: BlockNumber, has_found: bool, position_event_blocks: int) -> bool:
        """Returns True if a position at that block will be published: holdings are then compared with the supply.

        It is where anything was seen, where a range is still to be completed, where a backfill ends, and now and
        then although nothing happens: balances can change without any log
        (docs/contract-surprises.md#15).
        """
        announced = self.floor_block if self.announced_block is None else self.announced_block
        is_overdue = end_block - announced >= position_event_blocks
        return has_found or self.is_range_open or is_overdue or self.state is ListenerState.BACKFILLING

    def advance(
        self,
        end: Block,
        changes: Sequence[HoldingChange],
        *,
        is_caught_up: bool,
        has_stale: bool,
        supply_base_units: int | None,
        position_event_blocks: int,
        max_window_blocks: int,
        now: datetime,
    ) -> tuple["Listener", list[HolderBalancesChanged]]:
        """Records that the window up to `end` was read. Returns the listener and the events to publish.

        Once it has caught up the range is complete if nothing is stale and the holdings sum to the supply, where
        that was asked; else READING comes next. A window without changes is announced when the backfill ends, and
        later every `position_event_blocks`. Windows grow again once a full one passed.
        """
        before = self.position.number if self.position else self.floor_block
        if end.number <= before:
            raise ValueError(f"a window must end behind block {before}, not at {end.number}")
        is_full = end.number - before >= self.window_blocks
        moved = replace(
            self.with_changes(changes),
            position=end.ref,
            position_time=end.time,
            replay_until=None if self.replay_until == end.number else self.replay_until,
            window_blocks=min(self._grown_window() if is_full else self.window_blocks, max_window_blocks),
            last_error="",
            due_time=now,
        )
        is_current = is_caught_up and not moved.is_replaying
        if is_current:
            must_read = has_stale or moved.is_total_doubtful(supply_base_units)
            moved = moved._to(ListenerState.READING if must_read else ListenerState.FOLLOWING)
        completes = (
            is_current
            and moved.state is ListenerState.FOLLOWING
            and (bool(changes) or self.needs_supply(end.number, False, position_event_blocks))
        )
        return moved._told(changes, completes=completes, now=now)

    def read_some(
        self, changes: Sequence[HoldingChange], *, now: datetime
    ) -> tuple["Listener", list[HolderBalancesChanged]]:
        """Records that some stale holdings were read at the position while others are still stale."""
        self._require(ListenerState.READING)
        return replace(self.with_changes(changes), last_error="", due_time=now)._told(
            changes, completes=False, now=now
        )

    def read_all(
        self, changes: Sequence[HoldingChange], supply_base_units: int | None, *, now: datetime
    ) -> tuple["Listener", list[HolderBalancesChanged], "NextReading"]:
        """Records that the last stale holdings were read at the position. Returns what else must be read, if
        anything.

        Holdings that do not sum to the supply are all read, then the token is asked for its holders; what does
        not help then either is kept as a named gap.
        """
        self._require(ListenerState.READING)
        read = replace(self.with_changes(changes), last_error="", due_time=now)
        if supply_base_units is None or read._gap(supply_base_units) == 0:
            settled = replace(read, doubt=Doubt.NONE, supply_gap_base_units=0)._to(ListenerState.FOLLOWING)
            return (*settled._told(changes, completes=True, now=now), NextReading.NONE)
        if read.doubt is Doubt.NONE:
            doubting = replace(read, doubt=Doubt.EVERYBODY_READ)
            return (*doubting._told(changes, completes=False, now=now), NextReading.EVERYBODY)
        if read.doubt is Doubt.EVERYBODY_READ:
            listing = replace(read, doubt=Doubt.LISTED_AGAIN, listing=ListingProgress())._to(ListenerState.LISTING)
            return (*listing._told(changes, completes=False, now=now), NextReading.NONE)
        given_up = replace(read, doubt=Doubt.NONE, supply_gap_base_units=read._gap(supply_base_units))._to(
            ListenerState.FOLLOWING
        )
        return (*given_up._told(changes, completes=True, now=now), NextReading.NONE)

    def begin_listing(self, pinned: Block, holder_count: int, *, now: datetime) -> "Listener":
        """Begins the import by list at this block. Earlier logs do not count."""
        self._require(ListenerState.LISTING)
        return self._changed(
            now,
            position=pinned.ref,
            position_time=pinned.time,
            start_block=pinned.number + 1,
            listing=ListingProgress(holder_count=holder_count),
            due_time=now,
        )

    def list_page(self, *, count: int, holder_count: int, is_last: bool, now: datetime) -> "Listener":
        """Records that a page of the token's holders was copied."""
        self._require(ListenerState.LISTING)
        listed = self._changed(
            now,
            listing=ListingProgress(
                next_page=self.listing.next_page + 1,
                listed_count=self.listing.listed_count + count,
                holder_count=holder_count,
            ),
            last_error="",
            due_time=now,
        )
        return listed._to(ListenerState.READING) if is_last else listed

    def refresh(self, *, list_again: bool, now: datetime) -> "Listener":
        """Begins reading holdings that were marked. A busy listener reads them later by itself."""
        is_still = self.state is ListenerState.FOLLOWING or (self.state is ListenerState.READING and list_again)
        if not is_still or self.position is None:
            return self._changed(now)
        state = ListenerState.LISTING if list_again else ListenerState.READING
        return self._changed(now, listing=ListingProgress(), doubt=Doubt.NONE, due_time=now)._to(state)

    def leave_position(self, error: str, *, due_time: datetime) -> "Listener":
        """Leaves a position whose state the source no longer has. What is stale is read at a later block.

        An import by list begins again.
        """
        left = self._changed(
            None, last_error=error, due_time=due_time, listing=ListingProgress(), doubt=Doubt.NONE
        )
        if self._is_first_listing:
            return replace(left, position=None, position_time=None)
        return left._to(ListenerState.FOLLOWING)

    def rewind(self, ancestor: BlockRef | None, *, has_stale: bool, now: datetime) -> "Listener":
        """Goes back to `ancestor`, because the blocks behind it left the chain. None: all blocks that were read
        did.

        What they touched is read at the ancestor. Where an event had named a block beyond it, one for the ancestor
        follows, after the holdings there were compared with the supply.
        """
        if self.position is None or (ancestor is not None and ancestor.number > self.position.number):
            raise ValueError("a rewind must lead back")
        was_told = self.last_sequence > 0
        back = self._changed(
            now, position=ancestor, position_time=None, last_error="", due_time=now, doubt=Doubt.NONE
        )
        if ancestor is None or self.state in (ListenerState.LISTING, ListenerState.BACKFILLING):
            anew = replace(back, listing=ListingProgress(), is_range_open=was_told)
            # Nothing can be read at a block before there is a position again; a first listing makes one.
            must_read_windows = ancestor is None and not self.reads_windows and not self._is_first_listing
            return anew._to(ListenerState.FOLLOWING) if must_read_windows else anew
        was_announced = self.announced_block is not None and self.announced_block > ancestor.number
        if has_stale or was_announced or self.is_range_open:
            return replace(back, is_range_open=True)._to(ListenerState.READING)
        return back._to(ListenerState.FOLLOWING)

    def replay(self, floor: BlockRef, *, from_block: BlockNumber, now: datetime) -> "Listener":
        """Logs from a block on are read again, or for the first time; `floor` is the block before it."""
        if self.position is None or floor.number >= self.position.number:
            raise ValueError("a replay must begin before the position")
        if self.state is not ListenerState.FOLLOWING:
            raise ValueError(f"a listener that is {self.state} is not done with what it reads")
        replaying = self._to(ListenerState.BACKFILLING)
        until = self.position.number
        return replaying._changed(
            now,
            start_block=min(self.start_block, from_block),
            position=floor,
            position_time=None,
            replay_until=until,
            is_range_open=True,
            due_time=now,
        )

    def stop(self, now: datetime) -> "Listener":
        """Stops following."""
        return self if self.is_stopped else self._changed(now, is_stopped=True)

    def start(self, now: datetime) -> "Listener":
        """Continues where it stopped."""
        return self._changed(now, is_stopped=False, last_error="", due_time=now) if self.is_stopped else self

    def follow(self, contracts: Contracts, now: datetime) -> "Listener":
        """Follows these contracts of the same token from now on.

        What an earlier position covers, it does not cover of the new contracts: `start_block` says so, until a
        replay goes back.
        """
        if contracts.token != self.contracts.token:
            raise ValueError("a listener keeps its token")
        if contracts == self.contracts:
            return self
        start_block = self.position.number + 1 if self.position else self.start_block
        return self._changed(now, contracts=contracts, start_block=start_block)

    def obey(self, contracts: Contracts, *, is_enabled: bool, asset_version: int, now: datetime) -> "Listener":
        """Starts or stops as an event of the asset says, unless a newer event was carried out before."""
        if asset_version <= self.asset_version:
            return self
        followed = replace(self.follow(contracts, now), asset_version=asset_version)
        return followed.start(now) if is_enabled else followed.stop(now)

    def with_window(self, window_blocks: int, *, error: str, due_time: datetime) -> "Listener":
        """Changes the size of windows, because the source refused the old size or serves it easily."""
        return self._changed(None, window_blocks=max(window_blocks, 1), last_error=error, due_time=due_time)

    def due_at(self, due_time: datetime, *, error: str = "") -> "Listener":
        """Sets when the listener is looked at again. `error` says what went wrong now."""
        return self._changed(None, last_error=error, due_time=due_time)

    def next_fact_sequences(self, count: int) -> tuple["Listener", range]:
        """Allocates sequence numbers for events that are not changes of holdings."""
        first = self.fact_sequence + 1
        return replace(self, fact_sequence=self.fact_sequence + count), range(first, first + count)

    def is_total_doubtful(self, supply_base_units: int | None) -> bool:
        """Returns True if holdings and supply differ by something else than a known gap."""
        return supply_base_units is not None and self._gap(supply_base_units) != self.supply_gap_base_units

    @property
    def _is_first_listing(self) -> bool:
        is_imported_by_list = self.holder_source is HolderSource.LIST
        return is_imported_by_list and self.state is ListenerState.LISTING and self.last_sequence == 0

    def _gap(self, supply_base_units: int) -> int:
        return supply_base_units - self.total_base_units

    def with_changes(self, changes: Sequence[HoldingChange]) -> "Listener":
        """Returns the listener with the total after these changes."""
        return replace(self, total_base_units=self.total_base_units + sum(each.total_delta for each in changes))

    def _told(
        self, changes: Sequence[HoldingChange], *, completes: bool, now: datetime
    ) -> tuple["Listener", list[HolderBalancesChanged]]:
        events = self._events(changes, completes=completes) if changes or completes else []
        told = self._changed(
            now,
            announced_block=self.position.number if events and self.position else self.announced_block,
            is_range_open=not completes and (self.is_range_open or bool(events)),
            last_sequence=self.last_sequence + len(events),
        )
        return told, events

    def _events(self, changes: Sequence[HoldingChange], *, completes: bool) -> list[HolderBalancesChanged]:
        if self.position is None:
            raise ValueError("nothing can be told before the first position")
        announced = self.floor_block if self.announced_block is None else self.announced_block
        starts = range(0, len(changes), MAX_CHANGES_PER_EVENT) or range(1)
        return [
            HolderBalancesChanged(
                asset_id=self.asset_id,
                sequence=self.last_sequence + 1 + index,
                # A range that is told in parts, or taken back, names its last block.
                from_block=min(BlockNumber(announced + 1), self.position.number),
                to_block=self.position,
                changes=tuple(changes[start : start + MAX_CHANGES_PER_EVENT]),
                is_range_complete=completes and start == starts[-1],
            )
            for index, start in enumerate(starts)
        ]

    def _grown_window(self) -> int:
        """Returns a window a quarter larger.

        Windows halve at once but grow slowly, so that few requests are refused.
        """
        return self.window_blocks + max(self.window_blocks // 4, 1)

    def _require(self, state: ListenerState) -> None:
        if self.state is not state:
            raise IllegalTransitionError(f"listener {self.asset_id} is {self.state}, not {state}")

    def _to(self, state: ListenerState) -> "Listener":
        if state is self.state:
            return self
        if state not in LEGAL_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"{self.state} to {state}")
        return replace(self, state=state)

    def _changed(self, now: datetime | None, **values: object) -> "Listener":
        """Returns the listener with a new version. Without a time, nothing happened that shows in the status."""
        changed = replace(self, version=self.version + 1, **values)  # type: ignore[arg-type]
        return changed if now is None else replace(changed, update_time=now)


class NextReading(StrEnum):
    """Which holdings must be read before a reading is complete."""

    NONE = "NONE"
    EVERYBODY = "EVERYBODY"
