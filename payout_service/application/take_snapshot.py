"""The one snapshot of a payout: asked for once, believed only when its transaction is final."""

from libs.chain.address import EvmAddress
from libs.chain.amount import percentage_of
from payout_service.application.available_money import look_at_balance
from payout_service.application.check_readiness import check_readiness
from payout_service.application.commit_funds import treasury_key
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.application.journaled_intents import (
    MOST_INTENTS,
    is_lost_and_accounted,
    newest_intent,
    numbered_key,
)
from payout_service.application.money_under_way import is_money_under_way
from payout_service.application.ports import JournalRepository
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.transaction import IntentState, Outcome, OwnerKind, Purpose, TransactionIntent


async def start_snapshot(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Preflight, then the snapshot's intent together with the state that owns it."""
    if contract.state is LifecycleState.FAILED:
        # Also an asset of another chain: its addresses mean something else on this one.
        reason = f"LIFECYCLE_CONTRACT_FAILED: {contract.failure_reason}"
        return await _fail(engine, payout, PayoutState.REQUESTED, reason)
    readiness = await check_readiness(engine, contract.token, contract.payment_token, contract.address)
    open_conditions = [condition for condition in readiness if not condition.is_satisfied]
    if open_conditions:
        first = open_conditions[0]
        what = f"{first.kind}: {first.detail}; {first.remedy}"
        return StepResult(engine.settings.blocked_poll_seconds, what)
    head = await engine.rail.head()
    holder_count, supply = await engine.contracts.live_totals(contract.token, head.number)
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is not PayoutState.REQUESTED:
            return StepResult(0)
        if holder_count == 0 or supply == 0:
            payout.fail("NO_HOLDERS: the asset has no holders", engine.now())
        else:
            payout.begin_snapshot(engine.now())
            await work.journal.add(snapshot_intent(engine, payout, contract.token, 1))
        await work.payouts.save(payout)
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("payout.snapshot_requested")
    return StepResult(engine.settings.poll_seconds)


async def record_snapshot(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Takes the snapshot's id from the event in our own final receipt, never by counting (contracts.md, 3.13)."""
    async with engine.unit_of_work() as work:
        number, intent = await newest_snapshot_intent(work.journal, payout)
        is_to_be_asked_again = await is_lost_and_accounted(work.journal, intent)
    if is_to_be_asked_again:
        # Accounted for: that transaction was no snapshot of this payout, so it still needs one.
        return await _ask_again(engine, payout, contract, number + 1)
    if intent.state in (IntentState.REVERTED, IntentState.VOIDED):
        name = "SNAPSHOT_REVERTED: " if intent.state is IntentState.REVERTED else "SNAPSHOT_VOIDED: "
        reason = f"{name}{_newest_hash(intent)} {intent.void_reason}".rstrip()
        return await _fail(engine, payout, PayoutState.SNAPSHOTTING, reason)
    if intent.outcome is None:
        return StepResult(engine.settings.poll_seconds, what_it_waits_for(engine, intent))
    if contract.state is LifecycleState.FAILED:
        reason = f"LIFECYCLE_CONTRACT_FAILED: {contract.failure_reason}"
        return await _fail(engine, payout, PayoutState.SNAPSHOTTING, reason)
    if contract.address is None:
        # The snapshot was adopted after a backup was restored that does not know the contract.
        what = "LIFECYCLE_CONTRACT_EXISTS: it is being deployed"
        return StepResult(engine.settings.blocked_poll_seconds, what)
    return await _record(engine, payout, contract, intent.outcome)


async def newest_snapshot_intent(journal: JournalRepository, payout: Payout) -> tuple[int, TransactionIntent]:
    """The newest intent to take the payout's snapshot, and its number. Raises RuntimeError when there is none."""
    number, newest = await newest_intent(journal, lambda number: snapshot_key(payout, number))
    if newest is None:
        raise RuntimeError(f"payout {payout.payout_id} lost its snapshot's intent")
    return number, newest


def snapshot_key(payout: Payout, number: int) -> str:
    """Key of the payout's n-th intent to take its snapshot."""
    return numbered_key(f"snapshot/{payout.payout_id}", number)


def snapshot_intent(engine: Engine, payout: Payout, token: EvmAddress, number: int) -> TransactionIntent:
    """A new intent to take the payout's snapshot."""
    return TransactionIntent(
        intent_id=engine.ids.new(),
        key=snapshot_key(payout, number),
        purpose=Purpose.SNAPSHOT,
        owner_kind=OwnerKind.PAYOUT,
        owner_id=payout.payout_id,
        chain_id=engine.chain_id,
        signer=engine.signer,
        call=engine.contracts.take_snapshot(token),
        gas_limit=0,
        create_time=engine.now(),
    )


async def _record(engine: Engine, payout: Payout, contract: LifecycleContract, outcome: Outcome) -> StepResult:
    snapshot_id = await engine.contracts.snapshot_id_in(outcome.transaction_hash, contract.token)
    if not snapshot_id:
        reason = f"SNAPSHOT_WITHOUT_EVENT: {outcome.transaction_hash}"
        return await _fail(engine, payout, PayoutState.SNAPSHOTTING, reason)
    holder_count, supply = await engine.contracts.snapshot_totals(
        contract.token, snapshot_id, outcome.block_number
    )
    if holder_count == 0 or supply == 0:
        reason = f"NO_HOLDERS: snapshot {snapshot_id} has no holders"
        return await _fail(engine, payout, PayoutState.SNAPSHOTTING, reason)
    key = treasury_key(contract)
    look = await look_at_balance(engine, key)
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is not PayoutState.SNAPSHOTTING:
            return StepResult(0)
        if payout.percentage_basis_points is not None and not payout.total_base_units:
            # Of what is promised to nobody; promised to this payout with the same commit. A change of the
            # commitments since the balance was read: look again.
            if await work.treasury.lock(key) != look.version:
                return StepResult(0)
            if await is_money_under_way(work, key):
                # It has left the balance and is still promised, or the other way round: it would count twice.
                return StepResult(
                    engine.settings.poll_seconds, f"MONEY_UNDER_WAY: out of {key.lifecycle_contract}"
                )
            available = look.balance_base_units - await work.treasury.committed(key)
            total = percentage_of(available, payout.percentage_basis_points)
            if total == 0:
                reason = f"NOTHING_AVAILABLE: {key.lifecycle_contract} holds nothing that is not promised"
                payout.fail(reason, engine.now())
                await work.payouts.save(payout)
                await work.commit()
                return StepResult(0)
            payout.fix_total(total)
            await work.treasury.commit(key, payout.payout_id, total)
        snapshot = Snapshot(snapshot_id, outcome.block_number, outcome.block_hash)
        payout.begin_planning(snapshot, holder_count, supply, engine.now())
        await work.payouts.save(payout)
        await engine.failpoints.reach("payout.before_snapshot_commit")
        await work.commit()
    await engine.failpoints.reach("payout.snapshot_recorded")
    return StepResult(0)


async def _ask_again(engine: Engine, payout: Payout, contract: LifecycleContract, number: int) -> StepResult:
    if number > MOST_INTENTS:
        what = "SNAPSHOT_NEVER_OURS: its nonces are lost again and again"
        return StepResult(engine.settings.blocked_poll_seconds, what)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is PayoutState.SNAPSHOTTING:
            await work.journal.add(snapshot_intent(engine, locked, contract.token, number))
            await work.commit()
    engine.nudge()
    return StepResult(engine.settings.poll_seconds)


async def _fail(engine: Engine, payout: Payout, expected: PayoutState, reason: str) -> StepResult:
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is expected:
            payout.fail(reason, engine.now())
            await work.payouts.save(payout)
            await work.commit()
    return StepResult(0)


def _newest_hash(intent: TransactionIntent) -> str:
    return intent.attempts[-1].transaction_hash if intent.attempts else "never signed:"
