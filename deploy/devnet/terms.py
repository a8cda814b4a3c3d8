"""The terms of bonds, dividends and coupons on the devnet's security tokens. Dates are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class AssetVersion(IntEnum):
    """The versions of the asset's contracts that the devnet's tokens imitate."""

    VERSION_7 = 7
    VERSION_8 = 8


# What the published lifecycle contract can do everything with.
DEFAULT_VERSION: Final = AssetVersion.VERSION_7


class SecurityType(IntEnum):
    """The types of a security token. Everything but EQUITY is paid as a bond."""

    BOND_VARIABLE_RATE = 0
    EQUITY = 1
    BOND_FIXED_RATE = 2
    BOND_KPI_LINKED_RATE = 3
    # Version 7 has another bond in its place.
    LOAN_V8 = 4
    DEPOSIT_TOKEN_V8 = 5


class RateStatus(IntEnum):
    """Whether a coupon's rate is known yet."""

    PENDING = 0
    SET = 1


class GasBurn(IntEnum):
    """The kinds of payment whose gas per holder can be raised."""

    SNAPSHOT = 0
    DIVIDEND = 1
    COUPON = 2
    CASH_OUT = 3
    CASH_OUT_AFTER_SNAPSHOT = 4


@dataclass(frozen=True, slots=True)
class BondTerms:
    """A bond: each whole token is worth nominal_value / 10**nominal_value_decimals of the currency."""

    nominal_value: int
    nominal_value_decimals: int
    starting_date: int
    maturity_date: int
    currency: str = "USD"
    security_type: SecurityType = SecurityType.BOND_FIXED_RATE

    def as_tuple(self) -> tuple[bytes, int, int, int, int]:
        """As the contract takes it, without the security type."""
        return (
            self.currency.encode("ascii"),
            self.nominal_value,
            self.nominal_value_decimals,
            self.starting_date,
            self.maturity_date,
        )


@dataclass(frozen=True, slots=True)
class Dividend:
    """A dividend: each whole token earns amount / 10**amount_decimals of money."""

    record_date: int
    execution_date: int
    amount: int
    amount_decimals: int

    def as_tuple(self) -> tuple[int, int, int, int]:
        """As the contract takes it."""
        return (self.record_date, self.execution_date, self.amount, self.amount_decimals)


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon: interest of rate / 10**rate_decimals a year (365 days) from start to end.

    Without a rate it is pending, and set later.
    """

    record_date: int
    execution_date: int
    start_date: int
    end_date: int
    fixing_date: int
    rate: int | None
    rate_decimals: int = 0

    def as_tuple(self) -> tuple[int, int, int, int, int, int, int, int]:
        """As the contract takes it."""
        status = RateStatus.PENDING if self.rate is None else RateStatus.SET
        return (
            self.record_date,
            self.execution_date,
            self.start_date,
            self.end_date,
            self.fixing_date,
            self.rate or 0,
            self.rate_decimals,
            status,
        )
