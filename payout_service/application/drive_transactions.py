"""Moves a signer's transactions on: sign, send, find the outcome. One lane, nonces in order.

Nothing is sent whose bytes are not durable; a restart sends the same bytes again; the outcome is found by
nonce, whichever attempt was mined (design.md, 5.1).
"""

from datetime import timedelta

from libs.errors import AppError, Code
from payout_service.application.chain_identity import WrongChainError, refuse_wrong_chain
from payout_service.application.chain_ports import (
    BroadcastAnswer,
    BroadcastResult,
    CallWouldRevertError,
    FeeCapReachedError,
    Head,
    Receipt,
)
from payout_service.application.engine import Engine
from payout_service.application.ports import UnitOfWork
from payout_service.domain.batch_sizing import gas_limit
from payout_service.domain.transaction import (
    Attempt,
    Fees,
    IntentState,
    LaneHaltedError,
    NonceLane,
    OwnerKind,
    TransactionIntent,
)

# Looked at in one round; those that cannot be sent now cost an estimate each.
_MOST_CANDIDATES = 32
# After so many waits without a receipt the transaction says that it is not mined.
_PATIENT_BROADCASTS = 3


async def drive_transactions(engine: Engine) -> bool:
    """One round over the engine's lane. Returns True when something moved and more may at once.

    Raises AppError CHAIN_UNAVAILABLE when the node does not answer; what was done until then is durable.
    """
    lane = await _lane(engine)
    async with engine.unit_of_work() as work:
        in_flight = await work.journal.in_flight(engine.chain_id, engine.signer)
    moved = False
    if in_flight:
        head = await engine.rail.head()
        for intent in in_flight:
            moved |= await _advance(engine, intent, head)
    if len(in_flight) < engine.settings.max_in_flight_transactions:
        lowest_open = in_flight[0].nonce if in_flight else lane.next_nonce
        moved |= await _sign_next(engine, lane, lowest_open or 0)
    if moved:
        engine.nudge()
    return moved


async def _lane(engine: Engine) -> NonceLane:
    """The signer's lane, made on first use. Raises WrongChainError when the chain is not the lane's."""
    lane, genesis_hash = await refuse_wrong_chain(engine)
    if lane is None:
        nonce = await engine.rail.nonce_at(engine.signer, None)
        async with engine.unit_of_work() as work:
            await work.journal.add_lane(NonceLane(engine.chain_id, engine.signer, genesis_hash, nonce))
            lane = await work.journal.lock_lane(engine.chain_id, engine.signer)
            await work.commit()
    if lane is None or lane.genesis_hash != genesis_hash:
        raise WrongChainError("another replica has just made the lane for another chain")
    return lane


async def _sign_next(engine: Engine, lane: NonceLane, lowest_open_nonce: int) -> bool:
    """Gives the oldest intent that can be sent a nonce and signed bytes, durable with one commit.

    One that cannot be sent now says why, and does not hold up the others.
    """
    async with engine.unit_of_work() as work:
        candidates = await work.journal.created(engine.chain_id, engine.signer, _MOST_CANDIDATES)
    if not candidates:
        return False
    if lane.halted_because:
        return await _note_lane_problem(engine, lane.halted_because)
    try:
        fees = await engine.rail.fees()
    except FeeCapReachedError as error:
        return await _note_lane_problem(engine, f"FEE_CAP_REACHED: {error}")
    chain_nonce = await engine.rail.nonce_at(engine.signer, None)
    if chain_nonce < lowest_open_nonce:
        # Everything below is final in the journal. Signed now, a transaction would wait behind a gap.
        return await _note_lane_problem(
            engine,
            f"CHAIN_BEHIND_JOURNAL: the node tells {chain_nonce} transactions of {engine.signer}, "
            f"{lowest_open_nonce} are final in the journal",
        )
    for intent in candidates:
        gas = await _gas(engine, intent)
        if gas is not None:
            return await _sign(engine, intent, gas, fees, chain_nonce)
    return False


async def _gas(engine: Engine, intent: TransactionIntent) -> int | None:
    """The gas limit to sign; None, with the reason noted, when the call cannot be made now."""
    if intent.gas_limit:
        return intent.gas_limit
    try:
        estimate = await engine.rail.estimate_gas(engine.signer, intent.call)
        return gas_limit(estimate, engine.settings.max_transaction_gas)
    except CallWouldRevertError as error:
        await _note_problem(engine, intent, f"CALL_WOULD_REVERT: {error.reason}")
    except ValueError as error:
        await _note_problem(engine, intent, f"GAS_CAP_TOO_LOW: {error}")
    return None


async def _sign(engine: Engine, intent: TransactionIntent, gas: int, fees: Fees, chain_nonce: int) -> bool:
    async with engine.unit_of_work() as work:
        lane = await work.journal.lock_lane(engine.chain_id, engine.signer)
        intent = await work.journal.lock(intent.intent_id)
        if lane is None or intent.state is not IntentState.CREATED:
            return True
        if chain_nonce > lane.next_nonce:
            # A backup was restored, or somebody else uses the key: paying on could pay twice.
            lane.halt(
                f"SIGNER_NEEDS_RECONCILIATION: JOURNAL_BEHIND_CHAIN: the chain has {chain_nonce} transactions "
                f"of {engine.signer}, the journal {lane.next_nonce}"
            )
            await work.journal.save_lane(lane)
            await work.journal.note_problem_of_created(engine.chain_id, engine.signer, lane.halted_because)
            await work.commit()
            return False
        try:
            nonce = lane.allocate()
        except LaneHaltedError:
            return False
        signed = await engine.rail.sign(
            engine.signer, intent.call, chain_id=engine.chain_id, nonce=nonce, gas_limit=gas, fees=fees
        )
        attempt = Attempt(
            number=1,
            raw=signed.raw,
            transaction_hash=signed.transaction_hash,
            max_fee_per_gas_wei=fees.max_fee_per_gas_wei,
            create_time=engine.now(),
        )
        intent.sign(nonce, gas, attempt)
        await work.journal.save(intent)
        await work.journal.save_lane(lane)
        await engine.failpoints.reach(f"{intent.purpose.value.lower()}.before_journal_commit")
        await work.commit()
    await engine.failpoints.reach(f"{intent.purpose.value.lower()}.journaled")
    return True


async def _advance(engine: Engine, intent: TransactionIntent, head: Head) -> bool:
    """Looks for the outcome of one intent; sends its bytes when there is none yet."""
    if intent.state is not IntentState.SIGNED:
        receipt = await _find_receipt(engine, intent)
        if receipt is not None:
            return await _record_receipt(engine, intent, receipt, head)
        if await _is_nonce_finally_used(engine, intent, head):
            # The receipt may have come up between the two questions, or the node lags behind itself.
            if await _find_receipt(engine, intent) is None:
                return await _record_lost_nonce(engine, intent)
            return True
    if not _is_broadcast_due(engine, intent):
        return False
    return await _broadcast(engine, intent)


async def _find_receipt(engine: Engine, intent: TransactionIntent) -> Receipt | None:
    for attempt in reversed(intent.attempts):
        receipt = await engine.rail.find_receipt(attempt.transaction_hash)
        if receipt is not None:
            return receipt
    return None


async def _record_receipt(engine: Engine, intent: TransactionIntent, receipt: Receipt, head: Head) -> bool:
    outcome = receipt.outcome
    is_deep_enough = head.number - outcome.block_number >= engine.settings.confirmations
    is_final = is_deep_enough and await engine.rail.block_hash(outcome.block_number) == outcome.block_hash
    if not is_final and intent.state is IntentState.MINED:
        return False
    async with engine.unit_of_work() as work:
        intent = await work.journal.lock(intent.intent_id)
        if intent.outcome is not None:
            return True
        if is_final:
            intent.conclude(receipt.succeeded, outcome)
            await _wake_owner(engine, work, intent)
        else:
            intent.mined()
        await work.journal.save(intent)
        await engine.failpoints.reach(f"{intent.purpose.value.lower()}.before_outcome_commit")
        await work.commit()
    if is_final:
        await engine.failpoints.reach(f"{intent.purpose.value.lower()}.outcome_recorded")
    return is_final


async def _is_nonce_finally_used(engine: Engine, intent: TransactionIntent, head: Head) -> bool:
    final_block = head.number - engine.settings.confirmations
    if intent.nonce is None or final_block < 0:
        return False
    return await engine.rail.nonce_at(engine.signer, final_block) > intent.nonce


async def _record_lost_nonce(engine: Engine, intent: TransactionIntent) -> bool:
    async with engine.unit_of_work() as work:
        lane = await work.journal.lock_lane(engine.chain_id, engine.signer)
        intent = await work.journal.lock(intent.intent_id)
        if lane is None or intent.outcome is not None or intent.state is IntentState.NONCE_LOST:
            return True
        intent.lose_nonce()
        lane.halt(
            f"SIGNER_NEEDS_RECONCILIATION: NONCE_LOST: nonce {intent.nonce} of {engine.signer} was used by "
            "a transaction that is not ours"
        )
        await work.journal.save(intent)
        await work.journal.save_lane(lane)
        await work.journal.note_problem_of_created(engine.chain_id, engine.signer, lane.halted_because)
        await _wake_owner(engine, work, intent)
        await work.commit()
    return True


def _is_broadcast_due(engine: Engine, intent: TransactionIntent) -> bool:
    if intent.state is IntentState.SIGNED:
        return True
    last = intent.attempts[-1].last_broadcast_time
    return last is None or engine.now() - last >= timedelta(seconds=engine.settings.rebroadcast_seconds)


async def _broadcast(engine: Engine, intent: TransactionIntent) -> bool:
    """Sends the newest attempt's bytes. Whatever the node says, the outcome is looked for afterwards."""
    attempt = intent.attempts[-1]
    purpose = intent.purpose.value.lower()
    await engine.failpoints.reach(f"{purpose}.before_broadcast")
    try:
        result = await engine.rail.broadcast(attempt.raw)
    except AppError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        # It may have arrived: from here on it counts as sent.
        await _record_broadcast(engine, intent, f"OUTCOME_UNKNOWN: sent without a reply: {error.message}")
        raise
    await engine.failpoints.reach(f"{purpose}.broadcast")
    await _record_broadcast(engine, intent, _problem_after(engine, attempt, result))
    await engine.failpoints.reach(f"{purpose}.broadcast_recorded")
    return True


def _problem_after(engine: Engine, attempt: Attempt, result: BroadcastResult) -> str:
    if result.answer is BroadcastAnswer.NOT_TAKEN:
        return f"NOT_TAKEN_BY_NODE: {result.message}"
    patience = timedelta(seconds=engine.settings.rebroadcast_seconds * _PATIENT_BROADCASTS)
    if engine.now() - attempt.create_time < patience:
        return ""
    return (
        f"NOT_MINED: signed at {attempt.create_time:%Y-%m-%dT%H:%M:%SZ} for at most "
        f"{attempt.max_fee_per_gas_wei} wei per gas, and no receipt yet"
    )


async def _record_broadcast(engine: Engine, intent: TransactionIntent, problem: str) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.outcome is not None or locked.state is IntentState.NONCE_LOST:
            return
        locked.mark_broadcast(intent.attempts[-1].number, problem, engine.now())
        await work.journal.save(locked)
        await work.commit()


async def _note_problem(engine: Engine, intent: TransactionIntent, problem: str) -> None:
    if intent.problem == problem:
        return
    async with engine.unit_of_work() as work:
        await work.journal.note_problem(intent.intent_id, problem)
        await work.commit()


async def _note_lane_problem(engine: Engine, problem: str) -> bool:
    """Every intent without a nonce waits for the same. Returns False: nothing moved."""
    async with engine.unit_of_work() as work:
        await work.journal.note_problem_of_created(engine.chain_id, engine.signer, problem)
        await work.commit()
    return False


async def _wake_owner(engine: Engine, work: UnitOfWork, intent: TransactionIntent) -> None:
    if intent.owner_kind is OwnerKind.PAYOUT:
        await work.payouts.wake(intent.owner_id, engine.now())
    else:
        await work.lifecycle.wake(intent.owner_id, engine.now())
