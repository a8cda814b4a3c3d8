"""SCENARIO=coupon: pays a bond's coupon, whose rate the issuer sets after the record date."""

from __future__ import annotations

from collections.abc import Mapping

from eth_typing import ChecksumAddress

from deploy.demo.bond import DAY_SECONDS, NOMINAL_VALUE, NOMINAL_VALUE_DECIMALS, YEAR_SECONDS, issue_bond
from deploy.demo.follow import Following
from deploy.demo.outcome import Outcome
from deploy.demo.payout import create
from deploy.demo.scene import SYMBOL, Scene, TokenLedger, decimal, newcomer
from deploy.demo.verify import Claim, verify_claim
from deploy.devnet.entitlements import interest_due
from deploy.devnet.terms import BondTerms, Coupon
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms

# 4.25 % a year, for 91 days.
_RATE, _RATE_DECIMALS = 425, 4
_PERIOD_SECONDS = 91 * DAY_SECONDS
_RECORD_SECONDS = 8
_EXECUTION_SECONDS = 20


async def pay_coupon(scene: Scene) -> Outcome:
    """Runs the scenario: shows each step and checks the result."""
    now = await scene.devnet.chain_time()
    listing = await issue_bond(scene, starts=now - _PERIOD_SECONDS, matures=now + YEAR_SECONDS)
    ledger = TokenLedger(scene.devnet, listing.token, listing.holders)
    due = _interest(scene, listing.holders)
    total = sum(due.values())
    now = await scene.devnet.chain_time()
    record_date, execution_date = now + _RECORD_SECONDS, now + _EXECUTION_SECONDS
    announced = Coupon(
        record_date=record_date,
        execution_date=execution_date,
        start_date=record_date - _PERIOD_SECONDS,
        end_date=record_date,
        fixing_date=record_date,
        rate=None,
    )
    coupon_id = await scene.devnet.set_coupon(listing.token, announced)
    scene.tell(
        "Announcing",
        f"coupon {coupon_id} on the bond for 91 days, its rate still pending: record date in {_RECORD_SECONDS} s, "
        f"execution date in {_EXECUTION_SECONDS} s of the chain's clock",
    )
    await scene.deposit(listing, total)
    scene.tell("Distributing", f"coupon {coupon_id}; nobody knows the amounts yet")
    distribution = await create(scene.client, listing.asset, PayoutTerms(coupon_id=coupon_id))
    async with Following(scene, distribution) as following:
        await following.waits_for("RECORD_DATE_REACHED")
        await scene.clock_passes(record_date)
        await _trade(scene, ledger)
        await following.waits_for("RATE_SET")
        await scene.devnet.set_coupon_rate(listing.token, coupon_id, _RATE, _RATE_DECIMALS)
        scene.tell(
            "Setting", f"the rate: 4.25 % a year, {decimal(total)} {SYMBOL} to all holders of the record date"
        )
        paid = await following.end(DistributionState.COMPLETED)
    scene.tell(
        "Verifying", "every balance on the chain with plain web3: interest on what was held at the record date"
    )
    claim = Claim(
        token=listing.token,
        payment_token=listing.payment_token,
        lifecycle_contract=listing.contract,
        tokens=ledger.balances,
        money=dict.fromkeys(ledger.balances, 0) | due,
        deposited_base_units=total,
    )
    return Outcome(paid, total, await verify_claim(scene.rpc_url, claim))


async def _trade(scene: Scene, ledger: TokenLedger) -> None:
    """Lets the largest holder sell everything to a newcomer, after the record date."""
    seller = ledger.largest()
    sold = ledger.balances[seller]
    await ledger.move(seller, newcomer("after the record date"), sold)
    scene.tell(
        "Trading", f"after the record date: {seller} sells all {decimal(sold)} tokens; the coupon stays his"
    )


def _interest(scene: Scene, balances: Mapping[ChecksumAddress, int]) -> dict[ChecksumAddress, int]:
    """Returns balance x nominal value x rate x period / year, rounded down to a base unit of the payment token."""
    terms = BondTerms(NOMINAL_VALUE, NOMINAL_VALUE_DECIMALS, starting_date=0, maturity_date=0)
    return {
        holder: interest_due(balance, terms, _RATE, _RATE_DECIMALS, _PERIOD_SECONDS, scene.settings.version)
        for holder, balance in balances.items()
    }
