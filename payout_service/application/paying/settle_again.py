"""Settles payments by evidence that came later: disputed ones, and unpaid ones that somebody else has paid.

Reconciliation looks at them again and again. A look only adds to what is proven: what is PAID stays PAID here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.paying.batch_evidence import batch_evidence
from payout_service.application.paying.recorded_payments import as_planned, cash_outs_of, recorded_payments
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.application.ports.plan_rows import DisputedPayment
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import (
    OPEN_STATES,
    PaymentOutcome,
    PaymentState,
    Tally,
    tally_of,
    tally_outcomes,
)
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import ExpectedBatch, paid_elsewhere, redeemed, settle
from payout_service.domain.transaction import Outcome
from payout_service.domain.treasury import TreasuryKey, treasury_key

# Of one transaction at most what one batch holds, so that its evidence is read once.
_PAGE_ROWS = 500
# In one look, so that thousands of disputes do not keep reconciliation from other payouts.
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class _LookedAt:
    """Payments in one state behind a position, with what each was due and how much of it had moved, by holder."""

    state: PaymentState
    after: int
    before: Mapping[HolderAddress, Tally]


async def settle_disputed(engine: Engine, payout: Payout, contract: LifecycleContract) -> int:
    """Judges disputed payments again by what their transactions show now. Returns how many have changed.

    Raises AppError CHAIN_UNAVAILABLE.
    """
    final_block = await engine.final_block()
    changed, after = 0, 0
    for _ in range(_MOST_PAGES):
        async with engine.unit_of_work() as work:
            page = await work.plan_rows.disputed(payout.payout_id, after=after, limit=_PAGE_ROWS)
        for _, of_transaction in groupby(page, _transaction_in_dispute):
            disputed = list(of_transaction)
            outcomes = _those_that_changed(disputed, await _judge(engine, payout, contract, disputed))
            before = {each.planned.holder: each.tally for each in disputed}
            looked_at = _LookedAt(PaymentState.DISPUTED, after, before)
            changed += await _store(engine, payout, contract, looked_at, outcomes, final_block)
        if len(page) < _PAGE_ROWS:
            break
        after = page[-1].planned.ordinal + 1
    return changed


async def settle_paid_elsewhere(engine: Engine, payout: Payout, contract: LifecycleContract) -> int:
    """Settles deferred and failed payments whose paid flag is set, because another execution has paid them.

    A redemption has no paid flags. Returns how many have changed. Raises AppError CHAIN_UNAVAILABLE.
    """
    counts = {
        PaymentState.DEFERRED: payout.progress.deferred_count,
        PaymentState.FAILED: payout.progress.failed_count,
    }
    states = [state for state, count in counts.items() if count]
    if payout.kind is PayoutKind.REDEMPTION or not states:
        return 0
    final_block = await engine.final_block()
    return sum([await _settle_unpaid(engine, payout, contract, state, final_block) for state in states])


async def _settle_unpaid(
    engine: Engine, payout: Payout, contract: LifecycleContract, state: PaymentState, final_block: BlockNumber
) -> int:
    changed, after = 0, 0
    for _ in range(_MOST_PAGES):
        async with engine.unit_of_work() as work:
            page = await work.plan_rows.of_state(payout.payout_id, state, after=after, limit=_PAGE_ROWS)
        judged = await _judge_flagged(engine, payout, contract, page, final_block)
        # A failed payment stays what it is when nothing is found that paid it.
        outcomes = [each for each in judged if each.state is not state]
        looked_at = _LookedAt(state, after, _owed_by_holder(page))
        changed += await _store(engine, payout, contract, looked_at, outcomes, final_block)
        if len(page) < _PAGE_ROWS:
            break
        after = page[-1].ordinal + 1
    return changed


# ---------------------------------------------------------------------------------------- judging


def _transaction_in_dispute(payment: DisputedPayment) -> tuple[int, str]:
    """Returns the key that groups disputed payments: their batch, or another transaction."""
    return (payment.batch_number, "") if payment.batch_number else (0, payment.transaction_hash)


async def _judge(
    engine: Engine, payout: Payout, contract: LifecycleContract, disputed: Sequence[DisputedPayment]
) -> list[PaymentOutcome]:
    """Judges payments by the transaction that they are about.

    Returns nothing until it is final where the node looks now.
    """
    number = disputed[0].batch_number
    if number is not None:
        return await _judge_batch(engine, payout, contract, number, [each.planned for each in disputed])
    outcome = await _final_outcome(engine, disputed[0].transaction_hash)
    if outcome is None:
        return []
    payees = [each.planned for each in disputed]
    if payout.kind is not PayoutKind.REDEMPTION:
        return await _judge_flagged(engine, payout, contract, payees, outcome.block_number)
    return await _judge_cash_out(engine, contract, outcome, payees)


async def _judge_batch(
    engine: Engine, payout: Payout, contract: LifecycleContract, number: int, payees: list[PlannedPayment]
) -> list[PaymentOutcome]:
    async with engine.unit_of_work() as work:
        intent = await work.journal.find(f"batch/{payout.payout_id}/{number}")
    # The call as it was signed: payees that were refused are in other batches by now.
    execution = engine.lifecycle_contract.recognise(intent.call).execution if intent else None
    if intent is None or execution is None or intent.outcome is None:
        raise RuntimeError(f"batch {number} of {payout.payout_id} was settled without a transaction")
    outcome = await _final_outcome(engine, intent.outcome.transaction_hash)
    if outcome is None:
        return []
    evidence = await batch_evidence(engine, payout, contract, payees, outcome)
    outcomes = settle(ExpectedBatch(execution, tuple(payees)), evidence, engine.settings.retry, engine.now())
    return [replace(each, transaction_hash=each.transaction_hash or outcome.transaction_hash) for each in outcomes]


async def _judge_cash_out(
    engine: Engine, contract: LifecycleContract, outcome: Outcome, payees: list[PlannedPayment]
) -> list[PaymentOutcome]:
    """Judges payments by a cash-out that is no batch of ours."""
    if contract.address is None:
        raise RuntimeError(f"asset {contract.asset_id} has disputes and no lifecycle contract")
    receipt = await engine.lifecycle_contract.receipt_evidence(
        outcome.transaction_hash, contract.address, contract.payment_token, contract.token
    )
    if receipt.event is None:
        return []
    seen = SeenExecution(outcome.transaction_hash, outcome.block_number, receipt.event)
    paid = await cash_outs_of(engine, contract, seen, as_planned(payees))
    return [redeemed(holder, payment) for holder, payment in paid.items()]


async def _judge_flagged(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    payees: Sequence[PlannedPayment],
    block_number: BlockNumber,
) -> list[PaymentOutcome]:
    """Judges those payees whose paid flag is set at a block."""
    if contract.address is None or not payees:
        return []
    holders = [each.holder for each in payees]
    flags = await engine.lifecycle_contract.paid_flags(
        contract.address, payout.execution_kind, payout.reference_id, holders, block_number
    )
    paid = [each for each in payees if flags[each.holder]]
    recorded = await recorded_payments(engine, payout, contract, [each.holder for each in paid], block_number)
    return [paid_elsewhere(each, recorded.get(each.holder)) for each in paid]


async def _final_outcome(engine: Engine, transaction_hash: str) -> Outcome | None:
    """Returns where the transaction is, if it succeeded in a canonical, final block; otherwise None."""
    receipt = await engine.rail.find_receipt(transaction_hash)
    if receipt is None or not receipt.succeeded:
        return None
    number = receipt.outcome.block_number
    is_canonical = await engine.rail.block_hash(number) == receipt.outcome.block_hash
    is_final = (await engine.rail.head()).number >= number + engine.settings.confirmations
    return receipt.outcome if is_canonical and is_final else None


def _those_that_changed(
    disputed: Sequence[DisputedPayment], outcomes: Sequence[PaymentOutcome]
) -> list[PaymentOutcome]:
    """Returns what a look found that the ledger does not say.

    A payee who was refused after all waits for an operator.
    """
    known = {each.planned.holder: each for each in disputed}
    found = []
    for outcome in outcomes:
        before = known[outcome.holder]
        moved = min(outcome.moved_base_units, before.planned.amount_base_units)
        is_same = (outcome.detail, moved) == (before.detail, before.moved_base_units)
        if outcome.state is PaymentState.WAITING:
            found.append(replace(outcome, state=PaymentState.FAILED, retry_time=None))
        elif outcome.state is not PaymentState.DISPUTED or not is_same:
            found.append(outcome)
    return found


# ---------------------------------------------------------------------------------------- storing


async def _store(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    looked_at: _LookedAt,
    outcomes: Sequence[PaymentOutcome],
    final_block: BlockNumber,
) -> int:
    """Writes the outcomes of payments that were looked at. Returns how many; 0 where they have changed meanwhile.

    `final_block`: by then at the latest they were paid, so that an older balance is not taken for what is there.
    """
    if not outcomes:
        return 0
    key, before, state = treasury_key(contract), looked_at.before, looked_at.state
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if not locked.may_be_settled_again or not await _are_as_judged(work, payout, looked_at, outcomes):
            return 0
        await work.unsent.conclude(payout.payout_id, state, outcomes, engine.now())
        left = sum((before[each.holder] for each in outcomes), Tally())
        entered = tally_outcomes(outcomes, {holder: owed.amount_base_units for holder, owed in before.items()})
        locked.settle_again(entered, {state: left}, engine.now())
        still_owed = tally_of(entered, *OPEN_STATES)
        if locked.state is PayoutState.CANCELLED:
            # Who was refused after all is given up with the others.
            refused = await work.unsent.cancel_unsent(payout.payout_id, engine.now())
            locked.give_up(refused, engine.now())
            still_owed = tally_of(entered, PaymentState.DISPUTED)
        more = BaseUnits(still_owed.promised_base_units - left.promised_base_units)
        await _change_promise(work, key, payout.payout_id, more)
        await work.treasury.raise_settled_block(key, final_block)
        await work.payouts.save(locked)
        await work.payouts.wake(payout.payout_id, engine.now())
        await work.commit()
    engine.nudge()
    return len(outcomes)


async def _are_as_judged(
    work: UnitOfWork, payout: Payout, looked_at: _LookedAt, outcomes: Sequence[PaymentOutcome]
) -> bool:
    """Returns False when another replica has settled some of them meanwhile. The payout's row is locked.

    What is still there is on the page where it was. Payments that have come into the state since may push others
    off it: those count as changed, and the next look judges them.
    """
    if looked_at.state is PaymentState.DISPUTED:
        disputed = await work.plan_rows.disputed(payout.payout_id, after=looked_at.after, limit=_PAGE_ROWS)
        present = {each.planned.holder: each.tally for each in disputed}
    else:
        unpaid = await work.plan_rows.of_state(
            payout.payout_id, looked_at.state, after=looked_at.after, limit=_PAGE_ROWS
        )
        present = _owed_by_holder(unpaid)
    return all(present.get(each.holder) == looked_at.before[each.holder] for each in outcomes)


def _owed_by_holder(unpaid: Sequence[PlannedPayment]) -> dict[HolderAddress, Tally]:
    return {each.holder: Tally(1, amount_base_units=each.amount_base_units) for each in unpaid}


async def _change_promise(work: UnitOfWork, key: TreasuryKey, payout_id: UUID, more_base_units: BaseUnits) -> None:
    await work.treasury.lock(key)
    if more_base_units > 0:
        await work.treasury.add(key, payout_id, more_base_units)
    elif more_base_units < 0:
        await work.treasury.reduce(key, payout_id, BaseUnits(-more_base_units))
