"""The register's arithmetic."""

from uuid import uuid4

import pytest

from asset_service.domain.register import BalanceChanges, BlockPosition, HolderCountChange, Register, Turn
from tests.unit.asset_service.samples import BLOCK_HASH, LATER, NOW

POSITION = BlockPosition(9, BLOCK_HASH)


def test_turns() -> None:
    register = Register(uuid4(), 4, None, 0, 0, NOW)
    assert [register.turn_of(sequence) for sequence in (1, 4, 5, 6)] == [
        Turn.ALREADY_APPLIED,
        Turn.ALREADY_APPLIED,
        Turn.NEXT,
        Turn.TOO_EARLY,
    ]


def test_totals_and_position() -> None:
    empty = Register.empty(uuid4(), NOW)
    first = empty.after(1, [5, 7], HolderCountChange(came=2, went=0), None, LATER)
    assert (first.holder_count, first.total_balance_base_units, first.position) == (2, 12, None)
    second = first.after(2, [-5], HolderCountChange(came=0, went=1), POSITION, LATER)
    assert (second.holder_count, second.total_balance_base_units) == (1, 7)
    assert (second.position, second.last_sequence, second.update_time) == (POSITION, 2, LATER)
    assert second.after(3, [], HolderCountChange(0, 0), None, LATER).position == POSITION


@pytest.mark.parametrize(
    ("deltas", "counted"),
    [
        ([-1], HolderCountChange(0, 0)),
        ([0], HolderCountChange(1, 0)),
        ([1], HolderCountChange(0, 0)),
        ([1], HolderCountChange(0, 1)),
    ],
)
def test_impossible_totals_are_refused(deltas: list[int], counted: HolderCountChange) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Register.empty(uuid4(), NOW).after(1, deltas, counted, None, LATER)


def test_only_the_next_sequence_is_applied() -> None:
    with pytest.raises(ValueError, match="not before 2"):
        Register.empty(uuid4(), NOW).after(2, [], HolderCountChange(0, 0), None, LATER)


def test_changes_name_a_holder_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        BalanceChanges(["0xa", "0xa"], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="length"):
        BalanceChanges(["0xa"], [1, 1], [1])
