"""How many payees the engine puts into a call on tokens of the studio, under what Hedera gives a transaction.

The contracts' costs differ by more than ten times between the cheapest and the dearest call, so no constant would
do: the size is estimated on the chain at hand. `make test-ats` prints the table that is made here.
"""

from collections.abc import Sequence

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from libs.protogen.typed.masspayout.distribution.v1 import Distribution, DistributionState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms, Redemption
from tests.ats.market import HEDERA_BATCH_GAS, LARGE_BATCHES, Listing, Market
from tests.ats.report import BatchSize
from tests.ats.scene import COUPON_SECONDS, NOMINAL_VALUE, UNIT, coupon_terms

pytestmark = pytest.mark.asyncio(loop_scope="session")
YEAR_SECONDS = 365 * 24 * 3600
# More than fit into one call.
EQUITY_HOLDERS = 300
BOND_HOLDERS = 120
# Of each holder; dividend and coupon and principal of it are whole base units.
TOKENS = 10 * UNIT
RATE_PERCENT = 10
LEAST_RATIO = 5
SNAPSHOT_OF_A_BOND = "snapshot of a bond, payees new to the money"


def holders(count: int) -> dict[ChecksumAddress, int]:
    """So many holders of TOKENS."""
    return {to_checksum_address(f"0x{0xABC000 + number:040x}"): TOKENS for number in range(count)}


async def pay(
    market: Market, listing: Listing, distribution: Distribution, call: str, each: Sequence[int]
) -> BatchSize:
    """Wait until a distribution has paid; `each` is what every holder has got by now, payout by payout."""
    await market.in_state(distribution.name, DistributionState.COMPLETED)
    due = [dict.fromkeys(listing.stage.holders, amount) for amount in each]
    market.assert_paid(listing.stage, *due, left=0)
    await market.assert_no_batch_failed(distribution)
    batches = await market.batches(distribution.payout)
    assert max(batch.gas_limit for batch in batches) <= HEDERA_BATCH_GAS
    return BatchSize(
        call=call,
        payees=len(listing.stage.holders),
        first_batch=batches[0].holder_count,
        batches=len(batches),
        first_gas_used=batches[0].gas_used,
    )


async def pay_equity(market: Market) -> list[BatchSize]:
    """A snapshot payout, then a dividend, which version 2 has not for the lifecycle contract."""
    listing = await market.list_equity(holders(EQUITY_HOLDERS))
    share, dividend = 2 * UNIT, TOKENS * 3 // 2
    total = share * EQUITY_HOLDERS
    await market.deposit(listing.stage, total)
    snapshot = await market.create(listing.name, total)
    first = await pay(market, listing, snapshot, "snapshot, payees new to the money", [share])
    if listing.token.release.version == "2.0.0":
        return [first]

    record = market.studio.chain.now + 100
    dividend_id = listing.token.set_dividend(record=record, execution=record + 100, amount=15, amount_decimals=1)
    market.studio.chain.advance_to(record + 100)
    await market.deposit(listing.stage, dividend * EQUITY_HOLDERS)
    distribution = await market.create_kind(listing, PayoutTerms(dividend_id=dividend_id))
    return [first, await pay(market, listing, distribution, "dividend, payees hold the money", [share, dividend])]


async def pay_bond(market: Market) -> list[BatchSize]:
    """A coupon, of version 2 a snapshot payout, then the redemption: a snapshot makes burning dear."""
    listing = await market.list_bond(holders(BOND_HOLDERS))
    chain = market.studio.chain
    interest = TOKENS * NOMINAL_VALUE * RATE_PERCENT * COUPON_SECONDS // (100 * YEAR_SECONDS)
    await market.deposit(listing.stage, interest * BOND_HOLDERS)
    if market.studio.release.version == "2.0.0":
        call = SNAPSHOT_OF_A_BOND
        distribution = await market.create(listing.name, interest * BOND_HOLDERS)
    else:
        call = "coupon, payees new to the money"
        terms = coupon_terms(chain.now, rate=RATE_PERCENT)
        coupon_id = listing.token.set_coupon(terms)
        chain.advance_to(terms.execution)
        distribution = await market.create_kind(listing, PayoutTerms(coupon_id=coupon_id))
    first = await pay(market, listing, distribution, call, [interest])
    return [first, await redeem(market, listing, "cash-out after a snapshot", [interest])]


async def redeem(market: Market, listing: Listing, call: str, before: Sequence[int] = ()) -> BatchSize:
    """Let the bond mature and pay the principal."""
    market.studio.chain.advance_to(listing.token.matures + 1)
    await market.deposit(listing.stage, NOMINAL_VALUE * TOKENS * BOND_HOLDERS)
    distribution = await market.create_kind(listing, PayoutTerms(redemption=Redemption()))
    size = await pay(market, listing, distribution, call, [*before, NOMINAL_VALUE * TOKENS])
    assert listing.token.read("totalSupply") == 0
    return size


async def test_as_many_payees_as_the_call_allows(market: Market, batch_sizes: list[BatchSize]) -> None:
    await market.run_payout_service(LARGE_BATCHES)
    batch_sizes += await pay_equity(market)
    batch_sizes += await pay_bond(market)
    listing = await market.list_bond(holders(BOND_HOLDERS))
    batch_sizes.append(await redeem(market, listing, "cash-out, bond never snapshotted"))

    # Each was cut by gas, not by the number of holders, but for a snapshot's few of version 2.
    whole = [size.call for size in batch_sizes if size.first_batch == size.payees]
    assert whole == ([SNAPSHOT_OF_A_BOND] if market.studio.release.version == "2.0.0" else [])
    sizes = [size.first_batch for size in batch_sizes]
    assert max(sizes) >= LEAST_RATIO * min(sizes)
