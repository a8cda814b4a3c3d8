"""Reads every holder at the snapshot, stores what each is owed, and freezes the plan."""

from payout_service.application.commit_funds import treasury_key
from payout_service.application.engine import Engine, StepResult
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlanSum, PlanTotals, plan_payments


async def plan_payout(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Stores the next page of the plan, or freezes the plan when every holder is in it."""
    if payout.planned_count < payout.holder_count:
        return await _store_page(engine, payout, contract)
    return await _freeze(engine, payout, contract)


async def _store_page(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """One page, read at the snapshot's block. A page's length is constant: its offset is index x length."""
    snapshot = payout.snapshot
    if snapshot is None:
        raise RuntimeError(f"payout {payout.payout_id} plans without a snapshot")
    length = engine.settings.plan_page_size
    page = payout.planned_count // length
    balances = await engine.contracts.snapshot_page(
        contract.token, snapshot.snapshot_id, page, length, snapshot.block_number
    )
    expected = min(length, payout.holder_count - payout.planned_count)
    if len(balances) != expected:
        return StepResult(
            engine.settings.blocked_poll_seconds,
            f"SNAPSHOT_PAGE_SHORT: page {page} has {len(balances)} holders, {expected} belong there",
        )
    rows = plan_payments(payout.planned_count, balances, payout.total_base_units, payout.total_supply)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.PLANNING or locked.planned_count != payout.planned_count:
            return StepResult(0)
        locked.planned_count += len(rows)
        await work.payments.add_planned(locked.payout_id, rows, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("plan.before_page_commit")
        await work.commit()
    await engine.failpoints.reach("plan.page_stored")
    return StepResult(0)


async def _freeze(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    if contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} plans without a lifecycle contract")
    plan = await _summed(engine, payout)
    implementation = await engine.contracts.implementation_of(contract.address)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.PLANNING:
            return StepResult(0)
        locked.freeze_plan(plan, implementation, engine.now())
        if plan.payable_base_units == 0:
            # Nobody is due a base unit: a percentage gives back what it was promised.
            key = treasury_key(contract)
            await work.treasury.lock(key)
            promised = await work.treasury.committed_to(key, locked.payout_id)
            if promised:
                await work.treasury.reduce(key, locked.payout_id, promised)
        await work.payouts.save(locked)
        await engine.failpoints.reach("plan.before_freeze_commit")
        await work.commit()
    await engine.failpoints.reach("plan.frozen")
    return StepResult(0)


async def _summed(engine: Engine, payout: Payout) -> PlanTotals:
    """Streams the stored rows, so that what is hashed is what will be paid."""
    total = PlanSum(payout.total_base_units, payout.total_supply)
    async with engine.unit_of_work() as work:
        async for row in work.payments.plan_rows(payout.payout_id):
            total.add(row)
    return total.totals()
