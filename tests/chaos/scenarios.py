"""What payout_service is given to do before it is killed, and how it is brought to its end afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.deployer import seeded_holders
from libs.protogen.typed.masspayout.asset.v1 import Asset, ImportAssetRequest
from libs.protogen.typed.masspayout.distribution.v1 import Distribution, DistributionState, GetDistributionRequest
from tests.chaos.books import Whose
from tests.chaos.chain import Mark
from tests.chaos.final import LedgerEntry, amounts_owed
from tests.chaos.found import Bond
from tests.chaos.world import World
from tests.system.harness import Stage, eventually

_COMPLETED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Job:
    """The work of a case. `contract` and `distribution` are None while there is none.

    `owed` is what each payee is owed, base units of the payment token; `is_given_up`: and shall not receive.
    `request_id` is that of the operator's call in it; `foreign` are transactions of the signer that we sent
    ourselves. `earlier` are other distributions that the case has made, which owe as much; see Found for the rest.
    """

    token: ChecksumAddress
    payment_token: ChecksumAddress
    contract: ChecksumAddress | None
    owed: Mapping[ChecksumAddress, int]
    mark: Mark
    asset: str
    distribution: str | None
    total_base_units: int
    snapshots_due: int = 1
    is_given_up: bool = False
    request_id: str = ""
    sweep_receiver: str = ""
    foreign: frozenset[str] = frozenset()
    earlier: tuple[str, ...] = ()
    minimum_base_units: int = 0
    bond: Bond | None = None
    pauses_due: tuple[bool, ...] = ()

    @property
    def payout_id(self) -> UUID | None:
        """The payout's, which is the distribution's."""
        return _id(self.distribution) if self.distribution else None

    def whose(self, signer: ChecksumAddress) -> Whose:
        """What the books are read of."""
        earlier = tuple(_id(name) for name in self.earlier)
        return Whose(signer.lower(), _id(self.asset), self.payout_id, self.sweep_receiver, earlier)


class Scenario(ABC):
    """Work for payout_service."""

    @property
    def name(self) -> str:
        """Tells cases of one failpoint apart; empty for the usual work that reaches it."""
        return ""

    @property
    def holds_at(self) -> str:
        """A failpoint where the service shall wait until `begin` lets it go on; empty when it shall not."""
        return ""

    @property
    def settings(self) -> Mapping[str, str]:
        """More settings of payout_service."""
        return {}

    @abstractmethod
    async def begin(self, world: World, total_base_units: int) -> Job:
        """Gives the work; payout_service may be killed any time from here on."""

    async def meanwhile(self, world: World, job: Job) -> None:
        """While the service is dead: what `begin` did to the surroundings is taken back, or tokens move."""
        return

    @abstractmethod
    async def finish(self, world: World, job: Job) -> Job:
        """Waits until everything is done. Raises AssertionError with what was seen when it is not, in time."""

    async def ledgers(self, world: World, job: Job) -> list[list[LedgerEntry]]:
        """What the service tells that was paid, by each payout."""
        payout_ids = [*(_id(name) for name in job.earlier), job.payout_id]
        return [await self._ledger(world, payout_id) for payout_id in payout_ids]

    async def _ledger(self, world: World, payout_id: UUID | None) -> list[LedgerEntry]:
        payments = await world.harness.payments(f"payouts/{payout_id}", page_size=7)
        return [
            LedgerEntry(
                holder=payment.holder.evm_address.lower() if payment.holder else "",
                amount_base_units=int(payment.amount.base_units) if payment.amount else -1,
                state=payment.state.name or "",
                transaction_hash=payment.transaction_hash.lower(),
            )
            for payment in payments
        ]


class PayAReadyAsset(Scenario):
    """A distribution on an asset that is active and funded."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Funds and creates the distribution."""
        stage, asset = await world.ready_asset()
        devnet = world.harness.devnet
        await devnet.mint_payment_token(stage.payment_token, stage.contract, total_base_units)
        mark = await world.chain.mark(stage.payment_token, stage.holders, stage.contract)
        distribution = await world.harness.create(asset.name, total_base_units)
        return job_of(stage, asset, mark, distribution)

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the distribution."""
        await in_state(world, job, DistributionState.COMPLETED)
        return job


class DeployAndPay(Scenario):
    """An import that has payout_service deploy the lifecycle contract; a distribution from it afterwards."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Imports without a contract."""
        devnet = world.harness.devnet
        stage, _ = await world.ready_asset()
        token = await devnet.deploy_equity_token("Chaos Equity", "CHAOS", "CH0012345678", 6, world.version)
        holders = dict(seeded_holders(world.holder_count, world.next_seed()))
        await devnet.issue(token, holders)
        await devnet.grant_snapshot_role(token, world.harness.signer)
        mark = await world.chain.mark(stage.payment_token, holders, None)
        request = ImportAssetRequest(request_id=str(uuid4()), token=token, payment_token=stage.payment_token)
        asset = await world.harness.call(world.harness.client.assets.import_asset, request)
        return Job(
            token=token,
            payment_token=stage.payment_token,
            contract=None,
            owed=amounts_owed(total_base_units, holders),
            mark=mark,
            asset=asset.name,
            distribution=None,
            total_base_units=total_base_units,
        )

    async def finish(self, world: World, job: Job) -> Job:
        """Waits for the contract, funds it and pays from it."""
        asset = await world.harness.active(job.asset)
        if asset.lifecycle_contract is None:
            raise AssertionError(f"{asset.name} is active without a lifecycle contract")
        contract = to_checksum_address(asset.lifecycle_contract.evm_address)
        await world.harness.devnet.mint_payment_token(job.payment_token, contract, job.total_base_units)
        distribution = await world.harness.create(job.asset, job.total_base_units)
        funded = replace(job.mark, contract_balance=job.total_base_units)
        paying = replace(job, contract=contract, distribution=distribution.name, mark=funded)
        await in_state(world, paying, DistributionState.COMPLETED)
        return paying


class Unmined(Scenario):
    """Another scenario's work, with no block made once its first transaction of a purpose is about to be sent."""

    def __init__(self, scenario: Scenario, purpose: str) -> None:
        self._scenario = scenario
        self._purpose = purpose

    @property
    def settings(self) -> Mapping[str, str]:
        """A transaction is replaced soon."""
        return {"PAYOUT_SERVICE_REPLACE_AFTER_SECONDS": "0.3"}

    @property
    def holds_at(self) -> str:
        """Right before it is sent."""
        return f"{self._purpose}.before_broadcast"

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Gives the work, and stops the chain before the transaction can be mined."""
        job = await self._scenario.begin(world, total_base_units)
        await world.held()
        world.pause_mining()
        world.release()
        return job

    async def meanwhile(self, world: World, job: Job) -> None:
        """Lets the chain go on."""
        world.resume_mining()

    async def finish(self, world: World, job: Job) -> Job:
        """As the other."""
        return await self._scenario.finish(world, job)

    async def ledgers(self, world: World, job: Job) -> list[list[LedgerEntry]]:
        """As the other."""
        return await self._scenario.ledgers(world, job)


def job_of(stage: Stage, asset: Asset, mark: Mark, distribution: Distribution) -> Job:
    """A distribution's."""
    total_base_units = int(distribution.total_amount.base_units) if distribution.total_amount else 0
    return Job(
        token=stage.token,
        payment_token=stage.payment_token,
        contract=stage.contract,
        owed=amounts_owed(total_base_units, stage.holders),
        mark=mark,
        asset=asset.name,
        distribution=distribution.name,
        total_base_units=total_base_units,
    )


async def in_state(world: World, job: Job, state: DistributionState) -> None:
    """Waits for the job's distribution. Raises AssertionError with what was seen last."""
    await distribution_in_state(world, job.distribution or "", state)


async def distribution_in_state(world: World, name: str, state: DistributionState) -> None:
    """Waits for a distribution. Raises AssertionError with what was seen last."""
    request = GetDistributionRequest(name=name)
    seen: list[Distribution] = []

    async def is_there() -> bool:
        method = world.harness.client.distributions.get_distribution
        seen.append(await world.harness.call(method, request))
        return seen[-1].state is state

    def last_seen() -> str:
        return f"{seen[-1].state.name} {seen[-1].waiting_for} {seen[-1].failure_reason}" if seen else ""

    await eventually(is_there, state.name or "", last_seen, seconds=_COMPLETED_SECONDS)


def _id(name: str) -> UUID:
    return UUID(name.rpartition("/")[2])
