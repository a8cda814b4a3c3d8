"""Shallow copies of rows: every read of the memory database makes one, so they have to be quick."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Row = TypeVar("Row")


def copied(row: Row) -> Row:
    """Another row with the same values, as `copy.copy` makes it, in a fifth of the time.

    Of a dataclass with two fields or more, whose constructor takes them all and does nothing else.
    """
    row_type: Any = type(row)
    other: Row = row_type(*_values_of(row_type)(row))
    return other


@cache
def _values_of(row_type: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(each.name for each in fields(row_type)))
