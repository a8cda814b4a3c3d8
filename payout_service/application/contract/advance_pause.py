"""Pauses or unpauses a lifecycle contract as the newest request asks, with one transaction at a time.

Whoever holds PAUSER_ROLE may pause and unpause besides us. So only the chain tells whether a request is carried
out, by a final block and by the newest; a transaction that reverted is no failure if somebody else was faster.
"""

from libs.chain.quantities import BlockNumber
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.sending.journaled_intents import (
    MOST_INTENTS,
    is_lost_and_accounted,
    newest_intent,
    numbered_key,
)
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.lifecycle import LifecycleContract, PauseRequest
from payout_service.domain.transaction import (
    ContractCall,
    IntentState,
    Purpose,
    TransactionIntent,
)
from payout_service.domain.waits import Wait, WaitFor


async def advance_pause(engine: Engine, contract: LifecycleContract) -> StepResult:
    """Does the next step for a contract that was just looked at and has an open pause request.

    Raises AppError CHAIN_UNAVAILABLE.
    """
    request = contract.pause_request
    if request is None:
        raise RuntimeError(f"the contract of {contract.asset_id} has no open request to pause or unpause")
    if contract.address is None or not contract.exists:
        what = Wait(WaitFor.LIFECYCLE_CONTRACT_EXISTS, "there is no lifecycle contract to pause")
        return await _note(engine, contract, what)
    call = engine.lifecycle_contract.set_paused(contract.address, request.paused)
    if contract.pause_intent_key:
        return await _follow(engine, contract, request, call)
    head = await engine.rail.head()
    final_block = engine.final_block_at(head)
    is_finally = await engine.lifecycle_contract.was_paused(contract.address, final_block)
    if contract.is_paused is not request.paused:
        return await _send(engine, contract, request, call)
    if is_finally is not request.paused or final_block < contract.pause_final_block:
        what = Wait(WaitFor.NOT_FINAL, "the contract is so in the newest block, not finally yet")
        return await _note(engine, contract, what)
    return await _finish(engine, contract, request, final_block)


async def _follow(
    engine: Engine, contract: LifecycleContract, request: PauseRequest, call: ContractCall
) -> StepResult:
    """Follows the transaction under way, perhaps for an older request. Nothing else is sent before its outcome."""
    async with engine.unit_of_work() as work:
        intent = await work.journal.find(contract.pause_intent_key)
        if intent is None:
            raise RuntimeError(f"the contract of {contract.asset_id} lost {contract.pause_intent_key}")
        is_lost = await is_lost_and_accounted(work.journal, intent)
    is_needless = intent.call != call or contract.is_paused is request.paused
    if intent.state is IntentState.CREATED and is_needless:
        return await _give_up(engine, contract, intent)
    is_decided = intent.is_final and (is_lost or intent.state is not IntentState.NONCE_LOST)
    if not is_decided:
        return await _note(engine, contract, what_it_waits_for(engine, intent))
    async with engine.unit_of_work() as work:
        locked = await work.lifecycle.lock(contract.asset_id)
        if locked.pause_intent_key == intent.key:
            locked.end_pause_transaction()
            if intent.state is IntentState.REVERTED:
                detail = f"{intent.attempts[-1].transaction_hash}; it is looked at again"
                locked.note_pause_problem(Wait(WaitFor.PAUSE_REVERTED, detail), engine.now())
            await work.lifecycle.save(locked)
            await work.commit()
    is_slow = intent.state is IntentState.REVERTED
    return StepResult(engine.settings.blocked_poll_seconds if is_slow else 0)


async def _give_up(engine: Engine, contract: LifecycleContract, intent: TransactionIntent) -> StepResult:
    """Gives up a transaction that has no nonce yet and whose effect is not wanted, or is there already."""
    async with engine.unit_of_work() as work:
        # The owner's row first, as everywhere.
        await work.lifecycle.lock(contract.asset_id)
        locked = await work.journal.lock(intent.intent_id)
        if locked.state is IntentState.CREATED:
            detail = "the contract is so already, or shall not be so any more"
            locked.void(VoidReason(VoidedBecause.NOT_WANTED, detail))
            await work.journal.save(locked)
            await work.commit()
    return StepResult(0)


async def _send(
    engine: Engine, contract: LifecycleContract, request: PauseRequest, call: ContractCall
) -> StepResult:
    """Journals a transaction. The signer's lane signs and sends it."""
    if contract.address is None:
        raise RuntimeError(f"the contract of {contract.asset_id} has no address")
    if not await engine.lifecycle_contract.holds_pauser_role(contract.address, engine.signer):
        detail = f"the contract's DEFAULT_ADMIN can grant it to {engine.signer}"
        what = Wait(WaitFor.PAUSER_ROLE_MISSING, detail)
        return await _note(engine, contract, what, engine.settings.blocked_poll_seconds)
    async with engine.unit_of_work() as work:
        number, newest = await newest_intent(work.journal, lambda number: _key(contract, request, number))
    if newest is not None and number >= MOST_INTENTS:
        what = Wait(WaitFor.PAUSE_TRIED_TOO_OFTEN, f"{number} transactions did not do it; ask for it again")
        return await _note(engine, contract, what, engine.settings.blocked_poll_seconds)
    intent = engine.new_intent(
        Purpose.PAUSE, contract.asset_id, _key(contract, request, number + 1 if newest else number), call
    )
    async with engine.unit_of_work() as work:
        locked = await work.lifecycle.lock(contract.asset_id)
        if locked.pause_request != request or locked.pause_intent_key:
            return StepResult(0)
        if await work.journal.add(intent):
            locked.begin_pause(intent.key)
            locked.note_pause_problem(None, engine.now())
            await work.lifecycle.save(locked)
            await work.commit()
    engine.nudge()
    return StepResult(engine.settings.poll_seconds)


async def _finish(
    engine: Engine, contract: LifecycleContract, request: PauseRequest, final_block: BlockNumber
) -> StepResult:
    async with engine.unit_of_work() as work:
        locked = await work.lifecycle.lock(contract.asset_id)
        is_the_same = locked.pause_request == request and not locked.pause_intent_key
        if is_the_same and locked.is_paused is request.paused:
            locked.finish_pause(final_block, engine.now())
            await work.lifecycle.save(locked)
            await work.commit()
    return StepResult(engine.settings.poll_seconds)


async def _note(
    engine: Engine, contract: LifecycleContract, problem: Wait | None, delay_seconds: float | None = None
) -> StepResult:
    """Records what the request waits for; None if only for time."""
    async with engine.unit_of_work() as work:
        locked = await work.lifecycle.lock(contract.asset_id)
        if locked.pause_request and locked.note_pause_problem(problem, engine.now()):
            await work.lifecycle.save(locked)
            await work.commit()
    return StepResult(engine.settings.poll_seconds if delay_seconds is None else delay_seconds)


def _key(contract: LifecycleContract, request: PauseRequest, number: int) -> str:
    return numbered_key(f"pause/{contract.asset_id}/{request.version}", number)
