"""The register of an asset's holders. The events of chain_sync_service update it, in sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Self
from uuid import UUID


class Turn(Enum):
    """What the sequence number of an event means for a register: next, applied before, or too early."""

    NEXT = "NEXT"
    ALREADY_APPLIED = "ALREADY_APPLIED"
    TOO_EARLY = "TOO_EARLY"


class NegativeBalanceError(Exception):
    """Changes would make a holder's balance negative: an event is missing or wrong."""


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """A block up to which (inclusive) all changes are in the register."""

    number: int
    block_hash: str


class Holding(NamedTuple):
    """What a holder has, in base units of the security token.

    Only `balance` can be moved; the other parts come on top.
    """

    balance: int
    frozen: int
    locked: int
    held: int
    cleared: int

    @property
    def restricted(self) -> int:
        """The sum of all parts that cannot be moved."""
        return self.frozen + self.locked + self.held + self.cleared

    @property
    def total(self) -> int:
        """The sum of balance and parts. Over all holders it is the token's total supply."""
        return self.balance + self.restricted

    def __str__(self) -> str:
        """Writes the balance and the frozen, locked, held and cleared parts, separated by `+`."""
        return "+".join(map(str, self))


NOTHING = Holding(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class BalanceChanges:
    """The changes of one event in columns, with one entry per holder; addresses in lower case.

    `holdings` is what the holders have afterwards. It is None for an event of a version that knew only balances:
    its deltas are added. They come by the thousand, so they are validated where they enter and stay plain.
    """

    holders: Sequence[str]
    deltas_base_units: Sequence[int]
    block_numbers: Sequence[int]
    holdings: Sequence[Holding] | None = None

    def __post_init__(self) -> None:
        columns = (self.deltas_base_units, self.block_numbers, self.holdings)
        if any(column is not None and len(column) != len(self.holders) for column in columns):
            raise ValueError("columns of changes differ in length")
        if len(set(self.holders)) != len(self.holders):
            raise ValueError("a holder appears twice in one event")


@dataclass(frozen=True, slots=True)
class HoldingDifference:
    """A holding that was wrong in the register before an event, which set it right. The event's delta shows it."""

    holder: str
    had: Holding
    implied_balance_base_units: int

    @property
    def implied(self) -> Holding:
        """The holding that the event implies was right.

        An event has no deltas of parts, so they stay as they were.
        """
        return self.had._replace(balance=self.implied_balance_base_units)


@dataclass(frozen=True, slots=True)
class AppliedChanges:
    """The effect of an event on the rows: how many holders were added and removed, and sums of changes.

    `differences` are ordered by address.
    """

    came: int
    went: int
    balance_delta_base_units: int
    restricted_delta_base_units: int
    differences: tuple[HoldingDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """The totals and the position of a register. A holder without holdings has no row and is not counted.

    `position` is the last block at which the register equalled the chain. While a range of blocks arrives in
    several events, rows and totals already hold its first part, and `is_complete` is false.
    """

    asset_id: UUID
    last_sequence: int
    position: BlockPosition | None
    holder_count: int
    total_balance_base_units: int
    update_time: datetime
    total_restricted_base_units: int = 0
    is_complete: bool = False

    @classmethod
    def empty(cls, asset_id: UUID, now: datetime) -> Self:
        """Returns the register of a new asset."""
        return cls(asset_id, 0, None, 0, 0, now)

    @property
    def total_base_units(self) -> int:
        """The sum of all holdings. It equals the token's total supply where register and chain agree."""
        return self.total_balance_base_units + self.total_restricted_base_units

    def turn_of(self, sequence: int) -> Turn:
        """Returns whether an event with this sequence number is next, was applied before, or came too early."""
        if sequence <= self.last_sequence:
            return Turn.ALREADY_APPLIED
        return Turn.NEXT if sequence == self.last_sequence + 1 else Turn.TOO_EARLY

    def after(
        self, sequence: int, applied: AppliedChanges, completed: BlockPosition | None, now: datetime
    ) -> Self:
        """Returns the register after the event with the next sequence number was applied to the rows.

        `completed` is the position that the event completes, if it is the last of its range. Raises ValueError
        when it is not the event's turn or a total would be impossible: then rows and totals have parted.
        """
        if self.turn_of(sequence) is not Turn.NEXT:
            raise ValueError(f"register {self.asset_id} is at {self.last_sequence}, not before {sequence}")
        after = replace(
            self,
            last_sequence=sequence,
            position=completed or self.position,
            is_complete=completed is not None,
            holder_count=self.holder_count + applied.came - applied.went,
            total_balance_base_units=self.total_balance_base_units + applied.balance_delta_base_units,
            total_restricted_base_units=self.total_restricted_base_units + applied.restricted_delta_base_units,
            update_time=now,
        )
        after._require_possible_totals()
        return after

    def _require_possible_totals(self) -> None:
        count, balance, restricted = (
            self.holder_count,
            self.total_balance_base_units,
            self.total_restricted_base_units,
        )
        if min(count, balance, restricted) < 0 or (count == 0) != (balance + restricted == 0):
            raise ValueError(
                f"register {self.asset_id}: {count} holders cannot hold {balance} and {restricted} together"
            )
