"""Advances a payout by one step. Any replica may do any step; a step done twice changes nothing."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from libs.errors import AppError, Code
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.life.end_payout import finish_cancelling, settle_paused
from payout_service.application.paying.execute_payout import execute_payout
from payout_service.application.paying.release_deferred import await_deferred
from payout_service.application.planning.list_live_holders import start_redemption
from payout_service.application.planning.plan_payout import plan_payout
from payout_service.application.planning.take_snapshot import record_snapshot, start_snapshot
from payout_service.application.planning.trigger_snapshot import record_action, start_action
from payout_service.application.sending.chain_identity import WrongChainError, refuse_wrong_chain
from payout_service.application.treasury.commit_funds import commit_funds
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import WORKED_STATES, Payout, PayoutState
from payout_service.domain.waits import Wait, WaitFor

Step = Callable[[Engine, Payout, LifecycleContract], Awaitable[StepResult]]

STEPS: Mapping[PayoutState, Step] = {
    PayoutState.PLANNING: plan_payout,
    PayoutState.WAITING_FOR_FUNDS: commit_funds,
    PayoutState.EXECUTING: execute_payout,
    PayoutState.DEFERRED: await_deferred,
    PayoutState.PAUSED: settle_paused,
    PayoutState.CANCELLING: finish_cancelling,
}


# What comes before the plan depends on the kind. A redemption has no snapshot to wait for.
FIRST_STEPS: Mapping[PayoutKind, Mapping[PayoutState, Step]] = {
    PayoutKind.SNAPSHOT: {PayoutState.REQUESTED: start_snapshot, PayoutState.SNAPSHOTTING: record_snapshot},
    PayoutKind.DIVIDEND: {PayoutState.REQUESTED: start_action, PayoutState.SNAPSHOTTING: record_action},
    PayoutKind.COUPON: {PayoutState.REQUESTED: start_action, PayoutState.SNAPSHOTTING: record_action},
    PayoutKind.REDEMPTION: {PayoutState.REQUESTED: start_redemption},
}


async def advance_one_payout(engine: Engine) -> bool:
    """Claims a payout that is due and does its next step. Returns False when none is due."""
    async with engine.unit_of_work() as work:
        payout_id = await work.payouts.claim_due(engine.now(), engine.after(engine.settings.lease_seconds))
        await work.commit()
    if payout_id is None:
        return False
    try:
        result = await _step(engine, payout_id)
    except WrongChainError as error:
        result = StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.WRONG_CHAIN, str(error)))
    except Exception as error:
        if isinstance(error, AppError) and error.code is Code.UNAVAILABLE:
            result = StepResult(engine.settings.poll_seconds, Wait(error.reason, error.message))
            await _end_step(engine, payout_id, result)
            return True
        # A defect or a database that is away: named where an operator looks, tried again, and raised for the log.
        what = Wait(WaitFor.INTERNAL, f"{type(error).__name__}; payout_service's log has it")
        await _end_step(engine, payout_id, StepResult(engine.settings.blocked_poll_seconds, what))
        raise
    await _end_step(engine, payout_id, result)
    return True


async def _step(engine: Engine, payout_id: UUID) -> StepResult:
    async with engine.unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        contract = await work.lifecycle.get(payout.asset_id) if payout else None
    if payout is None or contract is None:
        raise RuntimeError(f"payout {payout_id} or its asset vanished")
    if payout.state not in WORKED_STATES:
        return StepResult(0)
    # What is read of another chain must not get into the plan or the ledger.
    await refuse_wrong_chain(engine, engine.signer)
    step = FIRST_STEPS[payout.kind].get(payout.state) or STEPS[payout.state]
    return await step(engine, payout, contract)


async def _end_step(engine: Engine, payout_id: UUID, result: StepResult) -> None:
    """Records what is waited for and ends the claim."""
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout_id)
        if payout.state in WORKED_STATES and payout.wait_for(result.waiting_for, engine.now()):
            await work.payouts.save(payout)
        await work.payouts.schedule(payout_id, engine.after(result.delay_seconds))
        await work.commit()
