"""What system tests act with: the published client, the devnet, the stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast
from uuid import uuid4

import grpc
import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.logs import DISCARD

from deploy.demo.verify import Verification, verify
from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.devnet.terms import DEFAULT_VERSION, AssetVersion, BondTerms
from deploy.local.component import Component
from deploy.local.stack import Stack
from libs.client.client import Endpoints, MassPayoutClient
from libs.errors import AppError, Code, Reason
from libs.grpc_kit.errors import from_rpc_error
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
    BatchState,
    GetPayoutRequest,
    ListBatchesRequest,
    ListPaymentsRequest,
    Payment,
    PaymentState,
    Payout,
)
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayeeRules, PayoutTerms

Request = TypeVar("Request")
Response = TypeVar("Response")
# Bounds: they cost time only when something fails.
WAIT_SECONDS = 180.0
_CALL_SECONDS = 60.0
_POLL_SECONDS = 0.1
_QUIET_BLOCKS = 6
# Small enough that 30 holders make at least 3 batches.
_MAX_BATCH_GAS = 900_000
PAYOUT_SERVICE = "payout_service"
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
# Of 30 holders at least five batches, one after the other: time to do something in the middle of a payout.
ONE_OF_FIVE_AT_A_TIME: Mapping[str, str] = MappingProxyType(
    {"MAX_IN_FLIGHT_TRANSACTIONS": "1", "MAX_BATCH_GAS": "500000"}
)


def service_environment(
    failpoints: str = "", payout_settings: Mapping[str, str] = NO_SETTINGS
) -> dict[str, dict[str, str]]:
    """Settings of the services in system tests: quick, small batches, a failpoint perhaps.

    `payout_settings` are more for payout_service, named without its prefix.
    """
    settings = {
        "MAX_BATCH_GAS": str(_MAX_BATCH_GAS),
        "POLL_SECONDS": "0.2",
        "LEASE_SECONDS": "3",
        "REBROADCAST_SECONDS": "2",
        "MAX_PAYMENT_TRIES": "3",
        "RETRY_FIRST_SECONDS": "1",
        "RETRY_LONGEST_SECONDS": "4",
        # Long: on a busy machine nothing is replaced or made anew that a test does not have replaced.
        "REPLACE_AFTER_SECONDS": "600",
        "STALE_BATCH_SECONDS": "600",
        "FAILPOINTS": failpoints,
        **payout_settings,
    }
    return {
        PAYOUT_SERVICE: {f"PAYOUT_SERVICE_{name}": value for name, value in settings.items()},
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
    version: AssetVersion = DEFAULT_VERSION

    def due(self, total: int) -> dict[ChecksumAddress, int]:
        """What each holder gets of `total` base units: his share, rounded down."""
        supply = sum(self.holders.values())
        return {holder: total * balance // supply for holder, balance in self.holders.items()}


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

    async def stage(
        self,
        holder_count: int = 30,
        *,
        seed: int = 1,
        grant: bool = True,
        holders: Mapping[ChecksumAddress, int] | None = None,
        version: AssetVersion = DEFAULT_VERSION,
    ) -> Stage:
        """An equity with holders, and a lifecycle contract whose roles the signer holds; nothing is imported.

        `holders` stand for those made from the seed.
        """
        token = await self.devnet.deploy_equity_token("System Equity", "SYS", "CH0012345678", 6, version)
        payment_token = await self.devnet.deploy_payment_token()
        contract = await self.devnet.deploy_lifecycle_contract(token, payment_token, self.signer)
        if holders is None:
            holders = dict(seeded_holders(holder_count, seed))
        if holders:
            await self.devnet.issue(token, holders)
        if grant:
            await self.devnet.grant_snapshot_role(token, self.signer)
        return Stage(token, payment_token, contract, holders, version)

    async def bond_stage(
        self,
        terms: BondTerms,
        holder_count: int = 30,
        *,
        seed: int = 1,
        version: AssetVersion = DEFAULT_VERSION,
    ) -> Stage:
        """A bond with holders, and a lifecycle contract that may redeem it; nothing is imported."""
        token = await self.devnet.deploy_bond_token("System Bond", "SYSB", "CH0012345679", 6, terms, version)
        payment_token = await self.devnet.deploy_payment_token()
        contract = await self.devnet.deploy_lifecycle_contract(token, payment_token, self.signer)
        holders = dict(seeded_holders(holder_count, seed))
        if holders:
            await self.devnet.issue(token, holders)
        await self.devnet.grant_snapshot_role(token, self.signer)
        await self.devnet.grant_maturity_redeemer_role(token, contract)
        return Stage(token, payment_token, contract, holders, version)

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

    async def create(
        self, asset: str, total: int, *, allow_unfunded: bool = False, rules: PayeeRules | None = None
    ) -> Distribution:
        """Creates a distribution of `total` base units."""
        request = CreateDistributionRequest(
            request_id=str(uuid4()),
            asset=asset,
            terms=PayoutTerms(total_amount=AmountInput(base_units=str(total)), rules=rules),
            allow_unfunded=allow_unfunded,
        )
        return await self.call(self.client.distributions.create_distribution, request)

    async def create_for(self, asset: str, terms: PayoutTerms) -> Distribution:
        """Creates a distribution on any terms."""
        request = CreateDistributionRequest(request_id=str(uuid4()), asset=asset, terms=terms)
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

    async def payout(self, name: str) -> Payout:
        """A payout as it is now."""
        return await self.call(self.client.payouts.get_payout, GetPayoutRequest(name=name))

    async def payout_when(self, name: str, is_so: Callable[[Payout], bool], what: str) -> Payout:
        """The payout once it is so."""
        found: list[Payout] = []

        async def is_there() -> bool:
            found[:] = [await self.payout(name)]
            return is_so(found[0])

        await eventually(is_there, f"{name}: {what}", lambda: found)
        return found[0]

    async def unfunded(self, total: int, holder_count: int = 30) -> tuple[Stage, Distribution]:
        """A distribution of a new asset whose plan is frozen and that waits for a deposit of `total`.

        A test turns a fault on, then deposits: the fault meets the first batch.
        """
        stage = await self.stage(holder_count)
        asset = await self.import_stage(stage)
        distribution = await self.create(asset.name, total, allow_unfunded=True)
        return stage, await self.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)

    async def deposit(self, stage: Stage, base_units: int) -> None:
        """Money for the stage's lifecycle contract."""
        await self.devnet.mint_payment_token(stage.payment_token, stage.contract, base_units)

    async def balance(self, stage: Stage, account: ChecksumAddress) -> int:
        """What an account holds of the payment token, read with plain web3."""
        token = self.devnet.contract("PaymentToken", stage.payment_token)
        return int(await token.functions.balanceOf(account).call())

    async def balances(self, stage: Stage) -> dict[ChecksumAddress, int]:
        """What each holder holds of the payment token, read with plain web3."""
        return {holder: await self.balance(stage, holder) for holder in stage.holders}

    async def signer_nonce(self) -> int:
        """How many transactions of the signer are in blocks."""
        return await self.devnet.web3.eth.get_transaction_count(self.signer)

    async def nothing_pending(self) -> None:
        """Whatever the signer has sent is in a block: its nonce stays what it is."""

        async def is_so() -> bool:
            count = await self.devnet.web3.eth.get_transaction_count(self.signer, "pending")
            return count == await self.signer_nonce()

        await eventually(is_so, "all that was sent is in blocks")

    async def blocks_pass(self) -> None:
        """As many as a transaction needs to be signed, mined and final."""
        until = await self.devnet.web3.eth.get_block_number() + _QUIET_BLOCKS

        async def is_there() -> bool:
            return await self.devnet.web3.eth.get_block_number() >= until

        await eventually(is_there, "blocks pass")

    async def assert_paid_once(self, stage: Stage, payout: str, total: int, left: int | None = None) -> None:
        """The chain and the ledger, each for itself: every holder has exactly what he is due of `total`.

        `left` is what the contract still holds, the rounding dust unless given.
        """
        due = stage.due(total)
        assert await self.balances(stage) == due
        assert await self.balance(stage, stage.contract) == (total - sum(due.values()) if left is None else left)
        payments = await self.payments(payout)
        assert [told(payment) for payment in payments] == [
            (holder, amount, PaymentState.PAID if amount else PaymentState.ZERO_DUE)
            for holder, amount in due.items()
        ]
        batches = await self.batches(payout)
        settled = [batch for batch in batches if batch.state is BatchState.SETTLED]
        assert {batch.state for batch in batches} <= {
            BatchState.SETTLED,
            BatchState.REVERTED,
            BatchState.VOIDED,
        }
        # A payee who was tried again is in the batch that paid him.
        assert {payment.batch for payment in payments if payment.batch} <= {batch.name for batch in settled}
        assert {(payment.reason, payment.detail) for payment in payments} == {("", "")}
        proven = await self._paid_by_transactions(stage, {each.transaction_hash for each in payments} - {""})
        assert {told(each)[0]: each.transaction_hash for each in payments if each.transaction_hash} == proven

    async def _paid_by_transactions(self, stage: Stage, hashes: Iterable[str]) -> dict[str, str]:
        """By holder the one of these transactions that paid him, by the payment token's own Transfer logs."""
        token = self.devnet.contract("PaymentToken", stage.payment_token)
        paid: dict[str, str] = {}
        for transaction_hash in hashes:
            receipt = await self.devnet.web3.eth.get_transaction_receipt(HexBytes(transaction_hash))
            for log in token.events.Transfer().process_receipt(receipt, DISCARD):
                assert log["args"]["from"] == stage.contract
                assert log["args"]["to"] not in paid
                paid[log["args"]["to"]] = transaction_hash
        return paid

    async def run_payout_service(self, settings: Mapping[str, str] = NO_SETTINGS) -> None:
        """payout_service runs with these settings beside the usual ones: started again unless it does already."""
        service = self.stack.services[PAYOUT_SERVICE]
        environment = service_environment(payout_settings=settings)
        if not service.running or service.overrides != environment[PAYOUT_SERVICE]:
            await restart_payout_service(self.stack, settings=settings)

    async def stop_replicas(self) -> None:
        """Ends every second process of payout_service."""
        for name, component in self.stack.components.items():
            if name.startswith(f"{PAYOUT_SERVICE}-"):
                await asyncio.to_thread(component.stop)

    async def call(self, method: Callable[[Request], Response], request: Request) -> Response:
        """Calls, trying again while a service is away."""
        return await self.client.call(method, request, timeout_seconds=_CALL_SECONDS)

    async def refusal(
        self, method: Callable[[Request], Response], request: Request, unavailable: Reason | None = None
    ) -> AppError:
        """How a call is refused; what is UNAVAILABLE is tried again, unless it is so for the reason given."""
        refusals: list[AppError] = []

        async def is_decided() -> bool:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await cast(Awaitable[Response], method(request))
            refusals.append(from_rpc_error(refused.value, "the service"))
            return refusals[-1].code is not Code.UNAVAILABLE or refusals[-1].reason is unavailable

        async with asyncio.timeout(WAIT_SECONDS):
            await eventually(is_decided, "the call is refused", lambda: refusals)
        return refusals[-1]


def told(payment: Payment) -> tuple[str, int, PaymentState]:
    """Holder, amount in base units, state."""
    assert payment.holder
    assert payment.amount
    return payment.holder.evm_address, int(payment.amount.base_units), payment.state


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


async def restart_payout_service(
    stack: Stack, failpoints: str = "", settings: Mapping[str, str] = NO_SETTINGS
) -> None:
    """Ends every process of payout_service and starts one with these settings beside the usual ones."""

    def restart() -> None:
        stack.stop_services([PAYOUT_SERVICE])
        stack.start_services([PAYOUT_SERVICE], environment=service_environment(failpoints, settings))

    await asyncio.to_thread(restart)


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
