"""Sends signed transactions: again, with a higher fee, or as a no-op when they are no longer wanted.

Whatever a node answers, the outcome is looked for afterwards.
"""

from datetime import timedelta

from libs.chain.quantities import Nonce
from libs.errors import AppError, Code
from payout_service.application.ports.sender import BroadcastAnswer, BroadcastResult
from payout_service.application.sending.lanes import Lanes
from payout_service.application.sending.sign_transactions import note_lane_problem
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.fees import FeeCapReachedError, FeeQuote, Fees, first_fees, no_op_fees, replacement_fees
from payout_service.domain.transaction import (
    NO_OP_GAS,
    Attempt,
    IntentState,
    NonceLane,
    TransactionIntent,
    no_op,
)
from payout_service.domain.waits import Wait, WaitFor

# After so many waits without a receipt the transaction says that it is not mined.
_PATIENT_BROADCASTS = 3
# After so many waits it is replaced although its fee looks sufficient: it may be the tip.
_PATIENT_REPLACEMENTS = 4
# Final transactions that a deep reorg took back, sent again in one round.
_MOST_RESENT = 64
_WAITS = {
    BroadcastAnswer.NOT_TAKEN: WaitFor.NOT_TAKEN_BY_NODE,
    BroadcastAnswer.NONCE_GAP: WaitFor.NONCE_GAP,
    BroadcastAnswer.FEE_TOO_LOW: WaitFor.FEE_TOO_LOW,
    BroadcastAnswer.NEVER_FITS: WaitFor.NEVER_FITS,
}


async def send_again(lanes: Lanes, intent: TransactionIntent, chain_nonce: Nonce) -> bool:
    """Sends what is due again. Returns True when something changed. Raises AppError CHAIN_UNAVAILABLE."""
    problem = None
    if _may_be_replaced(lanes, intent, chain_nonce):
        try:
            if await _replace(lanes, intent):
                return True
        except FeeCapReachedError as error:
            problem = Wait(WaitFor.FEE_CAP_REACHED, str(error))
    if not _is_broadcast_due(lanes, intent):
        return False
    return await _broadcast(lanes, intent, problem)


async def resend_final(lanes: Lanes, lane: NonceLane, *, chain_nonce: Nonce, lowest_open_nonce: Nonce) -> None:
    """Sends transactions again that are final in the journal but missing on the chain.

    The node lags, or a reorg was deeper than the confirmations. The same bytes do the same or nothing, so they are
    sent until the chain has them.
    """
    detail = (
        f"the node tells {chain_nonce} transactions of {lane.signer}, {lowest_open_nonce} are final in the journal"
    )
    await note_lane_problem(lanes, lane, Wait(WaitFor.CHAIN_BEHIND_JOURNAL, detail))
    async with lanes.unit_of_work() as work:
        missing = await work.journal.next_final(lane.chain_id, lane.signer, chain_nonce, limit=_MOST_RESENT)
    for intent in missing:
        mined = intent.outcome.transaction_hash if intent.outcome else ""
        for attempt in intent.attempts:
            if attempt.transaction_hash == mined:
                await lanes.sender.broadcast(attempt.raw)


def _may_be_replaced(lanes: Lanes, intent: TransactionIntent, chain_nonce: Nonce) -> bool:
    newest = intent.attempts[-1]
    if intent.void_reason and not newest.is_no_op:
        return True
    if len(intent.attempts) >= lanes.settings.max_attempts:
        return False
    # Those behind it wait for it, whatever they offer.
    is_its_turn = intent.nonce == chain_nonce and intent.state is not IntentState.SIGNED
    return is_its_turn and _age(lanes, newest) >= timedelta(seconds=lanes.settings.replace_after_seconds)


async def _replace(lanes: Lanes, intent: TransactionIntent) -> bool:
    """Journals other bytes with the same nonce.

    Returns False when the newest offer enough. Raises FeeCapReachedError.
    """
    newest = intent.attempts[-1]
    quote = await lanes.rail.fee_quote()
    is_to_be_voided = bool(intent.void_reason) and not newest.is_no_op
    if not is_to_be_voided and not _offers_too_little(lanes, newest, quote):
        return False
    is_no_op = bool(intent.void_reason)
    offer = no_op_fees if is_no_op else replacement_fees
    fees = offer(newest.fees, quote, lanes.settings.max_fee_per_gas_wei)
    if newest.is_no_op and fees == newest.fees:
        # Signed again it would be the same bytes.
        raise FeeCapReachedError(f"the no-op already offers {fees.max_fee_per_gas_wei} wei per gas, the cap")
    signed = await lanes.sender.sign(
        intent.signer,
        no_op(intent.signer) if is_no_op else intent.call,
        chain_id=intent.chain_id,
        nonce=Nonce(intent.nonce or 0),
        gas_limit=NO_OP_GAS if is_no_op else intent.gas_limit,
        fees=fees,
    )
    purpose = intent.purpose.value.lower()
    async with lanes.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final or len(locked.attempts) != newest.number or bool(locked.void_reason) != is_no_op:
            return True
        attempt = Attempt(
            number=newest.number + 1,
            raw=signed.raw,
            transaction_hash=signed.transaction_hash,
            fees=fees,
            create_time=lanes.now(),
            is_no_op=is_no_op,
        )
        locked.replace_with(attempt)
        await work.journal.save(locked)
        await lanes.failpoints.reach(f"{purpose}.before_replacement_commit")
        await work.commit()
    await lanes.failpoints.reach(f"{purpose}.replaced")
    return True


def _offers_too_little(lanes: Lanes, newest: Attempt, quote: FeeQuote) -> bool:
    asked = first_fees(quote, lanes.settings.max_fee_per_gas_wei)
    patience = timedelta(seconds=lanes.settings.replace_after_seconds * _PATIENT_REPLACEMENTS)
    return _is_more(asked, newest.fees) or _age(lanes, newest) >= patience


def _is_more(asked: Fees, offered: Fees) -> bool:
    tip_asked = asked.max_priority_fee_per_gas_wei or 0
    tip_offered = offered.max_priority_fee_per_gas_wei or 0
    return asked.max_fee_per_gas_wei > offered.max_fee_per_gas_wei or tip_asked > tip_offered


def _age(lanes: Lanes, attempt: Attempt) -> timedelta:
    return lanes.now() - attempt.create_time


def _is_broadcast_due(lanes: Lanes, intent: TransactionIntent) -> bool:
    last = intent.attempts[-1].last_broadcast_time
    if intent.state is IntentState.SIGNED or last is None:
        return True
    return lanes.now() - last >= timedelta(seconds=lanes.settings.rebroadcast_seconds)


async def _broadcast(lanes: Lanes, intent: TransactionIntent, problem: Wait | None) -> bool:
    """Sends the newest attempt's bytes."""
    attempt = intent.attempts[-1]
    purpose = intent.purpose.value.lower()
    await lanes.failpoints.reach(f"{purpose}.before_broadcast")
    try:
        result = await lanes.sender.broadcast(attempt.raw)
    except AppError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        # It may have arrived.
        unknown = Wait(WaitFor.OUTCOME_UNKNOWN, f"sent without a reply: {error.message}")
        await _record_unknown(lanes, intent, unknown)
        raise
    await lanes.failpoints.reach(f"{purpose}.broadcast")
    await _record_broadcast(lanes, intent, result, problem or _problem_after(lanes, intent, result))
    await lanes.failpoints.reach(f"{purpose}.broadcast_recorded")
    return True


def _problem_after(lanes: Lanes, intent: TransactionIntent, result: BroadcastResult) -> Wait | None:
    if result.answer in _WAITS:
        return Wait(_WAITS[result.answer], result.message)
    first, newest = intent.attempts[0], intent.attempts[-1]
    if _age(lanes, first) < timedelta(seconds=lanes.settings.rebroadcast_seconds * _PATIENT_BROADCASTS):
        return None
    detail = (
        f"signed at {first.create_time:%Y-%m-%dT%H:%M:%SZ}, {newest.number} times, for at most "
        f"{newest.fees.max_fee_per_gas_wei} wei per gas, and no receipt yet"
    )
    return Wait(WaitFor.NOT_MINED, detail)


async def _record_broadcast(
    lanes: Lanes, intent: TransactionIntent, result: BroadcastResult, problem: Wait | None
) -> None:
    async with lanes.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final:
            return
        locked.mark_broadcast(intent.attempts[-1].number, problem, lanes.now())
        if result.answer is BroadcastAnswer.NEVER_FITS:
            locked.void(VoidReason(VoidedBecause.NEVER_FITS, result.message))
        await work.journal.save(locked)
        await work.commit()


async def _record_unknown(lanes: Lanes, intent: TransactionIntent, problem: Wait) -> None:
    async with lanes.unit_of_work() as work:
        locked = await work.journal.lock(intent.intent_id)
        if locked.is_final:
            return
        locked.mark_unknown(intent.attempts[-1].number, problem, lanes.now())
        await work.journal.save(locked)
        await work.commit()
