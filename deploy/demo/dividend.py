"""SCENARIO=dividend: announces a dividend on the asset and pays it to the holders at the record date.

A second, small one is paid by rules: an excluded holder, and a minimum below which payments are deferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from deploy.demo.follow import Following
from deploy.demo.outcome import Outcome
from deploy.demo.payout import create, preview
from deploy.demo.scene import DECIMALS, SYMBOL, Listing, Scene, TokenLedger, decimal, newcomer
from deploy.demo.settings import DemoError
from deploy.demo.verify import Claim, verify_claim
from deploy.devnet.entitlements import dividend_due
from deploy.devnet.terms import Dividend
from libs.chain.amount import format_decimal_amount
from libs.client.client import progress_of
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayeeRules, PayoutTerms

# 0.4321 a share: the smallest holders are due less than a base unit.
_PER_SHARE, _PER_SHARE_DECIMALS = 4321, 4
_SMALL_PER_SHARE, _SMALL_PER_SHARE_DECIMALS = 5, 2
_MINIMUM_BASE_UNITS = 250_000
_RECORD_SECONDS = 8
_EXECUTION_SECONDS = 20
_SMALL_RECORD_SECONDS = 4


@dataclass(frozen=True, slots=True)
class _Announced:
    """A dividend announced on the asset; times in seconds of the chain's clock."""

    dividend_id: int
    record_date: int
    execution_date: int


async def pay_dividend(scene: Scene) -> Outcome:
    """Runs the scenario: shows each step and checks the result."""
    listing, ledger = await _issue(scene)
    due = _owed(scene, listing.holders, _PER_SHARE, _PER_SHARE_DECIMALS)
    total = sum(due.values())
    first = await _announce(scene, listing, (_PER_SHARE, _PER_SHARE_DECIMALS), _RECORD_SECONDS, _EXECUTION_SECONDS)
    await scene.deposit(listing, total)
    terms = PayoutTerms(dividend_id=first.dividend_id)
    scene.tell("Distributing", f"dividend {first.dividend_id}; nobody knows the amounts before its record date")
    async with Following(scene, await create(scene.client, listing.asset, terms)) as following:
        await following.waits_for("RECORD_DATE_REACHED")
        await scene.clock_passes(first.record_date)
        await _trade(scene, ledger)
        seen = await preview(scene.client, listing.asset, terms)
        if seen.payable_amount is None:
            raise DemoError("the preview has no amounts")
        scene.tell(
            "Preview",
            f"{seen.payable_amount.decimal_amount} {SYMBOL} to {seen.holder_count:,} holders of the record date",
        )
        paid = await following.end(DistributionState.COMPLETED)
    money = dict.fromkeys(ledger.balances, 0) | due
    more = await _pay_by_rules(scene, listing, ledger)
    for holder, base_units in more.paid.items():
        money[holder] += base_units
    scene.tell("Verifying", "every balance on the chain with plain web3: what the record dates' holders are owed")
    claim = Claim(
        token=listing.token,
        payment_token=listing.payment_token,
        lifecycle_contract=listing.contract,
        tokens=ledger.balances,
        money=money,
        deposited_base_units=total + more.deposited_base_units,
    )
    return Outcome(paid, total, await verify_claim(scene.rpc_url, claim))


async def _issue(scene: Scene) -> tuple[Listing, TokenLedger]:
    settings = scene.settings
    scene.tell(
        "Issuing",
        f"an equity token (version {settings.version}) to {settings.holder_count:,} holders "
        f"(seed {settings.seed})",
    )
    payment_token = await scene.devnet.deploy_payment_token()
    token = await scene.devnet.deploy_equity_token(
        "Demo Equity", "DEMO", "US0378331005", DECIMALS, settings.version
    )
    holders = scene.holders()
    await scene.devnet.issue(token, holders)
    listing = await scene.import_token(token, payment_token, holders)
    return listing, TokenLedger(scene.devnet, token, holders)


async def _announce(
    scene: Scene, listing: Listing, per_share: tuple[int, int], record_seconds: int, execution_seconds: int
) -> _Announced:
    now = await scene.devnet.chain_time()
    amount, decimals = per_share
    terms = Dividend(now + record_seconds, now + execution_seconds, amount, decimals)
    dividend_id = await scene.devnet.set_dividend(listing.token, terms)
    told_amount = format_decimal_amount(amount, decimals=decimals)
    scene.tell(
        "Announcing",
        f"dividend {dividend_id} on the asset: {told_amount} {SYMBOL} a share, record "
        f"date in {record_seconds} s, execution date in {execution_seconds} s of the chain's clock",
    )
    return _Announced(dividend_id, terms.record_date, terms.execution_date)


async def _trade(scene: Scene, ledger: TokenLedger) -> None:
    """Lets the largest holder sell half of their shares to a newcomer, after the record date."""
    seller, buyer = ledger.largest(), newcomer("after the record date")
    sold = max(1, ledger.balances[seller] // 2)
    await ledger.move(seller, buyer, sold)
    scene.tell(
        "Trading", f"after the record date: {seller} sells {decimal(sold)} shares; the dividend on them stays his"
    )


@dataclass(frozen=True, slots=True)
class _PaidByRules:
    """What a distribution with rules paid each holder, and what was deposited for it, in base units."""

    paid: dict[ChecksumAddress, int]
    deposited_base_units: int


async def _pay_by_rules(scene: Scene, listing: Listing, ledger: TokenLedger) -> _PaidByRules:
    """Pays a small dividend by rules: excludes the largest holder and defers amounts below the minimum."""
    seconds = _SMALL_RECORD_SECONDS
    announced = await _announce(scene, listing, (_SMALL_PER_SHARE, _SMALL_PER_SHARE_DECIMALS), seconds, seconds)
    holding = {holder: balance for holder, balance in ledger.balances.items() if balance}
    due = _owed(scene, holding, _SMALL_PER_SHARE, _SMALL_PER_SHARE_DECIMALS)
    excluded = ledger.largest()
    kept = due.pop(excluded)
    deferred = {holder: amount for holder, amount in due.items() if 0 < amount < _MINIMUM_BASE_UNITS}
    deposited = sum(due.values())
    await scene.deposit(listing, deposited)
    rules = PayeeRules(
        excluded_holders=[excluded], minimum_amount=AmountInput(base_units=str(_MINIMUM_BASE_UNITS))
    )
    scene.tell(
        "Distributing",
        f"it by rules: {excluded} is excluded, nobody is paid less than {decimal(_MINIMUM_BASE_UNITS)}",
    )
    terms = PayoutTerms(dividend_id=announced.dividend_id, rules=rules)
    async with Following(scene, await create(scene.client, listing.asset, terms)) as following:
        ended = await following.end(DistributionState.DEFERRED, DistributionState.COMPLETED)
    done = progress_of(ended.payout)
    expected = (1, len(deferred), len(due) - len(deferred) - sum(not amount for amount in due.values()))
    if (done.excluded_count, done.deferred_count, done.paid_count) != expected:
        raise DemoError(
            f"excluded, deferred, paid are {done.excluded_count}, {done.deferred_count}, {done.paid_count}, "
            f"expected {expected}"
        )
    scene.note(
        f"{done.paid_count:,} paid, 1 excluded ({decimal(kept)} {SYMBOL} not paid), {len(deferred):,} deferred: "
        f"{decimal(sum(deferred.values()))} {SYMBOL} stay committed until a holder's deferrals reach it"
    )
    return _PaidByRules({holder: due[holder] for holder in due.keys() - deferred.keys()}, deposited)


def _owed(
    scene: Scene, balances: Mapping[ChecksumAddress, int], per_share: int, per_share_decimals: int
) -> dict[ChecksumAddress, int]:
    """Returns what each holder is owed."""
    return {
        holder: dividend_due(balance, per_share, per_share_decimals, scene.settings.version)
        for holder, balance in balances.items()
    }
