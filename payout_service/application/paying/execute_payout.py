"""The paying step of a payout: settles final batches, makes new ones, finishes when nothing is open."""

from datetime import datetime

from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.paying.make_batch import make_batch
from payout_service.application.paying.release_deferred import release_deferred
from payout_service.application.paying.resume_payments import resume_payments
from payout_service.application.paying.settle_batch import settle_final_batches
from payout_service.application.planning.list_live_holders import begin_next_round
from payout_service.application.planning.tokens_left import tokens_left, told_tokens_left
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState, tally_of
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait, WaitFor


async def execute_payout(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Does one round of paying."""
    open_batches, waiting_for = await settle_final_batches(engine, payout, contract)
    lacking = await resume_payments(engine, payout, contract)
    if open_batches < engine.max_open_batches:
        made = await make_batch(engine, payout.payout_id, contract)
        if made is not None:
            return made
    if open_batches:
        return StepResult(engine.settings.poll_seconds, waiting_for)
    async with engine.unit_of_work() as work:
        payout = await work.payouts.get(payout.payout_id) or payout
    if payout.state is PayoutState.EXECUTING and payout.wants_round and payout.may_begin_round:
        return await begin_next_round(engine, payout, contract)
    # Here, and not only in DEFERRED: an INCOMPLETE payout has no worker, and the last to come sees all.
    if payout.progress.deferred_count and await release_deferred(engine, contract):
        return StepResult(0)
    return await _finish(engine, payout, contract, lacking)


async def _finish(engine: Engine, payout: Payout, contract: LifecycleContract, lacking: Wait | None) -> StepResult:
    key = treasury_key(contract)
    left = await _tokens_left(engine, payout, contract)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        # The version too: a dispute may have been settled, or a retry asked for, since the payout was looked at.
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            return StepResult(0)
        tallies = await work.plan_rows.tallies(payout.payout_id)
        if tally_of(tallies, PaymentState.PLANNED, PaymentState.IN_FLIGHT).count:
            return StepResult(0)
        waiting = tally_of(tallies, PaymentState.WAITING).count
        if waiting:
            retry_time = await work.unsent.next_retry_time(payout.payout_id)
            detail = f"{waiting} payments are tried again from {retry_time}; see theirs"
            what = lacking or Wait(WaitFor.PAYMENTS_WAITING, detail)
            return StepResult(_seconds_until(engine, retry_time), what)
        kept = tally_of(tallies, PaymentState.FAILED, PaymentState.DISPUTED, PaymentState.DEFERRED)
        locked.finish(kept.amount_base_units, engine.now(), are_tokens_left=left is not None)
        if left:
            locked.wait_for(left, engine.now())
        if locked.wants_round:
            detail = f"tokens still moved in round {locked.round_number}"
            locked.wait_for(Wait(WaitFor.ROUNDS_EXHAUSTED, detail), engine.now())
        # What failed or is deferred stays promised to its payees.
        await work.treasury.lock(key)
        if await work.treasury.committed_to(key, payout.payout_id) != kept.promised_base_units:
            raise RuntimeError(f"payout {payout.payout_id}: the commitment is not what is still owed")
        await work.payouts.save(locked)
        await engine.failpoints.reach("payout.before_finish_commit")
        await work.commit()
    await engine.failpoints.reach("payout.finished")
    return StepResult(0)


async def _tokens_left(engine: Engine, payout: Payout, contract: LifecycleContract) -> Wait | None:
    """Returns the wait for tokens that a redemption has not reached.

    None if there are none, or payments have failed.
    """
    if payout.kind is not PayoutKind.REDEMPTION or payout.progress.failed_count:
        return None
    final_block = await engine.final_block()
    left = await tokens_left(engine, contract, final_block)
    return None if left == 0 else Wait(WaitFor.TOKENS_LEFT, told_tokens_left(left, final_block))


def _seconds_until(engine: Engine, retry_time: datetime | None) -> float:
    """Returns the seconds to wait, at most the usual ones, as a deposit may come or another payment fall due."""
    longest = engine.settings.blocked_poll_seconds
    if retry_time is None or retry_time <= engine.now():
        return longest
    return min(longest, (retry_time - engine.now()).total_seconds())
