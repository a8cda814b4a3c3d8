"""What shall not happen any more: given up before it has a nonce, or its nonce is used by a no-op."""

from uuid import UUID, uuid4

import pytest

from libs.idempotency import RequestKey
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.control_payout import cancel_payout
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import NO_OP_GAS, Attempt, IntentState, TransactionIntent
from payout_service.domain.waits import told
from tests.support.payout.memory_chain import GWEI, SIGNER
from tests.support.payout.stage import MAX_BATCH_GAS, Stage, engine_settings

TOTAL = 10_000


async def with_a_batch(stage: Stage) -> UUID:
    """A payout whose first batch is journaled and has no nonce yet."""
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await step(stage)
    assert batch(stage, payout_id).state is IntentState.CREATED
    return payout_id


async def with_a_sent_batch(stage: Stage) -> UUID:
    """A payout whose first batch is in the node's pool."""
    payout_id = await with_a_batch(stage)
    await stage.drive()
    await stage.drive()
    assert batch(stage, payout_id).state is IntentState.BROADCAST
    return payout_id


async def step(stage: Stage) -> None:
    stage.clock.advance(5)
    assert await advance_one_payout(stage.engine)


async def cancel(stage: Stage, payout_id: UUID) -> Payout:
    return await cancel_payout(stage.engine, RequestKey(uuid4(), "CancelPayout", b"", "operator"), payout_id)


def batch(stage: Stage, payout_id: UUID, number: int = 1) -> TransactionIntent:
    return stage.database.intent(f"batch/{payout_id}/{number}")


def batch_states(stage: Stage, payout_id: UUID) -> list[BatchState | None]:
    return [each.settled_state for each in stage.database.batches(payout_id)]


def no_ops(intent: TransactionIntent) -> list[Attempt]:
    return [attempt for attempt in intent.attempts if attempt.is_no_op]


# ------------------------------------------------------------------------------------------------ no-ops


async def test_when_the_no_op_wins_the_batch_never_happens() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    await cancel(stage, payout_id)
    assert batch(stage, payout_id).state is IntentState.BROADCAST, "it may be mined yet"
    await stage.drive()
    await stage.drive()
    intent = batch(stage, payout_id)
    assert [attempt.is_no_op for attempt in intent.attempts] == [False, True]
    payout = await stage.run(payout_id)
    intent = batch(stage, payout_id)
    assert intent.state is IntentState.VOIDED
    assert intent.outcome
    assert intent.outcome.transaction_hash == intent.attempts[1].transaction_hash
    assert payout.state is PayoutState.CANCELLED
    assert {row.state for row in stage.payments(payout_id)} == {PaymentState.CANCELLED}
    assert batch_states(stage, payout_id) == [BatchState.VOIDED]
    assert stage.database.committed_base_units() == 0
    assert all(stage.chain.money_of(payee) == 0 for payee, _ in stage.chain.balances)


async def test_the_no_op_is_a_call_to_nobody_with_the_same_nonce() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    nonce = batch(stage, payout_id).nonce
    await cancel(stage, payout_id)
    await stage.drive()
    await stage.drive()
    (mined,) = stage.chain.pool.values()
    assert (mined.nonce, mined.call.to, mined.call.data, mined.gas) == (nonce, mined.signer, b"", NO_OP_GAS)


async def test_when_the_call_wins_its_payees_are_paid_and_only_the_others_cancelled() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    payees = [row for row in stage.payments(payout_id) if row.batch_number == 1]
    original = batch(stage, payout_id).attempts[0]
    await cancel(stage, payout_id)
    await stage.drive()
    await stage.drive()
    # A node that never saw the no-op has mined the call.
    stage.chain.pool.clear()
    stage.chain.take(original.raw)
    payout = await stage.run(payout_id)
    intent = batch(stage, payout_id)
    assert intent.state is IntentState.SUCCEEDED
    assert payout.state is PayoutState.CANCELLED
    paid = sum(row.planned.amount_base_units for row in payees)
    assert (payout.progress.paid_count, payout.progress.paid_base_units) == (4, paid)
    assert payout.progress.cancelled_count == 6
    assert [stage.chain.money_of(row.planned.holder) for row in payees] == [
        row.planned.amount_base_units for row in payees
    ]
    assert stage.database.committed_base_units() == 0


async def test_a_batch_that_is_mined_when_it_is_cancelled_is_settled() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    stage.chain.mine()
    await stage.drive()
    assert batch(stage, payout_id).state is IntentState.MINED
    await cancel(stage, payout_id)
    payout = await stage.run(payout_id)
    assert batch(stage, payout_id).state is IntentState.SUCCEEDED
    assert (payout.state, payout.progress.paid_count) == (PayoutState.CANCELLED, 4)


async def test_while_another_batch_is_open_the_payees_of_a_voided_one_are_given_up_already() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    await step(stage)
    await stage.drive()
    await stage.drive()
    await cancel(stage, payout_id)
    for _ in range(3):
        await stage.drive()
    second = batch(stage, payout_id, 2)
    assert second.nonce is not None
    stage.chain.evict((SIGNER, second.nonce))
    stage.chain.mine(3)
    await stage.drive()
    await step(stage)
    assert batch_states(stage, payout_id) == [BatchState.VOIDED, None]
    states = {row.batch_number: row.state for row in stage.payments(payout_id)}
    assert states == {1: PaymentState.CANCELLED, 2: PaymentState.IN_FLIGHT, None: PaymentState.CANCELLED}
    assert stage.payout(payout_id).state is PayoutState.CANCELLING
    assert (await stage.run(payout_id)).state is PayoutState.CANCELLED


async def test_a_no_op_that_is_not_mined_is_replaced_by_another_no_op() -> None:
    stage = Stage()
    payout_id = await with_a_sent_batch(stage)
    await cancel(stage, payout_id)
    await stage.drive()
    await stage.drive()
    stage.chain.base_fee = 20 * GWEI
    stage.chain.mine()
    await stage.drive(30)
    await stage.drive()
    assert [attempt.is_no_op for attempt in batch(stage, payout_id).attempts] == [False, True, True]
    await stage.run(payout_id)
    assert batch(stage, payout_id).state is IntentState.VOIDED


@pytest.mark.parametrize("is_legacy", [False, True])
async def test_no_two_no_ops_of_a_nonce_are_the_same_bytes(is_legacy: bool) -> None:
    """A key signs the same content to the same bytes, and a hash is an attempt's identity."""
    stage = Stage(settings=engine_settings(max_fee_per_gas_wei=3 * GWEI))
    stage.chain.is_legacy = is_legacy
    payout_id = await with_a_sent_batch(stage)
    await cancel(stage, payout_id)
    stage.chain.is_stuck = True
    for _ in range(20):
        await stage.drive(200)
    offers = [(attempt.is_no_op, attempt.fees) for attempt in batch(stage, payout_id).attempts]
    assert len(set(offers)) == len(offers)
    assert sum(is_no_op for is_no_op, _ in offers) >= 1
    assert told(batch(stage, payout_id).problem).startswith(("FEE_CAP_REACHED: ", "NOT_MINED: "))
    stage.chain.is_stuck = False
    assert (await stage.run(payout_id)).state is PayoutState.CANCELLED


async def test_a_no_op_is_tried_even_where_the_chain_asks_for_more_than_the_cap() -> None:
    stage = Stage(settings=engine_settings(max_fee_per_gas_wei=10 * GWEI))
    payout_id = await with_a_sent_batch(stage)
    stage.chain.base_fee = 11 * GWEI
    await cancel(stage, payout_id)
    await stage.drive()
    (no_op,) = no_ops(batch(stage, payout_id))
    assert no_op.fees.max_fee_per_gas_wei == 10 * GWEI


async def test_a_snapshot_that_had_left_when_it_was_cancelled_is_given_up_too() -> None:
    stage = Stage()
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.SNAPSHOTTING)
    await stage.drive()
    await stage.drive()
    snapshot = stage.database.intent(f"snapshot/{payout_id}")
    if snapshot.state is not IntentState.BROADCAST:
        await stage.drive()
    await cancel(stage, payout_id)
    await stage.drive()
    await stage.drive()
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.CANCELLED
    assert stage.database.intent(f"snapshot/{payout_id}").state is IntentState.VOIDED
    assert stage.chain.state.snapshots == {}


async def test_what_can_never_be_mined_uses_its_nonce_by_a_no_op_and_pays_in_smaller_batches() -> None:
    limits = BatchLimits(max_gas=31_000_000, max_calldata_bytes=1_000_000, max_payees=1_000)
    stage = Stage([1] * 500, settings=engine_settings(batch_limits=limits, plan_page_size=500))
    payout_id = await with_a_sent_batch_of_any_size(stage)
    first = batch(stage, payout_id)
    assert told(first.void_reason) == "NEVER_FITS: exceeds block gas limit"
    payout = await stage.run(payout_id)
    first = batch(stage, payout_id)
    assert first.state is IntentState.VOIDED
    assert first.outcome
    assert first.outcome.transaction_hash == no_ops(first)[0].transaction_hash
    sizes = [each.holder_count for each in stage.database.batches(payout_id)]
    assert sizes == [463, 37, 231, 231, 1]
    assert payout.state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def with_a_sent_batch_of_any_size(stage: Stage) -> UUID:
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await step(stage)
    await stage.drive()
    await stage.drive()
    return payout_id


# ------------------------------------------------------------------------------------------------ before a nonce


async def test_a_batch_that_waited_too_long_is_made_anew_with_every_check() -> None:
    stage = Stage()
    payout_id = await with_a_batch(stage)
    await stage.drive(stage.engine.settings.stale_batch_seconds + 1)
    voided = batch(stage, payout_id)
    assert (voided.state, voided.nonce) == (IntentState.VOIDED, None)
    assert told(voided.void_reason) == "STALE: made 61 s ago"
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert batch_states(stage, payout_id)[0] is BatchState.VOIDED
    assert {row.tries for row in stage.payments(payout_id)} == {1}, "a voided batch was no try"
    assert [each.holder_count for each in stage.database.batches(payout_id)] == [4, 4, 4, 2], "no smaller ones"


async def test_just_before_it_is_stale_a_batch_is_signed() -> None:
    stage = Stage()
    payout_id = await with_a_batch(stage)
    await stage.drive(stage.engine.settings.stale_batch_seconds - 5)
    assert batch(stage, payout_id).state is IntentState.SIGNED


async def test_a_batch_that_would_revert_now_is_not_signed() -> None:
    stage = Stage()
    payout_id = await with_a_batch(stage)
    stage.chain.paused = True
    await stage.drive()
    assert told(batch(stage, payout_id).void_reason) == "WOULD_REVERT: LifeCycleCashFlowIsPaused"
    signed_before = len(stage.chain.signed)
    await stage.rounds(3)
    assert len(stage.chain.signed) == signed_before
    assert stage.payout(payout_id).waiting_for.startswith("LIFECYCLE_CONTRACT_PAUSED")
    stage.chain.paused = False
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def test_a_batch_that_no_longer_fits_goes_out_in_halves() -> None:
    """In halves also where an estimate says that more would fit: it has been wrong once."""
    stage = Stage([1] * 4)
    payout_id = await with_a_batch(stage)
    stage.chain.gas_per_payee *= 2
    await stage.drive()
    assert told(batch(stage, payout_id).void_reason) == "NO_LONGER_FITS: it needs 580000 gas now"
    stage.chain.gas_per_payee //= 2
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert [each.holder_count for each in stage.database.batches(payout_id)] == [4, 2, 2]
    assert stage.database.rows("attempt"), "they were signed"
    stage.assert_paid_as_planned(payout_id)
    assert MAX_BATCH_GAS < 580_000


async def test_a_payee_that_was_never_signed_is_not_in_two_batches_after_a_race() -> None:
    """The batch is signed by another replica between the estimate and the lock: it is not given up."""
    stage = Stage()
    payout_id = await with_a_batch(stage)
    original = stage.chain.estimate_gas
    is_first = True

    async def meanwhile(*arguments: object) -> int:
        nonlocal is_first
        if is_first:
            is_first = False
            await stage.drive()
            stage.clock.advance(stage.engine.settings.stale_batch_seconds + 1)
        return await original(*arguments)  # type: ignore[arg-type]

    stage.chain.estimate_gas = meanwhile  # type: ignore[method-assign, assignment]
    await stage.drive(stage.engine.settings.stale_batch_seconds - 5)
    intent = batch(stage, payout_id)
    assert (intent.state, intent.void_reason) == (IntentState.SIGNED, None)
