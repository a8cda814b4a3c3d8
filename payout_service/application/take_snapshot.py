"""The one snapshot of a payout: asked for once, believed only when its transaction is final."""

from libs.chain.address import EvmAddress
from payout_service.application.check_readiness import check_readiness
from payout_service.application.engine import Engine, StepResult, what_it_waits_for
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.transaction import IntentState, OwnerKind, Purpose, TransactionIntent


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
            await work.journal.add(_snapshot_intent(engine, payout, contract.token))
        await work.payouts.save(payout)
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("payout.snapshot_requested")
    return StepResult(engine.settings.poll_seconds)


async def record_snapshot(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Takes the snapshot's id from the event in our own final receipt, never by counting (contracts.md, 3.13)."""
    async with engine.unit_of_work() as work:
        intent = await work.journal.find(_snapshot_key(payout))
    if intent is None:
        raise RuntimeError(f"payout {payout.payout_id} lost its snapshot's intent")
    if intent.state is IntentState.REVERTED:
        reason = f"SNAPSHOT_REVERTED: {intent.attempts[-1].transaction_hash}"
        return await _fail(engine, payout, PayoutState.SNAPSHOTTING, reason)
    outcome = intent.outcome
    if outcome is None:
        return StepResult(engine.settings.poll_seconds, what_it_waits_for(engine, intent))
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
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is PayoutState.SNAPSHOTTING:
            snapshot = Snapshot(snapshot_id, outcome.block_number, outcome.block_hash)
            payout.begin_planning(snapshot, holder_count, supply, engine.now())
            await work.payouts.save(payout)
            await work.commit()
    await engine.failpoints.reach("payout.snapshot_recorded")
    return StepResult(0)


async def _fail(engine: Engine, payout: Payout, expected: PayoutState, reason: str) -> StepResult:
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is expected:
            payout.fail(reason, engine.now())
            await work.payouts.save(payout)
            await work.commit()
    return StepResult(0)


def _snapshot_key(payout: Payout) -> str:
    return f"snapshot/{payout.payout_id}"


def _snapshot_intent(engine: Engine, payout: Payout, token: EvmAddress) -> TransactionIntent:
    return TransactionIntent(
        intent_id=engine.ids.new(),
        key=_snapshot_key(payout),
        purpose=Purpose.SNAPSHOT,
        owner_kind=OwnerKind.PAYOUT,
        owner_id=payout.payout_id,
        chain_id=engine.chain_id,
        signer=engine.signer,
        call=engine.contracts.take_snapshot(token),
        gas_limit=0,
        create_time=engine.now(),
    )
