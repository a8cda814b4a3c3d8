"""The register's arithmetic."""

from uuid import uuid4

import pytest

from asset_service.domain.register import (
    AppliedChanges,
    BalanceChanges,
    BlockPosition,
    Holding,
    HoldingDifference,
    Register,
    Turn,
)
from tests.unit.asset_service.samples import BLOCK_HASH, LATER, NOW

POSITION = BlockPosition(9, BLOCK_HASH)


def applied(came: int, went: int, balance: int, restricted: int = 0) -> AppliedChanges:
    return AppliedChanges(came, went, balance, restricted)


def test_a_holding_is_balance_and_parts() -> None:
    holding = Holding(balance=100, frozen=20, locked=3, held=4, cleared=5)
    assert (holding.restricted, holding.total, str(holding)) == (32, 132, "100+20+3+4+5")


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
    assert not empty.is_complete
    first = empty.after(1, applied(2, 0, 12, 3), None, LATER)
    assert (first.holder_count, first.total_balance_base_units, first.total_restricted_base_units) == (2, 12, 3)
    assert (first.position, first.is_complete, first.total_base_units) == (None, False, 15)
    second = first.after(2, applied(0, 1, -5, -3), POSITION, LATER)
    assert (second.holder_count, second.total_balance_base_units, second.total_restricted_base_units) == (1, 7, 0)
    assert (second.position, second.is_complete) == (POSITION, True)
    assert (second.last_sequence, second.update_time) == (2, LATER)
    third = second.after(3, applied(0, 0, 0), None, LATER)
    assert (third.position, third.is_complete) == (POSITION, False)


def test_a_holder_may_have_nothing_but_parts() -> None:
    register = Register.empty(uuid4(), NOW).after(1, applied(1, 0, 0, 5), POSITION, LATER)
    assert (register.holder_count, register.total_balance_base_units, register.total_base_units) == (1, 0, 5)


@pytest.mark.parametrize(
    "impossible",
    [
        applied(0, 0, -1),
        applied(1, 0, 0),
        applied(0, 0, 1),
        applied(0, 1, 1),
        applied(0, 0, 0, 1),
        applied(1, 0, -1, 2),
        applied(1, 0, 2, -1),
    ],
)
def test_impossible_totals_are_refused(impossible: AppliedChanges) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Register.empty(uuid4(), NOW).after(1, impossible, None, LATER)


def test_only_the_next_sequence_is_applied() -> None:
    with pytest.raises(ValueError, match="not before 2"):
        Register.empty(uuid4(), NOW).after(2, applied(0, 0, 0), None, LATER)


def test_changes_name_a_holder_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        BalanceChanges(["0xa", "0xa"], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="length"):
        BalanceChanges(["0xa"], [1, 1], [1])
    with pytest.raises(ValueError, match="length"):
        BalanceChanges(["0xa"], [1], [1], [])


def test_what_an_event_implies_differs_only_in_the_balance() -> None:
    difference = HoldingDifference("0xa", Holding(5, 1, 2, 3, 4), 7)
    assert difference.implied == Holding(7, 1, 2, 3, 4)
