"""Advances the transactions of one signer: signs, sends and finds the outcome, in the order of their nonces.

Nothing is sent whose bytes are not durable; a restart sends the same bytes again; the outcome is found by
nonce, whichever attempt was mined (docs/architecture.md#sending). Locks are taken in one order everywhere:
the owner's row, the lane, the intent.
"""

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce
from payout_service.application.ports.rail import Head, Receipt
from payout_service.application.sending.chain_identity import WrongChainError, refuse_wrong_chain
from payout_service.application.sending.lanes import Lanes, wake_owner
from payout_service.application.sending.send_transactions import resend_final, send_again
from payout_service.application.sending.sign_transactions import sign_next
from payout_service.domain.transaction import IntentState, NonceLane, TransactionIntent
from payout_service.domain.waits import WaitFor, signer_stopped


async def drive_transactions(lanes: Lanes, signer: EvmAddress) -> bool:
    """Runs one round over a signer's lane. Returns True when something changed and more may follow at once.

    Raises AppError CHAIN_UNAVAILABLE when the node does not answer, WrongChainError; what was done until then is
    durable.
    """
    async with lanes.unit_of_work() as work:
        in_flight = await work.journal.in_flight(lanes.chain_id, signer)
        is_idle = not in_flight and not await work.journal.queued_count(lanes.chain_id, signer)
    if is_idle:
        return False
    lane = await _lane(lanes, signer)
    chain_nonce = await lanes.rail.nonce_at(signer, None)
    moved = False
    if in_flight:
        head = await lanes.rail.head()
        for intent in in_flight:
            moved |= await _advance(lanes, intent, head, chain_nonce)
    lowest_open = in_flight[0].nonce if in_flight else lane.next_nonce
    if lowest_open is not None and chain_nonce < lowest_open:
        # Everything below is final in the journal. Signed now, a transaction would wait behind a gap.
        await resend_final(lanes, lane, chain_nonce=chain_nonce, lowest_open_nonce=lowest_open)
    else:
        moved |= await sign_next(lanes, lane, chain_nonce)
    if moved:
        lanes.nudge()
    return moved


async def _lane(lanes: Lanes, signer: EvmAddress) -> NonceLane:
    """Returns the signer's lane, created on first use. Raises WrongChainError when the chain is not the lane's."""
    lane, genesis_hash = await refuse_wrong_chain(lanes, signer)
    if lane is None:
        # From nonce 0, whatever the chain has: a signer with transactions that no journal knows stops before its
        # first, because this database may be a backup of the time before that.
        async with lanes.unit_of_work() as work:
            await work.journal.add_lane(NonceLane(lanes.chain_id, signer, genesis_hash, next_nonce=Nonce(0)))
            lane = await work.journal.lock_lane(lanes.chain_id, signer)
            await work.commit()
    if lane is None or lane.genesis_hash != genesis_hash:
        raise WrongChainError("another replica has just made the lane for another chain")
    return lane


async def _advance(lanes: Lanes, intent: TransactionIntent, head: Head, chain_nonce: Nonce) -> bool:
    """Looks for the outcome of one intent; sends its bytes, or others in their place, when there is none yet."""
    is_nonce_used = intent.nonce is not None and intent.nonce < chain_nonce
    if intent.state is not IntentState.SIGNED and (is_nonce_used or intent.state is IntentState.MINED):
        receipt = await _find_receipt(lanes, intent)
        if receipt is not None:
            return await _record_receipt(lanes, intent, receipt, head)
        used_by = await _finally_used_by(lanes, intent, head)
        if used_by and not intent.has_attempt(used_by):
            return await _record_lost_nonce(lanes, intent, used_by)
    return await send_again(lanes, intent, chain_nonce)


async def _find_receipt(lanes: Lanes, intent: TransactionIntent) -> Receipt | None:
    """Returns the receipt of any attempt. An older attempt may be mined too, also after a reorg."""
    for attempt in reversed(intent.attempts):
        receipt = await lanes.rail.find_receipt(attempt.transaction_hash)
        if receipt is not None:
            return receipt
    return None


async def _record_receipt(lanes: Lanes, intent: TransactionIntent, receipt: Receipt, head: Head) -> bool:
    outcome = receipt.outcome
    is_deep_enough = head.number - outcome.block_number >= lanes.settings.confirmations
    is_final = is_deep_enough and await lanes.rail.block_hash(outcome.block_number) == outcome.block_hash
    if not is_final and intent.state is IntentState.MINED:
        return False
    async with lanes.unit_of_work() as work:
        if is_final:
            await wake_owner(work, intent, lanes.now())
        intent = await work.journal.lock(intent.intent_id)
        if intent.is_final:
            return True
        if is_final:
            intent.conclude(receipt.succeeded, outcome)
        else:
            intent.mined()
        await work.journal.save(intent)
        await lanes.failpoints.reach(f"{intent.purpose.value.lower()}.before_outcome_commit")
        await work.commit()
    if is_final:
        await lanes.failpoints.reach(f"{intent.purpose.value.lower()}.outcome_recorded")
    return is_final


async def _finally_used_by(lanes: Lanes, intent: TransactionIntent, head: Head) -> str | None:
    """Returns the hash of the final transaction that used the intent's nonce; None as long as there is none.

    Only what is seen counts: a receipt may be missing just because one of several nodes lags.
    """
    final_block = BlockNumber(head.number - lanes.settings.confirmations)
    if intent.nonce is None or final_block < 0:
        return None
    if await lanes.rail.nonce_at(intent.signer, final_block) <= intent.nonce:
        return None
    seen = await lanes.rail.transaction_with_nonce(intent.signer, intent.nonce)
    return seen.transaction_hash if seen and seen.block_number <= final_block else None


async def _record_lost_nonce(lanes: Lanes, intent: TransactionIntent, used_by: str) -> bool:
    async with lanes.unit_of_work() as work:
        await wake_owner(work, intent, lanes.now())
        lane = await work.journal.lock_lane(intent.chain_id, intent.signer)
        intent = await work.journal.lock(intent.intent_id)
        # Another replica may have signed those very bytes since the intent was read.
        if lane is None or intent.is_final or intent.has_attempt(used_by):
            return True
        intent.lose_nonce()
        detail = f"nonce {intent.nonce} of {intent.signer} was used by a transaction that is not ours"
        why = lane.halt(signer_stopped(WaitFor.NONCE_LOST, detail))
        await work.journal.save(intent)
        await work.journal.save_lane(lane)
        await work.journal.note_problem_of_created(intent.chain_id, intent.signer, why)
        await work.commit()
    return True
