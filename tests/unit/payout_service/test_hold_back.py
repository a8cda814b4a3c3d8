"""A payee that makes every call revert that it is in: found, held back, and the others paid without it."""

from typing import Any
from uuid import UUID

import pytest

from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.paying.hold_back import hold_back
from payout_service.application.paying.settle_batch import settle_final_batches
from payout_service.domain.payments import BatchState, FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import Refusal
from tests.support.payout.amounts import planned_payment
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_database import PaymentRow
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings

TOTAL = 8_000
FEW_TRIES = RetryPolicy(max_tries=2, first_delay_seconds=10)


async def executing(stage: Stage) -> UUID:
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    return payout_id


def row(stage: Stage, payout_id: UUID, number: int) -> PaymentRow:
    return stage.payments(payout_id)[number]


def assert_paid_but(stage: Stage, payout_id: UUID, *poison: int) -> None:
    for number, each in enumerate(stage.payments(payout_id)):
        is_poison = number in poison
        assert each.state is (PaymentState.FAILED if is_poison else PaymentState.PAID), number
        paid = 0 if is_poison else each.planned.amount_base_units
        assert stage.chain.money_of(holder(number)) == paid, number


@pytest.mark.parametrize("poison", range(8))
async def test_a_payee_that_an_estimate_shows_is_never_sent_and_the_others_are_paid(poison: int) -> None:
    stage = Stage([1] * 8, settings=engine_settings(retry=FEW_TRIES))
    payout_id = await executing(stage)
    stage.chain.poison_payees = {holder(poison)}
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.INCOMPLETE
    assert_paid_but(stage, payout_id, poison)
    failed = row(stage, payout_id, poison)
    assert failed.reason == FailureReason.BATCH_REVERTED
    assert failed.detail.startswith("Account"), "the error of the simulated call by name"
    assert (failed.tries, failed.transaction_hash) == (2, "")
    assert {each.settled_state for each in stage.database.batches(payout_id)} == {BatchState.SETTLED}
    assert stage.database.committed_base_units() == failed.planned.amount_base_units
    assert payout.progress.failed_count == 1


async def test_a_held_back_payee_waits_and_is_tried_again_later() -> None:
    stage = Stage([1] * 4)
    payout_id = await executing(stage)
    stage.chain.poison_payees = {holder(2)}
    await stage.rounds(5)
    waiting = row(stage, payout_id, 2)
    assert waiting.state is PaymentState.WAITING
    assert waiting.retry_time
    assert stage.payout(payout_id).progress.waiting_count == 1
    assert stage.payout(payout_id).waiting_for.startswith("PAYMENTS_WAITING: 1 payments are tried again from ")
    stage.chain.poison_payees = set()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert stage.clock.now() >= waiting.retry_time
    stage.assert_paid_as_planned(payout_id)


@pytest.mark.parametrize("poison", [{0}, {3}, {7}, {2, 5}, {0, 1, 6}])
async def test_a_payee_that_only_the_mined_call_shows_is_found_by_halves(poison: set[int]) -> None:
    """The estimate passes each time, and the block's state is another: the transaction reverts."""
    stage = Stage([1] * 8, settings=engine_settings(retry=FEW_TRIES))
    payout_id = await executing(stage)
    original = stage.chain.why_reverts
    # Mined calls only.
    stage.chain.why_reverts = lambda call, state: ""  # type: ignore[method-assign]
    poisoned = {holder(number) for number in poison}
    execute = stage.chain.execute

    def execute_poisoned(*arguments: object) -> object:
        stage.chain.why_reverts, stage.chain.poison_payees = original, poisoned  # type: ignore[method-assign]
        try:
            return execute(*arguments)  # type: ignore[arg-type]
        finally:
            stage.chain.why_reverts = lambda call, state: ""  # type: ignore[method-assign]
            stage.chain.poison_payees = set()

    stage.chain.execute = execute_poisoned  # type: ignore[method-assign, assignment]
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.INCOMPLETE
    assert_paid_but(stage, payout_id, *poison)
    for number in poison:
        failed = row(stage, payout_id, number)
        assert failed.reason == FailureReason.BATCH_REVERTED
        assert failed.detail == "the call reverted with this payee alone"
        assert failed.transaction_hash, "the transaction that tried to"
    reverted = [each for each in stage.database.batches(payout_id) if each.settled_state is BatchState.REVERTED]
    assert {each.holder_count for each in reverted} >= {4, 1}
    assert stage.database.committed_base_units() == 1_000 * len(poison)


async def test_after_a_revert_batches_are_of_half_the_size() -> None:
    stage = Stage([1] * 4)
    payout_id = await executing(stage)
    stage.chain.reverting_batches = 3
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    sizes = [(each.holder_count, each.settled_state) for each in stage.database.batches(payout_id)]
    assert sizes[:3] == [(4, BatchState.REVERTED), (2, BatchState.REVERTED), (2, BatchState.REVERTED)]
    assert [size for size, _ in sizes[3:]] == [1, 1, 1, 1]
    stage.assert_paid_as_planned(payout_id)


async def test_the_reason_of_a_lone_revert_is_asked_for() -> None:
    stage = Stage([1], settings=engine_settings(retry=FEW_TRIES))
    payout_id = await executing(stage)
    await advance_one_payout(stage.engine)
    await stage.drive()
    stage.chain.poison_payees = {holder(0)}
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.INCOMPLETE
    assert row(stage, payout_id, 0).detail.startswith("Account")


async def test_a_lone_revert_that_another_replica_has_taken_back_is_left_alone() -> None:
    """Its payee is in the next batch by then."""
    stage = Stage([1], settings=engine_settings(retry=FEW_TRIES))
    payout_id = await executing(stage)
    await advance_one_payout(stage.engine)
    await stage.drive()
    stage.chain.reverting_batches = 1
    await stage.drive()
    stage.chain.mine(3)
    await stage.drive()
    original, contract = stage.chain.was_paused, stage.database.rows("lifecycle")[ASSET_ID]

    async def after_the_other_replica(*arguments: Any) -> bool | None:
        stage.chain.was_paused = original  # type: ignore[method-assign]
        await stage.rounds(1)
        stage.clock.advance(FEW_TRIES.first_delay_seconds * 2)
        await stage.rounds(1)
        return await original(*arguments)

    stage.chain.was_paused = after_the_other_replica  # type: ignore[method-assign, assignment]
    await settle_final_batches(stage.engine, stage.payout(payout_id), contract)
    first, second = stage.database.batches(payout_id)
    assert first.settled_state is BatchState.REVERTED
    assert row(stage, payout_id, 0).batch_number == second.number
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def test_when_the_call_reverts_with_nobody_in_it_nobody_is_held_back() -> None:
    stage = Stage()
    payout_id = await executing(stage)
    stage.chain.would_revert = lambda call: "InvalidAsset(0x00)"
    await stage.rounds(4)
    payout = stage.payout(payout_id)
    assert payout.waiting_for == "BATCH_WOULD_REVERT: InvalidAsset(0x00)"
    assert payout.progress.batch_count == payout.progress.waiting_count == 0
    assert {each.state for each in stage.payments(payout_id)} == {PaymentState.PLANNED}
    stage.chain.would_revert = lambda call: ""
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


async def test_who_is_held_back_on_a_stale_view_is_left_alone() -> None:
    """Another replica has moved the payout on since: the payee may be in a batch."""
    stage = Stage([1, 1])
    payout_id = await executing(stage)
    stale = stage.payout(payout_id)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    why = Refusal(FailureReason.BATCH_REVERTED, "why")
    await hold_back(stage.engine, stale, {planned_payment(0, holder(0), 1, TOTAL // 2): why})
    assert row(stage, payout_id, 0).state is PaymentState.IN_FLIGHT
    assert stage.payout(payout_id).progress.waiting_count == 0
