"""The lifecycle contract is deployed creation by creation, each by one journaled transaction."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from libs.chain.address import EvmAddress
from libs.idempotency import RequestKey
from payout_service.application.contract.advance_lifecycle import advance_one_lifecycle
from payout_service.application.recovery.reconcile_signer import reconcile_signer
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import PayoutState
from payout_service.domain.transaction import ContractCall, IntentState
from tests.support.payout.memory_chain import CONTRACT, SIGNER, MemoryChain
from tests.support.payout.stage import ASSET_ID, Stage, ready_contract

PROXY_KEY = f"creation/{ASSET_ID}/proxy"


class TwoCreations:
    """The second is the lifecycle contract."""

    is_devnet_only = False
    creation_names = ("implementation", "proxy")
    contract_name = "proxy"

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        return ContractCall(None, name.encode())


async def deploying() -> Stage:
    stage = Stage(artifact=TwoCreations())
    contract_at(stage.chain)
    async with stage.database.unit_of_work() as work:
        await work.lifecycle.add(replace(ready_contract(), address=None, state=LifecycleState.DEPLOYING))
        await work.commit()
    return stage


def contract_at(chain: MemoryChain) -> None:
    chain.creations[b"proxy"] = CONTRACT


def contract(stage: Stage) -> LifecycleContract:
    found = stage.database.rows("lifecycle")[ASSET_ID]
    assert isinstance(found, LifecycleContract)
    return found


async def deploy(stage: Stage) -> LifecycleContract:
    for _ in range(30):
        await stage.round()
        stage.chain.mine()
        if contract(stage).state is not LifecycleState.DEPLOYING:
            return contract(stage)
    raise AssertionError(f"not deployed: {contract(stage)}")


async def test_creations_follow_each_other_and_the_last_is_the_contract() -> None:
    stage = await deploying()
    deployed = await deploy(stage)
    assert (deployed.state, deployed.address) == (LifecycleState.NOT_READY, CONTRACT)
    assert list(deployed.created) == ["implementation", "proxy"]
    assert [intent.nonce for intent in stage.database.intents()] == [0, 1]
    await stage.rounds(2)
    assert contract(stage).state is LifecycleState.READY


async def test_a_creation_that_was_given_up_fails_the_asset() -> None:
    stage = await deploying()
    await advance_one_lifecycle(stage.engine)
    (intent,) = stage.database.intents()
    async with stage.database.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        locked.void("because")
        await work.journal.save(locked)
        await work.commit()
    failed = await deploy(stage)
    assert (failed.state, failed.failure_reason) == (
        LifecycleState.FAILED,
        "creation implementation was given up: because",
    )


async def test_a_creation_whose_nonce_was_used_by_another_is_made_anew_after_the_accounting() -> None:
    stage = await deploying()
    while not stage.database.intents() or stage.database.intents()[0].state is IntentState.CREATED:
        await stage.round()
    stage.chain.pool.clear()
    stage.chain.use_nonce_elsewhere()
    await stage.rounds(6)
    assert stage.database.intents()[0].state is IntentState.NONCE_LOST
    assert contract(stage).state is LifecycleState.DEPLOYING, "nothing is made before the accounting"
    key = RequestKey(uuid4(), "ReconcileSigner", b"", "operator")
    await reconcile_signer(stage.engine, key, SIGNER, frozenset())
    deployed = await deploy(stage)
    assert deployed.address == CONTRACT
    keys = [intent.key for intent in stage.database.intents()]
    assert keys == [f"creation/{ASSET_ID}/implementation", f"creation/{ASSET_ID}/implementation/2", PROXY_KEY]


async def test_an_adopted_snapshot_waits_for_a_contract_that_is_deployed_again() -> None:
    """A backup from before the deployment: the payout's snapshot is found, its contract is not."""
    stage = await deploying()
    stage.chain.deposit(10_000)
    payout_id = await stage.request()
    backup = stage.database.backup()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.database.restore(backup)
    await stage.rounds(4)
    assert stage.database.lane().halted_because
    key = RequestKey(uuid4(), "ReconcileSigner", b"", "operator")
    hashes = frozenset(stage.chain.state.mined)
    await reconcile_signer(stage.engine, key, SIGNER, hashes)
    stage.chain.deposit(10_000)
    await stage.rounds(1)
    payout = stage.payout(payout_id)
    assert payout.state is PayoutState.SNAPSHOTTING
    assert payout.waiting_for == "LIFECYCLE_CONTRACT_EXISTS: it is being deployed"
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert len(stage.chain.state.snapshots) == 1
    stage.assert_paid_as_planned(payout_id)
