"""Dividends, coupons, redemptions and rules per payee, with real processes; balances are read from the chain."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from deploy.demo.payout import create, preview, terms_of_total
from deploy.devnet.entitlements import dividend_due, interest_due
from deploy.devnet.terms import AssetVersion, BondTerms, Coupon, Dividend
from libs.client.client import progress_of
from libs.errors import Code, Reason
from libs.protogen.typed.masspayout.asset.v1 import Asset
from libs.protogen.typed.masspayout.distribution.v1 import (
    CreateDistributionRequest,
    Distribution,
    DistributionState,
    GetDistributionRequest,
    PreviewDistributionResponse,
)
from libs.protogen.typed.masspayout.payout.v1 import (
    Batch,
    BatchState,
    CancelPayoutRequest,
    GetTreasuryRequest,
    PausePayoutRequest,
    PaymentState,
    PayoutState,
    ResumePayoutRequest,
    RetryPaymentsRequest,
)
from libs.protogen.typed.masspayout.type.v1 import (
    AmountInput,
    ExcludedShare,
    PayeeRules,
    PayoutProgress,
    PayoutTerms,
    Redemption,
    TokenAmount,
    WithholdingRate,
)
from tests.system.harness import ONE_OF_FIVE_AT_A_TIME, WAIT_SECONDS, Harness, Stage, eventually, told
from tests.system.mining import Ticker, pay_first_batch

_HOUR = 3_600
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY
# 0.4321 a share; securities and payment token have 6 decimals.
_PER_SHARE, _PER_SHARE_DECIMALS = 4_321, 4
# 4.25 % a year.
_RATE, _RATE_DECIMALS = 425, 4
# 100.00 a token: 100 base units of the payment token for each of the bond.
_NOMINAL_VALUE, _NOMINAL_VALUE_DECIMALS = 100_00, 2
_HUNDRED_PERCENT = 10_000
_CSV_COLUMNS = (
    "row,round,holder,balance_base_units,gross_base_units,withheld_base_units,amount_base_units,"
    "deferred_base_units,gross,withheld,amount,symbol,state,reason,detail,transaction_hash,update_time"
)


# ------------------------------------------------------------------------------ snapshots, dividends, coupons


async def test_shares_of_a_snapshot_are_paid_by_free_tokens(harness: Harness) -> None:
    """Of an equity of each version, side by side."""
    total = 1_000_000_007
    stages = [await harness.stage(8, version=version) for version in AssetVersion]
    payouts = []
    for stage in stages:
        asset = await harness.import_stage(stage)
        await harness.devnet.freeze(stage.token, _largest(stage), stage.holders[_largest(stage)])
        await harness.deposit(stage, total)
        payouts.append(await harness.create(asset.name, total))

    for stage, distribution in zip(stages, payouts, strict=True):
        await harness.in_state(distribution.name, DistributionState.COMPLETED)
        due = stage.due(total) | {_largest(stage): 0}
        await _assert_paid(harness, stage, distribution.payout, due)
        assert await harness.balance(stage, stage.contract) == total - sum(due.values())


async def test_a_dividend_is_paid_to_who_held_it_at_the_record_date(harness: Harness) -> None:
    """Of an equity of each version, side by side."""
    dividend = await _in_two_hours(harness)
    payouts = [await _dividend_of(harness, dividend, version) for version in AssetVersion]
    for each in payouts:
        await _waits_for(harness, each.distribution, "RECORD_DATE_REACHED")

    await harness.devnet.advance_to(dividend.record_date + 1)
    buyers = [await _sells_everything(harness, each.stage) for each in payouts]
    for each in payouts:
        await _waits_for(harness, each.distribution, "EXECUTION_DATE_AHEAD")
        assert set((await harness.balances(each.stage)).values()) == {0}
        seen = await preview(harness.client, each.asset.name, each.terms)
        assert (seen.holder_count, _units(seen.payable_amount)) == (len(each.due), sum(each.due.values()))
    await harness.devnet.advance_to(dividend.execution_date)

    for each, buyer in zip(payouts, buyers, strict=True):
        await harness.in_state(each.distribution.name, DistributionState.COMPLETED)
        await _assert_paid(harness, each.stage, each.distribution.payout, each.due)
        assert await harness.balance(each.stage, buyer) == 0
        assert await harness.balance(each.stage, each.stage.contract) == 0
    assert sum(payouts[0].due.values()) > sum(payouts[1].due.values()), "version 8 rounds down first"


async def test_a_coupon_waits_for_its_rate_and_is_paid_by_it(harness: Harness) -> None:
    """Of a bond of each version, side by side."""
    now = await harness.devnet.chain_time()
    coupon = Coupon(
        record_date=now + _HOUR,
        execution_date=now + 2 * _HOUR,
        start_date=now - 90 * _DAY,
        end_date=now,
        fixing_date=now + _HOUR,
        rate=None,
    )
    payouts = [await _coupon_of(harness, coupon, version) for version in AssetVersion]
    await harness.devnet.advance_to(coupon.execution_date)
    for each in payouts:
        await _waits_for(harness, each.distribution, "RATE_SET")
    # Nobody has triggered the snapshot of the record date: the sale does, after it.
    buyers = [await _sells_everything(harness, each.stage) for each in payouts]

    for each in payouts:
        assert each.terms.coupon_id
        await harness.devnet.set_coupon_rate(each.stage.token, each.terms.coupon_id, _RATE, _RATE_DECIMALS)

    for each, buyer in zip(payouts, buyers, strict=True):
        await harness.in_state(each.distribution.name, DistributionState.COMPLETED)
        await _assert_paid(harness, each.stage, each.distribution.payout, each.due)
        assert await harness.balance(each.stage, buyer) == 0


@dataclass(frozen=True)
class _Announced:
    """A funded payout of an announced action, and what it owes each holder of the record date."""

    stage: Stage
    asset: Asset
    terms: PayoutTerms
    due: Mapping[ChecksumAddress, int]
    distribution: Distribution


async def _dividend_of(harness: Harness, dividend: Dividend, version: AssetVersion) -> _Announced:
    stage = await harness.stage(8, version=version)
    terms = PayoutTerms(dividend_id=await harness.devnet.set_dividend(stage.token, dividend))
    return await _announced(harness, stage, terms, _dividend_due(stage, dividend))


async def _coupon_of(harness: Harness, coupon: Coupon, version: AssetVersion) -> _Announced:
    bond = _bond(coupon.end_date, matures=coupon.end_date + _YEAR)
    stage = await harness.bond_stage(bond, 8, version=version)
    terms = PayoutTerms(coupon_id=await harness.devnet.set_coupon(stage.token, coupon))
    due = {
        holder: interest_due(balance, bond, _RATE, _RATE_DECIMALS, 90 * _DAY, version)
        for holder, balance in stage.holders.items()
    }
    return await _announced(harness, stage, terms, due)


async def _announced(
    harness: Harness, stage: Stage, terms: PayoutTerms, due: Mapping[ChecksumAddress, int]
) -> _Announced:
    asset = await harness.import_stage(stage)
    await harness.deposit(stage, sum(due.values()))
    before = await preview(harness.client, asset.name, terms)
    assert _units(before.payable_amount) == 0
    return _Announced(stage, asset, terms, due, await create(harness.client, asset.name, terms))


async def _sells_everything(harness: Harness, stage: Stage) -> ChecksumAddress:
    """The largest holder, to somebody new, who is returned."""
    seller, buyer = _largest(stage), _newcomer()
    await harness.devnet.transfer(stage.token, seller, buyer, stage.holders[seller])
    return buyer


async def test_a_cancelled_dividend_stops_by_name_and_is_paid_when_announced_anew(harness: Harness) -> None:
    stage = await harness.stage(5)
    asset = await harness.import_stage(stage)
    dividend = await _in_two_hours(harness)
    due = _dividend_due(stage, dividend)
    await harness.deposit(stage, sum(due.values()))
    dividend_id = await harness.devnet.set_dividend(stage.token, dividend)
    await harness.devnet.advance_to(dividend.record_date + 1)
    distribution = await create(harness.client, asset.name, PayoutTerms(dividend_id=dividend_id))
    await _waits_for(harness, distribution, "EXECUTION_DATE_AHEAD")

    # The plan is frozen, its money committed; the contract would still pay it (docs/contract-surprises.md#11).
    await harness.devnet.cancel_dividend(stage.token, dividend_id)
    await _waits_for(harness, distribution, "CORPORATE_ACTION_CANCELLED")
    await harness.devnet.advance_to(dividend.execution_date)
    await harness.blocks_pass()
    assert await harness.batches(distribution.payout) == []
    cancel = CancelPayoutRequest(request_id=str(uuid4()), name=distribution.payout)
    await harness.call(harness.client.payouts.cancel_payout, cancel)
    await harness.in_state(distribution.name, DistributionState.CANCELLED)
    assert set((await harness.balances(stage)).values()) == {0}
    assert await _committed(harness, asset) == 0

    refused = await harness.refusal(
        harness.client.distributions.create_distribution, _request(asset, dividend_id=dividend_id)
    )
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, Reason.CORPORATE_ACTION_CANCELLED)
    anew = replace(dividend, record_date=dividend.execution_date + _HOUR)
    anew = replace(anew, execution_date=anew.record_date)
    terms = PayoutTerms(dividend_id=await harness.devnet.set_dividend(stage.token, anew))
    await harness.devnet.advance_to(anew.record_date + 1)
    second = await create(harness.client, asset.name, terms)
    await harness.in_state(second.name, DistributionState.COMPLETED)
    await _assert_paid(harness, stage, second.payout, due)


# ------------------------------------------------------------------------------ redemption


async def test_a_redemption_pays_every_token_once_while_holders_trade(faulty: Harness, ticker: Ticker) -> None:
    """Of a bond of each version, side by side."""
    await faulty.run_payout_service(ONE_OF_FIVE_AT_A_TIME)
    now = await faulty.devnet.chain_time()
    terms = _bond(now, matures=now + _HOUR)
    stages = [await faulty.bond_stage(terms, 16, version=version) for version in AssetVersion]
    # A bond of version 7 is redeemed after its maturity date, not on it.
    await faulty.devnet.advance_to(now + _HOUR + 1)

    redemptions = await asyncio.gather(*(_redemption_of(faulty, stage) for stage in stages))
    # One after the other: the chain stands still until the first one is paused, so that it is paused in its midst.
    for each in redemptions:
        await pay_first_batch(faulty, ticker, each.tokens.stage, each.payout, each.total)
        await _pause(faulty, ticker, each.payout)
    await asyncio.gather(*(_redeemed_while_holders_trade(faulty, each) for each in redemptions))


@dataclass(frozen=True)
class _Redemption:
    """A redemption that waits for its money, `total`; the tokens of its holder `listed` are blocked."""

    tokens: _Tokens
    distribution: Distribution
    total: int
    listed: ChecksumAddress

    @property
    def payout(self) -> str:
        return self.distribution.payout


async def _redemption_of(faulty: Harness, stage: Stage) -> _Redemption:
    asset = await faulty.import_stage(stage)
    tokens = _Tokens(faulty, stage)
    await tokens.issue_into_second_partition(list(stage.holders)[2], 5_000)
    total = sum(_principal(tokens.balances).values())
    request = _request(asset, redemption=Redemption(), allow_unfunded=True)
    distribution = await faulty.call(faulty.client.distributions.create_distribution, request)
    await faulty.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)
    listed = list(stage.holders)[7]
    await faulty.devnet.block_holder(stage.token, listed)
    order = list(stage.holders)
    # The plan is frozen. Tokens go from late batches to an early one and to a newcomer; one holder has nothing
    # left, and the money is exactly the principal.
    await tokens.move(order[14], order[1], stage.holders[order[14]] // 2)
    await tokens.move(order[12], _newcomer(), stage.holders[order[12]])
    return _Redemption(tokens, distribution, total, listed)


async def _redeemed_while_holders_trade(faulty: Harness, redemption: _Redemption) -> None:
    tokens, distribution, total = redemption.tokens, redemption.distribution, redemption.total
    stage, order, listed = tokens.stage, list(tokens.stage.holders), redemption.listed
    states = {holder: state for holder, _, state in map(told, await faulty.payments(distribution.payout))}
    assert (states[order[0]], states[order[15]]) == (PaymentState.PAID, PaymentState.PLANNED)
    await tokens.move(order[15], order[0], tokens.balances[order[15]] // 2)
    resume = ResumePayoutRequest(request_id=str(uuid4()), name=distribution.payout)
    await faulty.call(faulty.client.payouts.resume_payout, resume)
    await faulty.in_state(distribution.name, DistributionState.INCOMPLETE)

    failed = [each for each in await faulty.payments(distribution.payout) if each.state is PaymentState.FAILED]
    assert [(told(each)[0], each.reason) for each in failed] == [(listed, "BATCH_REVERTED")]
    assert "AccountIsBlocked" in failed[0].detail
    open_tokens = dict.fromkeys(tokens.balances, 0) | {listed: tokens.balances[listed]}
    assert await tokens.on_chain() == open_tokens
    await faulty.devnet.unblock_holder(stage.token, listed)
    retry = RetryPaymentsRequest(request_id=str(uuid4()), name=distribution.payout, holders=[listed])
    await faulty.call(faulty.client.payouts.retry_payments, retry)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)

    assert set((await tokens.on_chain()).values()) == {0}
    due = _principal(tokens.balances)
    assert {holder: await faulty.balance(stage, holder) for holder in due} == due
    assert await faulty.balance(stage, stage.contract) == 0
    payout = await faulty.payout(distribution.payout)
    assert payout.round >= 2
    assert _units(progress_of(payout).paid_amount) == _units(payout.total_amount) == total


class _Tokens:
    """Who holds how many tokens, kept beside the chain."""

    def __init__(self, harness: Harness, stage: Stage) -> None:
        self._harness = harness
        self.stage = stage
        self.balances = dict(stage.holders)

    async def move(self, sender: ChecksumAddress, to: ChecksumAddress, amount: int) -> None:
        await self._harness.devnet.transfer(self.stage.token, sender, to, amount)
        self.balances[sender] -= amount
        self.balances[to] = self.balances.get(to, 0) + amount

    async def issue_into_second_partition(self, holder: ChecksumAddress, amount: int) -> None:
        await self._harness.devnet.issue_into_second_partition(self.stage.token, holder, amount)
        self.balances[holder] += amount

    async def on_chain(self) -> dict[ChecksumAddress, int]:
        token = self._harness.devnet.contract("EquityToken", self.stage.token)
        return {holder: int(await token.functions.balanceOf(holder).call()) for holder in self.balances}


# ------------------------------------------------------------------------------ rules per payee

_A, _B, _C, _D = (to_checksum_address(keccak(text=f"holder {name}")[-20:]) for name in "abcd")
_HOLDERS = {_A: 1_000_003, _B: 600_001, _C: 400_009, _D: 100_003}
_SUPPLY = sum(_HOLDERS.values())
_TOTAL = 21_000_017


async def test_withholding_by_rate_and_an_excluded_holder_whose_share_is_kept(harness: Harness) -> None:
    stage = await harness.stage(holders=_HOLDERS)
    asset = await harness.import_stage(stage)
    await harness.deposit(stage, _TOTAL)
    rules = PayeeRules(
        excluded_holders=[_D],
        excluded_share=ExcludedShare.KEEP,
        withholding_percentage="26.37",
        withholding_rates=[WithholdingRate(holder=_B, percentage="10")],
    )
    rates = {_A: 2_637, _B: 1_000, _C: 2_637}
    # The contract is called with the net total of each rate, and floors by holder.
    net = {
        holder: _TOTAL * (_HUNDRED_PERCENT - rate) // _HUNDRED_PERCENT * _HOLDERS[holder] // _SUPPLY
        for holder, rate in rates.items()
    }
    gross = {holder: _TOTAL * balance // _SUPPLY for holder, balance in _HOLDERS.items()}
    terms = terms_of_total(_TOTAL, rules)
    seen = await preview(harness.client, asset.name, terms)

    distribution = await create(harness.client, asset.name, terms)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)

    assert await harness.balances(stage) == net | {_D: 0}
    told = progress_of(await harness.payout(distribution.payout))
    assert (
        _figures(seen)
        == _figures(told)
        == (
            sum(net.values()),
            sum(gross[holder] - net[holder] for holder in net),
            gross[_D],
            1,
            0,
        )
    )
    rows = await _exported(harness, distribution.payout)
    assert {
        row["holder"]: (
            row["gross_base_units"],
            row["withheld_base_units"],
            row["amount_base_units"],
            row["state"],
        )
        for row in rows
    } == {
        holder: (str(gross[holder]), str(gross[holder] - net[holder]), str(net[holder]), "PAID") for holder in net
    } | {_D: (str(gross[_D]), "0", "0", "EXCLUDED")}
    # What nobody is promised may be swept.
    assert await _committed(harness, asset) == 0


async def test_the_share_of_an_excluded_holder_is_redistributed(harness: Harness) -> None:
    stage = await harness.stage(holders=_HOLDERS)
    asset = await harness.import_stage(stage)
    await harness.deposit(stage, _TOTAL)
    rules = PayeeRules(excluded_holders=[_A], excluded_share=ExcludedShare.REDISTRIBUTE)
    call_total = _TOTAL * _SUPPLY // (_SUPPLY - _HOLDERS[_A])
    due = {holder: call_total * _HOLDERS[holder] // _SUPPLY for holder in (_B, _C, _D)}
    terms = terms_of_total(_TOTAL, rules)
    seen = await preview(harness.client, asset.name, terms)

    distribution = await create(harness.client, asset.name, terms)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)

    assert await harness.balances(stage) == due | {_A: 0}
    assert await harness.balance(stage, stage.contract) == _TOTAL - sum(due.values()) < len(due) + 1
    told = progress_of(await harness.payout(distribution.payout))
    assert _figures(seen) == _figures(told) == (sum(due.values()), 0, 0, 1, 0)


async def test_payments_below_the_minimum_are_made_when_a_second_payout_makes_them_reach_it(
    harness: Harness,
) -> None:
    stage = await harness.stage(holders=_HOLDERS)
    asset = await harness.import_stage(stage)
    await harness.deposit(stage, 2 * _TOTAL)
    due = {holder: _TOTAL * balance // _SUPPLY for holder, balance in _HOLDERS.items()}
    minimum = due[_B] + 1
    # B and C reach it with two payouts, D does not.
    assert due[_D] * 2 < minimum <= due[_C] * 2
    rules = PayeeRules(minimum_amount=AmountInput(base_units=str(minimum)))
    terms = terms_of_total(_TOTAL, rules)
    seen = await preview(harness.client, asset.name, terms)
    deferred = due[_B] + due[_C] + due[_D]
    assert (seen.deferred_count, _units(seen.deferred_amount)) == (3, deferred)

    first = await create(harness.client, asset.name, terms)
    await harness.in_state(first.name, DistributionState.DEFERRED)
    assert await harness.balances(stage) == {_A: due[_A], _B: 0, _C: 0, _D: 0}
    assert await _committed(harness, asset) == deferred
    rows = await _exported(harness, first.payout)
    assert {row["holder"]: (row["deferred_base_units"], row["state"]) for row in rows} == {_A: ("0", "PAID")} | {
        holder: (str(due[holder]), "DEFERRED") for holder in (_B, _C, _D)
    }

    second = await create(harness.client, asset.name, terms)
    for each in (first, second):
        await harness.payout_when(
            each.payout,
            lambda payout: payout.state is PayoutState.DEFERRED and progress_of(payout).paid_count == 3,
            "what reached the minimum is paid",
        )
    assert await harness.balances(stage) == {holder: 2 * due[holder] for holder in (_A, _B, _C)} | {_D: 0}
    assert await _committed(harness, asset) == 2 * due[_D]

    retry = RetryPaymentsRequest(request_id=str(uuid4()), name=first.payout, holders=[_D])
    await harness.call(harness.client.payouts.retry_payments, retry)
    await harness.in_state(first.name, DistributionState.COMPLETED)
    assert await harness.balance(stage, _D) == due[_D]


async def test_what_cannot_be_paid_is_refused_by_name_and_field(harness: Harness) -> None:
    stage = await harness.stage(3)
    equity = await harness.import_stage(stage)
    now = await harness.devnet.chain_time()
    bond = await harness.import_stage(await harness.bond_stage(_bond(now, matures=now + _YEAR), 3))
    await harness.devnet.set_dividend(stage.token, await _in_two_hours(harness))
    holder = next(iter(stage.holders))
    minimum = AmountInput(base_units="1")
    excluded = PayeeRules(excluded_holders=[holder])
    spread = PayeeRules(excluded_holders=[holder], excluded_share=ExcludedShare.REDISTRIBUTE)
    withheld = PayeeRules(withholding_percentage="10")
    by_holder = PayeeRules(withholding_rates=[WithholdingRate(holder=holder, percentage="10")])
    unsupported = Reason.RULE_NOT_SUPPORTED
    total = AmountInput(base_units="1000")
    refusals = (
        (_request(equity, dividend_id=1, rules=withheld), unsupported, "terms.rules.withholding_percentage"),
        (_request(equity, dividend_id=1, rules=by_holder), unsupported, "terms.rules.withholding_rates"),
        (_request(equity, dividend_id=1, rules=spread), unsupported, "terms.rules.excluded_share"),
        (_request(bond, redemption=Redemption(), rules=excluded), unsupported, "terms.rules.excluded_holders"),
        (
            _request(bond, redemption=Redemption(), rules=PayeeRules(minimum_amount=minimum)),
            unsupported,
            "terms.rules.minimum_amount",
        ),
        (_request(equity, dividend_id=2), Reason.CORPORATE_ACTION_NOT_FOUND, None),
        (_request(equity, coupon_id=1), Reason.CORPORATE_ACTION_NOT_FOUND, None),
        (_request(bond, dividend_id=1), Reason.CORPORATE_ACTION_NOT_FOUND, None),
        (_request(equity, redemption=Redemption()), Reason.NOT_A_BOND, "terms.redemption"),
        (_request(equity, dividend_id=-1), Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        (_request(equity, dividend_id=0), Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        (_request(equity, percentage=""), Reason.INVALID_PERCENTAGE, "terms.percentage"),
        (_request(equity, rules=withheld), Reason.REQUIRED_FIELD_MISSING, "terms"),
        (
            _request(
                equity,
                total_amount=total,
                rules=PayeeRules(
                    excluded_holders=[holder], withholding_rates=[WithholdingRate(holder=holder, percentage="1")]
                ),
            ),
            Reason.CONFLICTING_FIELDS,
            "terms.rules.withholding_rates[0].holder",
        ),
        (
            _request(equity, total_amount=total, rules=PayeeRules(excluded_holders=[holder, holder])),
            Reason.DUPLICATE_HOLDER,
            "terms.rules.excluded_holders[1]",
        ),
    )
    for request, reason, field in refusals:
        error = await harness.refusal(harness.client.distributions.create_distribution, request)
        assert (error.reason, error.field) == (reason, field)


# ------------------------------------------------------------------------------ helpers


def _request(
    asset: Asset,
    *,
    total_amount: AmountInput | None = None,
    percentage: str | None = None,
    dividend_id: int | None = None,
    coupon_id: int | None = None,
    redemption: Redemption | None = None,
    rules: PayeeRules | None = None,
    allow_unfunded: bool = False,
) -> CreateDistributionRequest:
    return CreateDistributionRequest(
        request_id=str(uuid4()),
        asset=asset.name,
        terms=PayoutTerms(
            total_amount=total_amount,
            percentage=percentage,
            dividend_id=dividend_id,
            coupon_id=coupon_id,
            redemption=redemption,
            rules=rules,
        ),
        allow_unfunded=allow_unfunded,
    )


def _bond(now: int, *, matures: int) -> BondTerms:
    return BondTerms(_NOMINAL_VALUE, _NOMINAL_VALUE_DECIMALS, now, matures)


async def _in_two_hours(harness: Harness) -> Dividend:
    """A dividend whose record date is in one hour of the chain's clock."""
    now = await harness.devnet.chain_time()
    return Dividend(now + _HOUR, now + 2 * _HOUR, _PER_SHARE, _PER_SHARE_DECIMALS)


def _dividend_due(stage: Stage, dividend: Dividend) -> dict[ChecksumAddress, int]:
    return {
        holder: dividend_due(balance, dividend.amount, dividend.amount_decimals, stage.version)
        for holder, balance in stage.holders.items()
    }


def _principal(balances: Mapping[ChecksumAddress, int]) -> dict[ChecksumAddress, int]:
    return {holder: balance * 100 for holder, balance in balances.items()}


def _largest(stage: Stage) -> ChecksumAddress:
    return max(stage.holders, key=lambda holder: stage.holders[holder])


def _newcomer() -> ChecksumAddress:
    """Somebody who has held nothing so far."""
    return to_checksum_address(keccak(text=f"newcomer {uuid4()}")[-20:])


def _units(amount: TokenAmount | None) -> int:
    assert amount
    return int(amount.base_units)


def _figures(told_by: PreviewDistributionResponse | PayoutProgress) -> tuple[int, int, int, int, int]:
    """Net, withheld, share of the excluded, how many are excluded, and deferred."""
    net = told_by.payable_amount if isinstance(told_by, PreviewDistributionResponse) else told_by.paid_amount
    return (
        _units(net),
        _units(told_by.withheld_amount),
        _units(told_by.excluded_amount),
        told_by.excluded_count,
        told_by.deferred_count,
    )


async def _waits_for(harness: Harness, distribution: Distribution, name: str) -> None:
    """The distribution says by name what it waits for. The payout may not be known at once."""
    request = GetDistributionRequest(name=distribution.name)
    found: list[str] = []

    async def is_named() -> bool:
        seen = await harness.call(harness.client.distributions.get_distribution, request)
        found[:] = [seen.waiting_for]
        return seen.waiting_for.startswith(f"{name}: ")

    await eventually(is_named, f"{distribution.name} waits for {name}", lambda: found)


async def _pause(harness: Harness, ticker: Ticker, payout: str) -> None:
    """Paused while the ticker is, which is then resumed, and nothing under way."""
    request = PausePayoutRequest(request_id=str(uuid4()), name=payout)
    await harness.call(harness.client.payouts.pause_payout, request)
    ticker.resume()

    found: list[Batch] = []

    async def is_quiet() -> bool:
        found[:] = await harness.batches(payout)
        return all(batch.state in (BatchState.SETTLED, BatchState.VOIDED) for batch in found)

    await eventually(is_quiet, f"{payout} is paused and all batches are settled", lambda: found)


async def _committed(harness: Harness, asset: Asset) -> int:
    request = GetTreasuryRequest(name=f"{asset.name}/treasury")
    return _units((await harness.call(harness.client.payouts.get_treasury, request)).committed)


async def _assert_paid(harness: Harness, stage: Stage, payout: str, due: Mapping[ChecksumAddress, int]) -> None:
    """Chain and ledger say the same: every holder has what is due."""
    assert await harness.balances(stage) == due
    assert {holder: (amount, state) for holder, amount, state in map(told, await harness.payments(payout))} == {
        holder: (amount, PaymentState.PAID if amount else PaymentState.ZERO_DUE) for holder, amount in due.items()
    }


async def _exported(harness: Harness, payout: str) -> list[dict[str, str]]:
    """The rows of the CSV by column, whose names are those that the API promises."""
    content = b""
    async for piece in harness.client.export_payments(payout, timeout_seconds=WAIT_SECONDS):
        content += piece.csv
    assert content.decode().splitlines()[0] == _CSV_COLUMNS
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
