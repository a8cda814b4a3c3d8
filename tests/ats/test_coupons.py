"""Coupons: layout and formula of version 8, cancelling, and rates that come after the announcement."""

from dataclasses import replace

import pytest
from eth_typing import ChecksumAddress

from tests.ats import roles
from tests.ats.asset import RATE_PENDING, RATE_SET, Asset
from tests.ats.chain import Chain
from tests.ats.scene import (
    AMOUNTS,
    COUPON_SECONDS,
    NEW,
    NOMINAL_VALUE,
    PROJECT,
    TOKEN_TERMS,
    UNIT,
    A,
    B,
    C,
    D,
    coupon_terms,
    refused,
)
from tests.ats.studio import BASE_RATE, KPI_IMPACT_DATA, KPI_INTEREST_RATE

RATE = 5
YEAR_SECONDS = 365 * 24 * 3600
DENOMINATOR = 10 ** (TOKEN_TERMS.decimals + 2) * YEAR_SECONDS
HIGHEST_RATE = KPI_INTEREST_RATE[0]
PENALTY = KPI_INTEREST_RATE[5]


def numerator(holder: ChecksumAddress, rate: int) -> int:
    """Balance by nominal value by rate by time."""
    return AMOUNTS[holder] * NOMINAL_VALUE * rate * COUPON_SECONDS


def rate_of(bond: Asset, coupon_id: int = 1) -> tuple[int, int, int]:
    """Rate, its decimals and whether it is set."""
    (coupon, _), _ = bond.read("getCoupon", coupon_id)
    return coupon[5], coupon[6], coupon[7]


@pytest.fixture
def announced_at(chain: Chain, bond: Asset) -> int:
    """When coupon 1 of the bond was announced."""
    now = chain.now
    bond.set_coupon(coupon_terms(now, rate=RATE))
    return now


def test_the_event_has_the_action_and_the_coupon_in_its_topics(chain: Chain, bond: Asset) -> None:
    terms = coupon_terms(chain.now, rate=RATE).as_struct()
    (log,) = bond.send("setCoupon", terms)["logs"]
    assert [int.from_bytes(topic, "big") for topic in log["topics"][1:]] == [1, 1, int(chain.admin, 16)]
    words = [int.from_bytes(log["data"][start : start + 32], "big") for start in range(0, len(log["data"]), 32)]
    assert words == list(terms)


def test_past_the_record_date_the_amounts_are_there(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    assert bond.read("getCouponHolders", 1, 0, 10) == [A, B, C, D]
    assert bond.read("getTotalCouponHolders", 1) == len(AMOUNTS)
    for holder in AMOUNTS:
        assert bond.read("getCouponAmountFor", 1, holder) == (numerator(holder, RATE), DENOMINATOR, True)


def test_up_to_the_record_date_nobody_holds(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 100)
    assert bond.read("getCouponHolders", 1, 0, 10) == []
    assert bond.read("getCouponAmountFor", 1, A) == (0, 0, False)


def test_layout_of_a_holders_coupon(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    terms = coupon_terms(announced_at, rate=RATE).as_struct()
    call = {"to": bond.address, "data": bond.contract.encode_abi("getCouponFor", args=[1, A])}
    raw = chain.web3.eth.call(call)  # type: ignore[arg-type]
    words = [int.from_bytes(raw[start : start + 32], "big") for start in range(0, len(raw), 32)]
    nominal = [TOKEN_TERMS.nominal_value, TOKEN_TERMS.nominal_value_decimals]
    amount = [numerator(A, RATE), DENOMINATOR, 1]
    assert words == [AMOUNTS[A], TOKEN_TERMS.decimals, *nominal, 1, *terms, *amount, 0]


def test_a_triggered_coupon_is_fixed(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    bond.freeze(B, UNIT)
    bond.transfer(A, NEW, AMOUNTS[A])
    bond.send("setNominalValue", 1, 0)
    assert bond.read("getCouponHolders", 1, 0, 10) == [A, B, C, D]
    for holder in (A, B):
        assert bond.read("getCouponAmountFor", 1, holder) == (numerator(holder, RATE), DENOMINATOR, True)


@pytest.mark.parametrize("is_triggered", [False, True], ids=["pending", "triggered"])
def test_a_cancelled_coupon_has_no_amounts(
    chain: Chain, bond: Asset, announced_at: int, *, is_triggered: bool
) -> None:
    chain.advance_to(announced_at + 101)
    if is_triggered:
        bond.trigger_pending()
    (event,) = bond.events(bond.cancel_coupon(1), "CouponCancelled")
    assert event == {"couponId": 1, "operator": chain.admin}

    (_, snapshot_id), is_disabled = bond.read("getCoupon", 1)
    assert (is_disabled, snapshot_id != 0) == (True, is_triggered)
    assert bond.read("getCouponAmountFor", 1, A) == (0, 0, False)
    assert bond.read("getCouponHolders", 1, 0, 10) == [A, B, C, D]


def test_what_is_refused(chain: Chain, bond: Asset, announced_at: int, stranger: ChecksumAddress) -> None:
    terms = coupon_terms(chain.now, rate=RATE)
    with refused("InterestRateIsStandard()"):
        bond.set_coupon(replace(terms, rate=None))
    with refused("WrongDates(uint256,uint256)", terms.execution + 1, terms.execution):
        bond.set_coupon(replace(terms, fixing=terms.execution + 1))
    matures = bond.read("getMaturityDate")
    with refused("WrongDates(uint256,uint256)", matures + 1, matures):
        bond.set_coupon(replace(terms, end=matures + 1))
    with refused("AccountHasNoRole(address,bytes32)", stranger, roles.CORPORATE_ACTION):
        bond.send("setCoupon", terms.as_struct(), sender=stranger)
    with refused("CouponCreationFailed()"):
        bond.set_coupon(coupon_terms(announced_at, rate=RATE))


def test_an_open_rate_makes_amounts_of_nothing_until_the_fixing_date(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(replace(coupon_terms(now, rate=None), fixing=now + 150))

    chain.advance_to(now + 149)
    assert rate_of(kpi_bond) == (0, 0, RATE_PENDING)
    # Not as if it were not due: a contract that divides these two finds 0, and nothing wrong.
    nothing, denominator, is_reached = kpi_bond.read("getCouponAmountFor", 1, A)
    assert (nothing, denominator > 0, is_reached) == (0, True, True)

    chain.advance_to(now + 150)
    assert rate_of(kpi_bond) == (BASE_RATE + PENALTY, 2, RATE_SET)
    assert kpi_bond.read("getCouponAmountFor", 1, A) == (numerator(A, BASE_RATE + PENALTY), DENOMINATOR, True)


def test_a_rate_follows_the_report_of_the_time_before_the_fixing_date(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    kpi_bond.send("addKpiData", now, KPI_IMPACT_DATA[0], PROJECT)
    chain.advance_to(now + 50)
    assert rate_of(kpi_bond) == (HIGHEST_RATE, 2, RATE_SET)


def test_a_report_that_comes_too_late_is_refused(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    chain.advance_to(now + 60)
    with refused("InvalidDate(uint256,uint256,uint256)", now + 40, now + 50, now + 61):
        kpi_bond.send("addKpiData", now + 40, KPI_IMPACT_DATA[0], PROJECT)


def test_nobody_is_told_that_a_rate_is_set(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    chain.advance_to(now + 60)
    assert kpi_bond.trigger_pending()["logs"] == []
    assert rate_of(kpi_bond)[2] == RATE_SET


def test_a_bond_with_open_rates_refuses_a_given_one(chain: Chain, kpi_bond: Asset) -> None:
    with refused("InterestRateIsKpiLinked()"):
        kpi_bond.set_coupon(coupon_terms(chain.now, rate=RATE))
