"""Settles batches whose transaction is final, by evidence. A batch that paid nobody goes back into the plan."""

from libs.chain.quantities import BaseUnits, BlockNumber
from payout_service.application.engine import Engine, what_it_waits_for
from payout_service.application.paying.batch_evidence import batch_evidence
from payout_service.application.paying.hold_back import reverting_payee
from payout_service.application.ports.rail import CallWouldRevertError
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.application.sending.journaled_intents import is_lost_and_accounted
from payout_service.domain.endings import VoidedBecause
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import (
    Batch,
    BatchState,
    PaymentOutcome,
    PaymentState,
    Tallies,
    Tally,
    tally_outcomes,
)
from payout_service.domain.payout import SETTLING_STATES, Payout, PayoutState
from payout_service.domain.settlement import ExpectedBatch, settle
from payout_service.domain.transaction import IntentState, Outcome, TransactionIntent
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait

_TOO_LARGE = frozenset({VoidedBecause.NO_LONGER_FITS, VoidedBecause.NEVER_FITS})
_NEEDS_NO_PROMISE = frozenset({PaymentState.PAID, PaymentState.ZERO_DUE})


async def settle_final_batches(
    engine: Engine, payout: Payout, contract: LifecycleContract
) -> tuple[int, Wait | None]:
    """Settles the batches that can be settled. Returns how many stay open, and what they wait for."""
    async with engine.unit_of_work() as work:
        batches = await work.batches.open_batches(payout.payout_id)
        intents = [(batch, await work.journal.find(batch.intent_key)) for batch in batches]
    still_open = 0
    waiting_for: Wait | None = None
    for batch, intent in intents:
        if intent is None:
            raise RuntimeError(f"batch {batch.number} of {payout.payout_id} lost its intent")
        if intent.state is IntentState.SUCCEEDED and intent.outcome:
            await _settle(engine, payout, contract, batch, intent.outcome)
        elif await _will_never_pay(engine, intent):
            await _take_back(engine, payout, contract, batch, intent)
        else:
            still_open += 1
            waiting_for = waiting_for or what_it_waits_for(engine, intent)
    return still_open, waiting_for


async def _will_never_pay(engine: Engine, intent: TransactionIntent) -> bool:
    """Returns True if a batch finally did not pay. For a lost nonce, an operator must account for what used it."""
    if intent.state in (IntentState.REVERTED, IntentState.VOIDED):
        return True
    async with engine.unit_of_work() as work:
        return await is_lost_and_accounted(work.journal, intent)


async def _settle(
    engine: Engine, payout: Payout, contract: LifecycleContract, batch: Batch, outcome: Outcome
) -> None:
    async with engine.unit_of_work() as work:
        payees = await work.batches.payees_of(payout.payout_id, batch.number)
    if not payees:
        # Another replica has settled it, and its payees have gone on.
        return
    execution = payout.execution_of([payee.holder for payee in payees], payees[0].withholding_basis_points)
    evidence = await batch_evidence(engine, payout, contract, payees, outcome)
    outcomes = settle(ExpectedBatch(execution, tuple(payees)), evidence, engine.settings.retry, engine.now())
    planned = {payee.holder: payee.amount_base_units for payee in payees}
    entered = tally_outcomes(outcomes, planned)
    # Promised to payees that need no promise any more, and what a redemption has paid more or less than that.
    kept = sum(planned[each.holder] for each in outcomes if each.state in _NEEDS_NO_PROMISE)
    # What has moved to a payee in dispute is gone, too.
    gone = entered.get(PaymentState.DISPUTED, Tally()).moved_base_units
    rise = sum(
        each.amount_base_units - planned[each.holder] for each in outcomes if each.amount_base_units is not None
    )
    key = treasury_key(contract)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state not in SETTLING_STATES or not await _is_open(work, payout, batch):
            return
        await work.batches.settle_batch(
            payout.payout_id, batch.number, BatchState.SETTLED, outcomes, outcome.transaction_hash, engine.now()
        )
        locked.settle_batch(entered, engine.now())
        locked.reprice(BaseUnits(rise), engine.now())
        zero_due = entered.get(PaymentState.ZERO_DUE, Tally()).count
        if zero_due:
            locked.found_nothing_due(zero_due)
        await work.treasury.lock(key)
        await work.treasury.reduce(key, payout.payout_id, BaseUnits(kept + gone))
        await work.treasury.raise_settled_block(key, outcome.block_number)
        await work.payouts.save(locked)
        await engine.failpoints.reach("batch.before_settle_commit")
        await work.commit()
    await engine.failpoints.reach("batch.settled")


async def _take_back(
    engine: Engine, payout: Payout, contract: LifecycleContract, batch: Batch, intent: TransactionIntent
) -> None:
    """Puts the payees of a batch that paid nobody back into the plan, or gives them up with their payout.

    After a revert in smaller ones: the halves lead to the payee that makes the call revert, and to the others.
    Unless the contract was paused: then no payee is to blame, and it was no try of theirs.
    """
    reverted = intent.state is IntentState.REVERTED
    state = BatchState.REVERTED if reverted else BatchState.VOIDED
    was_a_try = reverted and not await _met_a_pause(engine, contract, intent)
    was_too_large = intent.void_reason is not None and intent.void_reason.what in _TOO_LARGE
    culprit = await _culprit(engine, payout, batch, intent) if was_a_try and batch.holder_count == 1 else None
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state not in SETTLING_STATES or not await _is_open(work, payout, batch):
            return
        if locked.state is PayoutState.CANCELLING:
            tally = await work.batches.cancel_batch(payout.payout_id, batch.number, state, engine.now())
            entered: Tallies = {PaymentState.CANCELLED: tally}
        elif culprit:
            await work.batches.settle_batch(
                payout.payout_id, batch.number, state, [culprit], _hash_of(intent), engine.now()
            )
            entered = {culprit.state: Tally(1, amount_base_units=batch.amount_base_units)}
        else:
            cap = max(1, batch.holder_count // 2) if was_a_try or was_too_large else None
            await work.batches.return_to_plan(
                payout.payout_id, batch.number, state, batch_cap=cap, now=engine.now(), was_a_try=was_a_try
            )
            entered = {}
        locked.settle_batch(entered, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("batch.before_return_commit")
        await work.commit()
    await engine.failpoints.reach("batch.returned")


async def _met_a_pause(engine: Engine, contract: LifecycleContract, intent: TransactionIntent) -> bool:
    """Returns whether the lifecycle contract was paused before or after the block in which the call reverted.

    Where the node does not keep such old states: whether it is paused now.
    """
    if contract.address is None or intent.outcome is None:
        raise RuntimeError(f"{intent.key} reverted without a contract or a block")
    block_number = intent.outcome.block_number
    before = await engine.lifecycle_contract.was_paused(contract.address, BlockNumber(block_number - 1))
    after = await engine.lifecycle_contract.was_paused(contract.address, block_number)
    if before is None and after is None:
        return await engine.lifecycle_contract.is_paused(contract.address)
    return bool(before or after)


async def _culprit(
    engine: Engine, payout: Payout, batch: Batch, intent: TransactionIntent
) -> PaymentOutcome | None:
    """A batch of one payee reverted: tried again later, a bounded number of times.

    None when another replica has taken the batch back, and its payee has gone on.
    """
    async with engine.unit_of_work() as work:
        payees = await work.batches.payees_of(payout.payout_id, batch.number)
    if not payees:
        return None
    (payee,) = payees
    why = "the call reverted with this payee alone"
    try:
        await engine.rail.estimate_gas(intent.signer, intent.call)
    except CallWouldRevertError as error:
        why = error.reason
    return reverting_payee(engine, payee, payee.tries, why)


async def _is_open(work: UnitOfWork, payout: Payout, batch: Batch) -> bool:
    return any(each.number == batch.number for each in await work.batches.open_batches(payout.payout_id))


def _hash_of(intent: TransactionIntent) -> str:
    return intent.outcome.transaction_hash if intent.outcome else ""
