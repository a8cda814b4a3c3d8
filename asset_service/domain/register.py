"""The register of an asset's holders: balances folded from the chain's changes, in sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Self
from uuid import UUID


class Turn(Enum):
    """What an event's sequence number means to a register."""

    NEXT = "NEXT"
    ALREADY_APPLIED = "ALREADY_APPLIED"
    TOO_EARLY = "TOO_EARLY"


class NegativeBalanceError(Exception):
    """Changes would leave a holder with less than nothing: an event is missing or wrong."""


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """A block whose changes, and those of all before it, are in the register."""

    number: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class BalanceChanges:
    """The changes of one event as columns, one entry per holder; addresses in lower case.

    They come by the thousand, so they are validated where they enter and stay plain.
    """

    holders: Sequence[str]
    deltas_base_units: Sequence[int]
    block_numbers: Sequence[int]

    def __post_init__(self) -> None:
        if not len(self.holders) == len(self.deltas_base_units) == len(self.block_numbers):
            raise ValueError("columns of changes differ in length")
        if len(set(self.holders)) != len(self.holders):
            raise ValueError("a holder appears twice in one event")


@dataclass(frozen=True, slots=True)
class HolderCountChange:
    """How many holders came (from zero) and went (to zero)."""

    came: int
    went: int


@dataclass(frozen=True, slots=True)
class Register:
    """Totals and position of a register. A holder whose balance is zero is no holder and has no row.

    `position` is the last block at which the register equalled the chain; while a range of blocks arrives in
    several events, rows and totals already hold its first part.
    """

    asset_id: UUID
    last_sequence: int
    position: BlockPosition | None
    holder_count: int
    total_balance_base_units: int
    update_time: datetime

    @classmethod
    def empty(cls, asset_id: UUID, now: datetime) -> Self:
        """The register of a new asset."""
        return cls(asset_id, 0, None, 0, 0, now)

    def turn_of(self, sequence: int) -> Turn:
        """Whether an event with this sequence number is the next, was applied before, or came too early."""
        if sequence <= self.last_sequence:
            return Turn.ALREADY_APPLIED
        return Turn.NEXT if sequence == self.last_sequence + 1 else Turn.TOO_EARLY

    def after(
        self,
        sequence: int,
        deltas_base_units: Sequence[int],
        counted: HolderCountChange,
        completed: BlockPosition | None,
        now: datetime,
    ) -> Self:
        """The register after the event with the next sequence number was applied to the rows.

        `completed` is the position that the event completes, if it is the last of its range. Raises ValueError
        when it is not the event's turn or a total would be impossible: then rows and totals have parted.
        """
        if self.turn_of(sequence) is not Turn.NEXT:
            raise ValueError(f"register {self.asset_id} is at {self.last_sequence}, not before {sequence}")
        holder_count = self.holder_count + counted.came - counted.went
        total = self.total_balance_base_units + sum(deltas_base_units)
        if holder_count < 0 or total < 0 or (holder_count == 0) != (total == 0):
            raise ValueError(f"register {self.asset_id}: {holder_count} holders cannot hold {total} together")
        return replace(
            self,
            last_sequence=sequence,
            position=completed or self.position,
            holder_count=holder_count,
            total_balance_base_units=total,
            update_time=now,
        )
