"""Obtains the snapshot of a dividend or coupon, which somebody must trigger after its record date.

Batches before and after would pay from different lists unless it is triggered first
(docs/contract-surprises.md#16).
"""

from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.planning.begin_payout import (
    check_before_begin,
    contract_failed,
    fail_payout,
    rival_of,
)
from payout_service.application.planning.payout_conditions import (
    UNPAYABLE_ACTION,
    entitlement_source,
    payable_action,
    told_time,
)
from payout_service.application.planning.snapshot_intents import (
    ask_again,
    find_snapshot_intent,
    snapshot_failed,
    snapshot_intent,
)
from payout_service.application.ports.security_token import CorporateAction
from payout_service.application.sending.journaled_intents import is_lost_and_accounted
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.transaction import IntentState, TransactionIntent
from payout_service.domain.waits import Wait, WaitFor


async def start_action(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Checks the payout, then stores the intent to trigger the snapshot, unless it was triggered already."""
    stopped = await check_before_begin(engine, payout, contract)
    if stopped:
        return stopped
    action = await engine.security_token.corporate_action(contract.token, payout.kind, payout.action_id)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.REQUESTED or action is None:
            return StepResult(0)
        rival = await rival_of(work, locked)
        detail = f"payouts/{rival.payout_id} pays it" if rival else ""
        if rival and rival.state is not PayoutState.COMPLETED:
            # It may yet be given up.
            return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.ACTION_HAS_PAYOUT, detail))
        if rival:
            locked.fail(Failure(FailedBecause.ACTION_HAS_PAYOUT, detail), engine.now())
        else:
            locked.begin_snapshot(engine.now())
            if not action.snapshot_id:
                await work.journal.add(snapshot_intent(engine, locked, contract, 1))
        await work.payouts.save(locked)
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("payout.snapshot_requested")
    return StepResult(engine.settings.poll_seconds)


async def record_action(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Records the action's snapshot as the asset reports it at a final block. Its id must not be 0."""
    async with engine.unit_of_work() as work:
        number, intent = await find_snapshot_intent(work.journal, payout)
        is_to_be_asked_again = intent is not None and await is_lost_and_accounted(work.journal, intent)
    if intent and not is_to_be_asked_again and not intent.is_final:
        return StepResult(engine.settings.poll_seconds, what_it_waits_for(engine, intent))
    if contract.state is LifecycleState.FAILED:
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, contract_failed(contract))
    head = await engine.rail.head()
    final_block = engine.final_block_at(head)
    try:
        action = await payable_action(engine, contract, payout.kind, payout.action_id, final_block)
    except AppError as error:
        if error.reason not in UNPAYABLE_ACTION:
            raise
        reason = Failure(error.reason, error.message)
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, reason)
    if not action.snapshot_id:
        return await _not_triggered(engine, payout, contract, number, intent)
    if not action.is_rate_set:
        # Set at the head, not yet at the final block: every amount would be zero there.
        what = Wait(WaitFor.RATE_SET, f"the rate of coupon {payout.action_id} is set and not final yet")
        return StepResult(engine.settings.poll_seconds, what)
    return await _record(engine, payout, contract, action, final_block)


async def _not_triggered(
    engine: Engine, payout: Payout, contract: LifecycleContract, number: int, intent: TransactionIntent | None
) -> StepResult:
    """Handles a snapshot not triggered at the final block: ours failed, or another is not final yet."""
    if intent and intent.state in (IntentState.REVERTED, IntentState.VOIDED):
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, snapshot_failed(intent))
    newest = await engine.security_token.corporate_action(contract.token, payout.kind, payout.action_id)
    if newest and newest.snapshot_id:
        return StepResult(engine.settings.poll_seconds)
    return await ask_again(engine, payout, contract, number + 1 if intent else number)


async def _record(
    engine: Engine, payout: Payout, contract: LifecycleContract, action: CorporateAction, block_number: BlockNumber
) -> StepResult:
    block_hash = await engine.rail.block_hash(block_number)
    if block_hash is None:
        raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not tell of its block {block_number}")
    source = entitlement_source(contract, payout.kind, payout.action_id)
    holder_count = await engine.security_token.entitled_count(source, block_number)
    _, supply = await engine.security_token.snapshot_totals(contract.token, action.snapshot_id, block_number)
    head = await engine.rail.head()
    if holder_count == 0 and (
        head.timestamp <= action.record_time or await engine.security_token.entitled_count(source, head.number)
    ):
        # Triggered in the very second of the record date; the list is empty until that has passed.
        detail = f"{told_time(action.record_time)} has not passed at the final block yet"
        return StepResult(engine.settings.poll_seconds, Wait(WaitFor.RECORD_DATE_REACHED, detail))
    if holder_count == 0 or supply == 0:
        detail = f"snapshot {action.snapshot_id} of {payout.kind.lower()} {payout.action_id} has none"
        reason = Failure(FailedBecause.NO_HOLDERS, detail)
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, reason)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.SNAPSHOTTING:
            return StepResult(0)
        snapshot = Snapshot(action.snapshot_id, block_number, block_hash)
        locked.begin_planning(snapshot, holder_count, supply, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("payout.before_snapshot_commit")
        await work.commit()
    await engine.failpoints.reach("payout.snapshot_recorded")
    return StepResult(0)
