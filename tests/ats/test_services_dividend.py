"""Dividends of an equity of the studio, paid by the four services: late, cancelled, announced anew.

The lifecycle contract cannot read those of version 2 (test_lifecycle.py).
"""

import pytest
import pytest_asyncio

from libs.errors import Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import PaymentState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms
from tests.ats.asset import Asset
from tests.ats.market import Listing, Market, request_of
from tests.ats.scene import NEW, UNIT, A, B, C, D

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.releases("8.0.0")]
AMOUNTS = {A: 10 * UNIT + 1, B: 20 * UNIT + 1, C: 30 * UNIT, D: 40 * UNIT + 3}
# 1.25 money a token. The asset itself rounds down to the two decimals in which the dividend is announced.
DUE = {holder: amount * 125 // UNIT * UNIT // 100 for holder, amount in AMOUNTS.items()}
MONEY = sum(DUE.values())
ALL_PAID = [(holder, amount, PaymentState.PAID) for holder, amount in DUE.items()]
_SECONDS_AHEAD = 1_000


@pytest_asyncio.fixture(loop_scope="session")
async def listing(market: Market) -> Listing:
    """An imported equity of AMOUNTS."""
    return await market.list_equity(AMOUNTS)


def announce(equity: Asset) -> tuple[int, int, int]:
    """A dividend of 1.25 money a token; its id, record date and execution date."""
    record = equity.chain.now + _SECONDS_AHEAD
    execution = record + _SECONDS_AHEAD
    dividend_id = equity.set_dividend(record=record, execution=execution, amount=125, amount_decimals=2)
    return dividend_id, record, execution


@pytest.mark.releases("2.0.0")
async def test_a_dividend_of_version_2_is_refused_by_name(market: Market, listing: Listing) -> None:
    dividend_id, _, execution = announce(listing.token)
    market.studio.chain.advance_to(execution)
    await market.deposit(listing.stage, MONEY)

    create = market.client.distributions.create_distribution
    refused = await market.refusal(create, request_of(listing, PayoutTerms(dividend_id=dividend_id)))
    assert refused.reason is Reason.ASSET_VERSION_NOT_SUPPORTED
    assert "getDividend(uint256) (0x0ecfcaa4)" in refused.message
    assert "getDividends(uint256) (0x3837ac88)" in refused.message
    unknown = await market.refusal(create, request_of(listing, PayoutTerms(dividend_id=dividend_id + 1)))
    assert unknown.reason is Reason.CORPORATE_ACTION_NOT_FOUND
    assert market.transfers(listing.stage) == []


async def test_who_held_at_the_record_date_is_paid_from_the_execution_date_on(
    market: Market, listing: Listing
) -> None:
    """All tokens count, also withheld ones; what is traded after the record date does not."""
    equity, chain = listing.token, market.studio.chain
    equity.freeze(A, AMOUNTS[A])
    equity.lock(B, UNIT, chain.now + 100 * _SECONDS_AHEAD)
    dividend_id, record, execution = announce(equity)
    await market.deposit(listing.stage, MONEY)
    distribution = await market.create_kind(listing, PayoutTerms(dividend_id=dividend_id), allow_unfunded=True)

    await market.waits_for(distribution, "RECORD_DATE_REACHED")
    chain.advance_to(record + 1)
    equity.block(C)
    # The first transfer after the record date takes the scheduled snapshot, unless the payout was quicker.
    equity.transfer(D, NEW, AMOUNTS[D])
    await market.waits_for(distribution, "EXECUTION_DATE_AHEAD")
    assert market.transfers(listing.stage) == []
    chain.advance_to(execution)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    market.assert_paid(listing.stage, DUE, left=0)
    await market.assert_told(distribution, ALL_PAID)
    await market.assert_no_batch_failed(distribution)


async def test_the_scheduled_snapshot_is_taken_when_nobody_else_does(market: Market, listing: Listing) -> None:
    equity = listing.token
    dividend_id, _, execution = announce(equity)
    market.studio.chain.advance_to(execution)
    snapshot_id = equity.dividend(dividend_id).snapshot_id
    assert snapshot_id == 0
    await market.deposit(listing.stage, MONEY)

    distribution = await market.create_kind(listing, PayoutTerms(dividend_id=dividend_id))
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    snapshot_id = equity.dividend(dividend_id).snapshot_id
    assert (await market.payout(distribution.payout)).snapshot_id == str(snapshot_id)
    assert snapshot_id
    market.assert_paid(listing.stage, DUE, left=0)
    await market.assert_told(distribution, ALL_PAID)


async def test_a_cancelled_dividend_is_refused_and_paid_when_it_is_announced_anew(
    market: Market, listing: Listing
) -> None:
    """The contract would pay a cancelled one in full."""
    equity = listing.token
    cancelled_id, *_ = announce(equity)
    await market.deposit(listing.stage, MONEY)
    waiting = await market.create_kind(listing, PayoutTerms(dividend_id=cancelled_id), allow_unfunded=True)
    await market.waits_for(waiting, "RECORD_DATE_REACHED")
    equity.cancel_dividend(cancelled_id)

    failed = await market.in_state(waiting.name, DistributionState.FAILED)
    assert failed.failure_reason.startswith("CORPORATE_ACTION_CANCELLED: ")
    create = market.client.distributions.create_distribution
    refused = await market.refusal(create, request_of(listing, PayoutTerms(dividend_id=cancelled_id)))
    assert refused.reason is Reason.CORPORATE_ACTION_CANCELLED
    assert market.transfers(listing.stage) == []

    announced_anew, _, execution = announce(equity)
    assert announced_anew == cancelled_id + 1
    market.studio.chain.advance_to(execution)
    distribution = await market.create_kind(listing, PayoutTerms(dividend_id=announced_anew))
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)
    market.assert_paid(listing.stage, DUE, left=0)
    await market.assert_told(distribution, ALL_PAID)


async def test_a_dividend_that_is_cancelled_between_two_batches_is_not_paid_on(
    market: Market, listing: Listing
) -> None:
    """Given up, its money is free for the one that is announced anew, which owes everybody the whole amount."""
    equity = listing.token
    cancelled_id, _, execution = announce(equity)
    market.studio.chain.advance_to(execution)
    first = await market.create_kind(listing, PayoutTerms(dividend_id=cancelled_id), allow_unfunded=True)
    await market.in_state(first.name, DistributionState.WAITING_FOR_FUNDS)
    paid = await market.pause_after_the_first_batch(listing.stage, first, MONEY)
    assert 0 < len(paid) < len(AMOUNTS)
    equity.send("forceCancelDividend", cancelled_id)
    await market.resume(first)

    await market.waits_for(first, "CORPORATE_ACTION_CANCELLED")
    await market.blocks_pass()
    paid_first = {holder: DUE[holder] for holder in paid}
    left = MONEY - sum(paid_first.values())
    market.assert_paid(listing.stage, paid_first, left=left)
    await market.cancel(first)
    await market.in_state(first.name, DistributionState.CANCELLED)
    states = {True: PaymentState.PAID, False: PaymentState.CANCELLED}
    await market.assert_told(first, [(holder, due, states[holder in paid]) for holder, due in DUE.items()])

    announced_anew, _, execution = announce(equity)
    market.studio.chain.advance_to(execution)
    await market.deposit(listing.stage, MONEY - left)
    second = await market.create_kind(listing, PayoutTerms(dividend_id=announced_anew))
    second = await market.in_state(second.name, DistributionState.COMPLETED)
    market.assert_paid(listing.stage, paid_first, DUE, left=0)
    await market.assert_told(second, ALL_PAID)
