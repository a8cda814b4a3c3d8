"""Coupons of bonds of the studio, paid by the four services: the rate given, or set later, or none after all.

The lifecycle contract cannot read those of version 2 (test_lifecycle.py).
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import pytest_asyncio
from eth_typing import ChecksumAddress

from libs.errors import Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import PaymentState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms
from tests.ats.market import Listing, Market, request_of
from tests.ats.scene import (
    COUPON_SECONDS,
    NEW,
    NOMINAL_VALUE,
    PROJECT,
    UNIT,
    A,
    B,
    C,
    D,
    coupon_terms,
)
from tests.ats.studio import KPI_IMPACT_DATA, KPI_INTEREST_RATE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.releases("8.0.0")]
AMOUNTS = {A: 10 * UNIT + 1, B: 20 * UNIT + 1, C: 30 * UNIT, D: 40 * UNIT + 3}
RATE_PERCENT = 7
HIGHEST_RATE_PERCENT = KPI_INTEREST_RATE[0]
HIGHEST_REPORT = KPI_IMPACT_DATA[0]
YEAR_SECONDS = 365 * 24 * 3600


def due_at(rate_percent: int) -> dict[ChecksumAddress, int]:
    """Balance by nominal value by rate by time, rounded down."""
    return {
        holder: amount * NOMINAL_VALUE * rate_percent * COUPON_SECONDS // (100 * YEAR_SECONDS)
        for holder, amount in AMOUNTS.items()
    }


def all_paid(due: Mapping[ChecksumAddress, int]) -> list[tuple[ChecksumAddress, int, PaymentState]]:
    """The ledger when everybody is paid."""
    return [(holder, amount, PaymentState.PAID) for holder, amount in due.items()]


@pytest_asyncio.fixture(loop_scope="session")
async def bond(market: Market) -> Listing:
    """An imported bond of AMOUNTS whose coupons' rates are given when they are announced."""
    return await market.list_bond(AMOUNTS)


@pytest_asyncio.fixture(loop_scope="session")
async def kpi_bond(market: Market) -> Listing:
    """An imported bond of AMOUNTS whose coupons' rates stay open until their fixing dates."""
    return await market.list_kpi_bond(AMOUNTS)


@pytest.mark.releases("2.0.0")
async def test_a_coupon_of_version_2_is_refused_by_name(market: Market, bond: Listing) -> None:
    terms = coupon_terms(market.studio.chain.now, rate=RATE_PERCENT)
    coupon_id = bond.token.set_coupon(terms)
    market.studio.chain.advance_to(terms.execution)
    await market.deposit(bond.stage, sum(due_at(RATE_PERCENT).values()))

    create = market.client.distributions.create_distribution
    refused = await market.refusal(create, request_of(bond, PayoutTerms(coupon_id=coupon_id)))
    assert refused.reason is Reason.ASSET_VERSION_NOT_SUPPORTED
    assert "getCoupon(uint256) (0x936e3169)" in refused.message
    unknown = await market.refusal(create, request_of(bond, PayoutTerms(coupon_id=coupon_id + 1)))
    assert unknown.reason is Reason.CORPORATE_ACTION_NOT_FOUND
    assert market.transfers(bond.stage) == []


async def test_a_coupon_is_paid_to_who_held_at_the_record_date(market: Market, bond: Listing) -> None:
    chain, due = market.studio.chain, due_at(RATE_PERCENT)
    bond.token.freeze(B, AMOUNTS[B])
    terms = coupon_terms(chain.now, rate=RATE_PERCENT)
    coupon_id = bond.token.set_coupon(terms)
    await market.deposit(bond.stage, sum(due.values()))
    distribution = await market.create_kind(bond, PayoutTerms(coupon_id=coupon_id), allow_unfunded=True)

    await market.waits_for(distribution, "RECORD_DATE_REACHED")
    chain.advance_to(terms.record + 1)
    bond.token.transfer(A, NEW, AMOUNTS[A])
    await market.waits_for(distribution, "EXECUTION_DATE_AHEAD")
    chain.advance_to(terms.execution)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    market.assert_paid(bond.stage, due, left=0)
    await market.assert_told(distribution, all_paid(due))
    await market.assert_no_batch_failed(distribution)


async def test_a_coupon_waits_for_its_rate(market: Market, kpi_bond: Listing) -> None:
    """Up to the fixing date the asset says that nothing is due; the contract would take it at its word."""
    chain, due = market.studio.chain, due_at(HIGHEST_RATE_PERCENT)
    now = chain.now
    # Fixed and executed far behind the record date: the test decides when.
    terms = replace(coupon_terms(now, rate=None), fixing=now + 500, execution=now + 500)
    coupon_id = kpi_bond.token.set_coupon(terms)
    await market.deposit(kpi_bond.stage, sum(due.values()))
    distribution = await market.create_kind(kpi_bond, PayoutTerms(coupon_id=coupon_id), allow_unfunded=True)

    await market.waits_for(distribution, "RECORD_DATE_REACHED")
    chain.advance_to(terms.record + 1)
    await market.waits_for(distribution, "RATE_SET")
    kpi_bond.token.send("addKpiData", chain.now, HIGHEST_REPORT, PROJECT)
    await market.blocks_pass()
    await market.waits_for(distribution, "RATE_SET")
    assert market.transfers(kpi_bond.stage) == []

    chain.advance_to(terms.fixing)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)
    market.assert_paid(kpi_bond.stage, due, left=0)
    await market.assert_told(distribution, all_paid(due))


async def test_a_cancelled_coupon_is_not_paid(market: Market, bond: Listing) -> None:
    terms = coupon_terms(market.studio.chain.now, rate=RATE_PERCENT)
    coupon_id = bond.token.set_coupon(terms)
    waiting = await market.create_kind(bond, PayoutTerms(coupon_id=coupon_id), allow_unfunded=True)
    await market.waits_for(waiting, "RECORD_DATE_REACHED")
    bond.token.cancel_coupon(coupon_id)

    failed = await market.in_state(waiting.name, DistributionState.FAILED)
    assert failed.failure_reason.startswith("CORPORATE_ACTION_CANCELLED: ")
    create = market.client.distributions.create_distribution
    refused = await market.refusal(create, request_of(bond, PayoutTerms(coupon_id=coupon_id)))
    assert refused.reason is Reason.CORPORATE_ACTION_CANCELLED


async def test_a_coupon_that_is_cancelled_between_two_batches_is_not_paid_on(
    market: Market, bond: Listing
) -> None:
    """The contract divides by zero then: no batch is sent that would revert."""
    due = due_at(RATE_PERCENT)
    terms = coupon_terms(market.studio.chain.now, rate=RATE_PERCENT)
    coupon_id = bond.token.set_coupon(terms)
    market.studio.chain.advance_to(terms.execution)
    distribution = await market.create_kind(bond, PayoutTerms(coupon_id=coupon_id), allow_unfunded=True)
    await market.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)
    money = sum(due.values())
    paid = await market.pause_after_the_first_batch(bond.stage, distribution, money)
    assert 0 < len(paid) < len(AMOUNTS)
    bond.token.send("forceCancelCoupon", coupon_id)
    await market.resume(distribution)

    await market.waits_for(distribution, "CORPORATE_ACTION_CANCELLED")
    await market.cancel(distribution)
    await market.in_state(distribution.name, DistributionState.CANCELLED)
    got = {holder: due[holder] for holder in paid}
    market.assert_paid(bond.stage, got, left=money - sum(got.values()))
    states = {True: PaymentState.PAID, False: PaymentState.CANCELLED}
    await market.assert_told(
        distribution, [(holder, each, states[holder in paid]) for holder, each in due.items()]
    )
    await market.assert_no_batch_failed(distribution)
