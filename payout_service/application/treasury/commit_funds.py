"""Promises money of a lifecycle contract to a payout before it pays anybody (docs/architecture.md#money)."""

from libs.chain.quantities import BaseUnits
from payout_service.application.engine import Engine, StepResult
from payout_service.application.treasury.available_money import look_at_balance
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState, tally_of
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.treasury import money_lacks, treasury_key


async def commit_funds(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Promises the plan's sum to the payout if that much is available; otherwise waits for a deposit by name."""
    if payout.plan is None:
        raise RuntimeError(f"payout {payout.payout_id} waits for funds without a plan")
    key = treasury_key(contract)
    look = await look_at_balance(engine, key)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.WAITING_FOR_FUNDS or locked.version != payout.version:
            return StepResult(0)
        if await work.treasury.lock(key) != look.version:
            return StepResult(0)
        # Of a redemption's later rounds: what is paid, or has moved to a payee in dispute, needs no promise.
        moved = tally_of(await work.plan_rows.tallies(payout.payout_id), PaymentState.DISPUTED).moved_base_units
        needed = BaseUnits(payout.plan.payable_base_units - payout.progress.paid_base_units - moved)
        # A percentage was promised its whole total when the total was fixed; what nobody is due goes back.
        own = await work.treasury.committed_to(key, locked.payout_id)
        available = look.balance_base_units - await work.treasury.committed(key) + own
        if available < needed:
            return StepResult(
                engine.settings.poll_seconds, money_lacks(key, BaseUnits(needed - max(available, 0)))
            )
        if own > needed:
            await work.treasury.reduce(key, locked.payout_id, BaseUnits(own - needed))
        elif own or locked.round_number > 1:
            await work.treasury.add(key, locked.payout_id, BaseUnits(needed - own))
        else:
            await work.treasury.commit(key, locked.payout_id, needed)
        locked.begin_execution(engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("funds.before_commit")
        await work.commit()
    await engine.failpoints.reach("funds.committed")
    return StepResult(0)
