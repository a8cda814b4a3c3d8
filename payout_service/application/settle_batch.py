"""Settles batches whose transaction is final: each payee by evidence, each reverted batch back into the plan."""

from libs.chain.address import EvmAddress
from payout_service.application.commit_funds import treasury_key
from payout_service.application.engine import Engine, what_it_waits_for
from payout_service.application.ports import PaymentRepository
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome, PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import BatchEvidence, ExpectedBatch, settle
from payout_service.domain.transaction import IntentState, Outcome


async def settle_final_batches(engine: Engine, payout: Payout, contract: LifecycleContract) -> tuple[int, str]:
    """Settles what can be settled. Returns how many batches stay open, and what they wait for by name."""
    async with engine.unit_of_work() as work:
        batches = await work.payments.open_batches(payout.payout_id)
        intents = [(batch, await work.journal.find(batch.intent_key)) for batch in batches]
    still_open, waiting_for = 0, ""
    for batch, intent in intents:
        if intent is None:
            raise RuntimeError(f"batch {batch.number} of {payout.payout_id} lost its intent")
        if intent.state is IntentState.SUCCEEDED and intent.outcome:
            await _settle(engine, payout, contract, batch, intent.outcome)
        elif intent.state is IntentState.REVERTED and intent.outcome:
            await _take_back(engine, payout, batch, intent.outcome)
        else:
            still_open += 1
            waiting_for = waiting_for or what_it_waits_for(engine, intent)
    return still_open, waiting_for


async def _settle(
    engine: Engine, payout: Payout, contract: LifecycleContract, batch: Batch, outcome: Outcome
) -> None:
    payees, outcomes = await _outcomes(engine, payout, contract, batch, outcome)
    owed = {payee.holder: payee.amount_base_units for payee in payees}
    paid = [each.holder for each in outcomes if each.state is PaymentState.PAID]
    paid_base_units = sum(owed[holder] for holder in paid)
    key = treasury_key(contract)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or not await _is_open(work.payments, payout, batch):
            return
        await work.payments.settle_batch(
            payout.payout_id, batch.number, BatchState.SETTLED, outcomes, outcome.transaction_hash, engine.now()
        )
        locked.settle_batch(len(paid), paid_base_units, len(outcomes) - len(paid), engine.now())
        await work.treasury.lock(key)
        await work.treasury.reduce(key, payout.payout_id, paid_base_units)
        await work.payouts.save(locked)
        await engine.failpoints.reach("batch.before_settle_commit")
        await work.commit()
    await engine.failpoints.reach("batch.settled")


async def _outcomes(
    engine: Engine, payout: Payout, contract: LifecycleContract, batch: Batch, outcome: Outcome
) -> tuple[list[PlannedPayment], list[PaymentOutcome]]:
    if payout.snapshot is None or contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} settles without a snapshot or a contract")
    async with engine.unit_of_work() as work:
        payees = await work.payments.payees_of(payout.payout_id, batch.number)
    evidence = await engine.contracts.receipt_evidence(
        outcome.transaction_hash, contract.address, contract.payment_token
    )
    failed = evidence.event.failed if evidence.event else ()
    flags = await _paid_flags(engine, contract.address, payout.snapshot.snapshot_id, failed, outcome)
    expected = ExpectedBatch(
        payout.snapshot.snapshot_id,
        payout.total_base_units,
        tuple((payee.holder, payee.amount_base_units) for payee in payees),
    )
    return payees, settle(expected, BatchEvidence(evidence.event, evidence.transferred, flags))


async def _paid_flags(
    engine: Engine, contract: EvmAddress, snapshot_id: int, holders: tuple[str, ...], outcome: Outcome
) -> dict[str, bool]:
    if not holders:
        return {}
    return await engine.contracts.paid_flags(contract, snapshot_id, holders, outcome.block_number)


async def _take_back(engine: Engine, payout: Payout, batch: Batch, outcome: Outcome) -> None:
    """A finally reverted batch paid nobody, so its payees may go into another; not for ever."""
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or not await _is_open(work.payments, payout, batch):
            return
        await work.payments.settle_batch(
            payout.payout_id, batch.number, BatchState.REVERTED, [], outcome.transaction_hash, engine.now()
        )
        _, failed = await work.payments.return_to_plan(
            payout.payout_id,
            batch.number,
            outcome.transaction_hash,
            engine.settings.max_batch_tries,
            engine.now(),
        )
        locked.settle_batch(0, 0, failed, engine.now())
        await work.payouts.save(locked)
        await work.commit()


async def _is_open(payments: PaymentRepository, payout: Payout, batch: Batch) -> bool:
    return any(each.number == batch.number for each in await payments.open_batches(payout.payout_id))
