"""Who holds what in the tests of the studio's contracts, and how they say that something is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from tests.ats.chain import RevertedError
from tests.ats.release import CouponTerms
from tests.ats.studio import TokenTerms
from tests.integration.devnet.stage import error_data

UNIT: Final = 10**6
# Of a whole token, in whole units of money; so of a base unit in base units, if both have the same decimals.
NOMINAL_VALUE: Final = 1000
TOKEN_TERMS: Final = TokenTerms(
    name="Studio Security",
    symbol="STS",
    isin="US0378331005",
    decimals=6,
    nominal_value=NOMINAL_VALUE * 100,
    nominal_value_decimals=2,
)
# Version 2 refuses a bond that has begun.
SECONDS_TO_START: Final = 10
SECONDS_TO_MATURITY: Final = 100_000
A, B, C, D, NEW = (
    ChecksumAddress(to_checksum_address(f"0x{number:040x}")) for number in (0xA1A1, 0xB2B2, 0xC3C3, 0xD4D4, 0xE5E5)
)
AMOUNTS: Final = {A: 10 * UNIT, B: 20 * UNIT, C: 30 * UNIT, D: 40 * UNIT}
SUPPLY: Final = sum(AMOUNTS.values())
PROJECT: Final = to_checksum_address("0x" + "99" * 20)
PANIC_DIVISION_BY_ZERO: Final = error_data("Panic(uint256)", 0x12)
# A tenth of a year's thousandth: coupons end before maturity, and their amounts are round.
COUPON_SECONDS: Final = 31_536


def coupon_terms(now: int, *, rate: int | None) -> CouponTerms:
    """A coupon of `rate` percent a year: fixed in 50 seconds, recorded in 100, paid in 200."""
    return CouponTerms(
        record=now + 100,
        execution=now + 200,
        start=now,
        end=now + COUPON_SECONDS,
        fixing=now + 50,
        rate=rate,
        rate_decimals=2,
    )


@contextmanager
def refused(signature: str, *arguments: object) -> Iterator[None]:
    """Fails unless what is within reverts with this custom error."""
    with pytest.raises(RevertedError) as caught:
        yield
    assert caught.value.data == error_data(signature, *arguments)
