"""Computes what the contracts pay a holder, in integers (docs/facts-contracts.md#amounts).

Asset and payment token have 6 decimals each. Amounts and balances are base units.
"""

from __future__ import annotations

from typing import Final

from deploy.devnet.terms import AssetVersion, BondTerms

_UNIT: Final = 10**6
_YEAR_SECONDS: Final = 365 * 24 * 60 * 60


def dividend_due(balance: int, amount: int, amount_decimals: int, version: AssetVersion) -> int:
    """Returns a dividend of amount / 10**amount_decimals for each whole token of `balance`.

    Version 8 rounds down to as many decimals as the dividend has, then the payment token's count.
    """
    if version is AssetVersion.VERSION_8:
        return balance * amount // _UNIT * _UNIT // int(10**amount_decimals)
    return balance * amount // int(10**amount_decimals)


def interest_due(
    balance: int, bond: BondTerms, rate: int, rate_decimals: int, period_seconds: int, version: AssetVersion
) -> int:
    """Returns a coupon's interest on the nominal value of `balance` at rate / 10**rate_decimals a year.

    Version 8 rounds the nominal value down to a base unit first.
    """
    earned, digits = balance * bond.nominal_value, int(10**bond.nominal_value_decimals)
    if version is AssetVersion.VERSION_8:
        earned, digits = earned // digits, 1
    return earned * rate * period_seconds // (digits * int(10**rate_decimals) * _YEAR_SECONDS)
