"""Takes the one snapshot of a payout. Its id is used only when the transaction is final."""

from libs.chain.amount import percentage_of
from libs.chain.quantities import BaseUnits, BlockNumber, SnapshotId, TokenUnits
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.planning.begin_payout import check_before_begin, contract_failed, fail_payout
from payout_service.application.planning.snapshot_intents import (
    ask_again,
    newest_snapshot_intent,
    snapshot_failed,
    snapshot_intent,
)
from payout_service.application.sending.journaled_intents import is_lost_and_accounted
from payout_service.application.treasury.available_money import look_at_balance
from payout_service.application.treasury.money_under_way import is_money_under_way
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payee_rules import spreads
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.transaction import IntentState, Outcome
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait, WaitFor


async def start_snapshot(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Checks the payout, then stores the snapshot's intent together with the payout's new state."""
    stopped = await check_before_begin(engine, payout, contract)
    if stopped:
        return stopped
    head = await engine.rail.head()
    holder_count, supply = await engine.security_token.live_totals(contract.token, head.number)
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is not PayoutState.REQUESTED:
            return StepResult(0)
        if holder_count == 0 or supply == 0:
            payout.fail(Failure(FailedBecause.NO_HOLDERS, "the asset has no holders"), engine.now())
        else:
            payout.begin_snapshot(engine.now())
            await work.journal.add(snapshot_intent(engine, payout, contract, 1))
        await work.payouts.save(payout)
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("payout.snapshot_requested")
    return StepResult(engine.settings.poll_seconds)


async def record_snapshot(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Takes the snapshot's id from our own final receipt, not by counting (docs/contract-surprises.md#13)."""
    async with engine.unit_of_work() as work:
        number, intent = await newest_snapshot_intent(work.journal, payout)
        is_to_be_asked_again = await is_lost_and_accounted(work.journal, intent)
    if is_to_be_asked_again:
        # Accounted for: that transaction was no snapshot of this payout, so it still needs one.
        return await ask_again(engine, payout, contract, number + 1)
    if intent.state in (IntentState.REVERTED, IntentState.VOIDED):
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, snapshot_failed(intent))
    if intent.outcome is None:
        return StepResult(engine.settings.poll_seconds, what_it_waits_for(engine, intent))
    if contract.state is LifecycleState.FAILED:
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, contract_failed(contract))
    if contract.address is None:
        # The snapshot was adopted after a backup was restored that does not know the contract.
        what = Wait(WaitFor.LIFECYCLE_CONTRACT_EXISTS, "it is being deployed")
        return StepResult(engine.settings.blocked_poll_seconds, what)
    return await _record(engine, payout, contract, intent.outcome)


async def _record(engine: Engine, payout: Payout, contract: LifecycleContract, outcome: Outcome) -> StepResult:
    snapshot_id = await engine.security_token.snapshot_id_in(outcome.transaction_hash, contract.token)
    if not snapshot_id:
        reason = Failure(FailedBecause.SNAPSHOT_WITHOUT_EVENT, outcome.transaction_hash)
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, reason)
    holder_count, supply = await engine.security_token.snapshot_totals(
        contract.token, snapshot_id, outcome.block_number
    )
    if holder_count == 0 or supply == 0:
        reason = Failure(FailedBecause.NO_HOLDERS, f"snapshot {snapshot_id} has no holders")
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, reason)
    excluded_balance = await _excluded_balance(engine, payout, contract, snapshot_id, outcome.block_number)
    if excluded_balance >= supply:
        detail = f"the rules exclude every holder of snapshot {snapshot_id}"
        reason = Failure(FailedBecause.NO_HOLDERS, detail)
        return await fail_payout(engine, payout, PayoutState.SNAPSHOTTING, reason)
    key = treasury_key(contract)
    look = await look_at_balance(engine, key)
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is not PayoutState.SNAPSHOTTING:
            return StepResult(0)
        if payout.terms.percentage_basis_points is not None and not payout.total_base_units:
            # Of what is promised to nobody; promised to this payout with the same commit. A change of the
            # commitments since the balance was read: look again.
            if await work.treasury.lock(key) != look.version:
                return StepResult(0)
            if await is_money_under_way(work, key):
                # It has left the balance and is still promised, or the other way round: it would count twice.
                under_way = Wait(WaitFor.MONEY_UNDER_WAY, f"out of {key.lifecycle_contract}")
                return StepResult(engine.settings.poll_seconds, under_way)
            available = BaseUnits(look.balance_base_units - await work.treasury.committed(key))
            total = percentage_of(available, payout.terms.percentage_basis_points)
            if total == 0:
                detail = f"{key.lifecycle_contract} holds nothing that is not promised"
                payout.fail(Failure(FailedBecause.NOTHING_AVAILABLE, detail), engine.now())
                await work.payouts.save(payout)
                await work.commit()
                return StepResult(0)
            payout.fix_total(total)
            await work.treasury.commit(key, payout.payout_id, total)
        snapshot = Snapshot(snapshot_id, outcome.block_number, outcome.block_hash)
        payout.begin_planning(snapshot, holder_count, supply, engine.now(), excluded_balance=excluded_balance)
        await work.payouts.save(payout)
        await engine.failpoints.reach("payout.before_snapshot_commit")
        await work.commit()
    await engine.failpoints.reach("payout.snapshot_recorded")
    return StepResult(0)


async def _excluded_balance(
    engine: Engine, payout: Payout, contract: LifecycleContract, snapshot_id: SnapshotId, block_number: BlockNumber
) -> TokenUnits:
    """Returns what the excluded holders hold together if their share is spread over the others; otherwise 0."""
    rules = payout.rules
    if not spreads(rules):
        return TokenUnits(0)
    balances = await engine.security_token.snapshot_balances(
        contract.token, snapshot_id, sorted(rules.excluded), block_number
    )
    return TokenUnits(sum(balances.values()))
