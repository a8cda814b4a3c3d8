"""The four services on a chain of the studio: what a system test of the engine on these contracts starts from.

    async with open_services(chain, folder) as services:
        market = Market(services, deploy_studio(chain, release, package))
        listing = await market.list_equity(amounts)     # issued, with its contracts, imported
        distribution = await market.create_kind(listing, PayoutTerms(dividend_id=1))

The chain ticks meanwhile, for the services wait for confirmations. To them it is an embedded one, known by the
genesis hash of the anvil that was started here: lifecycle contracts may be deployed on it. What was paid is read
from the payment token's own logs and balances, never asked of a service.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.contract import Contract

from deploy.devnet.artifacts import load_contract
from deploy.devnet.deployer import Devnet
from deploy.local.settings import RPC_URL_VARIABLE, StackSettings
from deploy.local.signer import SIGNER_FUNDS_WEI, ensure_signer
from deploy.local.stack import Stack
from libs.client.client import Endpoints, MassPayoutClient, progress_of
from libs.protogen.typed.masspayout.distribution.v1 import (
    CreateDistributionRequest,
    Distribution,
    DistributionState,
    GetDistributionRequest,
)
from libs.protogen.typed.masspayout.payout.v1 import (
    BatchState,
    CancelPayoutRequest,
    PausePayoutRequest,
    PaymentState,
    PayoutState,
    ReconcilePayoutRequest,
    ResumePayoutRequest,
    RetryPaymentsRequest,
)
from libs.protogen.typed.masspayout.type.v1 import PayoutTerms
from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.lifecycle import deploy_lifecycle, deploy_payment_token
from tests.ats.scene import PROJECT, SECONDS_TO_MATURITY, SECONDS_TO_START, TOKEN_TERMS
from tests.ats.studio import Studio
from tests.system.harness import (
    NO_SETTINGS,
    PAYOUT_SERVICE,
    Harness,
    Stage,
    eventually,
    service_environment,
    told,
)
from tests.system.mining import Ticker

EQUITY_TYPE: Final = 1
# Few payees in a batch, and one batch after the other: time to do something in between.
SMALL_BATCHES: Final = {"MAX_BATCH_GAS": "600000", "MAX_IN_FLIGHT_TRANSACTIONS": "1"}
# What Hedera gives a transaction: the size of a batch is up to the engine, under this.
HEDERA_BATCH_GAS: Final = 15_000_000
LARGE_BATCHES: Final = {"MAX_BATCH_GAS": str(HEDERA_BATCH_GAS), "MAX_IN_FLIGHT_TRANSACTIONS": "4"}


@dataclass(frozen=True, slots=True)
class Listing:
    """An imported token: what its issuer acts on, its contracts, its name as an asset."""

    token: Asset
    stage: Stage
    name: str


@dataclass(frozen=True, slots=True)
class Services:
    """The four services on a chain that ticks. `payout_settings` are what payout_service always needs there."""

    chain: Chain
    stack: Stack
    devnet: Devnet
    client: MassPayoutClient
    signer: str
    ticker: Ticker
    payout_settings: Mapping[str, str]


class Market(Harness):
    """Connections to the services, as system tests have them, and the studio.

    `stage` of the harness deploys a devnet token; here a stage is made of a token of the studio, by `stage_of`.
    """

    def __init__(self, services: Services, studio: Studio) -> None:
        """Nothing is read yet. The studio is on the chain of the services."""
        self.studio = studio
        self._ticker = services.ticker
        self._payout_settings = services.payout_settings
        self.stack = services.stack
        self.devnet = services.devnet
        self.client = services.client
        self.rpc_url = studio.chain.url
        self.signer = to_checksum_address(services.signer)

    def stage_of(self, asset: Asset) -> Stage:
        """Deploy payment token and lifecycle contract for a token; the signer gets every role that payouts need.

        A bond's lifecycle contract may redeem. The stage's holders are those of now, with their free balances.
        """
        payer = deploy_lifecycle(self.studio.chain, asset, deploy_payment_token(self.studio.chain), self.signer)
        (_, security_type) = asset.read("getERC20Metadata")
        if security_type != EQUITY_TYPE:
            asset.grant(asset.roles.maturity_redeemer, payer.address)
        holders = {holder: asset.balance_of(holder) for holder in asset.holders()}
        return Stage(asset.address, payer.payment_token.address, payer.address, holders)

    async def list_equity(self, amounts: Mapping[ChecksumAddress, int]) -> Listing:
        """Deploy an equity, issue to holders, deploy its contracts, import it; it is active then."""
        return await self._list(lambda: self.studio.deploy_equity(TOKEN_TERMS), amounts)

    async def list_bond(self, amounts: Mapping[ChecksumAddress, int]) -> Listing:
        """The same with a bond of variable rate that matures in SECONDS_TO_MATURITY."""
        starts = self.studio.chain.now + SECONDS_TO_START
        matures = starts + SECONDS_TO_MATURITY
        return await self._list(
            lambda: self.studio.deploy_bond(TOKEN_TERMS, starts=starts, matures=matures), amounts
        )

    async def list_kpi_bond(self, amounts: Mapping[ChecksumAddress, int]) -> Listing:
        """The same with a bond whose coupons' rates stay open until their fixing dates, by reports of PROJECT."""
        matures = self.studio.chain.now + SECONDS_TO_MATURITY
        return await self._list(
            lambda: self.studio.deploy_kpi_linked_bond(TOKEN_TERMS, matures=matures, project=PROJECT), amounts
        )

    async def _list(self, deploy: Callable[[], Asset], amounts: Mapping[ChecksumAddress, int]) -> Listing:
        with self.block_for_each_transaction():
            token = deploy()
            token.issue(amounts)
            stage = self.stage_of(token)
        return Listing(token, stage, (await self.import_stage(stage)).name)

    async def run_payout_service(self, settings: Mapping[str, str] = NO_SETTINGS) -> None:
        """payout_service runs with these settings: started again unless it does already."""
        await super().run_payout_service({**self._payout_settings, **SMALL_BATCHES, **settings})

    # ------------------------------------------------------------------------------ distributions

    async def create_kind(
        self, listing: Listing, terms: PayoutTerms, *, allow_unfunded: bool = False
    ) -> Distribution:
        """Create a distribution of what the asset itself owes."""
        request = request_of(listing, terms, allow_unfunded=allow_unfunded)
        return await self.call(self.client.distributions.create_distribution, request)

    async def waits_for(self, distribution: Distribution, name: str) -> Distribution:
        """The distribution once it waits by this name; fails if it ends."""
        found: list[Distribution] = []

        async def is_told() -> bool:
            request = GetDistributionRequest(name=distribution.name)
            found[:] = [await self.call(self.client.distributions.get_distribution, request)]
            assert found[0].state is not DistributionState.FAILED, found[0]
            return found[0].waiting_for.startswith(f"{name}: ")

        await eventually(is_told, f"{distribution.name} waits for {name}", lambda: found)
        return found[0]

    async def pause_after_the_first_batch(
        self, stage: Stage, distribution: Distribution, money: int
    ) -> list[ChecksumAddress]:
        """Deposit for a distribution that waits for funds; pause it when its first batch, and no other, is paid.

        Between the deposit and the pause there is no block but those that hold a transaction, so the first batch
        is not final, and there is no second one. Returns who is paid.
        """
        with self.block_for_each_transaction():
            await self.deposit(stage, money)

            async def is_mined() -> bool:
                return bool(self.transfers(stage))

            await eventually(is_mined, "the first batch is mined")
            request = PausePayoutRequest(request_id=str(uuid4()), name=distribution.payout)
            await self.call(self.client.payouts.pause_payout, request)
        await self.payout_when(
            distribution.payout,
            lambda seen: seen.state is PayoutState.PAUSED and progress_of(seen).paid_count > 0,
            "is paused",
        )
        (batch,) = await self.batches(distribution.payout)
        assert batch.state is BatchState.SETTLED
        return [holder for holder, _ in self.transfers(stage)]

    async def resume(self, distribution: Distribution) -> None:
        """Go on with a paused payout."""
        request = ResumePayoutRequest(request_id=str(uuid4()), name=distribution.payout)
        await self.call(self.client.payouts.resume_payout, request)

    async def cancel(self, distribution: Distribution) -> None:
        """Give up what has not left."""
        request = CancelPayoutRequest(request_id=str(uuid4()), name=distribution.payout)
        await self.call(self.client.payouts.cancel_payout, request)

    # ------------------------------------------------------------------------------ what was paid

    def transfers(self, stage: Stage) -> list[tuple[ChecksumAddress, int]]:
        """Every transfer of money that ever left the lifecycle contract: to whom, base units."""
        logs = (
            self._payment_token(stage)
            .events.Transfer()
            .get_logs(from_block=0, argument_filters={"from": stage.contract})
        )
        return [(log["args"]["to"], int(log["args"]["value"])) for log in logs]

    def assert_paid(self, stage: Stage, *due: Mapping[ChecksumAddress, int], left: int) -> None:
        """The chain alone: these payments were made, each once, and no other; `left` is what the contract has.

        One mapping of holders to base units for each payout, or for each round of one; who is due 0 gets none.
        """
        expected = sorted((holder, amount) for each in due for holder, amount in each.items() if amount)
        made = sorted(self.transfers(stage))
        assert made == expected, f"made: {made}, expected: {expected}"
        accounts = {holder for each in due for holder in each}
        balances = {holder: sum(each.get(holder, 0) for each in due) for holder in accounts} | {
            stage.contract: left
        }
        balance_of = self._payment_token(stage).functions.balanceOf
        found = {account: balance_of(account).call() for account in balances}
        assert found == balances, f"found: {found}, expected: {balances}"

    async def told(self, distribution: Distribution) -> list[tuple[str, int, PaymentState]]:
        """The ledger: each payment as holder, base units, state."""
        return [told(payment) for payment in await self.payments(distribution.payout)]

    async def assert_told(
        self, distribution: Distribution, expected: Sequence[tuple[ChecksumAddress, int, PaymentState]]
    ) -> None:
        """The ledger has these payments, in any order, and by its own comparison it is what the chain says."""
        told_now = sorted(await self.told(distribution))
        assert told_now == sorted(expected), f"told: {told_now}, expected: {sorted(expected)}"
        request = ReconcilePayoutRequest(name=distribution.payout)
        assert (await self.call(self.client.payouts.reconcile_payout, request)).discrepancies == []

    async def assert_no_batch_failed(self, distribution: Distribution) -> None:
        """Every batch took effect, within its gas."""
        for batch in await self.batches(distribution.payout):
            assert batch.state is BatchState.SETTLED
            assert 0 < batch.gas_used <= batch.gas_limit

    def _payment_token(self, stage: Stage) -> Contract:
        return self.studio.chain.contract(stage.payment_token, load_contract("PaymentToken").abi)

    @contextmanager
    def block_for_each_transaction(self) -> Iterator[None]:
        """Only a transaction makes a block, its own and at once: nothing becomes final by time passing."""
        with paused(self._ticker):
            yield


@contextmanager
def paused(ticker: Ticker) -> Iterator[None]:
    """The chain does not tick."""
    ticker.pause()
    try:
        yield
    finally:
        ticker.resume()


def retry_request(distribution: Distribution) -> RetryPaymentsRequest:
    """All payments of a distribution that failed for a reason that can pass."""
    return RetryPaymentsRequest(request_id=str(uuid4()), name=distribution.payout)


def request_of(listing: Listing, terms: PayoutTerms, *, allow_unfunded: bool = False) -> CreateDistributionRequest:
    """A distribution of a listing."""
    return CreateDistributionRequest(
        request_id=str(uuid4()), asset=listing.name, terms=terms, allow_unfunded=allow_unfunded
    )


@asynccontextmanager
async def open_services(chain: Chain, folder: Path) -> AsyncIterator[Services]:
    """Start database, NATS and the services in `folder`, let the chain tick; end it all afterwards.

    Batches are SMALL_BATCHES until `run_payout_service` is told otherwise. Raises StackError.
    """
    genesis = chain.web3.eth.get_block(0)["hash"].to_0x_hex()
    key_file = folder / "signer.key"
    signer = ensure_signer(key_file)
    chain.rpc("anvil_setBalance", signer, hex(SIGNER_FUNDS_WEI))
    settings = {"SIGNER_KEY_FILE": str(key_file), "DEVNET_GENESIS_HASH": genesis}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")}
    stack = Stack(
        StackSettings(
            base_dir=folder / "run",
            environment={**environment, RPC_URL_VARIABLE: chain.url},
            service_environment=service_environment(payout_settings={**settings, **SMALL_BATCHES}),
            fsync=False,
        )
    )
    ticker = Ticker(chain.url)
    ticker.start()
    try:
        found = (await asyncio.to_thread(stack.start)).services
        addresses = Endpoints(
            asset=found["asset_service"],
            distribution=found["distribution_service"],
            payout=found[PAYOUT_SERVICE],
            chain_sync=found["chain_sync_service"],
        )
        async with AsyncExitStack() as exits:
            devnet = await exits.enter_async_context(Devnet(chain.url, expected_genesis_hash=genesis))
            client = await exits.enter_async_context(MassPayoutClient(addresses))
            yield Services(chain, stack, devnet, client, signer, ticker, settings)
    finally:
        ticker.stop()
        await asyncio.to_thread(stack.destroy)
