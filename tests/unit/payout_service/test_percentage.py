"""A percentage: of the money that is promised to nobody, fixed once, and promised with the same commit."""

import asyncio
from uuid import UUID, uuid4

import pytest

from libs.idempotency import RequestKey
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.control_payout import cancel_payout
from payout_service.application.planning.take_snapshot import record_snapshot
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import IntentState
from payout_service.domain.treasury import treasury_key
from tests.support.payout.stage import Stage, ready_contract


async def snapshot_final(stage: Stage, *payouts: UUID) -> None:
    """Their snapshots are final, and none is recorded yet."""
    for payout_id in payouts:
        await stage.run_to(payout_id, PayoutState.SNAPSHOTTING)
    while {stage.database.intent(f"snapshot/{each}").state for each in payouts} != {IntentState.SUCCEEDED}:
        await stage.drive(1)
        stage.chain.mine()
    assert {stage.payout(each).state for each in payouts} == {PayoutState.SNAPSHOTTING}


async def record(stage: Stage, payout_id: UUID) -> Payout:
    await record_snapshot(stage.engine, stage.payout(payout_id), ready_contract())
    return stage.payout(payout_id)


@pytest.mark.parametrize(("basis_points", "total"), [(10_000, 999), (5_000, 499), (1, 0), (25, 2)])
async def test_the_share_is_rounded_down(basis_points: int, total: int) -> None:
    stage = Stage([1])
    stage.chain.deposit(999)
    payout_id = await stage.request(0, percentage_basis_points=basis_points)
    payout = await stage.run(payout_id)
    assert payout.total_base_units == total
    if total:
        assert payout.state is PayoutState.COMPLETED
        stage.assert_paid_as_planned(payout_id)
        assert stage.database.committed_base_units() == 0
    else:
        assert payout.state is PayoutState.FAILED
        assert payout.failure_reason.startswith("NOTHING_AVAILABLE: ")


async def test_the_total_is_promised_with_the_commit_that_fixes_it() -> None:
    stage = Stage([1, 2])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=5_000)
    await snapshot_final(stage, payout_id)
    assert stage.database.committed_base_units() == 0
    payout = await record(stage, payout_id)
    assert (payout.state, payout.total_base_units) == (PayoutState.PLANNING, 500)
    assert stage.database.committed_base_units() == 500


async def test_a_later_deposit_changes_nothing() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=5_000)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    stage.chain.deposit(10_000)
    payout = await stage.run(payout_id)
    assert (payout.total_base_units, payout.progress.paid_base_units) == (500, 500)


async def test_what_nobody_is_due_is_given_back_when_the_plan_is_committed() -> None:
    stage = Stage([1, 1, 1])
    stage.chain.frozen = 3
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=10_000)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    assert stage.database.committed_base_units() == 1_000
    payout = await stage.run_to(payout_id, PayoutState.EXECUTING)
    assert payout.plan
    assert stage.database.committed_base_units() == payout.plan.payable_base_units == 498
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert stage.database.committed_base_units() == 0


async def test_a_plan_that_owes_nobody_a_unit_gives_everything_back() -> None:
    stage = Stage([1, 1, 1])
    stage.chain.deposit(2)
    payout_id = await stage.request(0, percentage_basis_points=10_000)
    payout = await stage.run(payout_id)
    assert (payout.state, payout.total_base_units) == (PayoutState.COMPLETED, 2)
    assert stage.database.committed_base_units() == 0


async def test_only_what_is_promised_to_nobody_counts() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    key = treasury_key(ready_contract())
    async with stage.database.unit_of_work() as work:
        await work.treasury.lock(key)
        await work.treasury.commit(key, uuid4(), 600)
        await work.commit()
    payout_id = await stage.request(0, percentage_basis_points=10_000)
    await snapshot_final(stage, payout_id)
    assert (await record(stage, payout_id)).total_base_units == 400


async def test_money_on_its_way_to_others_counts_once() -> None:
    """A batch of another payout is mined and not settled: its money is neither in the balance nor available."""
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    first = await stage.request(600)
    await stage.run_to(first, PayoutState.EXECUTING)
    second = await stage.request(0, percentage_basis_points=10_000)
    await snapshot_final(stage, second)
    assert stage.chain.money_of(str(ready_contract().address)) == 400
    assert stage.payout(first).progress.paid_base_units == 0
    await record(stage, second)
    payout = await stage.run(second)
    assert (payout.state, payout.total_base_units) == (PayoutState.COMPLETED, 400)


@pytest.mark.parametrize("seed", range(15))
async def test_two_at_once_never_promise_the_same_money(seed: int) -> None:
    stage = Stage([1, 1], seed=seed)
    stage.chain.deposit(1_000)
    payouts = [await stage.request(0, percentage_basis_points=6_000) for _ in range(2)]
    await snapshot_final(stage, *payouts)
    await asyncio.gather(*(record(stage, each) for each in [*payouts, *payouts]))
    while {stage.payout(each).state for each in payouts} != {PayoutState.PLANNING}:
        await asyncio.gather(*(record(stage, each) for each in payouts))
    totals = sorted(stage.payout(each).total_base_units for each in payouts)
    assert totals == [240, 600], "the second is a share of what the first has left"
    assert stage.database.committed_base_units() == 840
    for each in payouts:
        assert (await stage.run(each)).state is PayoutState.COMPLETED
    assert stage.chain.money_of(str(ready_contract().address)) == 160


async def test_a_balance_read_before_a_promise_is_not_used() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=5_000)
    await snapshot_final(stage, payout_id)
    key = treasury_key(ready_contract())
    rows = stage.database.rows("treasury")

    def promise_meanwhile() -> None:
        stage.chain.before_balance_answer = lambda: None
        rows[key] = rows.get(key, 0) + 1

    stage.chain.before_balance_answer = promise_meanwhile
    assert (await record(stage, payout_id)).state is PayoutState.SNAPSHOTTING
    assert stage.payout(payout_id).total_base_units == 0
    assert (await record(stage, payout_id)).state is PayoutState.PLANNING


async def test_where_nothing_is_available_the_payout_fails_by_name() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    first = await stage.request(1_000)
    await stage.run_to(first, PayoutState.EXECUTING)
    second = await stage.request(0, percentage_basis_points=10_000)
    payout = await stage.run(second)
    assert payout.state is PayoutState.FAILED
    contract = ready_contract().address
    assert payout.failure_reason == f"NOTHING_AVAILABLE: {contract} holds nothing that is not promised"
    assert stage.payout(first).state is not PayoutState.FAILED


@pytest.mark.parametrize("state", [PayoutState.PLANNING, PayoutState.WAITING_FOR_FUNDS])
async def test_a_cancelled_percentage_gives_its_whole_total_back(state: PayoutState) -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=5_000)
    await stage.run_to(payout_id, state)
    assert stage.database.committed_base_units() == 500
    await cancel_payout(stage.engine, RequestKey(uuid4(), "CancelPayout", b"", "operator"), payout_id)
    stage.clock.advance(5)
    while stage.payout(payout_id).state is PayoutState.CANCELLING:
        assert await advance_one_payout(stage.engine)
        stage.clock.advance(5)
    assert stage.database.committed_base_units() == 0


async def test_money_that_left_after_it_was_promised_is_waited_for() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=10_000)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    stage.chain.move_money(-600)
    stage.chain.mine()
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    await stage.rounds(2)
    assert "needs 600 more base units" in stage.payout(payout_id).waiting_for
    stage.chain.deposit(600)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
