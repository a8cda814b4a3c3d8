"""Measures how many payees payout_service puts into one batch, per kind of payout, at realistic gas costs.

The devnet burns as much gas per payee as was measured with real tokens (docs/facts-contracts.md#gas).
`python -m deploy.demo.batch_sizes` prints the table; tests/system/test_batch_sizes.py checks it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from rich.console import Console
from rich.table import Table

from deploy.demo.bond import DAY_SECONDS, NOMINAL_VALUE, NOMINAL_VALUE_DECIMALS, YEAR_SECONDS
from deploy.demo.payout import create, import_asset, paid_distribution, terms_of_total, wait_until_active
from deploy.demo.scene import DECIMALS, open_scene
from deploy.demo.settings import DemoError, DemoSettings
from deploy.devnet.deployer import Devnet, DevnetError, seeded_holders
from deploy.devnet.terms import BondTerms, Coupon, Dividend
from deploy.local.errors import StackError
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack
from libs.client.client import MassPayoutClient
from libs.errors import AppError
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import BatchState
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms, Redemption

MAX_BATCH_GAS = 15_000_000
_SEED = 7
# More than fit into one batch of their kind, so that the largest batch shows what fits.
_EQUITY_HOLDERS = 250
_BOND_HOLDERS = 150
_FEW_HOLDERS = 45
_DEPOSIT = 10**18
_PAYOUT_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """The batches of one payout, in the order they were made."""

    what: str
    holders: Sequence[int]
    gas_used: Sequence[int]
    gas_limits: Sequence[int]
    states: Sequence[BatchState]

    @property
    def most_holders(self) -> int:
        """The size chosen while there were enough payees."""
        return max(self.holders)

    @property
    def ran_out_of_gas(self) -> bool:
        """True if a batch was not settled within its gas limit."""
        within = all(used <= limit for used, limit in zip(self.gas_used, self.gas_limits, strict=True))
        return not within or set(self.states) != {BatchState.SETTLED}


@dataclass(frozen=True, slots=True)
class _Asset:
    name: str
    token: ChecksumAddress
    contract: ChecksumAddress


async def measure(devnet: Devnet, client: MassPayoutClient, signer: ChecksumAddress) -> list[BatchSizes]:
    """Pays one payout of each kind; payout_service must run with MAX_BATCH_GAS. Moves the chain's clock."""
    return await _Measuring(devnet, client, signer).measure()


class _Measuring:
    def __init__(self, devnet: Devnet, client: MassPayoutClient, signer: ChecksumAddress) -> None:
        self._devnet = devnet
        self._client = client
        self._signer = signer

    async def measure(self) -> list[BatchSizes]:
        now = await self._devnet.chain_time()
        maturity = now + YEAR_SECONDS
        equity, bond, with_coupon, few_with_coupon = await asyncio.gather(
            self._equity(_EQUITY_HOLDERS),
            self._bond(now, maturity, _BOND_HOLDERS),
            self._bond(now, maturity, _BOND_HOLDERS),
            self._bond(now, maturity, _FEW_HOLDERS),
        )
        dividend_id, coupon_id = await self._announce(equity, with_coupon, few_with_coupon)
        first = await asyncio.gather(
            self._pay("snapshot", equity, terms_of_total(_DEPOSIT // 4)),
            self._pay("dividend", equity, PayoutTerms(dividend_id=dividend_id)),
            self._pay("coupon", with_coupon, PayoutTerms(coupon_id=coupon_id)),
        )
        # A bond of version 7 is redeemed after its maturity date, not on it.
        await self._devnet.advance_to(maturity + 1)
        redeemed = await asyncio.gather(
            self._pay("cash-out, never snapshotted", bond, PayoutTerms(redemption=Redemption())),
            self._pay("cash-out after a coupon", few_with_coupon, PayoutTerms(redemption=Redemption())),
        )
        return [*first, *redeemed]

    async def _equity(self, holder_count: int) -> _Asset:
        token = await self._devnet.deploy_equity_token("Equity", "EQ", "US0378331005", DECIMALS)
        return await self._ready(token, holder_count)

    async def _bond(self, now: int, maturity: int, holder_count: int) -> _Asset:
        terms = BondTerms(NOMINAL_VALUE, NOMINAL_VALUE_DECIMALS, now, maturity)
        token = await self._devnet.deploy_bond_token("Bond", "BD", "US0378331005", DECIMALS, terms)
        return await self._ready(token, holder_count)

    async def _ready(self, token: ChecksumAddress, holder_count: int) -> _Asset:
        """Issues and imports an asset with money.

        Each payment burns gas, and each payee already holds the payment token.
        """
        devnet = self._devnet
        holders = dict(seeded_holders(holder_count, _SEED))
        payment_token = await devnet.deploy_payment_token()
        await devnet.issue(token, holders)
        await devnet.mint_payment_tokens(payment_token, dict.fromkeys(holders, 1))
        await devnet.burn_gas_like_real(token)
        await devnet.grant_snapshot_role(token, self._signer)
        name = (await import_asset(self._client, token, payment_token)).name
        asset = await wait_until_active(self._client, name)
        if asset.lifecycle_contract is None:
            raise DemoError(f"{name} is active without a lifecycle contract")
        contract = to_checksum_address(asset.lifecycle_contract.evm_address)
        await devnet.mint_payment_token(payment_token, contract, _DEPOSIT)
        await devnet.grant_maturity_redeemer_role(token, contract)
        return _Asset(name, token, contract)

    async def _announce(self, equity: _Asset, bond: _Asset, few: _Asset) -> tuple[int, int]:
        """Announces a dividend and a coupon whose dates have come. Of the `few`, only the snapshot is wanted."""
        now = await self._devnet.chain_time()
        day = now + DAY_SECONDS
        dividend_id = await self._devnet.set_dividend(equity.token, Dividend(day, day, 4321, 4))
        terms = Coupon(day, day, start_date=now, end_date=day, fixing_date=day, rate=425, rate_decimals=4)
        coupon_id = await self._devnet.set_coupon(bond.token, terms)
        await self._devnet.set_coupon(few.token, terms)
        await self._devnet.advance_to(day + 1)
        await self._devnet.trigger_scheduled_snapshots(few.token)
        return dividend_id, coupon_id

    async def _pay(self, what: str, asset: _Asset, terms: PayoutTerms) -> BatchSizes:
        distribution = await create(self._client, asset.name, terms)
        async for seen in self._client.watch_distribution(distribution.name, timeout_seconds=_PAYOUT_SECONDS):
            distribution = seen
        if distribution.state is not DistributionState.COMPLETED:
            raise DemoError(f"{what} ended as {distribution.state.name}: {distribution.failure_reason}")
        batches = (await paid_distribution(self._client, distribution.name)).batches
        return BatchSizes(
            what=what,
            holders=[batch.holder_count for batch in batches],
            gas_used=[batch.gas_used for batch in batches],
            gas_limits=[batch.gas_limit for batch in batches],
            states=[batch.state for batch in batches],
        )


def table_of(sizes: Sequence[BatchSizes]) -> Table:
    """Returns the measurement as a table for people."""
    table = Table(
        "payout", "batches of", "gas used by the largest", "its gas limit", title=f"cap {MAX_BATCH_GAS:,} gas"
    )
    for each in sizes:
        largest = each.holders.index(each.most_holders)
        table.add_row(
            each.what,
            ", ".join(map(str, each.holders)),
            f"{each.gas_used[largest]:,}",
            f"{each.gas_limits[largest]:,}",
        )
    return table


async def _measure_on(settings: DemoSettings, stack: Stack, console: Console) -> list[BatchSizes]:
    async with open_scene(settings, stack.endpoints, console) as scene:
        return await measure(scene.devnet, scene.client, scene.signer)


def main() -> int:
    """Measures on a stack of its own. Returns 1 as the exit status if a batch ran out of gas."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    environment = {"payout_service": {"PAYOUT_SERVICE_MAX_BATCH_GAS": str(MAX_BATCH_GAS)}}
    try:
        settings = DemoSettings.load()
        stack = Stack(StackSettings(service_environment=environment))
        if stack.running:
            raise DemoError("the local stack is running already: `make down` first")
        try:
            stack.start()
            sizes = asyncio.run(_measure_on(settings, stack, console))
        finally:
            stack.stop()
    except (DemoError, DevnetError, StackError, AppError) as error:
        console.print(f"error: {error}", style="bold red")
        return 1
    console.print(table_of(sizes))
    return 1 if any(each.ran_out_of_gas for each in sizes) else 0


if __name__ == "__main__":
    sys.exit(main())
