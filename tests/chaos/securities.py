"""Security tokens whose holders trade: who holds how much is kept here, in integers, beside the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.devnet.entitlements import dividend_due, interest_due
from deploy.devnet.terms import BondTerms, Coupon, Dividend
from libs.protogen.typed.masspayout.asset.v1 import Asset
from tests.chaos.found import Bond
from tests.system.harness import Stage

# A whole bond is worth 0.01, so that holders of less than 100 base units are due nothing when it is redeemed; all
# tokens have 6 decimals.
_NOMINAL_VALUE, _NOMINAL_VALUE_DECIMALS = 1, 2
_TOKENS_PER_BASE_UNIT = 100
_DAY = 24 * 60 * 60
_YEAR = 365 * _DAY
# From the announcement until the record date, by the chain's clock, which is put forward.
_NOTICE_SECONDS = 60
_COUPON_RATE_DECIMALS = 9
# One of a dividend's digits is worth as much as one of a coupon's: the rate is of the nominal value.
_DIVIDEND_DECIMALS = _COUPON_RATE_DECIMALS + _NOMINAL_VALUE_DECIMALS
_SELLERS = 4
# What is left of half of it is still worth money.
_LEAST_SOLD = 1_000


def mature_bond(now: int) -> BondTerms:
    """Terms of a bond that is mature, and pays coupons all the same. `now`: seconds since 1970."""
    return BondTerms(_NOMINAL_VALUE, _NOMINAL_VALUE_DECIMALS, now - _YEAR, now - _DAY)


@dataclass(slots=True)
class Security:
    """An active asset of its own. `holdings` are base units by holder: what was issued here, and traded here.

    `terms` are a bond's.
    """

    stage: Stage
    asset: Asset
    terms: BondTerms | None = None
    holdings: dict[ChecksumAddress, int] = field(default_factory=dict)

    async def fill(self, devnet: Devnet, holder_count: int, seed: int) -> None:
        """Issues until so many holders have tokens that are worth money."""
        worth = sum(tokens >= _TOKENS_PER_BASE_UNIT for tokens in self.holdings.values())
        issued = dict(seeded_holders(max(0, holder_count - worth), seed))
        if issued:
            await devnet.issue(self.stage.token, issued)
        self.holdings |= issued

    async def trade(self, devnet: Devnet, live: Mapping[str, int], seed: int) -> None:
        """Some holders sell all or half: to somebody new, to one who has nothing any more, to one another.

        `live` are the balances on the chain, in the order of the asset's list.
        """
        holders = [to_checksum_address(holder) for holder, tokens in live.items() if tokens >= _LEAST_SOLD]
        sellers = holders[:: max(1, len(holders) // _SELLERS)][:_SELLERS]
        ((newcomer, _),) = seeded_holders(1, seed)
        redeemed = [holder for holder in self.holdings if holder.lower() not in live]
        for number, seller in enumerate(sellers):
            tokens = live[seller.lower()]
            if number % 3 == 0:
                await self._move(devnet, seller, newcomer, tokens)
            elif number % 3 == 1:
                await self._move(devnet, seller, redeemed[0] if redeemed else newcomer, tokens // 2)
            else:
                await self._move(devnet, seller, sellers[1], tokens // 2)

    async def announce_dividend(self, devnet: Devnet, amount: int) -> tuple[int, dict[ChecksumAddress, int]]:
        """A dividend whose record date has passed: its id, and what each holder is owed in base units of money."""
        record_time = await devnet.chain_time() + _NOTICE_SECONDS
        dividend = Dividend(record_time, record_time, amount, _DIVIDEND_DECIMALS)
        dividend_id = await devnet.set_dividend(self.stage.token, dividend)
        await devnet.advance_to(record_time + 1)
        return dividend_id, {
            holder: dividend_due(tokens, amount, _DIVIDEND_DECIMALS, self.stage.version)
            for holder, tokens in self.holdings.items()
        }

    async def announce_coupon(self, devnet: Devnet, rate: int) -> tuple[int, dict[ChecksumAddress, int]]:
        """The same with a coupon: a year's interest, of the year before the bond matured."""
        if self.terms is None:
            raise AssertionError("an equity has no coupons")
        record_time, maturity = await devnet.chain_time() + _NOTICE_SECONDS, self.terms.maturity_date
        coupon = Coupon(
            record_date=record_time,
            execution_date=record_time,
            start_date=maturity - _YEAR,
            end_date=maturity,
            fixing_date=record_time,
            rate=rate,
            rate_decimals=_COUPON_RATE_DECIMALS,
        )
        coupon_id = await devnet.set_coupon(self.stage.token, coupon)
        await devnet.advance_to(record_time + 1)
        return coupon_id, {
            holder: interest_due(tokens, self.terms, rate, _COUPON_RATE_DECIMALS, _YEAR, self.stage.version)
            for holder, tokens in self.holdings.items()
        }

    @property
    def bond(self) -> Bond:
        """What its holders have before it is redeemed."""
        balances = {holder.lower(): tokens for holder, tokens in self.holdings.items()}
        return Bond(balances, _TOKENS_PER_BASE_UNIT)

    def is_redeemed(self) -> None:
        """All that is worth money was burned."""
        self.holdings = {
            holder: tokens for holder, tokens in self.holdings.items() if tokens < _TOKENS_PER_BASE_UNIT
        }

    async def _move(self, devnet: Devnet, seller: ChecksumAddress, buyer: ChecksumAddress, tokens: int) -> None:
        if seller == buyer:
            return
        await devnet.transfer(self.stage.token, seller, buyer, tokens)
        self.holdings[buyer] = self.holdings.get(buyer, 0) + tokens
        self.holdings[seller] -= tokens
        if not self.holdings[seller]:
            del self.holdings[seller]
