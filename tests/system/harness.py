"""What system tests act with: the published client, the devnet, the stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.demo.verify import Verification, verify
from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.local.component import Component
from deploy.local.stack import Stack
from libs.client.client import Endpoints, MassPayoutClient
from libs.errors import AppError
from libs.protogen.typed.masspayout.asset.v1 import (
    Asset,
    AssetState,
    GetAssetRequest,
    ImportAssetRequest,
)
from libs.protogen.typed.masspayout.distribution.v1 import (
    CreateDistributionRequest,
    Distribution,
    DistributionState,
    GetDistributionRequest,
)
from libs.protogen.typed.masspayout.payout.v1 import (
    Batch,
    ListBatchesRequest,
    ListPaymentsRequest,
    Payment,
)
from libs.protogen.typed.masspayout.type.v1 import AmountInput

Request = TypeVar("Request")
Response = TypeVar("Response")
WAIT_SECONDS = 90.0
_POLL_SECONDS = 0.1
# Small enough that 30 holders make at least 3 batches.
_MAX_BATCH_GAS = 900_000


def service_environment(failpoints: str = "") -> dict[str, dict[str, str]]:
    """Settings of the services in system tests: quick, small batches, a failpoint perhaps."""
    return {
        "payout_service": {
            "PAYOUT_SERVICE_MAX_BATCH_GAS": str(_MAX_BATCH_GAS),
            "PAYOUT_SERVICE_POLL_SECONDS": "0.2",
            "PAYOUT_SERVICE_LEASE_SECONDS": "3",
            "PAYOUT_SERVICE_REBROADCAST_SECONDS": "2",
            "PAYOUT_SERVICE_FAILPOINTS": failpoints,
        },
        "distribution_service": {
            "DISTRIBUTION_SERVICE_MAX_DELIVERIES": "3",
            "DISTRIBUTION_SERVICE_REDELIVERY_DELAY_SECONDS": "0.5",
        },
        "chain_sync_service": {"CHAIN_SYNC_SERVICE_POLL_SECONDS": "0.2"},
    }


@dataclass(frozen=True)
class Stage:
    """An asset on the chain: its token, holders with balances, payment token and lifecycle contract."""

    token: ChecksumAddress
    payment_token: ChecksumAddress
    contract: ChecksumAddress
    holders: Mapping[ChecksumAddress, int]


class Harness:
    """One test's connections."""

    def __init__(self, stack: Stack, devnet: Devnet, client: MassPayoutClient) -> None:
        self.stack = stack
        self.devnet = devnet
        self.client = client
        endpoints = stack.endpoints
        assert endpoints.rpc_url
        assert endpoints.signer_address
        self.rpc_url = endpoints.rpc_url
        self.signer = to_checksum_address(endpoints.signer_address)

    async def stage(self, holder_count: int = 30, *, seed: int = 1, grant: bool = True) -> Stage:
        """A token with holders, and a lifecycle contract whose roles the signer holds; nothing is imported."""
        token = await self.devnet.deploy_equity_token("System Equity", "SYS", "CH0012345678", 6)
        payment_token = await self.devnet.deploy_payment_token()
        contract = await self.devnet.deploy_lifecycle_contract(token, payment_token, self.signer)
        holders = dict(seeded_holders(holder_count, seed))
        if holders:
            await self.devnet.issue(token, holders)
        if grant:
            await self.devnet.grant_snapshot_role(token, self.signer)
        return Stage(token, payment_token, contract, holders)

    async def import_stage(self, stage: Stage) -> Asset:
        """Imports with the stage's contract and waits until the asset is active."""
        asset = await self.call(self.client.assets.import_asset, import_request(stage))
        return await self.active(asset.name)

    async def active(self, name: str) -> Asset:
        """The asset once it is active."""
        found: list[Asset] = []

        async def is_active() -> bool:
            found.append(await self.call(self.client.assets.get_asset, GetAssetRequest(name=name)))
            return found[-1].state is AssetState.ACTIVE

        await eventually(is_active, f"{name} active", lambda: found[-1])
        return found[-1]

    async def create(self, asset: str, total: int, *, allow_unfunded: bool = False) -> Distribution:
        """Creates a distribution of `total` base units."""
        request = CreateDistributionRequest(
            request_id=str(uuid4()),
            asset=asset,
            total_amount=AmountInput(base_units=str(total)),
            allow_unfunded=allow_unfunded,
        )
        return await self.call(self.client.distributions.create_distribution, request)

    async def in_state(self, name: str, *states: DistributionState) -> Distribution:
        """The distribution once it is in one of the states."""
        found: list[Distribution] = []

        async def is_there() -> bool:
            found.append(
                await self.call(self.client.distributions.get_distribution, GetDistributionRequest(name=name))
            )
            return found[-1].state in states

        await eventually(is_there, f"{name} in {states}", lambda: found[-1] if found else None)
        return found[-1]

    async def payments(self, payout: str, page_size: int = 1000) -> list[Payment]:
        """All payments, page by page."""
        payments: list[Payment] = []
        token = ""
        while True:
            request = ListPaymentsRequest(parent=payout, page_size=page_size, page_token=token)
            page = await self.call(self.client.payouts.list_payments, request)
            payments.extend(page.payments)
            token = page.next_page_token
            if not token:
                return payments

    async def batches(self, payout: str) -> list[Batch]:
        """All batches."""
        request = ListBatchesRequest(parent=payout, page_size=1000)
        return (await self.call(self.client.payouts.list_batches, request)).batches

    async def verification(self, stage: Stage, total: int) -> Verification:
        """What the chain says, read with plain web3."""
        return await verify(self.rpc_url, stage.holders, stage.token, stage.payment_token, stage.contract, total)

    async def call(self, method: Callable[[Request], Response], request: Request) -> Response:
        """Calls, trying again while a service is away."""
        return await self.client.call(method, request, timeout_seconds=60)

    async def refusal(self, method: Callable[[Request], Response], request: Request) -> AppError:
        """How a call is refused."""
        with pytest.raises(AppError) as refused:
            await self.client.call(method, request, timeout_seconds=5)
        return refused.value


def import_request(stage: Stage, **changes: str) -> ImportAssetRequest:
    """A good import of a stage, with changes."""
    values = {
        "request_id": str(uuid4()),
        "token": stage.token,
        "payment_token": stage.payment_token,
        "lifecycle_contract": stage.contract,
    }
    return ImportAssetRequest(**(values | changes))


async def eventually(
    is_so: Callable[[], Awaitable[bool]],
    what: str,
    seen: Callable[[], object] = lambda: None,
    seconds: float = WAIT_SECONDS,
) -> None:
    """Polls until it is so; fails after a bound with what was seen last."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await is_so():
        assert asyncio.get_running_loop().time() < deadline, f"not in {seconds} s: {what}; last seen: {seen()}"
        await asyncio.sleep(_POLL_SECONDS)


async def file_appears(path: Path, what: str) -> None:
    """Waits for the file that a failpoint writes when it is reached."""

    async def is_there() -> bool:
        return path.exists()

    await eventually(is_there, what)


def kill(component: Component) -> None:
    """Kill -9, seen to be dead."""
    process = component.process
    component.kill()
    assert process is None or process.exit_code is not None


@asynccontextmanager
async def open_harness(stack: Stack) -> AsyncIterator[Harness]:
    """Connects to everything."""
    endpoints = stack.endpoints
    assert endpoints.rpc_url
    assert endpoints.genesis_hash
    services = endpoints.services
    addresses = Endpoints(
        asset=services["asset_service"],
        distribution=services["distribution_service"],
        payout=services["payout_service"],
        chain_sync=services["chain_sync_service"],
    )
    async with AsyncExitStack() as exits:
        devnet = await exits.enter_async_context(
            Devnet(endpoints.rpc_url, expected_genesis_hash=endpoints.genesis_hash)
        )
        client = await exits.enter_async_context(MassPayoutClient(addresses))
        yield Harness(stack, devnet, client)
