"""Parses the filter of ListAssets: comparisons with `=`, joined by `AND` (a subset of AIP-160)."""

import re
from collections.abc import Mapping
from enum import StrEnum

from asset_service.application.ports import AssetField, AssetTerm
from asset_service.domain.asset import AssetState, PauseState, SecurityType, SyncState
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account

MAX_FILTER_LENGTH = 1000

_FIELD = re.compile(r"\s*([A-Za-z0-9_.]+)")
_EQUALS = re.compile(r"\s*(=)\s*")
# AIP-160's own words are values only in quotes.
_BARE_VALUE = re.compile(r"(?!(?:AND|OR|NOT)(?![A-Za-z0-9_-]))([A-Za-z0-9_-]+)(?=\s|$)")
# No control characters: PostgreSQL cannot store NUL, and no name has the others.
_QUOTED_VALUE = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\])*)"(?=\s|$)')
_ESCAPED = re.compile(r'\\(["\\])')
_AND = re.compile(r"\s+(AND)\s")
_FIELDS: Mapping[str, AssetField] = {field.value: field for field in AssetField}
_ENUMS: Mapping[AssetField, type[StrEnum]] = {
    AssetField.STATE: AssetState,
    AssetField.SECURITY_TYPE: SecurityType,
    AssetField.SYNC_STATE: SyncState,
    AssetField.PAUSE_STATE: PauseState,
}


def parse_asset_filter(text: str) -> tuple[AssetTerm, ...]:
    """Returns the comparisons of a filter, all of which must hold; none for an empty filter.

    Raises AppError INVALID_FILTER that names the place (characters, from 1) and what was expected there.
    """
    if len(text) > MAX_FILTER_LENGTH:
        raise _invalid(MAX_FILTER_LENGTH, f"the end: a filter has at most {MAX_FILTER_LENGTH} characters")
    cursor = _Cursor(text.rstrip())
    if cursor.is_at_end:
        return ()
    terms = [_term(cursor)]
    while not cursor.is_at_end:
        cursor.take(_AND, "AND between two comparisons, or the end")
        terms.append(_term(cursor))
    return tuple(terms)


class _Cursor:
    """A place in the filter's text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self._text)

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """Returns the pattern's group at this place and moves the cursor behind it."""
        found = self.try_take(pattern)
        if found is None:
            rest = self._text[self.position :]
            raise _invalid(self.position + len(rest) - len(rest.lstrip()), expected)
        return found

    def try_take(self, pattern: re.Pattern[str]) -> str | None:
        """Does the same as `take`, but returns None when the pattern is not there."""
        match = pattern.match(self._text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match[1]


def _term(cursor: _Cursor) -> AssetTerm:
    expected_field = f"a field ({', '.join(_FIELDS)})"
    name = cursor.take(_FIELD, expected_field)
    field = _FIELDS.get(name)
    if field is None:
        raise _invalid(cursor.position - len(name), expected_field)
    cursor.take(_EQUALS, f"= behind {name}")
    value_start = cursor.position
    return AssetTerm(field, _checked(field, _value(cursor, field), value_start))


def _value(cursor: _Cursor, field: AssetField) -> str:
    bare = cursor.try_take(_BARE_VALUE)
    if bare is not None:
        return bare
    quoted = cursor.take(
        _QUOTED_VALUE, f"a value of {field.value}: letters, digits, _ and -, or anything in double quotes"
    )
    return _ESCAPED.sub(r"\1", quoted)


def _checked(field: AssetField, value: str, position: int) -> str:
    """Returns the value as it is stored."""
    if field is AssetField.TOKEN:
        try:
            return parse_evm_account(value, "filter").value
        except AppError as error:
            raise _invalid(position, f"an EVM address: {error.message}") from error
    if field in _ENUMS and value not in _ENUMS[field].__members__:
        raise _invalid(position, f"a value of {field.value} ({', '.join(_ENUMS[field].__members__)})")
    return value


def _invalid(position: int, expected: str) -> AppError:
    return AppError(Reason.INVALID_FILTER, f"at character {position + 1}: expected {expected}", field="filter")
