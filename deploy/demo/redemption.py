"""SCENARIO=redemption: pays the principal of a matured bond to every holder, while some of them still trade.

One holder is on the control list: the contract would refuse any call with this holder in it. It is found and
named, the others are paid; taken off the list, it is paid too.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.demo.bond import YEAR_SECONDS, issue_bond, principal
from deploy.demo.follow import Following
from deploy.demo.outcome import Outcome
from deploy.demo.payout import PaidDistribution, create, list_batches, list_payments
from deploy.demo.scene import SYMBOL, Listing, Scene, TokenLedger, decimal, newcomer
from deploy.demo.settings import DemoError
from deploy.demo.verify import Claim, verify_claim
from libs.client.client import progress_of
from libs.errors import AppError, Reason
from libs.protogen.typed.masspayout.distribution.v1 import (
    Distribution,
    DistributionState,
    GetDistributionRequest,
)
from libs.protogen.typed.masspayout.payout.v1 import (
    BatchState,
    PausePayoutRequest,
    PaymentState,
    ResumePayoutRequest,
    RetryPaymentsRequest,
)
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms, Redemption

_QUIET_SECONDS = 60.0
_POLL_SECONDS = 0.25


async def redeem(scene: Scene) -> Outcome:
    """Runs the scenario: shows each step and checks the result."""
    starts = await scene.devnet.chain_time()
    maturity = starts + YEAR_SECONDS
    listing = await issue_bond(scene, starts=starts, matures=maturity)
    ledger = TokenLedger(scene.devnet, listing.token, listing.holders)
    total = sum(principal(listing.holders).values())
    await scene.deposit(listing, total)
    listed = list(listing.holders)[len(listing.holders) // 2]
    await scene.devnet.block_holder(listing.token, listed)
    scene.tell("Blocking", f"{listed}: on the bond's control list, with {decimal(listing.holders[listed])} tokens")
    scene.tell("Redeeming", f"the bond: {decimal(total)} {SYMBOL}")
    distribution = await create(scene.client, listing.asset, PayoutTerms(redemption=Redemption()))
    async with Following(scene, distribution) as following:
        await following.waits_for("MATURITY_REACHED")
        # A bond of version 7 is redeemed after its maturity date, not on it.
        await scene.devnet.advance_to(maturity + 1)
        scene.tell("Passing", "a year, by the chain's clock")
        await _trade_between_batches(scene, following, distribution, ledger, listed)
        incomplete = await following.end(DistributionState.INCOMPLETE)
    await _name_the_blocked(scene, incomplete, listed)
    paid = await _retry(scene, listing, incomplete.distribution, listed)
    _explain_the_payments(scene, paid, ledger)
    scene.tell("Verifying", "every balance on the chain with plain web3: no token is left, its principal is paid")
    # Who had a token when it was redeemed got its nominal value, whoever had it before.
    claim = Claim(
        token=listing.token,
        payment_token=listing.payment_token,
        lifecycle_contract=listing.contract,
        tokens=dict.fromkeys(ledger.balances, 0),
        money=principal(ledger.balances),
        deposited_base_units=total,
    )
    return Outcome(paid, total, await verify_claim(scene.rpc_url, claim))


async def _trade_between_batches(
    scene: Scene, following: Following, distribution: Distribution, ledger: TokenLedger, listed: ChecksumAddress
) -> None:
    """Pauses after a batch, lets holders trade, and resumes. With few holders, all may be paid by then."""
    await following.until(lambda seen: seen.progress is not None and _settled(seen) > 0, "a first batch is paid")
    scene.tell("Pausing", "the payout between two batches; holders trade meanwhile")
    request = PausePayoutRequest(request_id=str(uuid4()), name=distribution.payout)
    try:
        await scene.client.call(scene.client.payouts.pause_payout, request)
    except AppError as error:
        if error.reason is not Reason.PAYOUT_STATE_FORBIDS:
            raise
        scene.note("everybody who can be paid was paid before a pause was possible")
        return
    await _batches_are_settled(scene, distribution.payout)
    await _trade(scene, distribution.payout, ledger, listed)
    resume = ResumePayoutRequest(request_id=str(uuid4()), name=distribution.payout)
    await scene.client.call(scene.client.payouts.resume_payout, resume)


def _settled(distribution: Distribution) -> int:
    progress = progress_of(distribution)
    return progress.paid_count + progress.failed_count


async def _batches_are_settled(scene: Scene, payout: str) -> None:
    """Waits until nothing of a paused payout is under way. Raises DemoError if that takes too long."""
    deadline = asyncio.get_running_loop().time() + _QUIET_SECONDS
    under_way = (BatchState.PLANNED, BatchState.IN_FLIGHT)
    while any(batch.state in under_way for batch in await list_batches(scene.client, payout)):
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(f"{payout} is paused and its batches are not settled after {_QUIET_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _trade(scene: Scene, payout: str, ledger: TokenLedger, listed: ChecksumAddress) -> None:
    """Lets holders that are not paid yet sell: to a paid one, to a newcomer, to an unpaid one."""
    payments = [
        (to_checksum_address(payment.holder.evm_address), payment.state)
        for payment in await list_payments(scene.client, payout)
        if payment.holder
    ]
    paid = [holder for holder, state in payments if state is PaymentState.PAID]
    waiting = [holder for holder, state in payments if state is PaymentState.PLANNED and holder != listed]
    # The four largest that wait, in the order of the list.
    largest = set(sorted(waiting, key=lambda holder: ledger.balances[holder], reverse=True)[:4])
    traders = [holder for holder in waiting if holder in largest]
    buyers = ((paid[:1], "was paid"), ([newcomer("between batches")], "is new"), (traders[3:], "waits"))
    for seller, (buyer, who) in zip(traders, buyers, strict=False):
        if not buyer:
            continue
        # The newcomer buys everything: nothing is left to redeem of the seller.
        sold = ledger.balances[seller] if who == "is new" else max(1, ledger.balances[seller] // 2)
        await ledger.move(seller, buyer[0], sold)
        scene.note(f"{seller} sells {decimal(sold)} tokens to {buyer[0]}, who {who}")


def _explain_the_payments(scene: Scene, paid: PaidDistribution, ledger: TokenLedger) -> None:
    """Says why there may be more payments than holders."""
    issued = scene.settings.holder_count
    new = len(ledger.balances) - issued
    progress = progress_of(paid.payout)
    again = progress.holder_count - issued - new
    scene.tell(
        "Counting",
        f"{progress.holder_count:,} payments: to {issued:,} holders at the start, {new:,} who bought later, "
        f"{again:,} again for tokens bought after being paid; {progress.zero_due_count:,} had sold everything",
    )


async def _name_the_blocked(scene: Scene, incomplete: PaidDistribution, listed: ChecksumAddress) -> None:
    """Checks that exactly the blocked holder is not paid, with the reason. Raises DemoError otherwise."""
    payments = await list_payments(scene.client, incomplete.payout.name)
    failed = [payment for payment in payments if payment.state is PaymentState.FAILED]
    names = [payment.holder.evm_address for payment in failed if payment.holder]
    if names != [listed]:
        raise DemoError(f"failed payments: {names}, expected {listed} alone")
    scene.tell("Incomplete", f"{listed} is not paid: {failed[0].reason}, {failed[0].detail}")


async def _retry(
    scene: Scene, listing: Listing, distribution: Distribution, listed: ChecksumAddress
) -> PaidDistribution:
    await scene.devnet.unblock_holder(listing.token, listed)
    scene.tell("Retrying", "taken off the control list, RetryPayments pays it")
    request = RetryPaymentsRequest(request_id=str(uuid4()), name=distribution.payout, holders=[listed])
    await scene.client.call(scene.client.payouts.retry_payments, request)
    async with Following(scene, await _going_on(scene, distribution.name)) as following:
        return await following.end(DistributionState.COMPLETED)


async def _going_on(scene: Scene, name: str) -> Distribution:
    """Waits until the distribution shows the retry, which payout_service reports. Raises DemoError."""
    deadline = asyncio.get_running_loop().time() + _QUIET_SECONDS
    request = GetDistributionRequest(name=name)
    while True:
        distribution = await scene.client.call(scene.client.distributions.get_distribution, request)
        if distribution.state is not DistributionState.INCOMPLETE:
            return distribution
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(f"{name} is still INCOMPLETE {_QUIET_SECONDS:g} s after RetryPayments")
        await asyncio.sleep(_POLL_SECONDS)
