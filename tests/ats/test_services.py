"""The four services on tokens of the studio, checked on chain: imports and snapshot payouts."""

from uuid import uuid4

import pytest
from eth_utils.address import to_checksum_address

from libs.protogen.typed.masspayout.asset.v1 import ImportAssetRequest
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import PaymentState
from tests.ats.lifecycle import deploy_payment_token
from tests.ats.market import Market
from tests.ats.scene import AMOUNTS, NEW, SECONDS_TO_MATURITY, SUPPLY, TOKEN_TERMS, UNIT, A, B, C, D
from tests.system.harness import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")
# Divides with a remainder: a base unit stays with the contract.
TOTAL = 3 * SUPPLY + 1


async def test_a_snapshot_payout_by_a_contract_that_the_import_deploys(market: Market) -> None:
    chain = market.studio.chain
    equity = market.studio.deploy_equity(TOKEN_TERMS)
    equity.issue(AMOUNTS)
    equity.grant(equity.roles.snapshot, market.signer)
    payment_token = deploy_payment_token(chain).address
    request = ImportAssetRequest(request_id=str(uuid4()), token=equity.address, payment_token=payment_token)
    asset = await market.active((await market.call(market.client.assets.import_asset, request)).name)
    assert asset.lifecycle_contract
    contract = to_checksum_address(asset.lifecycle_contract.evm_address)
    stage = Stage(equity.address, payment_token, contract, AMOUNTS)
    await market.deposit(stage, TOTAL)

    distribution = await market.create(asset.name, TOTAL)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    await market.assert_paid_once(stage, distribution.payout, TOTAL)


async def test_a_snapshot_payout_to_holders_of_a_bond(market: Market) -> None:
    listing = await market.list_bond(AMOUNTS)
    await market.deposit(listing.stage, TOTAL)

    distribution = await market.create(listing.name, TOTAL)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    await market.assert_paid_once(listing.stage, distribution.payout, TOTAL)


async def test_a_snapshot_payout_leaves_the_share_of_withheld_tokens(market: Market) -> None:
    """Frozen and locked tokens get nothing, though they count in the supply; the control list changes nothing."""
    amounts = {**AMOUNTS, NEW: 7 * UNIT + 1}
    listing = await market.list_equity(amounts)
    equity, stage = listing.token, listing.stage
    equity.freeze(A, 3 * UNIT + 1)
    equity.lock(B, 5 * UNIT, equity.chain.now + SECONDS_TO_MATURITY)
    equity.block(C)
    equity.freeze(D, amounts[D])
    free = {A: 7 * UNIT - 1, B: 15 * UNIT, C: amounts[C], D: 0, NEW: amounts[NEW]}
    supply = sum(amounts.values())
    due = {holder: TOTAL * balance // supply for holder, balance in free.items()}
    await market.deposit(stage, TOTAL)

    distribution = await market.create(listing.name, TOTAL)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    left = TOTAL - sum(due.values())
    market.assert_paid(stage, due, left=left)
    states = {True: PaymentState.PAID, False: PaymentState.ZERO_DUE}
    await market.assert_told(
        distribution, [(holder, amount, states[amount > 0]) for holder, amount in due.items()]
    )
    payout = await market.payout(distribution.payout)
    assert payout.frozen_share
    assert payout.rounding_dust
    assert int(payout.frozen_share.base_units) + int(payout.rounding_dust.base_units) == left
    assert int(payout.frozen_share.base_units) == TOTAL * (supply - sum(free.values())) // supply


async def test_tokens_that_are_locked_between_two_batches(market: Market) -> None:
    """Version 2 takes them out of the snapshot that is being paid: what is paid is less than what was planned."""
    holders = [to_checksum_address(f"0x{0xABC000 + number:040x}") for number in range(12)]
    listing = await market.list_equity(dict.fromkeys(holders, 10 * UNIT))
    stage, chain = listing.stage, market.studio.chain
    distribution = await market.create(listing.name, 360 * UNIT, allow_unfunded=True)
    await market.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)
    paid = await market.pause_after_the_first_batch(stage, distribution, 360 * UNIT)
    (late, *_) = [holder for holder in holders if holder not in paid]
    listing.token.lock(late, UNIT, chain.now + SECONDS_TO_MATURITY)
    await market.resume(distribution)

    due = dict.fromkeys(holders, 30_000_000)
    if listing.token.release.version == "8.0.0":
        await market.in_state(distribution.name, DistributionState.COMPLETED)
        market.assert_paid(stage, due, left=0)
        return
    await market.in_state(distribution.name, DistributionState.INCOMPLETE)
    market.assert_paid(stage, due | {late: 27_000_000}, left=3_000_000)
    ((holder, detail),) = [
        (payment.holder.evm_address, payment.detail)
        for payment in await market.payments(distribution.payout)
        if payment.holder and payment.state is PaymentState.DISPUTED
    ]
    assert holder == late
    assert detail == "owed 30000000, the event says 27000000, the token says 27000000"
