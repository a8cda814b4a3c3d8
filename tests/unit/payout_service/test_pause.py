"""Pausing and unpausing the lifecycle contract on request, and what a pause does to payouts."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from masspayout.asset.v1 import events_pb2 as asset_events
from masspayout.payout.v1 import events_pb2

from libs.chain.quantities import BlockNumber
from libs.events import EventNotReadyError, IncomingEvent
from libs.idempotency import RequestKey
from payout_service.api.consumers import PayoutConsumers
from payout_service.application.contract.advance_lifecycle import advance_one_lifecycle
from payout_service.application.recovery.reconcile_signer import reconcile_signer
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.application.sending.journaled_intents import MOST_INTENTS
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState, PauseRequest
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.transaction import IntentState, OwnerKind, Purpose, TransactionIntent
from tests.support.payout.memory_chain import CONTRACT, SIGNER
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings, ready_contract
from tests.support.sent_events import sent

TOTAL = 10_000


def contract(stage: Stage) -> LifecycleContract:
    found = stage.database.rows("lifecycle")[ASSET_ID]
    assert isinstance(found, LifecycleContract)
    return found


def pauses(stage: Stage) -> list[TransactionIntent]:
    return [intent for intent in stage.database.intents() if intent.purpose is Purpose.PAUSE]


def reports(stage: Stage) -> list[events_pb2.LifecycleContractChanged]:
    """What asset_service hears, oldest first."""
    return [
        events_pb2.LifecycleContractChanged.FromString(event.payload)
        for event in stage.database.events
        if event.event_name == "lifecycle_contract_changed"
    ]


def asked(version: int, paused: bool, asset_id: UUID = ASSET_ID) -> IncomingEvent:
    message = asset_events.AssetPauseRequested(asset_id=str(asset_id), version=version, paused=paused)
    message.asset.name = f"assets/{asset_id}"
    return sent(asset_id, message)


async def ask(stage: Stage, version: int, paused: bool) -> None:
    await PayoutConsumers(stage.engine).on_asset_pause_requested(asked(version, paused))


async def ready() -> Stage:
    stage = Stage()
    await stage.add_asset()
    await stage.rounds(1)
    assert contract(stage).state is LifecycleState.READY
    return stage


async def until(stage: Stage, happened: Callable[[], object], *, mining: bool = False) -> None:
    """Rounds of the workers, with a block after each or none, until something is so."""
    for _ in range(60):
        if happened():
            return
        await stage.round()
        if mining:
            stage.chain.mine()
    raise AssertionError(f"it never happened: {contract(stage)}")


async def carried_out(stage: Stage, version: int) -> LifecycleContract:
    for _ in range(30):
        if contract(stage).pause_request_version == version:
            return contract(stage)
        await stage.rounds(1)
    raise AssertionError(f"not carried out: {contract(stage)}")


async def test_a_request_is_one_journaled_transaction_and_is_told_when_it_is_final() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    done = await carried_out(stage, 5)
    assert stage.chain.paused
    (intent,) = pauses(stage)
    assert (intent.owner_kind, intent.owner_id) == (OwnerKind.LIFECYCLE_CONTRACT, ASSET_ID)
    assert (intent.state, intent.signer, intent.call.to) == (IntentState.SUCCEEDED, SIGNER, CONTRACT)
    assert (done.pause_request, done.pause_intent_key, done.pause_problem) == (None, "", "")
    last = reports(stage)[-1]
    assert (last.paused, last.pause_request_version, last.pause_problem) == (True, 5, "")
    early = [each for each in reports(stage) if each.pause_request_version]
    assert all(each.paused for each in early), "nothing is told to be carried out that is not so"

    await ask(stage, 8, paused=False)
    await carried_out(stage, 8)
    assert not stage.chain.paused
    last = reports(stage)[-1]
    assert (last.paused, last.pause_request_version) == (False, 8)
    assert len(pauses(stage)) == 2
    await stage.rounds(1)
    assert contract(stage).state is LifecycleState.READY


async def test_what_is_mined_and_may_be_taken_back_is_not_told() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    for _ in range(3):
        await stage.round()
    stage.chain.mine()
    await stage.round()
    assert stage.chain.paused
    assert contract(stage).pause_request == PauseRequest(5, True)
    assert reports(stage)[-1].pause_request_version == 0
    stage.chain.reorg(1, remine=True)
    assert (await carried_out(stage, 5)).is_paused


async def test_a_contract_that_is_so_already_needs_no_transaction() -> None:
    stage = await ready()
    stage.chain.pause_elsewhere(True)
    stage.chain.mine()
    stage.clock.advance(stage.engine.settings.ready_poll_seconds)
    await stage.round()
    assert reports(stage)[-1].paused, "the usual look tells what others did"
    await ask(stage, 5, paused=True)
    await stage.round()
    assert contract(stage).pause_problem.startswith("NOT_FINAL")
    assert (await carried_out(stage, 5)).is_paused
    assert pauses(stage) == []


@pytest.mark.parametrize(("version", "paused"), [(5, True), (5, False), (4, False)])
async def test_a_request_that_is_no_newer_is_ignored(version: int, paused: bool) -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    await ask(stage, version, paused)
    assert contract(stage).pause_request == PauseRequest(5, True)
    await carried_out(stage, 5)
    before = contract(stage)
    await ask(stage, version, paused)
    await stage.rounds(3)
    assert contract(stage) == before
    assert len(pauses(stage)) == 1


async def test_an_event_that_comes_twice_is_one_request() -> None:
    stage = await ready()
    event = asked(5, paused=True)
    for _ in range(2):
        await PayoutConsumers(stage.engine).on_asset_pause_requested(event)
    assert [each.version for each in reports(stage)] == sorted({each.version for each in reports(stage)})
    assert contract(stage).pause_request == PauseRequest(5, True)


async def test_a_request_before_its_asset_comes_again() -> None:
    with pytest.raises(EventNotReadyError):
        await PayoutConsumers(Stage().engine).on_asset_pause_requested(asked(2, paused=True, asset_id=uuid4()))


async def test_without_the_role_it_says_so_and_goes_on_when_it_is_granted() -> None:
    stage = await ready()
    stage.chain.has_pauser_role = False
    await ask(stage, 5, paused=True)
    await stage.rounds(4)
    assert pauses(stage) == []
    told = reports(stage)[-1]
    assert told.pause_problem == f"PAUSER_ROLE_MISSING: the contract's DEFAULT_ADMIN can grant it to {SIGNER}"
    assert (told.pause_request_version, told.paused) == (0, False)
    assert len([each for each in reports(stage) if each.pause_problem]) == 1, "it is told once"
    stage.chain.has_pauser_role = True
    assert (await carried_out(stage, 5)).pause_problem == ""


async def test_a_transaction_that_reverts_because_somebody_was_faster_is_done() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    await until(stage, lambda: stage.chain.pool)
    stage.chain.pause_elsewhere(True)
    done = await carried_out(stage, 5)
    assert [intent.state for intent in pauses(stage)] == [IntentState.REVERTED]
    assert any(each.pause_problem.startswith("PAUSE_REVERTED: 0x") for each in reports(stage))
    assert (done.is_paused, done.pause_problem) == (True, "")


async def test_a_transaction_that_reverts_is_followed_by_another_as_long_as_there_may_be_one() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    for _ in range(MOST_INTENTS):
        await until(stage, lambda: stage.chain.pool)
        # In the same block: paused before ours comes, and unpaused after.
        stage.chain.pause_elsewhere(True)
        stage.chain.mine()
        stage.chain.pause_elsewhere(False)
        stage.chain.mine()
        await until(stage, lambda: not contract(stage).pause_intent_key, mining=True)
    await stage.rounds(10)
    assert {intent.state for intent in pauses(stage)} == {IntentState.REVERTED}
    assert len(pauses(stage)) == MOST_INTENTS
    assert contract(stage).pause_problem.startswith("PAUSE_TRIED_TOO_OFTEN: 16 transactions")
    await ask(stage, 9, paused=True)
    await carried_out(stage, 9)
    assert len(pauses(stage)) == MOST_INTENTS + 1


async def test_a_changed_mind_waits_for_the_outcome_of_what_has_left() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    await until(stage, lambda: stage.chain.pool)
    await ask(stage, 6, paused=False)
    for _ in range(4):
        await stage.round()
    assert len(pauses(stage)) == 1, "the first may still be mined"
    done = await carried_out(stage, 6)
    assert [intent.state for intent in pauses(stage)] == [IntentState.SUCCEEDED] * 2
    assert (done.is_paused, stage.chain.paused) == (False, False)
    assert 5 not in {each.pause_request_version for each in reports(stage)}


async def test_a_changed_mind_gives_up_what_has_not_left() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    stage.clock.advance(60)
    await advance_one_lifecycle(stage.engine)
    await ask(stage, 6, paused=False)
    await carried_out(stage, 6)
    (intent,) = pauses(stage)
    assert (intent.state, intent.nonce) == (IntentState.VOIDED, None)
    assert not stage.chain.state.mined


async def test_what_somebody_else_does_first_gives_up_what_has_not_left() -> None:
    """Signed now it would revert, and cost gas."""
    stage = await ready()
    await ask(stage, 5, paused=True)
    stage.clock.advance(60)
    await advance_one_lifecycle(stage.engine)
    stage.chain.pause_elsewhere(True)
    stage.chain.mine()
    await drive_transactions(stage.lanes, SIGNER)
    await carried_out(stage, 5)
    assert [intent.state for intent in pauses(stage)] == [IntentState.VOIDED]


async def test_what_keeps_the_transaction_is_told() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    stage.clock.advance(60)
    await advance_one_lifecycle(stage.engine)
    stage.chain.has_pauser_role = False
    await stage.rounds(2)
    told = reports(stage)[-1].pause_problem
    assert told == f"CALL_WOULD_REVERT: AccountHasNoRole (pause/{ASSET_ID}/5)"
    stage.chain.has_pauser_role = True
    await carried_out(stage, 5)


async def test_a_node_that_is_away_is_asked_again() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    stage.chain.is_down = True
    stage.clock.advance(60)
    assert await advance_one_lifecycle(stage.engine)
    assert pauses(stage) == []
    stage.chain.is_down = False
    await carried_out(stage, 5)


async def test_a_node_that_lags_cannot_carry_out_a_request_by_what_was_before_the_one_before() -> None:
    stage = await ready()
    for version, paused in ((5, True), (6, False)):
        await ask(stage, version, paused)
        await carried_out(stage, version)
    paused_at = max(number for number, block in enumerate(stage.chain.blocks) if block.state.paused)
    await ask(stage, 7, paused=True)
    stage.chain.lag_of = lambda: len(stage.chain.blocks) - 1 - paused_at
    stage.clock.advance(60)
    await advance_one_lifecycle(stage.engine)
    assert contract(stage).pause_request_version == 6
    stage.chain.lag_of = lambda: 0
    await carried_out(stage, 7)
    assert stage.chain.paused


async def test_a_contract_that_failed_cannot_be_paused() -> None:
    stage = Stage()
    async with stage.database.unit_of_work() as work:
        failed = replace(ready_contract(), state=LifecycleState.FAILED, address=None, failure_reason="because")
        await work.lifecycle.add(failed)
        await work.commit()
    await ask(stage, 5, paused=True)
    assert reports(stage)[-1].pause_problem == "LIFECYCLE_CONTRACT_FAILED: because"


async def test_what_is_no_lifecycle_contract_cannot_be_paused() -> None:
    stage = await ready()
    stage.chain.pays_in = None
    await ask(stage, 5, paused=True)
    await stage.rounds(2)
    assert contract(stage).pause_problem.startswith("LIFECYCLE_CONTRACT_EXISTS")
    assert pauses(stage) == []


async def test_a_nonce_that_somebody_else_used_is_accounted_for_before_another_try() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    await until(stage, lambda: pauses(stage) and pauses(stage)[0].state is not IntentState.CREATED)
    stage.chain.pool.clear()
    # Another copy of this program, with our key: it did the same.
    stage.chain.use_nonce_elsewhere(stage.chain.set_paused(CONTRACT, True))
    await stage.rounds(6)
    assert pauses(stage)[0].state is IntentState.NONCE_LOST
    assert contract(stage).pause_problem.startswith("SIGNER_NEEDS_RECONCILIATION")
    account = await reconcile_signer(stage.engine, key(), SIGNER, frozenset())
    assert [each.account for each in account.transactions] == [
        f"a pause or an unpause of the contract of assets/{ASSET_ID}: it pays nobody"
    ]
    assert (await carried_out(stage, 5)).is_paused
    assert len(pauses(stage)) == 1, "it is so already"


# ---------------------------------------------------------------------------------------- payouts


@pytest.mark.parametrize("balances", [(10, 20, 30, 40, 50, 60), (7,)])
async def test_a_payout_waits_for_the_end_of_a_pause_and_then_pays(balances: tuple[int, ...]) -> None:
    stage = Stage(balances)
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await ask(stage, 5, paused=True)
    await carried_out(stage, 5)
    await stage.rounds(5)
    assert stage.payout(payout_id).state is PayoutState.EXECUTING
    assert stage.payout(payout_id).waiting_for.startswith("LIFECYCLE_CONTRACT_PAUSED")
    await ask(stage, 6, paused=False)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def test_a_payout_is_not_begun_while_the_contract_is_paused() -> None:
    stage = await ready()
    await ask(stage, 5, paused=True)
    await carried_out(stage, 5)
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.rounds(4)
    assert stage.payout(payout_id).state is PayoutState.REQUESTED
    assert stage.payout(payout_id).waiting_for.startswith("LIFECYCLE_CONTRACT_NOT_PAUSED")
    await ask(stage, 6, paused=False)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


@pytest.mark.parametrize("balances", [(10, 20, 30, 40), (7,)])
@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("has_old_state", [True, False])
async def test_a_batch_that_met_a_pause_is_no_try_of_its_payees(
    balances: tuple[int, ...], is_over: bool, has_old_state: bool
) -> None:
    """One try is all that they have. Nobody is paid twice, and no batch is made smaller for it."""
    stage = Stage(balances, settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await until(stage, lambda: stage.chain.pool)
    stage.chain.pause_elsewhere(True)
    stage.chain.mine()
    if is_over and has_old_state:
        stage.chain.pause_elsewhere(False)
    stage.chain.mine(4)
    if not has_old_state:
        stage.chain.oldest_state = len(stage.chain.blocks)
    await until(stage, lambda: stage.database.batches(payout_id)[0].settled_state)
    assert stage.database.batches(payout_id)[0].settled_state is BatchState.REVERTED
    assert {row.state for row in stage.payments(payout_id)} <= {PaymentState.PLANNED, PaymentState.IN_FLIGHT}
    stage.chain.pause_elsewhere(False)
    payout = await stage.run(payout_id)
    assert (payout.state, {row.tries for row in stage.payments(payout_id)}) == (PayoutState.COMPLETED, {1})
    assert [each.holder_count for each in stage.database.batches(payout_id)] == [len(balances)] * 2
    stage.assert_paid_as_planned(payout_id)


async def test_a_batch_that_reverted_without_a_pause_is_a_try() -> None:
    """Although the contract is paused by now."""
    stage = Stage((7,), settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await until(stage, lambda: stage.chain.pool)
    stage.chain.reverting_batches = 1
    stage.chain.mine()
    stage.chain.pause_elsewhere(True)
    stage.chain.mine(4)
    await until(stage, lambda: stage.database.batches(payout_id)[0].settled_state)
    assert [row.state for row in stage.payments(payout_id)] == [PaymentState.FAILED]


async def test_a_payee_is_not_blamed_for_a_pause_that_ended_between_two_looks() -> None:
    stage = Stage((7,), settings=engine_settings(retry=RetryPolicy(max_tries=1)))
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    answers = iter(["LifeCycleCashFlowIsPaused()"])
    stage.chain.would_revert = lambda call: next(answers, "")
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


# ---------------------------------------------------------------------------------------- the aggregate


def test_only_what_was_asked_for_is_begun_and_finished() -> None:
    calm = ready_contract()
    with pytest.raises(ValueError, match="nothing asks for"):
        calm.begin_pause("pause/1")
    with pytest.raises(ValueError, match="no request is carried out"):
        calm.finish_pause(BlockNumber(1), START)
    assert calm.request_pause(PauseRequest(2, True), START)
    with pytest.raises(ValueError, match="no request is carried out"):
        calm.finish_pause(BlockNumber(1), START)
    calm.begin_pause("pause/1")
    with pytest.raises(ValueError, match="nothing asks for"):
        calm.begin_pause("pause/2")


def test_a_deployment_that_fails_tells_the_request() -> None:
    deploying = replace(ready_contract(), state=LifecycleState.DEPLOYING, address=None)
    deploying.request_pause(PauseRequest(2, True), START)
    deploying.fail("because", START)
    assert deploying.pause_problem == "LIFECYCLE_CONTRACT_FAILED: because"


def key() -> RequestKey:
    return RequestKey(uuid4(), "ReconcileSigner", b"", "operator")
