"""Sends signed bytes: the same ones again, others with the same nonce when they offer too little, or a no-op in
their place when the intent shall not happen any more. Whatever a node says, the outcome is looked for afterwards.
"""

from datetime import timedelta

from libs.errors import AppError, Code
from payout_service.application.engine import Engine
from payout_service.application.ports.rail import BroadcastAnswer, BroadcastResult
from payout_service.application.sending.sign_transactions import note_lane_problem
from payout_service.domain.fees import FeeCapReachedError, FeeQuote, Fees, first_fees, no_op_fees, replacement_fees
from payout_service.domain.transaction import (
    NO_OP_GAS,
    Attempt,
    IntentState,
    NonceLane,
    TransactionIntent,
    no_op,
)

# After so many waits without a receipt the transaction says that it is not mined.
_PATIENT_BROADCASTS = 3
# After so many waits it is replaced although its fee looks sufficient: it may be the tip.
_PATIENT_REPLACEMENTS = 4
# Final transactions that a deep reorg took back, sent again in one round.
_MOST_RESENT = 64
# Begins the reason why a transaction is given up that no block can hold.
NEVER_FITS = "NEVER_FITS: "
_NAMES = {
    BroadcastAnswer.NOT_TAKEN: "NOT_TAKEN_BY_NODE: ",
    BroadcastAnswer.NONCE_GAP: "NONCE_GAP: ",
    BroadcastAnswer.FEE_TOO_LOW: "FEE_TOO_LOW: ",
    BroadcastAnswer.NEVER_FITS: NEVER_FITS,
}


async def send_again(engine: Engine, intent: TransactionIntent, chain_nonce: int) -> bool:
    """Sends what is due. Returns True when something moved. Raises AppError CHAIN_UNAVAILABLE."""
    problem = ""
    if _may_be_replaced(engine, intent, chain_nonce):
        try:
            if await _replace(engine, intent):
                return True
        except FeeCapReachedError as error:
            problem = f"FEE_CAP_REACHED: {error}"
    if not _is_broadcast_due(engine, intent):
        return False
    return await _broadcast(engine, intent, problem)


async def resend_final(engine: Engine, lane: NonceLane, chain_nonce: int, lowest_open_nonce: int) -> None:
    """The chain lacks transactions that are final in the journal: the node lags, or a reorg was deeper than the
    confirmations. The same bytes do the same or nothing, so they are sent again until the chain has them.
    """
    problem = (
        f"CHAIN_BEHIND_JOURNAL: the node tells {chain_nonce} transactions of {lane.signer}, "
        f"{lowest_open_nonce} are final in the journal"
    )
    await note_lane_problem(engine, lane, problem)
    async with engine.unit_of_work() as work:
        missing = await work.journal.next_final(lane.chain_id, lane.signer, chain_nonce, _MOST_RESENT)
    for intent in missing:
        mined = intent.outcome.transaction_hash if intent.outcome else ""
        for attempt in intent.attempts:
            if attempt.transaction_hash == mined:
                await engine.rail.broadcast(attempt.raw)


def _may_be_replaced(engine: Engine, intent: TransactionIntent, chain_nonce: int) -> bool:
    newest = intent.attempts[-1]
    if intent.void_reason and not newest.is_no_op:
        return True
    if len(intent.attempts) >= engine.settings.max_attempts:
        return False
    # Those behind it wait for it, whatever they offer.
    is_its_turn = intent.nonce == chain_nonce and intent.state is not IntentState.SIGNED
    return is_its_turn and _age(engine, newest) >= timedelta(seconds=engine.settings.replace_after_seconds)


async def _replace(engine: Engine, intent: TransactionIntent) -> bool:
    """Journals other bytes with the same nonce. False when the newest offer enough. Raises FeeCapReachedError."""
    newest = intent.attempts[-1]
    quote = await engine.rail.fee_quote()
    is_to_be_voided = bool(intent.void_reason) and not newest.is_no_op
    if not is_to_be_voided and not _offers_too_little(engine, newest, quote):
        return False
    is_no_op = bool(intent.void_reason)
    offer = no_op_fees if is_no_op else replacement_fees
    fees = offer(newest.fees, quote, engine.settings.max_fee_per_gas_wei)
    if newest.is_no_op and fees == newest.fees:
        # Signed again it would be the same bytes.
        raise FeeCapReachedError(f"the no-op already offers {fees.max_fee_per_gas_wei} wei per gas, the cap")
    signed = await engine.rail.sign(
        intent.signer,
        no_op(intent.signer) if is_no_op else intent.call,
        chain_id=intent.chain_id,
        nonce=intent.nonce or 0,
        gas_limit=NO_OP_GAS if is_no_op else intent.gas_limit,
        fees=fees,
    )
    purpose = intent.purpose.value.lower()
    async with engine.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final or len(locked.attempts) != newest.number or bool(locked.void_reason) != is_no_op:
            return True
        attempt = Attempt(
            number=newest.number + 1,
            raw=signed.raw,
            transaction_hash=signed.transaction_hash,
            fees=fees,
            create_time=engine.now(),
            is_no_op=is_no_op,
        )
        locked.replace_with(attempt)
        await work.journal.save(locked)
        await engine.failpoints.reach(f"{purpose}.before_replacement_commit")
        await work.commit()
    await engine.failpoints.reach(f"{purpose}.replaced")
    return True


def _offers_too_little(engine: Engine, newest: Attempt, quote: FeeQuote) -> bool:
    asked = first_fees(quote, engine.settings.max_fee_per_gas_wei)
    patience = timedelta(seconds=engine.settings.replace_after_seconds * _PATIENT_REPLACEMENTS)
    return _is_more(asked, newest.fees) or _age(engine, newest) >= patience


def _is_more(asked: Fees, offered: Fees) -> bool:
    tip_asked = asked.max_priority_fee_per_gas_wei or 0
    tip_offered = offered.max_priority_fee_per_gas_wei or 0
    return asked.max_fee_per_gas_wei > offered.max_fee_per_gas_wei or tip_asked > tip_offered


def _age(engine: Engine, attempt: Attempt) -> timedelta:
    return engine.now() - attempt.create_time


def _is_broadcast_due(engine: Engine, intent: TransactionIntent) -> bool:
    last = intent.attempts[-1].last_broadcast_time
    if intent.state is IntentState.SIGNED or last is None:
        return True
    return engine.now() - last >= timedelta(seconds=engine.settings.rebroadcast_seconds)


async def _broadcast(engine: Engine, intent: TransactionIntent, problem: str) -> bool:
    """Sends the newest attempt's bytes."""
    attempt = intent.attempts[-1]
    purpose = intent.purpose.value.lower()
    await engine.failpoints.reach(f"{purpose}.before_broadcast")
    try:
        result = await engine.rail.broadcast(attempt.raw)
    except AppError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        # It may have arrived.
        await _record_unknown(engine, intent, f"OUTCOME_UNKNOWN: sent without a reply: {error.message}")
        raise
    await engine.failpoints.reach(f"{purpose}.broadcast")
    await _record_broadcast(engine, intent, result, problem or _problem_after(engine, intent, result))
    await engine.failpoints.reach(f"{purpose}.broadcast_recorded")
    return True


def _problem_after(engine: Engine, intent: TransactionIntent, result: BroadcastResult) -> str:
    if result.answer in _NAMES:
        return f"{_NAMES[result.answer]}{result.message}"
    first, newest = intent.attempts[0], intent.attempts[-1]
    if _age(engine, first) < timedelta(seconds=engine.settings.rebroadcast_seconds * _PATIENT_BROADCASTS):
        return ""
    return (
        f"NOT_MINED: signed at {first.create_time:%Y-%m-%dT%H:%M:%SZ}, {newest.number} times, for at most "
        f"{newest.fees.max_fee_per_gas_wei} wei per gas, and no receipt yet"
    )


async def _record_broadcast(
    engine: Engine, intent: TransactionIntent, result: BroadcastResult, problem: str
) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final:
            return
        locked.mark_broadcast(intent.attempts[-1].number, problem, engine.now())
        if result.answer is BroadcastAnswer.NEVER_FITS:
            locked.void(f"{NEVER_FITS}{result.message}")
        await work.journal.save(locked)
        await work.commit()


async def _record_unknown(engine: Engine, intent: TransactionIntent, problem: str) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final:
            return
        locked.mark_unknown(intent.attempts[-1].number, problem, engine.now())
        await work.journal.save(locked)
        await work.commit()
