"""Pays: settles what is final, makes further batches while there is room, finishes when nothing is open."""

from payout_service.application.commit_funds import treasury_key
from payout_service.application.engine import Engine, StepResult
from payout_service.application.make_batch import make_batch
from payout_service.application.settle_batch import settle_final_batches
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState


async def execute_payout(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """One round."""
    open_batches, waiting_for = await settle_final_batches(engine, payout, contract)
    if open_batches < engine.settings.max_open_batches:
        made = await make_batch(engine, payout, contract)
        if made is not None:
            return made
    if open_batches:
        return StepResult(engine.settings.poll_seconds, waiting_for)
    return await _finish(engine, payout, contract)


async def _finish(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING:
            return StepResult(0)
        open_count, open_base_units = await work.payments.open_sums(payout.payout_id)
        if open_count:
            return StepResult(0)
        locked.finish(open_base_units, engine.now())
        # What failed stays promised to its payees: an operator decides about it.
        key = treasury_key(contract)
        await work.treasury.lock(key)
        if await work.treasury.committed_to(key, payout.payout_id) != open_base_units:
            raise RuntimeError(f"payout {payout.payout_id}: the commitment is not what is still owed")
        await work.payouts.save(locked)
        await engine.failpoints.reach("payout.before_finish_commit")
        await work.commit()
    await engine.failpoints.reach("payout.finished")
    return StepResult(0)
