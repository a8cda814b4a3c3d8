"""Coupons: layouts and formula of the versions, cancelling, and rates that come after the announcement.

Cancelling, changing a bond's nominal value and open rates are version 8's.
"""

from dataclasses import replace

import pytest
from eth_typing import ChecksumAddress

from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.release import RATE_PENDING, RATE_SET, Release
from tests.ats.scene import (
    AMOUNTS,
    COUPON_SECONDS,
    NEW,
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
only_version_2 = pytest.mark.releases("2.0.0")
only_version_8 = pytest.mark.releases("8.0.0")
HIGHEST_RATE = KPI_INTEREST_RATE[0]
PENALTY = KPI_INTEREST_RATE[5]


def amount_of(holder: ChecksumAddress, rate: int, release: Release) -> tuple[int, int, bool]:
    """Balance by nominal value by rate by time: what is due is the same, version 2 has not reduced the fraction.

    The nominal value is 1,000.00: 100,000 with two decimals.
    """
    nominal_value, decimals = {"2.0.0": (100_000, 10), "8.0.0": (1_000, 8)}[release.version]
    numerator = AMOUNTS[holder] * nominal_value * rate * COUPON_SECONDS
    return numerator, 10**decimals * YEAR_SECONDS, True


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


def words_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[start : start + 32], "big") for start in range(0, len(data), 32)]


def answer(bond: Asset, function: str, *arguments: object) -> list[int]:
    """The words that a view returns."""
    call = {"to": bond.address, "data": bond.contract.encode_abi(function, args=list(arguments))}
    return words_of(bond.chain.web3.eth.call(call))  # type: ignore[arg-type]


@only_version_8
def test_the_event_has_the_action_and_the_coupon_in_its_topics(chain: Chain, bond: Asset) -> None:
    terms = bond.release.coupon_struct(coupon_terms(chain.now, rate=RATE))
    (log,) = bond.send("setCoupon", terms)["logs"]
    assert [int.from_bytes(topic, "big") for topic in log["topics"][1:]] == [1, 1, int(chain.admin, 16)]
    assert words_of(log["data"]) == list(terms)


@only_version_2
def test_the_event_has_the_dates_in_its_topics(chain: Chain, bond: Asset) -> None:
    terms = coupon_terms(chain.now, rate=RATE)
    (log,) = bond.send("setCoupon", bond.release.coupon_struct(terms))["logs"]
    topics = [int.from_bytes(topic, "big") for topic in log["topics"][1:]]
    assert topics == [int(chain.admin, 16), terms.record, terms.execution]
    assert words_of(log["data"]) == [1, 1, RATE, 2, COUPON_SECONDS]


@only_version_2
def test_a_coupon_is_six_words(chain: Chain, bond: Asset, announced_at: int) -> None:
    """Version 8 answers the same selector with ten."""
    terms = [announced_at + 100, announced_at + 200, RATE, 2, COUPON_SECONDS]
    assert answer(bond, "getCoupon", 1) == [*terms, 0]
    chain.advance_to(announced_at + 101)
    bond.trigger_pending()
    assert answer(bond, "getCoupon", 1) == [*terms, 1]


def test_past_the_record_date_the_amounts_are_there(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    assert bond.read("getCouponHolders", 1, 0, 10) == [A, B, C, D]
    assert bond.read("getTotalCouponHolders", 1) == len(AMOUNTS)
    for holder in AMOUNTS:
        assert bond.read("getCouponAmountFor", 1, holder) == amount_of(holder, RATE, bond.release)


def test_up_to_the_record_date_nobody_holds(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 100)
    assert bond.read("getCouponHolders", 1, 0, 10) == []
    assert bond.read("getCouponAmountFor", 1, A) == (0, 0, False)


@only_version_8
def test_layout_of_a_holders_coupon(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    terms = bond.release.coupon_struct(coupon_terms(announced_at, rate=RATE))
    nominal = [TOKEN_TERMS.nominal_value, TOKEN_TERMS.nominal_value_decimals]
    amount = amount_of(A, RATE, bond.release)
    words = [AMOUNTS[A], TOKEN_TERMS.decimals, *nominal, 1, *terms, *amount, 0]
    assert answer(bond, "getCouponFor", 1, A) == words


@only_version_2
def test_layout_of_a_holders_coupon_in_version_2(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    dates = [announced_at + 100, announced_at + 200]
    words = [AMOUNTS[A], RATE, 2, *dates, COUPON_SECONDS, TOKEN_TERMS.decimals, 1]
    assert answer(bond, "getCouponFor", 1, A) == words


def test_a_triggered_coupon_is_fixed(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    bond.freeze(B, UNIT)
    bond.transfer(A, NEW, AMOUNTS[A])
    assert bond.read("getCouponHolders", 1, 0, 10) == [A, B, C, D]
    for holder in (A, B):
        assert bond.read("getCouponAmountFor", 1, holder) == amount_of(holder, RATE, bond.release)


@only_version_8
def test_a_triggered_coupon_keeps_the_nominal_value(chain: Chain, bond: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + 101)
    bond.send("setNominalValue", 1, 0)
    assert bond.read("getCouponAmountFor", 1, A) == amount_of(A, RATE, bond.release)


@only_version_8
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
    with refused("WrongDates(uint256,uint256)", terms.execution + 1, terms.execution):
        bond.set_coupon(replace(terms, record=terms.execution + 1))
    with refused("AccountHasNoRole(address,bytes32)", stranger, bond.roles.corporate_action):
        bond.send("setCoupon", bond.release.coupon_struct(terms), sender=stranger)


@only_version_2
def test_the_same_terms_make_a_second_coupon(bond: Asset, announced_at: int) -> None:
    assert bond.set_coupon(coupon_terms(announced_at, rate=RATE)) == 2


@only_version_2
def test_a_record_date_in_the_past_is_refused(chain: Chain, bond: Asset) -> None:
    now = chain.now
    with refused("WrongTimestamp(uint256)", now - 1):
        bond.set_coupon(replace(coupon_terms(now, rate=RATE), record=now - 1))


@only_version_8
def test_what_version_8_refuses(chain: Chain, bond: Asset, announced_at: int) -> None:
    terms = coupon_terms(chain.now, rate=RATE)
    with refused("CouponCreationFailed()"):
        bond.set_coupon(coupon_terms(announced_at, rate=RATE))
    with refused("InterestRateIsStandard()"):
        bond.set_coupon(replace(terms, rate=None))
    with refused("WrongDates(uint256,uint256)", terms.execution + 1, terms.execution):
        bond.set_coupon(replace(terms, fixing=terms.execution + 1))
    matures = bond.matures
    with refused("WrongDates(uint256,uint256)", matures + 1, matures):
        bond.set_coupon(replace(terms, end=matures + 1))


@only_version_8
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
    assert kpi_bond.read("getCouponAmountFor", 1, A) == amount_of(A, BASE_RATE + PENALTY, kpi_bond.release)


@only_version_8
def test_a_rate_follows_the_report_of_the_time_before_the_fixing_date(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    kpi_bond.send("addKpiData", now, KPI_IMPACT_DATA[0], PROJECT)
    chain.advance_to(now + 50)
    assert rate_of(kpi_bond) == (HIGHEST_RATE, 2, RATE_SET)


@only_version_8
def test_a_report_that_comes_too_late_is_refused(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    chain.advance_to(now + 60)
    with refused("InvalidDate(uint256,uint256,uint256)", now + 40, now + 50, now + 61):
        kpi_bond.send("addKpiData", now + 40, KPI_IMPACT_DATA[0], PROJECT)


@only_version_8
def test_nobody_is_told_that_a_rate_is_set(chain: Chain, kpi_bond: Asset) -> None:
    now = chain.now
    kpi_bond.set_coupon(coupon_terms(now, rate=None))
    chain.advance_to(now + 60)
    assert kpi_bond.trigger_pending()["logs"] == []
    assert rate_of(kpi_bond)[2] == RATE_SET


@only_version_8
def test_a_bond_with_open_rates_refuses_a_given_one(chain: Chain, kpi_bond: Asset) -> None:
    with refused("InterestRateIsKpiLinked()"):
        kpi_bond.set_coupon(coupon_terms(chain.now, rate=RATE))
