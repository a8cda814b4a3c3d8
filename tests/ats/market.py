"""The four services on a chain of the studio: what a system test of the engine on these contracts starts from.

    async with open_market(studio, folder) as market:
        stage = market.stage_of(equity)         # lifecycle contract, payment token; the signer holds its roles
        asset = await market.import_stage(stage)

The chain ticks meanwhile, for the services wait for confirmations. To them it is an embedded one, known by the
genesis hash of the anvil that was started here: lifecycle contracts may be deployed on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from eth_utils.address import to_checksum_address

from deploy.devnet.deployer import Devnet
from deploy.local.settings import RPC_URL_VARIABLE, StackSettings
from deploy.local.signer import SIGNER_FUNDS_WEI, ensure_signer
from deploy.local.stack import Stack
from libs.client.client import Endpoints, MassPayoutClient
from tests.ats import roles
from tests.ats.asset import Asset
from tests.ats.lifecycle import deploy_lifecycle, deploy_payment_token
from tests.ats.studio import Studio
from tests.system.harness import PAYOUT_SERVICE, Harness, Stage, service_environment

EQUITY_TYPE: Final = 1
BLOCK_SECONDS: Final = 1
# What Hedera gives a transaction: the size of a batch is up to the engine, under this.
MAX_BATCH_GAS: Final = 15_000_000


class Market(Harness):
    """Connections to the services, as system tests have them, and the studio.

    `stage` of the harness deploys a devnet token; here a stage is made of a token of the studio, by `stage_of`.
    """

    def __init__(
        self, studio: Studio, stack: Stack, devnet: Devnet, client: MassPayoutClient, signer: str
    ) -> None:
        """Nothing is read yet."""
        self.studio = studio
        self.stack = stack
        self.devnet = devnet
        self.client = client
        self.rpc_url = studio.chain.url
        self.signer = to_checksum_address(signer)

    def stage_of(self, asset: Asset) -> Stage:
        """Deploy payment token and lifecycle contract for a token; the signer gets every role that payouts need.

        A bond's lifecycle contract may redeem. The stage's holders are those of now, with their free balances.
        """
        payer = deploy_lifecycle(self.studio.chain, asset, deploy_payment_token(self.studio.chain), self.signer)
        (_, security_type) = asset.read("getERC20Metadata")
        if security_type != EQUITY_TYPE:
            asset.grant(roles.MATURITY_REDEEMER, payer.address)
        holders = {holder: asset.balance_of(holder) for holder in asset.holders()}
        return Stage(asset.address, payer.payment_token.address, payer.address, holders)


@asynccontextmanager
async def open_market(
    studio: Studio, folder: Path, payout_settings: Mapping[str, str] | None = None
) -> AsyncIterator[Market]:
    """Start database, NATS and the services in `folder`, let the chain tick; end it all afterwards.

    `payout_settings` are more for payout_service, named without its prefix. Raises StackError.
    """
    chain = studio.chain
    genesis = chain.web3.eth.get_block(0)["hash"].to_0x_hex()
    key_file = folder / "signer.key"
    signer = ensure_signer(key_file)
    chain.rpc("anvil_setBalance", signer, hex(SIGNER_FUNDS_WEI))
    settings = {
        "SIGNER_KEY_FILE": str(key_file),
        "DEVNET_GENESIS_HASH": genesis,
        "MAX_BATCH_GAS": str(MAX_BATCH_GAS),
        **(payout_settings or {}),
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")}
    stack = Stack(
        StackSettings(
            base_dir=folder / "run",
            environment={**environment, RPC_URL_VARIABLE: chain.url},
            service_environment=service_environment(payout_settings=settings),
            fsync=False,
        )
    )
    chain.rpc("evm_setIntervalMining", BLOCK_SECONDS)
    try:
        services = (await asyncio.to_thread(stack.start)).services
        addresses = Endpoints(
            asset=services["asset_service"],
            distribution=services["distribution_service"],
            payout=services[PAYOUT_SERVICE],
            chain_sync=services["chain_sync_service"],
        )
        async with AsyncExitStack() as exits:
            devnet = await exits.enter_async_context(Devnet(chain.url, expected_genesis_hash=genesis))
            client = await exits.enter_async_context(MassPayoutClient(addresses))
            yield Market(studio, stack, devnet, client, signer)
    finally:
        await asyncio.to_thread(stack.destroy)
        chain.rpc("evm_setAutomine", True)
