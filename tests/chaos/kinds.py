"""Dividends, coupons and redemptions, in several batches one after the other; payments below a minimum.

While the service is dead tokens change hands, so that a holder may have sold before his batch, and one that was
redeemed may have bought again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace

from eth_typing import ChecksumAddress

from libs.protogen.typed.masspayout.distribution.v1 import Distribution, DistributionState
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayeeRules, PayoutTerms, Redemption
from tests.chaos.final import amounts_owed
from tests.chaos.scenarios import Job, Scenario, distribution_in_state, in_state, job_of
from tests.chaos.securities import Security
from tests.chaos.world import World

# Base units of money beside what is owed: roundings differ when tokens move.
_SPARE_BASE_UNITS = 1_000


class _TradedSecurity(Scenario):
    """A payout on a security whose holders trade while the service is dead."""

    @property
    def settings(self) -> Mapping[str, str]:
        """One batch at a time; few enough for the payout not to take long, of 30 holders at least two."""
        return {"PAYOUT_SERVICE_MAX_IN_FLIGHT_TRANSACTIONS": "1", "PAYOUT_SERVICE_MAX_BATCH_GAS": "1200000"}

    @abstractmethod
    async def security(self, world: World) -> Security:
        """Which it is."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Announces what is due, funds it and creates the distribution."""
        security = await self.security(world)
        devnet, stage = world.harness.devnet, security.stage
        await security.fill(devnet, world.holder_count, world.next_seed())
        action_id, owed = await self.announce(world, security, total_base_units)
        total = sum(owed.values())
        await devnet.mint_payment_token(stage.payment_token, stage.contract, total + _SPARE_BASE_UNITS)
        mark = await world.chain.mark(stage.payment_token, owed, stage.contract)
        distribution = await self.create(world, security.asset.name, action_id)
        return Job(
            token=stage.token,
            payment_token=stage.payment_token,
            contract=stage.contract,
            owed=owed,
            mark=mark,
            asset=security.asset.name,
            distribution=distribution.name,
            total_base_units=total,
        )

    @abstractmethod
    async def announce(
        self, world: World, security: Security, figure: int
    ) -> tuple[int, dict[ChecksumAddress, int]]:
        """Makes it due: the id of the action, 0 without one, and what each holder is owed now, base units."""

    @abstractmethod
    async def create(self, world: World, asset: str, action_id: int) -> Distribution:
        """Asks for its payment."""

    async def meanwhile(self, world: World, job: Job) -> None:
        """Tokens change hands, once blocks hold what the service had sent."""
        await world.chain.pool_is_empty()
        await self.trade(world)

    async def trade(self, world: World) -> None:
        """Tokens change hands now."""
        security = await self.security(world)
        live = await world.chain.live_balances(security.stage.token)
        await security.trade(world.harness.devnet, live, world.next_seed())

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the distribution."""
        await in_state(world, job, DistributionState.COMPLETED)
        return job


class PayADividend(_TradedSecurity):
    """A dividend whose snapshot nobody has triggered yet."""

    @property
    def name(self) -> str:
        """Its kind."""
        return "dividend"

    async def security(self, world: World) -> Security:
        """The equity."""
        return await world.equity()

    async def announce(
        self, world: World, security: Security, figure: int
    ) -> tuple[int, dict[ChecksumAddress, int]]:
        """A dividend of that many of its digits."""
        return await security.announce_dividend(world.harness.devnet, figure)

    async def create(self, world: World, asset: str, action_id: int) -> Distribution:
        """By the dividend's id."""
        return await world.harness.create_for(asset, PayoutTerms(dividend_id=action_id))


class PayACoupon(_TradedSecurity):
    """A coupon whose snapshot nobody has triggered yet."""

    @property
    def name(self) -> str:
        """Its kind."""
        return "coupon"

    async def security(self, world: World) -> Security:
        """The bond."""
        return await world.bond()

    async def announce(
        self, world: World, security: Security, figure: int
    ) -> tuple[int, dict[ChecksumAddress, int]]:
        """A coupon with that rate."""
        return await security.announce_coupon(world.harness.devnet, figure)

    async def create(self, world: World, asset: str, action_id: int) -> Distribution:
        """By the coupon's id."""
        return await world.harness.create_for(asset, PayoutTerms(coupon_id=action_id))


class RedeemABond(_TradedSecurity):
    """A bond's principal; the tokens are burned. They also change hands while the service holds at a failpoint."""

    def __init__(self, trades_at: str = "") -> None:
        self._trades_at = trades_at

    @property
    def name(self) -> str:
        """Its kind."""
        return "redemption"

    @property
    def holds_at(self) -> str:
        """Where tokens change hands before the kill; empty when they do not."""
        return self._trades_at

    async def security(self, world: World) -> Security:
        """The bond."""
        return await world.bond()

    async def announce(
        self, world: World, security: Security, figure: int
    ) -> tuple[int, dict[ChecksumAddress, int]]:
        """It is mature: what each holder's tokens are worth."""
        bond = security.bond
        return 0, {holder: bond.principal(tokens) for holder, tokens in security.holdings.items()}

    async def create(self, world: World, asset: str, action_id: int) -> Distribution:
        """The asset's redemption."""
        return await world.harness.create_for(asset, PayoutTerms(redemption=Redemption()))

    async def begin(self, world: World, total_base_units: int) -> Job:
        """As the others; and the trade before the kill."""
        job = await super().begin(world, total_base_units)
        job = replace(job, snapshots_due=0, bond=(await self.security(world)).bond)
        if self._trades_at:
            await world.held()
            await self.trade(world)
            world.release()
        return job

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the distribution, which leaves nothing that is worth money."""
        job = await super().finish(world, job)
        (await self.security(world)).is_redeemed()
        return job


class PayTwiceBelowAMinimum(Scenario):
    """A payout that defers its smallest payments, and another of the same amounts, which makes both come due."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Pays the first, all but what is deferred, and creates the second."""
        stage, asset = await world.ready_asset()
        owed = amounts_owed(total_base_units, stage.holders)
        minimum = 2 * min(filter(None, owed.values()))
        rules = PayeeRules(minimum_amount=AmountInput(base_units=str(minimum)))
        devnet, harness = world.harness.devnet, world.harness
        await devnet.mint_payment_token(stage.payment_token, stage.contract, 2 * total_base_units)
        mark = await world.chain.mark(stage.payment_token, stage.holders, stage.contract)
        first = await harness.create(asset.name, total_base_units, rules=rules)
        await distribution_in_state(world, first.name, DistributionState.DEFERRED)
        second = await harness.create(asset.name, total_base_units, rules=rules)
        return replace(
            job_of(stage, asset, mark, second),
            snapshots_due=2,
            earlier=(first.name,),
            minimum_base_units=minimum,
        )

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for both."""
        for name in (*job.earlier, job.distribution or ""):
            await distribution_in_state(world, name, DistributionState.COMPLETED)
        return job
