"""Settles the batches that had already been sent when an operator paused or cancelled a payout."""

from libs.chain.quantities import BaseUnits
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.paying.settle_batch import settle_final_batches
from payout_service.application.planning.snapshot_intents import newest_snapshot_intent, snapshot_key
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState, Tally, tally_of
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait, WaitFor

_PAUSED = Wait(WaitFor.PAUSED, "ResumePayout goes on, CancelPayout gives up")


async def settle_paused(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Settles the batches of a paused payout that had been sent. Nothing new begins."""
    open_batches, waiting_for = await settle_final_batches(engine, payout, contract)
    delay = engine.settings.poll_seconds if open_batches else engine.settings.ready_poll_seconds
    return StepResult(delay, waiting_for or _PAUSED)


async def finish_cancelling(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Makes a payout CANCELLED once everything that was sent is final.

    What was not paid is then no longer promised.
    """
    open_batches, waiting_for = await settle_final_batches(engine, payout, contract)
    if open_batches:
        return StepResult(engine.settings.poll_seconds, waiting_for)
    async with engine.unit_of_work() as work:
        if await work.journal.find(snapshot_key(payout, 1)) is not None:
            _, snapshot = await newest_snapshot_intent(work.journal, payout)
            if not snapshot.is_final:
                return StepResult(engine.settings.poll_seconds, what_it_waits_for(engine, snapshot))
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.CANCELLING:
            return StepResult(0)
        # Payees that a batch could not pay after the cancel.
        left = await work.unsent.cancel_unsent(payout.payout_id, engine.now())
        if locked.plan is not None and left:
            given_up = sum(left.values(), Tally())
            locked.move_payments({PaymentState.CANCELLED: given_up}, left, engine.now())
        tallies = await work.plan_rows.tallies(payout.payout_id)
        if tallies.get(PaymentState.IN_FLIGHT):
            return StepResult(0)
        # A disputed payee may have to be paid yet: what has not moved to it stays promised.
        disputed = tally_of(tallies, PaymentState.DISPUTED)
        locked.finish(disputed.amount_base_units, engine.now())
        if contract.address is not None:
            key = treasury_key(contract)
            await work.treasury.lock(key)
            committed = await work.treasury.committed_to(key, payout.payout_id)
            if committed > disputed.promised_base_units:
                given_up_base_units = BaseUnits(committed - disputed.promised_base_units)
                await work.treasury.reduce(key, payout.payout_id, given_up_base_units)
        await work.payouts.save(locked)
        await engine.failpoints.reach("payout.before_cancelled_commit")
        await work.commit()
    await engine.failpoints.reach("payout.cancelled")
    return StepResult(0)
