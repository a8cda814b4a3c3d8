"""Makes the plan of a payout: reads every holder, stores what each is owed, then freezes the plan."""

from collections.abc import Mapping

from libs.chain.quantities import HolderAddress
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.planning.payout_conditions import entitlement_source
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.plan import (
    Entitlement,
    PlannedPayment,
    PlanTotals,
    plan_entitlements,
    plan_payments,
)
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait, WaitFor


async def plan_payout(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Stores the next page of the plan, or freezes the plan when every holder is in it."""
    if payout.listed_count < payout.holder_count:
        return await _store_page(engine, payout, contract)
    return await _freeze(engine, payout, contract)


async def _store_page(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Stores one page, read at the snapshot's block.

    All pages have the same length: the offset is index x length.
    """
    snapshot = payout.snapshot
    if snapshot is None:
        raise RuntimeError(f"payout {payout.payout_id} plans without a snapshot")
    length = engine.settings.plan_page_size
    # In the middle of a page if the setting was changed since: what is stored of it is left out.
    page, stored = divmod(payout.listed_count, length)
    listed, rows = await _rows(engine, payout, contract, snapshot, page, stored)
    expected = min(length, payout.holder_count - page * length)
    if listed != expected:
        detail = f"page {page} has {listed} holders, {expected} belong there"
        return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.SNAPSHOT_PAGE_SHORT, detail))
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        # The version too: an operator may have taken the round's rows back in between.
        if locked.state is not PayoutState.PLANNING or locked.version != payout.version:
            return StepResult(0)
        if locked.listed_count != payout.listed_count:
            return StepResult(0)
        locked.store_page(listed_count=listed - stored, row_count=len(rows))
        await work.plan_rows.add_planned(locked.payout_id, rows, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("plan.before_page_commit")
        await work.commit()
    await engine.failpoints.reach("plan.page_stored")
    return StepResult(0)


async def _rows(
    engine: Engine, payout: Payout, contract: LifecycleContract, snapshot: Snapshot, page: int, stored: int
) -> tuple[int, list[PlannedPayment]]:
    """Returns how many holders a page has, and the rows for the holders that are not stored yet."""
    length = engine.settings.plan_page_size
    if payout.kind is PayoutKind.SNAPSHOT:
        balances = await engine.security_token.snapshot_page(
            contract.token, snapshot.snapshot_id, page=page, length=length, block_number=snapshot.block_number
        )
        known = await _planned_already(engine, payout, [holder for holder, _ in balances[stored:]])
        rows = plan_payments(
            payout.planned_count,
            [each for each in dict(balances[stored:]).items() if each[0] not in known],
            payout.call_total_base_units,
            payout.total_supply,
            payout.rules,
        )
        return len(balances), rows
    source = entitlement_source(contract, payout.kind, payout.action_id)
    entitlements = await engine.security_token.entitled_page(
        source, page=page, length=length, block_number=snapshot.block_number
    )
    owed = {each.holder: each for each in entitlements[stored:]}
    known = await _planned_already(engine, payout, list(owed))
    if payout.round_number > 1:
        known |= await _owed_nothing_new(engine, payout, owed)
    fresh = [each for holder, each in owed.items() if holder not in known]
    return len(entitlements), plan_entitlements(
        payout.planned_count, fresh, payout.rules, round_number=payout.round_number
    )


async def _planned_already(engine: Engine, payout: Payout, holders: list[HolderAddress]) -> set[HolderAddress]:
    """Returns the holders that are on the list twice.

    Version 7 of the asset adds a holder again who had no free tokens.
    """
    async with engine.unit_of_work() as work:
        return await work.plan_rows.planned_holders(payout.payout_id, payout.round_number, holders)


async def _owed_nothing_new(
    engine: Engine, payout: Payout, owed: Mapping[HolderAddress, Entitlement]
) -> set[HolderAddress]:
    """Returns the holders who, in a later round, are owed nothing or wait in a row of an earlier one."""
    async with engine.unit_of_work() as work:
        waiting = await work.plan_rows.open_holders(payout.payout_id, list(owed))
    return waiting | {holder for holder, each in owed.items() if not each.amount_base_units}


async def _freeze(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    if contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} plans without a lifecycle contract")
    plan = await _summed(engine, payout)
    implementation = await engine.lifecycle_contract.implementation_of(contract.address)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.PLANNING or locked.version != payout.version:
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
    """Adds up the stored rows by streaming them, so that what is hashed is what will be paid."""
    total = payout.new_plan_sum()
    async with engine.unit_of_work() as work:
        async for row in work.plan_rows.plan_rows(payout.payout_id):
            total.add(row)
    return total.totals()
