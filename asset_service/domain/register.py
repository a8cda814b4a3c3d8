"""The register of an asset's holders: set to what chain_sync_service tells, in sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Self
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


class Holding(NamedTuple):
    """What a holder has, base units of the security token. Only `balance` can be moved; the parts lie beside."""

    balance: int
    frozen: int
    locked: int
    held: int
    cleared: int

    @property
    def restricted(self) -> int:
        """All parts that cannot be moved."""
        return self.frozen + self.locked + self.held + self.cleared

    @property
    def total(self) -> int:
        """Everything; over all holders it is the token's total supply."""
        return self.balance + self.restricted

    def __str__(self) -> str:
        """Balance, frozen, locked, held and cleared part, separated by `+`."""
        return "+".join(map(str, self))


NOTHING = Holding(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class BalanceChanges:
    """The changes of one event as columns, one entry per holder; addresses in lower case.

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
    """The register had not what an event's delta builds on: it was wrong before the event, which set it right."""

    holder: str
    had: Holding
    implied_balance_base_units: int

    @property
    def implied(self) -> Holding:
        """What the register should have had. An event tells no deltas of the parts, so those are as they were."""
        return self.had._replace(balance=self.implied_balance_base_units)


@dataclass(frozen=True, slots=True)
class AppliedChanges:
    """What an event did to the rows: how many holders came (from nothing) and went (to nothing), and the sums.

    `differences` are ordered by address.
    """

    came: int
    went: int
    balance_delta_base_units: int
    restricted_delta_base_units: int
    differences: tuple[HoldingDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """Totals and position of a register. A holder who has nothing is no holder and has no row.

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
        """The register of a new asset."""
        return cls(asset_id, 0, None, 0, 0, now)

    @property
    def total_base_units(self) -> int:
        """All that is held; the token's total supply where register and chain agree."""
        return self.total_balance_base_units + self.total_restricted_base_units

    def turn_of(self, sequence: int) -> Turn:
        """Whether an event with this sequence number is the next, was applied before, or came too early."""
        if sequence <= self.last_sequence:
            return Turn.ALREADY_APPLIED
        return Turn.NEXT if sequence == self.last_sequence + 1 else Turn.TOO_EARLY

    def after(
        self, sequence: int, applied: AppliedChanges, completed: BlockPosition | None, now: datetime
    ) -> Self:
        """The register after the event with the next sequence number was applied to the rows.

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
