"""Gives the next intent of a signer its nonce and signs it. Both are committed before anything is sent."""

from libs.chain.quantities import Nonce
from payout_service.application.ports.rail import CallWouldRevertError
from payout_service.application.sending.lanes import Lanes, wake_owner
from payout_service.domain.batch_sizing import fits, gas_limit
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.fees import FeeCapReachedError, Fees, first_fees
from payout_service.domain.transaction import (
    Attempt,
    IntentState,
    LaneHaltedError,
    NonceLane,
    Purpose,
    TransactionIntent,
)
from payout_service.domain.waits import Wait, WaitFor, signer_stopped

# Looked at in one round; those that cannot be sent now cost an estimate each.
_MOST_CANDIDATES = 32


async def sign_next(lanes: Lanes, lane: NonceLane, chain_nonce: Nonce) -> bool:
    """Signs the oldest intent that can be sent. Returns True when something changed.

    One that cannot be sent now says why, and does not hold up the others.
    """
    async with lanes.unit_of_work() as work:
        candidates = await work.journal.created(lane.chain_id, lane.signer, limit=_MOST_CANDIDATES)
    if not candidates:
        return False
    if lane.halted_because:
        return await note_lane_problem(lanes, lane, lane.halted_because)
    try:
        fees = first_fees(await lanes.rail.fee_quote(), lanes.settings.max_fee_per_gas_wei)
    except FeeCapReachedError as error:
        return await note_lane_problem(lanes, lane, Wait(WaitFor.FEE_CAP_REACHED, str(error)))
    for intent in candidates:
        gas = await (_gas_of_batch if intent.purpose is Purpose.BATCH else _gas)(lanes, intent)
        if gas is not None:
            return await _sign(lanes, intent, gas, fees, chain_nonce)
    return False


async def note_lane_problem(lanes: Lanes, lane: NonceLane, problem: Wait) -> bool:
    """Notes the same problem on every intent without a nonce. Returns False: nothing changed."""
    async with lanes.unit_of_work() as work:
        await work.journal.note_problem_of_created(lane.chain_id, lane.signer, problem)
        await work.commit()
    return False


async def _gas(lanes: Lanes, intent: TransactionIntent) -> int | None:
    """Returns the gas limit to sign. None, with the reason noted, when the call cannot be made now."""
    try:
        estimate = await lanes.rail.estimate_gas(intent.signer, intent.call)
        return gas_limit(estimated_gas=estimate, max_gas=lanes.settings.max_transaction_gas)
    except CallWouldRevertError as error:
        await _note_problem(lanes, intent, Wait(WaitFor.CALL_WOULD_REVERT, error.reason))
    except ValueError as error:
        await _note_problem(lanes, intent, Wait(WaitFor.GAS_CAP_TOO_LOW, str(error)))
    return None


async def _gas_of_batch(lanes: Lanes, intent: TransactionIntent) -> int | None:
    """Returns the gas limit to sign. None when the batch was given up, because what it was made on has changed."""
    age_seconds = (lanes.now() - intent.create_time).total_seconds()
    try:
        estimate = await lanes.rail.estimate_gas(intent.signer, intent.call)
    except CallWouldRevertError as error:
        await _void(lanes, intent, VoidReason(VoidedBecause.WOULD_REVERT, error.reason))
        return None
    if age_seconds > lanes.settings.stale_batch_seconds:
        await _void(lanes, intent, VoidReason(VoidedBecause.STALE, f"made {age_seconds:.0f} s ago"))
    elif not fits(estimate, lanes.settings.batch_limits):
        reason = VoidReason(VoidedBecause.NO_LONGER_FITS, f"it needs {estimate} gas now")
        await _void(lanes, intent, reason)
    else:
        return gas_limit(estimated_gas=estimate, max_gas=lanes.settings.batch_limits.max_gas)
    return None


async def _void(lanes: Lanes, intent: TransactionIntent, reason: VoidReason) -> None:
    """Gives up a batch that was provably not sent. Its payout makes another batch from its payees."""
    async with lanes.unit_of_work() as work:
        await wake_owner(work, intent, lanes.now())
        locked = await work.journal.lock(intent.intent_id)
        if locked.state is IntentState.CREATED:
            locked.void(reason)
            await work.journal.save(locked)
            await work.commit()


async def _sign(lanes: Lanes, intent: TransactionIntent, gas: int, fees: Fees, chain_nonce: Nonce) -> bool:
    async with lanes.unit_of_work() as work:
        lane = await work.journal.lock_lane(intent.chain_id, intent.signer)
        intent = await work.journal.lock(intent.intent_id)
        if lane is None or intent.state is not IntentState.CREATED:
            return True
        # Counted under the lane's lock, so that replicas together keep to the window.
        under_way = await work.journal.in_flight(intent.chain_id, intent.signer)
        if len(under_way) >= lanes.settings.max_in_flight_transactions:
            return False
        if chain_nonce > lane.next_nonce:
            # A backup was restored, or somebody else uses the key: paying on could pay twice.
            detail = f"the chain has {chain_nonce} transactions of {lane.signer}, the journal {lane.next_nonce}"
            why = lane.halt(signer_stopped(WaitFor.JOURNAL_BEHIND_CHAIN, detail))
            await work.journal.save_lane(lane)
            await work.journal.note_problem_of_created(lane.chain_id, lane.signer, why)
            await work.commit()
            return False
        try:
            nonce = lane.allocate()
        except LaneHaltedError:
            return False
        signed = await lanes.sender.sign(
            intent.signer, intent.call, chain_id=intent.chain_id, nonce=nonce, gas_limit=gas, fees=fees
        )
        attempt = Attempt(
            number=1,
            raw=signed.raw,
            transaction_hash=signed.transaction_hash,
            fees=fees,
            create_time=lanes.now(),
        )
        intent.sign(nonce, gas, attempt)
        await work.journal.save(intent)
        await work.journal.save_lane(lane)
        await lanes.failpoints.reach(f"{intent.purpose.value.lower()}.before_journal_commit")
        await work.commit()
    await lanes.failpoints.reach(f"{intent.purpose.value.lower()}.journaled")
    return True


async def _note_problem(lanes: Lanes, intent: TransactionIntent, problem: Wait) -> None:
    if intent.problem == problem:
        return
    async with lanes.unit_of_work() as work:
        await work.journal.note_problem(intent.intent_id, problem)
        await work.commit()
