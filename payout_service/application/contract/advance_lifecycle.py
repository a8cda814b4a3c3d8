"""Advances a lifecycle contract by one step: deploys it, checks its readiness, pauses or unpauses it."""

from uuid import UUID

from libs.errors import AppError, Code
from payout_service.application.contract.advance_pause import advance_pause
from payout_service.application.contract.check_readiness import check_readiness, refuse_unless_deployable
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.sending.journaled_intents import is_lost_and_accounted, newest_intent, numbered_key
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.transaction import IntentState, Purpose, TransactionIntent
from payout_service.domain.waits import Wait, told


async def advance_one_lifecycle(engine: Engine) -> bool:
    """Claims a lifecycle contract that is due and does its next step. Returns False when none is due."""
    async with engine.unit_of_work() as work:
        lease_until = engine.after(engine.settings.lease_seconds)
        asset_id = await work.lifecycle.claim_due(engine.now(), lease_until)
        await work.commit()
    if asset_id is None:
        return False
    try:
        result = await _step(engine, asset_id)
    except AppError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        result = StepResult(engine.settings.poll_seconds)
    except Exception:
        # A defect or a database that is away: tried again, and raised for the log.
        await _end_step(engine, asset_id, StepResult(engine.settings.blocked_poll_seconds))
        raise
    await _end_step(engine, asset_id, result)
    return True


async def _end_step(engine: Engine, asset_id: UUID, result: StepResult) -> None:
    async with engine.unit_of_work() as work:
        await work.lifecycle.schedule(asset_id, engine.after(result.delay_seconds))
        await work.commit()


async def _step(engine: Engine, asset_id: UUID) -> StepResult:
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.get(asset_id)
    if contract is None or contract.state is LifecycleState.FAILED:
        return StepResult(engine.settings.ready_poll_seconds)
    if contract.state is LifecycleState.DEPLOYING:
        return await _deploy(engine, contract)
    readiness = await check_readiness(engine, contract.token, contract.payment_token, contract.address)
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.lock(asset_id)
        contract.observe(readiness, engine.now())
        await work.lifecycle.save(contract)
        await work.commit()
    if contract.pause_request:
        return await advance_pause(engine, contract)
    is_ready = contract.state is LifecycleState.READY
    return StepResult(engine.settings.ready_poll_seconds if is_ready else engine.settings.poll_seconds)


async def _deploy(engine: Engine, contract: LifecycleContract) -> StepResult:
    """Journals one intent per creation. The next follows when the one before is final."""
    try:
        await refuse_unless_deployable(engine)
    except AppError as error:
        if error.code is Code.UNAVAILABLE:
            raise
        return await _fail(engine, contract, f"{error.reason}: {error.message}")
    artifact = engine.artifact
    if artifact is None:
        raise RuntimeError("an artifact was just found to be there")
    name = next(name for name in artifact.creation_names if name not in contract.created)
    async with engine.unit_of_work() as work:
        number, intent = await newest_intent(work.journal, lambda number: _creation_key(contract, name, number))
        is_to_be_made_anew = intent is not None and await is_lost_and_accounted(work.journal, intent)
    if is_to_be_made_anew:
        # Accounted for: what used the nonce made no contract of ours, or one that nobody has heard of.
        number, intent = number + 1, None
    if intent is None:
        call = artifact.creation(name, engine.signer, contract.token, contract.payment_token, contract.created)
        intent = engine.new_intent(
            Purpose.CONTRACT_CREATION, contract.asset_id, _creation_key(contract, name, number), call
        )
        async with engine.unit_of_work() as work:
            await work.journal.add(intent)
            await work.commit()
        engine.nudge()
        return StepResult(engine.settings.poll_seconds)
    return await _creation_outcome(engine, contract, name, intent)


async def _creation_outcome(
    engine: Engine, contract: LifecycleContract, name: str, intent: TransactionIntent
) -> StepResult:
    if intent.state is IntentState.REVERTED:
        return await _fail(engine, contract, f"creation {name} reverted in {intent.attempts[-1].transaction_hash}")
    if intent.state is IntentState.VOIDED:
        return await _fail(engine, contract, f"creation {name} was given up: {told(intent.void_reason)}")
    if intent.state is not IntentState.SUCCEEDED:
        return await _observe_deployment(engine, contract, what_it_waits_for(engine, intent))
    if intent.outcome is None or intent.outcome.created_contract is None:
        return await _fail(engine, contract, f"creation {name} made no contract")
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.lock(contract.asset_id)
        if contract.state is LifecycleState.DEPLOYING and name not in contract.created:
            is_the_contract = engine.artifact is not None and name == engine.artifact.contract_name
            contract.record_creation(name, intent.outcome.created_contract, is_the_contract, engine.now())
            await work.lifecycle.save(contract)
            await work.commit()
    return StepResult(0)


async def _observe_deployment(engine: Engine, contract: LifecycleContract, waits_for: Wait | None) -> StepResult:
    """Shows what the creation under way waits for, for example gas money."""
    readiness = await check_readiness(engine, contract.token, contract.payment_token, None, waits_for)
    async with engine.unit_of_work() as work:
        locked = await work.lifecycle.lock(contract.asset_id)
        if locked.state is LifecycleState.DEPLOYING and locked.observe(readiness, engine.now()):
            await work.lifecycle.save(locked)
            await work.commit()
    return StepResult(engine.settings.poll_seconds)


async def _fail(engine: Engine, contract: LifecycleContract, reason: str) -> StepResult:
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.lock(contract.asset_id)
        if contract.state is LifecycleState.DEPLOYING:
            contract.fail(reason, engine.now())
            await work.lifecycle.save(contract)
            await work.commit()
    return StepResult(engine.settings.ready_poll_seconds)


def _creation_key(contract: LifecycleContract, name: str, number: int) -> str:
    return numbered_key(f"creation/{contract.asset_id}/{name}", number)
