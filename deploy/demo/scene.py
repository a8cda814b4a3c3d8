"""What every scenario works with: the chain, the services, a console, and an asset that is ready to be paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rich.console import Console

from deploy.demo.payout import import_asset, wait_for_register, wait_until_active
from deploy.demo.settings import DemoError, DemoSettings
from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.local.stack import Endpoints
from libs.chain.amount import format_decimal_amount
from libs.client.client import Endpoints as ClientEndpoints
from libs.client.client import MassPayoutClient

# Of the payment token, and of the securities.
DECIMALS = 6
SYMBOL = "DUSD"
_CLOCK_SECONDS = 60.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Listing:
    """An imported asset: its resource name, contracts, and the balances that were issued."""

    asset: str
    token: ChecksumAddress
    payment_token: ChecksumAddress
    contract: ChecksumAddress
    holders: Mapping[ChecksumAddress, int]


class Scene:
    """The embedded chain and the services on it."""

    def __init__(
        self,
        settings: DemoSettings,
        rpc_url: str,
        signer: ChecksumAddress,
        devnet: Devnet,
        client: MassPayoutClient,
        console: Console,
    ) -> None:
        self.settings = settings
        self.rpc_url = rpc_url
        self.signer = signer
        self.devnet = devnet
        self.client = client
        self.console = console

    def holders(self) -> dict[ChecksumAddress, int]:
        """The holders and the balances issued to them."""
        return dict(seeded_holders(self.settings.holder_count, self.settings.seed))

    def tell(self, verb: str, what: str) -> None:
        """Prints a step of the story."""
        self.console.print(f"[bold]{verb}[/] {what}")

    def note(self, what: str) -> None:
        """Prints a detail of the step before."""
        self.console.print(f"  {what}", style="dim")

    async def import_token(
        self, token: ChecksumAddress, payment_token: ChecksumAddress, holders: Mapping[ChecksumAddress, int]
    ) -> Listing:
        """Imports an issued token and waits until it can be paid and its register is complete."""
        self.tell("Importing", "it; payout_service deploys the lifecycle contract")
        asset = await import_asset(self.client, token, payment_token)
        for condition in asset.readiness:
            if not condition.satisfied:
                self.note(f"open: {condition.detail} -> {condition.remedy}")
        await self.devnet.grant_snapshot_role(token, self.signer)
        asset = await wait_until_active(self.client, asset.name)
        if asset.lifecycle_contract is None:
            raise DemoError("the asset is active without a lifecycle contract")
        contract = to_checksum_address(asset.lifecycle_contract.evm_address)
        self.note(f"active: {asset.name}, lifecycle contract {contract}")
        seconds = await wait_for_register(self.client, asset.name, len(holders))
        self.note(f"the register of holders is complete after {seconds} s")
        return Listing(asset.name, token, payment_token, contract, holders)

    async def deposit(self, listing: Listing, base_units: int) -> None:
        """Deposits money in the lifecycle contract."""
        await self.devnet.mint_payment_token(listing.payment_token, listing.contract, base_units)

    async def clock_passes(self, unix_seconds: int) -> None:
        """Waits until the chain's clock is past a time. Raises DemoError if it stands still."""
        ahead_seconds = unix_seconds - await self.devnet.chain_time()
        deadline = asyncio.get_running_loop().time() + max(ahead_seconds, 0) + _CLOCK_SECONDS
        while await self.devnet.chain_time() <= unix_seconds:
            if asyncio.get_running_loop().time() > deadline:
                raise DemoError(f"the chain's clock does not get past {unix_seconds}")
            await asyncio.sleep(_POLL_SECONDS)


class TokenLedger:
    """The tokens (base units) of each holder, tracked beside the chain in plain integers."""

    def __init__(self, devnet: Devnet, token: ChecksumAddress, issued: Mapping[ChecksumAddress, int]) -> None:
        self._devnet = devnet
        self._token = token
        self.balances = dict(issued)

    async def move(self, sender: ChecksumAddress, to: ChecksumAddress, base_units: int) -> None:
        """Transfers tokens, on the chain and in this ledger."""
        await self._devnet.transfer(self._token, sender, to, base_units)
        self.balances[sender] -= base_units
        self.balances[to] = self.balances.get(to, 0) + base_units

    def largest(self) -> ChecksumAddress:
        """Returns the holder with the most tokens."""
        return max(self.balances, key=lambda holder: self.balances[holder])


def newcomer(name: str) -> ChecksumAddress:
    """Returns an account that has held nothing so far. Nobody has its key."""
    return to_checksum_address(keccak(text=f"mass-payout demo newcomer {name}")[-20:])


def decimal(base_units: int) -> str:
    """Formats an amount of the payment token or of a security in whole tokens."""
    return format_decimal_amount(base_units, decimals=DECIMALS)


@asynccontextmanager
async def open_scene(settings: DemoSettings, endpoints: Endpoints, console: Console) -> AsyncIterator[Scene]:
    """Connects to everything. Raises DemoError if the stack has no embedded chain."""
    if endpoints.rpc_url is None or endpoints.genesis_hash is None or endpoints.signer_address is None:
        raise DemoError("the stack came up without its embedded chain")
    services = endpoints.services
    addresses = ClientEndpoints(
        asset=services["asset_service"],
        distribution=services["distribution_service"],
        payout=services["payout_service"],
        chain_sync=services["chain_sync_service"],
    )
    async with (
        Devnet(endpoints.rpc_url, expected_genesis_hash=endpoints.genesis_hash) as devnet,
        MassPayoutClient(addresses) as client,
    ):
        signer = to_checksum_address(endpoints.signer_address)
        yield Scene(settings, endpoints.rpc_url, signer, devnet, client, console)
