"""Amounts of tokens: integers in base units, and the two ways people write them. Never float."""

import re

from libs.chain.quantities import BaseUnits, TokenUnits
from libs.errors import AppError, Reason

MAX_UINT256 = 2**256 - 1
# 18 is the custom, uint8 the limit; 77 digits is what a uint256 can hold.
MAX_DECIMALS = 77
# A percentage with two decimals, as an integer.
WHOLE_BASIS_POINTS = 10_000

_PERCENTAGE = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,2}))?")
_BASE_UNITS = re.compile(r"0|[1-9][0-9]{0,77}")
_DECIMAL_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,77}))?")


def parse_base_units(text: str, field: str) -> int:
    """Reads a decimal integer of base units, 0 to 2^256-1.

    Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE (a minus sign) or AMOUNT_TOO_LARGE naming `field`.
    """
    _refuse_negative(text, field)
    if not _BASE_UNITS.fullmatch(text):
        raise AppError(Reason.INVALID_AMOUNT, f"{text!r} is not a decimal integer of base units", field=field)
    return _bounded(int(text), field)


def parse_decimal_amount(text: str, decimals: int, field: str) -> int:
    """Reads an amount of whole tokens, for example `100.50`, as base units of a token with `decimals`.

    Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE (a minus sign), AMOUNT_TOO_MANY_DECIMALS (also when
    the surplus digits are zeros: the caller then has another token in mind) or AMOUNT_TOO_LARGE.
    """
    _refuse_negative(text, field)
    match = _DECIMAL_AMOUNT.fullmatch(text)
    if match is None:
        raise AppError(Reason.INVALID_AMOUNT, f"{text!r} is not a decimal amount", field=field)
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise AppError(
            Reason.AMOUNT_TOO_MANY_DECIMALS,
            f"{text} has {len(fraction)} decimals, the token has {decimals}",
            field=field,
        )
    return _bounded(int(whole + fraction.ljust(decimals, "0")), field)


def require_positive(amount_base_units: int, field: str) -> int:
    """Returns the amount. Raises AppError AMOUNT_NOT_POSITIVE naming `field` when it is zero or less."""
    if amount_base_units <= 0:
        raise AppError(Reason.AMOUNT_NOT_POSITIVE, "the amount must be more than zero", field=field)
    return amount_base_units


def format_decimal_amount(amount_base_units: int, *, decimals: int) -> str:
    """Writes base units as whole tokens, exactly and without trailing zeros: 1500000, 6 gives `1.5`."""
    sign = "-" if amount_base_units < 0 else ""
    digits = str(abs(amount_base_units)).rjust(decimals + 1, "0")
    whole, fraction = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def pro_rata_floor(total_base_units: BaseUnits, *, balance: TokenUnits, supply: TokenUnits) -> BaseUnits:
    """Returns a holder's share as the lifecycle contract computes it: floor(total x balance / supply).

    Rounds down; what is left over stays in the contract (docs/contract-surprises.md#8). `supply` must be
    above zero.
    """
    if supply <= 0 or balance < 0 or total_base_units < 0:
        raise ValueError("a share needs a positive supply and no negative figures")
    return BaseUnits(total_base_units * balance // supply)


def _refuse_negative(text: str, field: str) -> None:
    if text.startswith("-"):
        raise AppError(Reason.AMOUNT_NOT_POSITIVE, "the amount must not be negative", field=field)


def _bounded(amount: int, field: str) -> int:
    if amount > MAX_UINT256:
        raise AppError(Reason.AMOUNT_TOO_LARGE, "the amount does not fit into 256 bits", field=field)
    return amount


def parse_percentage(text: str, field: str) -> int:
    """Reads a percentage with at most two decimals as basis points (hundredths of a percent).

    Raises AppError INVALID_PERCENTAGE naming `field`.
    """
    match = _PERCENTAGE.fullmatch(text)
    basis_points = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    if not 0 < basis_points <= WHOLE_BASIS_POINTS:
        raise AppError(
            Reason.INVALID_PERCENTAGE,
            f"{text[:20]!r} is not a percentage above 0 and at most 100 with at most two decimals",
            field=field,
        )
    return basis_points


def format_percentage(basis_points: int) -> str:
    """Writes basis points as a percentage without trailing zeros: 1250 gives `12.5`."""
    whole, hundredths = divmod(basis_points, 100)
    return f"{whole}.{hundredths:02}".rstrip("0").rstrip(".") if hundredths else str(whole)


def percentage_of(amount_base_units: BaseUnits, basis_points: int) -> BaseUnits:
    """Returns this share of an amount, rounded down, so never more than there is.

    It is 0 for an amount that is not positive.
    """
    return BaseUnits(max(0, amount_base_units) * basis_points // WHOLE_BASIS_POINTS)
