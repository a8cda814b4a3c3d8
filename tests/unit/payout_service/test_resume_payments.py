"""Payments that wait: tried again later each time, a bounded number of times, and when the money is there."""

from datetime import timedelta
from uuid import UUID

from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.paying.resume_payments import resume_payments
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import told
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import Stage, engine_settings, ready_contract

TOTAL = 1_000
POLICY = RetryPolicy(max_tries=3, first_delay_seconds=100)


async def executing(stage: Stage, total: int = TOTAL) -> UUID:
    stage.chain.deposit(total)
    payout_id = await stage.request(total)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    return payout_id


def states(stage: Stage, payout_id: UUID) -> list[PaymentState]:
    return [row.state for row in stage.payments(payout_id)]


async def settled(stage: Stage) -> None:
    """Enough rounds for a batch to be made, mined, final and settled; less than the first delay."""
    await stage.rounds(8)


# ------------------------------------------------------------------------------------------------ refused


async def test_a_refused_payee_is_tried_again_later_each_time_and_then_needs_an_operator() -> None:
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    stage.chain.blocked_payees = {holder(2)}
    payout_id = await executing(stage)
    delays: list[timedelta] = []
    while stage.payout(payout_id).state is PayoutState.EXECUTING:
        await stage.round()
        stage.chain.mine()
        row = stage.payments(payout_id)[2]
        if row.retry_time and (delay := row.retry_time - row.update_time) not in delays:
            delays.append(delay)
            assert row.detail.startswith("Account"), "the token's error by name"
    assert [round(delay.total_seconds()) // 100 for delay in delays] == [1, 2]
    payout, row = stage.payout(payout_id), stage.payments(payout_id)[2]
    assert payout.state is PayoutState.INCOMPLETE
    assert (row.state, row.reason, row.tries) == (PaymentState.FAILED, FailureReason.TRANSFER_REFUSED, 3)
    assert (payout.progress.paid_base_units, payout.progress.failed_count) == (500, 1)
    assert stage.database.committed_base_units() == 500, "its money stays promised"
    assert stage.database.events[-1].event_name == "payout_incomplete"


async def test_before_its_time_nobody_is_tried_again() -> None:
    stage = Stage([1, 1], settings=engine_settings(retry=POLICY))
    stage.chain.blocked_payees = {holder(1)}
    payout_id = await executing(stage)
    await settled(stage)
    stage.chain.blocked_payees = set()
    assert stage.payments(payout_id)[1].state is PaymentState.WAITING
    assert stage.payout(payout_id).waiting_for.startswith("PAYMENTS_WAITING: 1 payments")
    await stage.rounds(4)
    assert stage.payout(payout_id).progress.batch_count == 1
    stage.clock.advance(100)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert stage.payments(payout_id)[1].tries == 2


# ------------------------------------------------------------------------------------------------ unfunded


async def drained(stage: Stage, left: int) -> UUID:
    """The contract's money is gone but for a rest, after the payout's plan was promised all of it."""
    payout_id = await executing(stage)
    stage.chain.move_money(left - TOTAL)
    stage.chain.mine()
    await settled(stage)
    return payout_id


async def test_who_is_not_paid_for_lack_of_money_says_so() -> None:
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await drained(stage, left=300)
    assert states(stage, payout_id) == [PaymentState.PAID, PaymentState.WAITING, PaymentState.WAITING]
    row = stage.payments(payout_id)[1]
    assert row.reason == FailureReason.UNFUNDED
    assert row.detail == "the contract holds 50 base units, the payee is owed 250"


async def test_without_a_deposit_no_batch_is_wasted() -> None:
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await drained(stage, left=300)
    for _ in range(30):
        stage.clock.advance(100)
        await stage.round()
        stage.chain.mine()
    payout = stage.payout(payout_id)
    assert payout.state is PayoutState.EXECUTING, "it waits for money, however long"
    assert payout.progress.batch_count == 1
    contract = ready_contract()
    assert payout.waiting_for == (
        f"INSUFFICIENT_FUNDS: {contract.address} needs 700 more base units of {contract.payment_token}"
    )


async def test_a_deposit_resumes_who_is_unfunded() -> None:
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await drained(stage, left=300)
    stage.chain.deposit(700)
    stage.clock.advance(130)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert stage.database.committed_base_units() == 0


async def test_a_deposit_that_reaches_for_some_resumes_them_and_names_what_is_lacking() -> None:
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await drained(stage, left=300)
    stage.chain.deposit(250)
    stage.clock.advance(130)
    await settled(stage)
    assert states(stage, payout_id) == [PaymentState.PAID, PaymentState.PAID, PaymentState.WAITING]
    assert "needs 450 more base units" in stage.payout(payout_id).waiting_for
    assert stage.payout(payout_id).progress.batch_count == 2
    stage.chain.deposit(450)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def test_money_that_a_batch_under_way_will_take_is_not_counted_again() -> None:
    """Of 1,000 left, 500 belong to a batch that is not mined: only one of the two that wait is resumed."""
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await executing(stage)
    rows = stage.database.rows(("payment", payout_id))
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    for ordinal in (0, 1):
        row = rows[ordinal]
        rows[ordinal] = type(row)(
            row.planned,
            PaymentState.WAITING,
            row.update_time,
            FailureReason.UNFUNDED.value,
            "",
            stage.clock.now(),
            tries=1,
        )
    stage.chain.move_money(-250)
    stage.chain.mine()
    lacking = await resume_payments(stage.engine, stage.payout(payout_id), ready_contract())
    assert states(stage, payout_id)[:2] == [PaymentState.PLANNED, PaymentState.WAITING]
    assert "needs 250 more base units" in told(lacking)


async def test_a_deposit_does_not_count_what_is_promised_to_others() -> None:
    """What is missing is this payout's own; another payout's promise is not touched by resuming."""
    stage = Stage([1, 1, 2], settings=engine_settings(retry=POLICY))
    payout_id = await drained(stage, left=300)
    other = await stage.request(100)
    await stage.run_to(other, PayoutState.WAITING_FOR_FUNDS)
    assert stage.payout(other).state is PayoutState.WAITING_FOR_FUNDS
    stage.chain.deposit(700)
    stage.clock.advance(130)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert stage.payout(other).state is PayoutState.WAITING_FOR_FUNDS
    async with stage.database.unit_of_work() as work:
        assert await work.treasury.committed(treasury_key(ready_contract())) == 0
