"""Redemption of bonds of the studio by the four services, as far as each version allows.

Version 8 tells the principal of all tokens of a holder and burns the free ones, version 2 drops who has others
from its list (test_redemption.py, test_register.py): whoever has others must not be in a call. Version 2 tells the
principal of the free tokens, and burns them without a Transfer.
"""

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import PaymentState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms, Redemption
from tests.ats.asset import Asset
from tests.ats.market import LARGE_BATCHES, Market, retry_request
from tests.ats.scene import NEW, NOMINAL_VALUE, UNIT, A, B, C

pytestmark = pytest.mark.asyncio(loop_scope="session")
FREE = [ChecksumAddress(to_checksum_address(f"0x{number:040x}")) for number in range(0xF001, 0xF008)]
# First in the register, so first paid.
AMOUNTS = {
    **{holder: number * UNIT + number for number, holder in enumerate(FREE, start=5)},
    A: 10 * UNIT,
    B: 20 * UNIT,
    C: 30 * UNIT,
}
LOCK_SECONDS = 1_000


def principal(tokens: dict[ChecksumAddress, int]) -> dict[ChecksumAddress, int]:
    """What tokens are worth; tokens and money have as many decimals."""
    return {holder: NOMINAL_VALUE * amount for holder, amount in tokens.items()}


def lock(bond: Asset, holder: ChecksumAddress, amount: int, until: int) -> int:
    """Lock tokens; the lock's id."""
    (event,) = bond.events(bond.lock(holder, amount, until), "LockedByPartition")
    return int(event["lockId"])


async def test_everybody_is_paid_once_whoever_trades_and_whoever_has_to_wait(market: Market) -> None:
    chain = market.studio.chain
    listing = await market.list_bond(AMOUNTS)
    bond, stage = listing.token, listing.stage
    matures = bond.matures
    bond.freeze(A, UNIT)
    lock_id = lock(bond, B, 20 * UNIT, matures + LOCK_SECONDS)
    bond.block(C)
    bond.send("revokeRole", bond.roles.maturity_redeemer, stage.contract)
    distribution = await market.create_kind(listing, PayoutTerms(redemption=Redemption()), allow_unfunded=True)
    await market.waits_for(distribution, "MATURITY_REACHED")
    chain.advance_to(matures + 1)
    await market.waits_for(distribution, "REDEEMER_ROLE_HELD")
    bond.grant(bond.roles.maturity_redeemer, stage.contract)
    await market.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)

    money = NOMINAL_VALUE * sum(AMOUNTS.values())
    paid = await market.pause_after_the_first_batch(stage, distribution, money)
    partial, part, whole, *_ = [holder for holder in FREE if holder not in paid]
    bond.transfer(partial, paid[0], UNIT)
    bond.transfer(partial, part, 2 * UNIT)
    bond.transfer(whole, NEW, AMOUNTS[whole])
    await market.resume(distribution)
    await market.in_state(distribution.name, DistributionState.INCOMPLETE)

    first = principal({holder: AMOUNTS[holder] for holder in paid})
    rest = {holder: AMOUNTS[holder] for holder in FREE if holder not in (*paid, whole)}
    rest[partial] -= 3 * UNIT
    rest[part] += 2 * UNIT
    second = principal({**rest, paid[0]: UNIT, NEW: AMOUNTS[whole]})
    withheld = principal({holder: AMOUNTS[holder] for holder in (A, B, C)})
    market.assert_paid(stage, first, second, left=sum(withheld.values()))
    assert set(bond.holders()) == {A, B, C}
    traded = [(holder, amount, PaymentState.PAID) for each in (first, second) for holder, amount in each.items()]
    traded.append((whole, 0, PaymentState.ZERO_DUE))
    failed = [(holder, amount, PaymentState.FAILED) for holder, amount in withheld.items()]
    if bond.release.version == "2.0.0":
        failed = [
            (A, 9_000_000_000, PaymentState.FAILED),
            (B, 0, PaymentState.ZERO_DUE),
            (C, 30_000_000_000, PaymentState.FAILED),
        ]
    await market.assert_told(distribution, [*traded, *failed])
    reasons = {
        payment.holder.evm_address: payment.reason
        for payment in await market.payments(distribution.payout)
        if payment.holder and payment.reason
    }
    not_due = {} if bond.release.version == "2.0.0" else {B: "TOKENS_NOT_FREE"}
    assert reasons == {A: "TOKENS_NOT_FREE", C: "BATCH_REVERTED"} | not_due

    bond.unfreeze(A, UNIT)
    chain.advance_to(max(chain.now, matures + LOCK_SECONDS) + 1)
    bond.send("release", lock_id, B)
    bond.unblock(C)
    await market.call(market.client.payouts.retry_payments, retry_request(distribution))
    await market.in_state(distribution.name, DistributionState.COMPLETED)
    market.assert_paid(stage, first, second, withheld, left=0)
    assert bond.read("totalSupply") == 0
    made = [(holder, amount, PaymentState.PAID) for holder, amount in withheld.items()]
    if bond.release.version == "2.0.0":
        made.append((B, 0, PaymentState.ZERO_DUE))
    await market.assert_told(distribution, [*traded, *made])
    await market.assert_no_batch_failed(distribution)


async def test_who_kept_tokens_after_being_paid_is_not_paid_again(market: Market) -> None:
    """After an adjustment the asset burns only what it has noted of a holder whom nothing has touched since.

    It has told, and the contract has paid, the principal of the adjusted balance: an operator must look.
    """
    listing = await market.list_bond({A: 10 * UNIT, B: 20 * UNIT})
    bond, stage = listing.token, listing.stage
    bond.adjust(2, 0)
    bond.transfer(B, NEW, UNIT)
    market.studio.chain.advance_to(bond.matures + 1)
    assert bond.balance_of(A) == 20 * UNIT
    # More than all are due, so that nothing but the payout keeps A from being paid for the rest.
    spare = NOMINAL_VALUE * 20 * UNIT
    await market.deposit(stage, NOMINAL_VALUE * 60 * UNIT + spare)

    distribution = await market.create_kind(listing, PayoutTerms(redemption=Redemption()))
    distribution = await market.in_state(distribution.name, DistributionState.INCOMPLETE)
    due = principal({A: 20 * UNIT, B: 39 * UNIT, NEW: UNIT})
    market.assert_paid(stage, due, left=spare)
    assert bond.balance_of(A) == 10 * UNIT
    states = {holder: state for holder, _, state in await market.told(distribution)}
    assert states == {A: PaymentState.DISPUTED, B: PaymentState.PAID, NEW: PaymentState.PAID}

    # Holders are listed once more, and who is in dispute is not paid for what is left.
    await market.call(market.client.payouts.retry_payments, retry_request(distribution))
    await market.blocks_pass()
    await market.in_state(distribution.name, DistributionState.INCOMPLETE)
    market.assert_paid(stage, due, left=spare)
    again = await market.create_kind(listing, PayoutTerms(redemption=Redemption()), allow_unfunded=True)
    await market.waits_for(again, "ACTION_HAS_PAYOUT")
    market.assert_paid(stage, due, left=spare)


@pytest.mark.releases("2.0.0")
async def test_who_is_listed_twice_is_paid_once(market: Market) -> None:
    """By a snapshot payout, then by the redemption, which the snapshot makes dear."""
    await market.run_payout_service(LARGE_BATCHES)
    listing = await market.list_bond({A: 10 * UNIT, B: 20 * UNIT, C: 30 * UNIT})
    bond, stage = listing.token, listing.stage
    bond.freeze(A, 10 * UNIT)
    bond.transfer(B, A, UNIT)
    bond.unfreeze(A, 10 * UNIT)
    assert bond.holders() == [A, B, C, A]
    await market.deposit(stage, 180 * UNIT)
    snapshot = await market.create(listing.name, 180 * UNIT)
    await market.in_state(snapshot.name, DistributionState.COMPLETED)
    shares = {A: 33_000_000, B: 57_000_000, C: 90_000_000}
    market.assert_paid(stage, shares, left=0)

    market.studio.chain.advance_to(bond.matures + 1)
    await market.deposit(stage, 60_000_000_000)
    # Unfunded at first sight: what is told before the plan counts them twice.
    redemption = await market.create_kind(listing, PayoutTerms(redemption=Redemption()), allow_unfunded=True)
    await market.in_state(redemption.name, DistributionState.COMPLETED)
    principals = {A: 11_000_000_000, B: 19_000_000_000, C: 30_000_000_000}
    market.assert_paid(stage, shares, principals, left=0)
    assert bond.read("totalSupply") == 0


@pytest.mark.releases("2.0.0")
async def test_whom_the_list_lacks_is_told_by_what_is_left_and_paid_once_it_is_listed(market: Market) -> None:
    listing = await market.list_bond({A: 10 * UNIT, B: 20 * UNIT, C: 30 * UNIT})
    bond, stage = listing.token, listing.stage
    bond.freeze(A, 2 * UNIT)
    bond.transfer(A, B, 8 * UNIT)
    bond.unfreeze(A, 2 * UNIT)
    assert bond.holders() == [C, B]
    market.studio.chain.advance_to(bond.matures + 1)
    await market.deposit(stage, 60_000_000_000)

    distribution = await market.create_kind(listing, PayoutTerms(redemption=Redemption()))
    distribution = await market.in_state(distribution.name, DistributionState.INCOMPLETE)
    first = {B: 28_000_000_000, C: 30_000_000_000}
    market.assert_paid(stage, first, left=2_000_000_000)
    assert bond.read("totalSupply") == 2_000_000
    assert "TOKENS_LEFT" in (await market.payout(distribution.payout)).waiting_for

    # To be listed again a holder has to have no free token when one comes.
    bond.freeze(A, 2 * UNIT)
    bond.issue({A: 1})
    bond.unfreeze(A, 2 * UNIT)
    assert bond.holders() == [A]
    await market.deposit(stage, 1_000)
    await market.call(market.client.payouts.retry_payments, retry_request(distribution))
    await market.in_state(distribution.name, DistributionState.COMPLETED)
    market.assert_paid(stage, first, {A: 2_000_001_000}, left=0)
    assert bond.read("totalSupply") == 0
