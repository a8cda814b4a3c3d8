"""What differs between the releases of the package that the tests run: how they are deployed, names, layouts.

docs/asset-versions.md has the whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deploy.devnet.terms import AssetVersion
from tests.ats import roles
from tests.ats.roles import Roles

RATE_SET: Final = 1
RATE_PENDING: Final = 0


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """A coupon's dates (seconds since the epoch) and rate: `rate` / 10^`rate_decimals` of the nominal a year.

    A rate of None is left open until the fixing date.
    """

    record: int
    execution: int
    start: int
    end: int
    fixing: int
    rate: int | None
    rate_decimals: int


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the package. Names are those of functions and events, errors are signatures."""

    version: str
    roles: Roles
    # How the studio is deployed. The factory is a contract of this name, or a facet behind a proxy.
    initialize_resolver: str
    registers_facets_at_once: bool
    configuration_tail: tuple[bytes, ...]
    factory: str
    factory_is_facet: bool
    # Pause.
    paused_view: str
    paused_error: str
    # Dividends and coupons.
    set_dividend: str
    get_dividend: str
    get_dividend_for: str
    has_cancellation: bool
    has_open_rates: bool
    coupon_struct: Callable[[CouponTerms], tuple[int, ...]]
    # The maturity date is the last value that it returns.
    maturity_view: str
    not_mature_error: str
    # Whose maturity date the lifecycle contract can ask for.
    lifecycle_version: AssetVersion

    def __str__(self) -> str:
        """What a test's name ends with."""
        return self.version


def _short_coupon(terms: CouponTerms) -> tuple[int, ...]:
    """Of version 2: no period but its length, and no rate that comes later."""
    assert terms.rate is not None, f"version 2 has no open rates: {terms}"
    return (terms.record, terms.execution, terms.rate, terms.rate_decimals, terms.end - terms.start)


def _long_coupon(terms: CouponTerms) -> tuple[int, ...]:
    """Of versions 7 and 8."""
    dates = (terms.record, terms.execution, terms.start, terms.end, terms.fixing)
    if terms.rate is None:
        return (*dates, 0, 0, RATE_PENDING)
    return (*dates, terms.rate, terms.rate_decimals, RATE_SET)


VERSION_2: Final = Release(
    version="2.0.0",
    roles=roles.VERSION_2,
    initialize_resolver="initialize_BusinessLogicResolver",
    registers_facets_at_once=True,
    configuration_tail=(),
    factory="Factory",
    factory_is_facet=False,
    paused_view="isPaused",
    paused_error="TokenIsPaused()",
    set_dividend="setDividends",
    get_dividend="getDividends",
    get_dividend_for="getDividendsFor",
    has_cancellation=False,
    has_open_rates=False,
    coupon_struct=_short_coupon,
    maturity_view="getBondDetails",
    not_mature_error="BondMaturityDateWrong()",
    lifecycle_version=AssetVersion.VERSION_7,
)
VERSION_8: Final = Release(
    version="8.0.0",
    roles=roles.VERSION_8,
    initialize_resolver="initializeBusinessLogicResolver",
    registers_facets_at_once=False,
    configuration_tail=(b"",),
    factory="FactoryFacet",
    factory_is_facet=True,
    paused_view="paused",
    paused_error="IsPaused()",
    set_dividend="setDividend",
    get_dividend="getDividend",
    get_dividend_for="getDividendFor",
    has_cancellation=True,
    has_open_rates=True,
    coupon_struct=_long_coupon,
    maturity_view="getMaturityDate",
    not_mature_error="MaturityDateInvalid()",
    lifecycle_version=AssetVersion.VERSION_8,
)
RELEASES: Final = {release.version: release for release in (VERSION_2, VERSION_8)}
