"""A token that is followed: how far, on which fork, and what the world was told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.holder_changes import HolderChange
from libs.chain.address import EvmAddress

MAX_CHANGES_PER_EVENT = 1000


class FollowState(StrEnum):
    """Where a followed token is in its life. Both states are owned by the follow worker."""

    BACKFILLING = "BACKFILLING"
    FOLLOWING = "FOLLOWING"


LEGAL_TRANSITIONS: Mapping[FollowState, frozenset[FollowState]] = {
    FollowState.BACKFILLING: frozenset({FollowState.FOLLOWING}),
    # A rewind after a reorg does not go back to BACKFILLING: the register was complete once, and says so.
    FollowState.FOLLOWING: frozenset(),
}


class IllegalTransitionError(Exception):
    """A defect: a transition that the table does not allow."""


@dataclass(frozen=True, slots=True)
class HolderBalancesChanged:
    """Domain event: a part of what changed in a range of blocks. A delta, to be applied in sequence.

    Where `to_block` lies before what was announced earlier, a reorg took blocks back: the changes are then
    the inverse of what those blocks had changed.
    """

    asset_id: UUID
    sequence: int
    from_block: int
    to_block: BlockRef
    changes: tuple[HolderChange, ...]
    is_range_complete: bool


@dataclass(frozen=True, slots=True)
class FollowedToken:
    """Aggregate. Its verbs return the token afterwards; `version` counts changes and guards each write.

    `position` is the last block whose logs were turned into events, None before the first window;
    `announced_block` the last block that an event named. Ranges of events join without holes.
    """

    asset_id: UUID
    token: EvmAddress
    start_block: int
    state: FollowState
    position: BlockRef | None
    announced_block: int | None
    last_sequence: int
    window_blocks: int
    last_error: str
    version: int
    due_time: datetime
    update_time: datetime

    @classmethod
    def begin(
        cls, asset_id: UUID, token: EvmAddress, start_block: int, window_blocks: int, now: datetime
    ) -> "FollowedToken":
        """A token that is followed from now on, from the logs of `start_block`."""
        return cls(
            asset_id=asset_id,
            token=token,
            start_block=start_block,
            state=FollowState.BACKFILLING,
            position=None,
            announced_block=None,
            last_sequence=0,
            window_blocks=window_blocks,
            last_error="",
            version=1,
            due_time=now,
            update_time=now,
        )

    @property
    def floor_block(self) -> int:
        """The block before the first whose logs count. The genesis block has no logs, so 0 serves for 0 too."""
        return max(self.start_block - 1, 0)

    def advance(
        self,
        end: BlockRef,
        changes: Sequence[HolderChange],
        *,
        is_caught_up: bool,
        position_event_blocks: int,
        max_window_blocks: int,
        now: datetime,
    ) -> tuple["FollowedToken", list[HolderBalancesChanged]]:
        """The window up to `end` is read. Returns the token behind it, and the events to publish.

        A window without changes is announced when the backfill ends, and later every `position_event_blocks`,
        so that the register's position moves although nobody trades. Windows grow again once a full one passed.
        """
        before = self.position.number if self.position else self.floor_block
        if end.number <= before:
            raise ValueError(f"a window must end behind block {before}, not at {end.number}")
        state = self._to(FollowState.FOLLOWING) if is_caught_up else self.state
        is_first_catch_up = state is not self.state
        announced = self.floor_block if self.announced_block is None else self.announced_block
        is_overdue = state is FollowState.FOLLOWING and end.number - announced >= position_event_blocks
        is_full = end.number - before >= self.window_blocks
        events = []
        if changes or is_first_catch_up or is_overdue:
            events = self._events(announced + 1, end, changes)
        moved = replace(
            self,
            state=state,
            position=end,
            announced_block=end.number if events else self.announced_block,
            last_sequence=self.last_sequence + len(events),
            window_blocks=min(self._grown_window() if is_full else self.window_blocks, max_window_blocks),
            last_error="",
            version=self.version + 1,
            due_time=now,
            update_time=now,
        )
        return moved, events

    def rewind(
        self, ancestor: BlockRef, inverse_changes: Sequence[HolderChange], *, now: datetime
    ) -> tuple["FollowedToken", list[HolderBalancesChanged]]:
        """The blocks behind `ancestor` left the chain. Returns the token at `ancestor`, and what takes back.

        Nothing is published when no event named a block behind `ancestor`: nobody knows of them.
        """
        if self.position is None or ancestor.number > self.position.number:
            raise ValueError("a rewind must lead back")
        was_announced = self.announced_block is not None and self.announced_block > ancestor.number
        if inverse_changes and not was_announced:
            raise ValueError("changes are announced in the window that finds them")
        events = self._events(ancestor.number, ancestor, inverse_changes) if was_announced else []
        rewound = replace(
            self,
            position=ancestor,
            announced_block=ancestor.number if was_announced else self.announced_block,
            last_sequence=self.last_sequence + len(events),
            last_error="",
            version=self.version + 1,
            due_time=now,
            update_time=now,
        )
        return rewound, events

    def with_window(self, window_blocks: int, *, error: str, due_time: datetime) -> "FollowedToken":
        """Other windows from now on, because the node refused these or serves them easily."""
        return replace(
            self,
            window_blocks=max(window_blocks, 1),
            last_error=error,
            version=self.version + 1,
            due_time=due_time,
        )

    def due_at(self, due_time: datetime, *, error: str = "") -> "FollowedToken":
        """To be looked at again then; `error` says what went wrong now."""
        return replace(self, last_error=error, due_time=due_time, version=self.version + 1)

    def _grown_window(self) -> int:
        """By a quarter: halved at once but grown slowly, few requests go to waste where the node has a limit."""
        return self.window_blocks + max(self.window_blocks // 4, 1)

    def _to(self, state: FollowState) -> FollowState:
        if state is not self.state and state not in LEGAL_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"{self.state} to {state}")
        return state

    def _events(
        self, from_block: int, to_block: BlockRef, changes: Sequence[HolderChange]
    ) -> list[HolderBalancesChanged]:
        starts = range(0, len(changes), MAX_CHANGES_PER_EVENT) or range(1)
        return [
            HolderBalancesChanged(
                asset_id=self.asset_id,
                sequence=self.last_sequence + 1 + index,
                from_block=from_block,
                to_block=to_block,
                changes=tuple(changes[start : start + MAX_CHANGES_PER_EVENT]),
                is_range_complete=start == starts[-1],
            )
            for index, start in enumerate(starts)
        ]
