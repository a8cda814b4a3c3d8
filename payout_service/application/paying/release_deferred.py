"""Releases deferred payments once a holder's deferrals, over all payouts of the asset, reach the minimum.

Each is paid from its own payout's snapshot, dividend or coupon, never added to another amount
(docs/adr/0014-rules-per-payee.md).
"""

from collections import defaultdict
from uuid import UUID

from payout_service.application.engine import Engine, StepResult
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import RELEASING_STATES, Payout
from payout_service.domain.waits import Wait, WaitFor

# In one transaction: a holder's deferrals are released all together, or the rest would fall below the minimum.
_MOST_HOLDERS = 500


async def await_deferred(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """The step of a payout whose other payments are made. It looks again after a while."""
    if await release_deferred(engine, contract):
        return StepResult(0)
    count = payout.progress.deferred_count
    detail = f"{count} payments wait for their holders' deferrals to reach the minimum"
    return StepResult(engine.settings.ready_poll_seconds, Wait(WaitFor.DEFERRED, detail))


async def release_deferred(engine: Engine, contract: LifecycleContract) -> bool:
    """Releases the deferred payments of the asset that have come due, many holders at once.

    False when none has.
    """
    async with engine.unit_of_work() as work:
        due = await work.unsent.deferrals_due(contract.asset_id, _MOST_HOLDERS)
    if not due:
        return False
    async with engine.unit_of_work() as work:
        # In one order, so that two replicas do not wait for each other.
        locked = {each: await work.payouts.lock(each) for each in sorted({each.payout_id for each in due})}
        # Only now is nothing of it paid, cancelled or paused at the same time.
        ordinals: dict[UUID, list[int]] = defaultdict(list)
        for each in await work.unsent.deferrals_due(contract.asset_id, _MOST_HOLDERS):
            ordinals[each.payout_id].append(each.ordinal)
        if not ordinals or not ordinals.keys() <= locked.keys():
            # Something has changed in between: looked at again at once.
            return True
        for payout_id, of_payout in ordinals.items():
            owner = locked[payout_id]
            if owner.state not in RELEASING_STATES:
                raise RuntimeError(f"payout {payout_id} is {owner.state} and has deferrals due")
            tally = await work.unsent.release_deferred(payout_id, of_payout, engine.now())
            owner.release_deferred(tally, engine.now())
            await work.payouts.save(owner)
            await work.payouts.wake(payout_id, engine.now())
        await engine.failpoints.reach("deferred.before_release_commit")
        await work.commit()
    await engine.failpoints.reach("deferred.released")
    return True
