"""Redemptions: live balances in rounds, with tokens on the move, and what must not be burned or paid."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from uuid import UUID

import pytest

from libs.chain.quantities import TokenUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.control_payout import (
    cancel_payout,
    pause_payout,
    resume_payout,
    retry_payments,
)
from payout_service.application.planning.plan_payout import plan_payout
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import MOST_ROUNDS, Payout, PayoutState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.treasury import treasury_key
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import CONTRACT, SIGNER, TOKEN, holder
from tests.support.payout.memory_node import Block
from tests.support.payout.stage import Stage, engine_settings, ready_contract
from tests.unit.payout_service.payouts_of_kinds import (
    assert_books,
    assert_only_paid,
    committed_to,
    matured,
    now,
    operator_key,
    principal_of,
    request_of,
    rows_of,
    states,
)

S = PayoutState
MONEY = 10**6
NEW = holder(70)


def staged(
    balances: Sequence[int] = (10, 20, 30, 40, 50, 60), *, one_by_one: bool = True, money: int = MONEY
) -> Stage:
    """A bond that has matured, with money; a batch is of four payees at most."""
    settings = engine_settings(
        max_in_flight_transactions=1 if one_by_one else 4, retry=RetryPolicy(max_tries=2, first_delay_seconds=10)
    )
    stage = Stage(balances, settings=settings)
    matured(stage)
    stage.chain.deposit(money)
    return stage


async def until(stage: Stage, payout_id: UUID, reached: Callable[[Payout], object]) -> Payout:
    """One step of the payout after the other."""
    for _ in range(200):
        if reached(stage.payout(payout_id)):
            return stage.payout(payout_id)
        stage.clock.advance(stage.engine.settings.blocked_poll_seconds)
        await advance_one_payout(stage.engine)
        if not reached(stage.payout(payout_id)):
            await stage.drive()
            stage.chain.mine()
    raise AssertionError(f"never: {stage.payout(payout_id)}")


async def first_batch_settled(stage: Stage) -> UUID:
    """The first four holders are redeemed, and nothing else is under way."""
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    assert stage.payout(payout_id).progress.batch_count == 1
    stage.chain.mine(4)
    return payout_id


def assert_all_redeemed(stage: Stage, payout_id: UUID) -> None:
    """No token is left, and each payment is the principal of what was burned for it."""
    assert stage.chain.state.supply == 0
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert committed_to(stage, payout_id) == 0


# ------------------------------------------------------------------------------------------------ rounds


@pytest.mark.parametrize("count", [1, 4, 5, 13])
async def test_every_holder_is_redeemed_and_listed_once_more(count: int) -> None:
    held = [7 * number + 1 for number in range(count)]
    stage = staged(held, one_by_one=False)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert [stage.chain.money_of(holder(number)) for number in range(count)] == [
        principal_of(each) for each in held
    ]
    assert payout.total_base_units == sum(principal_of(each) for each in held)
    assert (payout.round_number, payout.holder_count) == (2, 0), "the last listing found nobody"
    assert not stage.chain.state.snapshots, "live balances need none"
    assert_all_redeemed(stage, payout_id)
    assert stage.database.events[-1].event_name == "payout_completed"
    versions = [each.aggregate_version for each in stage.database.events if each.aggregate_id == payout_id]
    assert versions == list(range(1, payout.version + 1))


async def test_tokens_that_go_to_a_holder_that_was_paid_are_redeemed_in_another_round() -> None:
    stage = staged()
    payout_id = await first_batch_settled(stage)
    stage.chain.transfer(holder(5), holder(0), 25)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    first, second = rows_of(stage, payout_id, holder(0))
    assert [row.planned.round_number for row in (first, second)] == [1, 2]
    assert [row.planned.amount_base_units for row in (first, second)] == [principal_of(10), principal_of(25)]
    assert first.transaction_hash != second.transaction_hash
    assert stage.chain.money_of(holder(5)) == principal_of(35), "it is paid what it still had"
    assert payout.round_number == 3
    assert_all_redeemed(stage, payout_id)


async def test_tokens_that_go_to_a_new_holder_are_redeemed_in_another_round() -> None:
    stage = staged()
    payout_id = await first_batch_settled(stage)
    stage.chain.transfer(holder(5), NEW, 60)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (sold,) = rows_of(stage, payout_id, holder(5))
    assert (sold.state, sold.planned.amount_base_units) == (PaymentState.ZERO_DUE, 0)
    (bought,) = rows_of(stage, payout_id, NEW)
    assert (bought.planned.round_number, bought.planned.amount_base_units) == (2, principal_of(60))
    assert [row.planned.ordinal for row in stage.payments(payout_id)] == list(range(7)), "ordinals go on"
    assert_all_redeemed(stage, payout_id)


async def test_tokens_that_go_to_a_holder_that_is_not_paid_yet_are_redeemed_with_its_own() -> None:
    stage = staged()
    payout_id = await first_batch_settled(stage)
    stage.chain.transfer(holder(5), holder(4), 20)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert [stage.chain.money_of(holder(number)) for number in (4, 5)] == [principal_of(70), principal_of(40)]
    assert payout.round_number == 2, "nobody new"
    assert payout.total_base_units == sum(row.planned.amount_base_units for row in stage.payments(payout_id))
    assert_all_redeemed(stage, payout_id)


async def test_when_the_only_holder_sells_before_its_batch_the_buyer_is_redeemed() -> None:
    """Nothing was sent in that round, and all the same the tokens are elsewhere."""
    stage = staged([50])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.transfer(holder(0), NEW, 50)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert states(stage, payout_id) == {"ZERO_DUE": 1, "PAID": 1}
    assert stage.chain.money_of(NEW) == principal_of(50)
    assert_all_redeemed(stage, payout_id)


@pytest.mark.parametrize("is_taken_back", [False, True])
async def test_a_sale_is_believed_when_it_is_final(is_taken_back: bool) -> None:
    """The next listing is of a final block: before, it would find the seller's tokens once more."""
    stage = staged([50, 60])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    final_block = len(stage.chain.blocks) - stage.engine.settings.confirmations
    stage.chain.transfer(holder(0), NEW, 50)
    stage.chain.mine()
    await stage.round()
    payout = stage.payout(payout_id)
    assert payout.waiting_for == (
        f"BALANCES_NOT_FINAL: tokens of {holder(0)} went elsewhere behind block {final_block}"
    )
    assert states(stage, payout_id) == {"PLANNED": 2}
    if is_taken_back:
        stage.chain.blocks[-1].externals.clear()
        stage.chain.reorg(1)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert stage.chain.money_of(holder(0) if is_taken_back else NEW) == principal_of(50)
    assert states(stage, payout_id) == ({"PAID": 2} if is_taken_back else {"PAID": 2, "ZERO_DUE": 1})
    assert_all_redeemed(stage, payout_id)


async def test_a_transfer_in_the_very_block_of_the_batch_is_paid_as_the_event_says() -> None:
    stage = staged([50, 60])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    assert stage.chain.pool
    stage.chain.transfer(holder(0), NEW, 20)
    stage.chain.transfer(holder(1), holder(0), 3)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert [stage.chain.money_of(each) for each in (holder(0), holder(1), NEW)] == [
        principal_of(33),
        principal_of(57),
        principal_of(20),
    ]
    assert_all_redeemed(stage, payout_id)


async def test_who_sold_all_in_the_very_block_of_the_batch_is_due_nothing() -> None:
    stage = staged([50, 60])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    stage.chain.transfer(holder(0), NEW, 50)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (sold,) = rows_of(stage, payout_id, holder(0))
    assert (sold.state, sold.planned.amount_base_units) == (PaymentState.ZERO_DUE, 0)
    assert stage.chain.money_of(NEW) == principal_of(50)
    assert_all_redeemed(stage, payout_id)


@pytest.mark.parametrize("seed", range(25))
async def test_however_tokens_move_each_is_paid_for_once(seed: int) -> None:
    rng = random.Random(seed)
    stage = staged([rng.randint(1, 90) for _ in range(9)], one_by_one=rng.random() < 0.5)
    supply = stage.chain.state.supply
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    for _ in range(30):
        everybody = [each for each, _ in stage.chain.balances]
        if everybody and rng.random() < 0.7:
            to = rng.choice([*everybody, holder(rng.randint(0, 14))])
            stage.chain.transfer(rng.choice(everybody), to, rng.randint(1, 90))
        await stage.round()
        stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)
    burned = [row.planned.amount_base_units for row in stage.payments(payout_id) if row.state is PaymentState.PAID]
    # Half a base unit is lost with each payment of an odd number of tokens at most.
    assert principal_of(supply) - len(burned) <= sum(burned) <= principal_of(supply)


async def test_rounds_are_bounded_and_the_operator_is_told() -> None:
    stage = staged([50])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)

    def issued(block: Block, _: str) -> None:
        if not block.state.free(holder(0)):
            block.state.holdings.append((holder(0), TokenUnits(1)))

    while stage.payout(payout_id).state not in (S.COMPLETED, S.INCOMPLETE):
        stage.chain.happen(issued)
        await stage.round()
        stage.chain.mine()
        assert len(stage.chain.blocks) < 800
    payout = stage.payout(payout_id)
    assert (payout.state, payout.round_number) == (S.INCOMPLETE, MOST_ROUNDS)
    assert payout.waiting_for == f"ROUNDS_EXHAUSTED: tokens still moved in round {MOST_ROUNDS}"
    assert len(stage.payments(payout_id)) == MOST_ROUNDS
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    again = await request_of(stage, PayoutKind.REDEMPTION)
    assert (await stage.run(again)).state is S.COMPLETED, "another one goes on"
    assert stage.chain.state.supply == 0


@pytest.mark.parametrize("ahead", [1, 0])
async def test_a_listing_is_never_older_than_what_is_settled(ahead: int) -> None:
    """A node that lags would show the tokens of who was just redeemed: they would get a second payment."""
    stage = staged([10])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    final_block = len(stage.chain.blocks) - 1 - stage.engine.settings.confirmations
    key = treasury_key(ready_contract())
    async with stage.database.unit_of_work() as work:
        await work.treasury.lock(key)
        await work.treasury.raise_settled_block(key, final_block + ahead)
        await work.commit()
    await advance_one_payout(stage.engine)
    payout = stage.payout(payout_id)
    if ahead:
        assert payout.state is S.REQUESTED
        assert payout.waiting_for.startswith("BALANCES_NOT_FINAL: ")
    else:
        assert payout.state is S.PLANNING
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_sums_of_an_earlier_round_are_not_frozen_into_a_later_one() -> None:
    """A replica that was suspended while it froze a round comes back in the next, whose list is as empty."""
    stage = staged([50, 60])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    stale = await until(stage, payout_id, lambda each: each.round_number == 2 and each.state is S.PLANNING)
    now_planning = stage.payout(payout_id)
    now_planning.version += 5
    stage.database.rows("payout")[payout_id] = now_planning
    await plan_payout(stage.engine, stale, ready_contract())
    assert stage.payout(payout_id) == now_planning


# ------------------------------------------------------------------------------------------------ not ready


async def test_an_equity_is_not_redeemed() -> None:
    stage = Stage()
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.FAILED
    assert payout.failure_reason == f"NOT_A_BOND: only a bond can be redeemed: {TOKEN} has no maturity date"


async def test_a_bond_is_redeemed_when_it_is_due() -> None:
    stage = staged()
    stage.chain.become_bond(now(stage) + 100, 1)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.rounds(3)
    assert stage.payout(payout_id).state is S.REQUESTED
    assert stage.payout(payout_id).waiting_for.startswith("MATURITY_REACHED: the bond matures at 2026-03-01T")
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert not [each for each in stage.chain.state.mined.values() if not each.succeeded]


@pytest.mark.parametrize(
    ("attribute", "before", "during"),
    [
        (
            "has_cash_out_role",
            "CASH_OUT_ROLE_HELD",
            f"CASH_OUT_ROLE_MISSING: the contract's DEFAULT_ADMIN can grant it to {SIGNER}",
        ),
        (
            "has_redeemer_role",
            "REDEEMER_ROLE_HELD",
            f"REDEEMER_ROLE_MISSING: the bond's admin can grant MATURITY_REDEEMER_ROLE to {CONTRACT}",
        ),
    ],
)
async def test_a_missing_role_is_waited_for_by_name_and_no_payee_is_blamed(
    attribute: str, before: str, during: str
) -> None:
    stage = staged()
    setattr(stage.chain, attribute, False)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.rounds(3)
    assert stage.payout(payout_id).state is S.REQUESTED
    assert stage.payout(payout_id).waiting_for.startswith(f"{before}: ")
    setattr(stage.chain, attribute, True)
    await stage.run_to(payout_id, S.EXECUTING)
    setattr(stage.chain, attribute, False)
    await stage.rounds(4)
    payout = stage.payout(payout_id)
    assert payout.waiting_for == during
    assert (payout.progress.batch_count, payout.progress.waiting_count) == (0, 0)
    assert states(stage, payout_id) == {"PLANNED": 6}
    setattr(stage.chain, attribute, True)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_a_redemption_needs_no_snapshot_role() -> None:
    stage = staged()
    stage.chain.has_snapshot_role = False
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    assert (await stage.run(payout_id)).state is S.COMPLETED


async def test_a_bond_that_nobody_holds_is_not_redeemed() -> None:
    stage = staged([])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert (payout.state, payout.failure_reason) == (S.FAILED, "NO_HOLDERS: the asset has no holders")


async def test_one_redemption_at_a_time() -> None:
    stage = staged()
    first = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(first, S.PLANNING)
    second = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.rounds(2)
    assert stage.payout(second).state is S.REQUESTED
    assert stage.payout(second).waiting_for == f"ACTION_HAS_PAYOUT: payouts/{first} redeems the bond"
    assert (await stage.run(first)).state is S.COMPLETED
    payout = await stage.run(second)
    assert payout.failure_reason == "NO_HOLDERS: the asset has no holders"
    assert_all_redeemed(stage, first)


# ------------------------------------------------------------------------------------------------ who cannot


@pytest.mark.parametrize("listed", [0, 2, 5])
async def test_a_holder_on_the_control_list_is_found_and_named_and_the_others_are_redeemed(listed: int) -> None:
    stage = staged()
    stage.chain.list_holder(holder(listed))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    assert states(stage, payout_id) == {"PAID": 5, "FAILED": 1}
    (row,) = rows_of(stage, payout_id, holder(listed))
    assert (row.state, row.reason) == (PaymentState.FAILED, FailureReason.BATCH_REVERTED)
    assert row.detail == f"AccountIsBlocked({holder(listed)})"
    assert stage.chain.balances == [(holder(listed), 10 * listed + 10)]
    assert not [each for each in stage.chain.state.mined.values() if not each.succeeded], "no gas was burned"
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert committed_to(stage, payout_id) == principal_of(10 * listed + 10)
    stage.chain.unlist_holder(holder(listed))
    await retry_payments(stage.engine, operator_key(), payout_id, (holder(listed),))
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_a_holder_that_is_listed_after_the_estimate_makes_no_other_wait() -> None:
    stage = staged()
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    assert stage.chain.pool
    stage.chain.list_holder(holder(2))
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    assert states(stage, payout_id) == {"PAID": 5, "FAILED": 1}
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_frozen_tokens_of_version_8_are_held_back_by_name_and_never_paid_for() -> None:
    """It would pay for all of a holder's tokens and burn the free ones only, again with each call."""
    stage = staged()
    matured(stage, pays_for_frozen=True)
    stage.chain.freeze(holder(1), 5)
    stage.chain.freeze(holder(4), 50)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    assert states(stage, payout_id) == {"PAID": 4, "FAILED": 2}
    for number, detail in ((1, "5 of 20 tokens are frozen"), (4, "50 of 50 tokens are frozen")):
        (row,) = rows_of(stage, payout_id, holder(number))
        assert (row.reason, row.detail) == (FailureReason.TOKENS_NOT_FREE, detail)
        assert row.batch_number is None, "it was in no call"
        assert stage.chain.money_of(holder(number)) == 0
    assert_books(stage, payout_id)
    for number, amount in ((1, 5), (4, 50)):
        stage.chain.unfreeze(holder(number), amount)
    stage.chain.mine()
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_tokens_of_version_8_that_are_frozen_in_the_block_of_the_batch_are_disputed() -> None:
    """Nothing on the chain prevents it: it is paid for tokens that stay. An operator has to know."""
    stage = staged([50, 60])
    matured(stage, pays_for_frozen=True)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    await stage.round()
    assert stage.chain.pool
    stage.chain.freeze(holder(0), 20)
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    (row,) = rows_of(stage, payout_id, holder(0))
    assert (row.state, row.reason) == (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    assert stage.chain.money_of(holder(0)) == principal_of(50)
    await stage.rounds(5)
    assert stage.chain.money_of(holder(0)) == principal_of(50), "and never again"
    assert_books(stage, payout_id)


async def test_frozen_tokens_of_version_7_are_held_back_by_name_and_paid_whole_when_they_are_free() -> None:
    """Were the free ones redeemed, the holder would fall off the bond's list, and later somebody else with it."""
    stage = staged([10, 20, 30])
    stage.chain.freeze(holder(1), 5)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    (row,) = rows_of(stage, payout_id, holder(1))
    assert (row.state, row.reason, row.detail) == (
        PaymentState.FAILED,
        FailureReason.TOKENS_NOT_FREE,
        "5 of 20 tokens are frozen",
    )
    assert [stage.chain.money_of(holder(number)) for number in range(3)] == [principal_of(10), 0, principal_of(30)]
    assert_books(stage, payout_id)
    stage.chain.unfreeze(holder(1), 5)
    stage.chain.mine(3)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_a_redemption_that_has_not_reached_every_token_says_so() -> None:
    """Of a holder without a free token version 7 tells no principal: nobody is owed anything, and 30 are left."""
    stage = staged([10, 20, 30])
    stage.chain.freeze(holder(2), 30)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    assert payout.waiting_for.startswith("TOKENS_LEFT: 30 base units of the bond at block ")
    assert states(stage, payout_id) == {"PAID": 2, "ZERO_DUE": 1}
    assert_books(stage, payout_id)
    stage.chain.unfreeze(holder(2), 30)
    stage.chain.mine(3)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_a_redemption_that_owes_nobody_anything_is_complete_only_when_no_token_is_left() -> None:
    stage = staged([10, 20])
    stage.chain.freeze(holder(0), 10)
    stage.chain.freeze(holder(1), 20)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert (payout.state, payout.waiting_for[:15]) == (S.INCOMPLETE, "TOKENS_LEFT: 30")
    for number, amount in ((0, 10), (1, 20)):
        stage.chain.unfreeze(holder(number), amount)
    stage.chain.mine(3)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_many_holders_of_next_to_nothing_do_not_hide_what_is_left() -> None:
    stage = staged([1000, 30, *[1] * 62])
    stage.chain.become_bond(now(stage) - 1, Fraction(1, 2))
    stage.chain.freeze(holder(1), 30)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert (payout.state, payout.waiting_for[:15]) == (S.INCOMPLETE, "TOKENS_LEFT: 30")


async def test_retries_while_tokens_are_frozen_use_nothing_up() -> None:
    stage = staged([10, 30])
    stage.chain.freeze(holder(1), 30)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run(payout_id)
    for _ in range(MOST_ROUNDS + 1):
        await retry_payments(stage.engine, operator_key(), payout_id, ())
        assert (await stage.run(payout_id)).waiting_for.startswith("TOKENS_LEFT")
    stage.chain.unfreeze(holder(1), 30)
    stage.chain.mine(3)
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_a_bond_that_refuses_to_redeem_in_its_last_second_is_redeemed_in_the_next() -> None:
    """Version 7 (docs/asset-versions.md#amounts-and-lists): the lifecycle contract lets it pass, calls revert."""
    stage = staged([10, 20])
    stage.chain.become_bond(now(stage), Fraction(201, 2))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).waiting_for.startswith("MATURITY_REACHED: ")
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert {row.tries for row in stage.payments(payout_id)} == {1}, "nobody was blamed"
    assert_all_redeemed(stage, payout_id)


async def test_a_principal_that_floors_to_nothing_is_never_sent() -> None:
    """The call would burn the tokens and pay nothing (docs/contract-surprises.md#17)."""
    stage = staged([1, 2, 3, 30])
    stage.chain.become_bond(now(stage) - 1, Fraction(1, 3))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    # Of those that are planned one sells all but two tokens.
    stage.chain.transfer(holder(3), NEW, 28)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert dict(stage.chain.balances) == {holder(0): 1, holder(1): 2, holder(3): 2}, "still theirs"
    assert [stage.chain.money_of(each) for each in (holder(0), holder(1), holder(2), holder(3), NEW)] == [
        0,
        0,
        1,
        0,
        9,
    ]
    assert states(stage, payout_id) == {"ZERO_DUE": 3, "PAID": 2}
    sent = {
        payee
        for block in stage.chain.blocks
        for each in block.executions
        for payee in each.event.execution.holders
    }
    assert sent == {holder(2), NEW}
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)


async def test_a_bond_whose_principals_all_floor_to_nothing_completes_without_a_batch() -> None:
    stage = staged([1, 2])
    stage.chain.become_bond(now(stage) - 1, Fraction(1, 3))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert (payout.state, payout.progress.batch_count) == (S.COMPLETED, 0)
    assert stage.chain.state.supply == 3


async def test_a_payee_that_the_token_refuses_keeps_its_tokens_and_is_retried() -> None:
    stage = staged()
    stage.chain.blocked_payees = {holder(1)}
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    (row,) = rows_of(stage, payout_id, holder(1))
    assert (row.state, row.reason) == (PaymentState.FAILED, FailureReason.TRANSFER_REFUSED)
    assert stage.chain.balances == [(holder(1), 20)]
    assert_books(stage, payout_id)
    stage.chain.blocked_payees = set()
    await retry_payments(stage.engine, operator_key(), payout_id, ())
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


# ------------------------------------------------------------------------------------------------ by others


async def test_who_another_execution_has_redeemed_is_paid_by_that_one() -> None:
    stage = staged([10, 20, 30])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.CASH_OUT, 0, 0, (holder(1),)))
    stage.chain.mine(4)
    (elsewhere,) = (each.transaction_hash for block in stage.chain.blocks for each in block.executions)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (row,) = rows_of(stage, payout_id, holder(1))
    assert (row.state, row.transaction_hash) == (PaymentState.PAID, elsewhere)
    assert row.planned.amount_base_units == principal_of(20)
    assert_all_redeemed(stage, payout_id)


async def test_who_another_execution_has_just_redeemed_is_paid_by_that_one_when_it_is_final() -> None:
    stage = staged([10, 20, 30])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.CASH_OUT, 0, 0, (holder(1),)))
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (row,) = rows_of(stage, payout_id, holder(1))
    assert row.state is PaymentState.PAID
    assert_all_redeemed(stage, payout_id)


async def test_what_is_redeemed_elsewhere_in_part_is_paid_in_part() -> None:
    """It has bought since: what it has now is paid by us, what it had by the other one."""
    stage = staged([10, 20, 30])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.CASH_OUT, 0, 0, (holder(1),)))
    stage.chain.mine()
    stage.chain.transfer(holder(2), holder(1), 7)
    stage.chain.mine(3)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    (row,) = rows_of(stage, payout_id, holder(1))
    assert row.planned.amount_base_units == principal_of(7)
    assert stage.chain.money_of(holder(1)) == principal_of(20) + principal_of(7)
    assert stage.chain.state.supply == 0
    assert_books(stage, payout_id)


async def test_what_was_paid_before_the_listing_pays_nobody_again() -> None:
    """In the listing's own block: it is what was left behind that. Sold since, nothing is due."""
    stage = staged([10])
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.CASH_OUT, 0, 0, (holder(0),)))
    stage.chain.mine()
    number = len(stage.chain.blocks) - 1
    stage.chain.balances = [(holder(0), 9)]
    stage.chain.mine(stage.engine.settings.confirmations)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await advance_one_payout(stage.engine)
    listing = stage.payout(payout_id).snapshot
    assert listing
    assert listing.block_number == stage.chain.blocks[number].executions[0].block_number == number
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.transfer(holder(0), NEW, 9)
    stage.chain.mine(4)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    (sold,) = rows_of(stage, payout_id, holder(0))
    assert (sold.state, sold.planned.amount_base_units) == (PaymentState.ZERO_DUE, 0)
    assert stage.chain.money_of(holder(0)) == principal_of(10)
    assert stage.chain.money_of(NEW) == principal_of(9)
    assert_books(stage, payout_id)


# ------------------------------------------------------------------------------------------------ money


async def test_what_is_due_more_than_planned_is_promised_before_it_is_sent() -> None:
    stage = staged([10, 20, 30], money=sum(principal_of(each) for each in (10, 20, 30)))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)

    def issued(block: Block, _: str) -> None:
        block.state.holdings[0] = (holder(0), TokenUnits(12))

    stage.chain.happen(issued)
    stage.chain.mine()
    await stage.rounds(3)
    payout = stage.payout(payout_id)
    lacking = principal_of(12) - principal_of(10)
    assert payout.waiting_for.startswith(f"INSUFFICIENT_FUNDS: {CONTRACT} needs {lacking} more base units")
    assert payout.progress.batch_count == 0
    stage.chain.deposit(lacking)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert stage.chain.money_of(CONTRACT.value) == 0
    assert_all_redeemed(stage, payout_id)


async def test_what_is_due_less_than_planned_is_promised_to_nobody() -> None:
    stage = staged([10, 20])
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    assert committed_to(stage, payout_id) == principal_of(10) + principal_of(20)
    stage.chain.transfer(holder(1), holder(0), 20)
    stage.chain.mine(3)
    await stage.round()
    payout = stage.payout(payout_id)
    assert payout.total_base_units == committed_to(stage, payout_id) == principal_of(30)
    assert payout.plan
    assert payout.plan.zero_due_count == 1
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


async def test_who_buys_from_a_holder_that_is_held_back_is_redeemed_when_that_is_final() -> None:
    """The seller is in no batch, so only its balance tells that the listing is out of date."""
    stage = staged([100])
    matured(stage, pays_for_frozen=True)
    stage.chain.freeze(holder(0), 10)
    stage.chain.mine(3)
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.transfer(holder(0), holder(9), 90)
    stage.chain.mine()
    payout = await stage.run(payout_id)
    assert payout.state is S.INCOMPLETE
    (seller,) = rows_of(stage, payout_id, holder(0))
    (buyer,) = rows_of(stage, payout_id, holder(9))
    assert (seller.reason, buyer.state) == (FailureReason.TOKENS_NOT_FREE, PaymentState.PAID)
    assert stage.chain.money_of(holder(9)) == principal_of(90)


@pytest.mark.parametrize("is_all", [False, True])
async def test_exactly_the_principal_is_enough_when_tokens_go_from_a_later_batch_to_an_earlier_one(
    is_all: bool,
) -> None:
    balances = [200, 200, 200, 200, 200, 200]
    stage = staged(balances, money=sum(map(principal_of, balances)))
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, S.EXECUTING)
    stage.chain.transfer(holder(5), holder(0), 200 if is_all else 100)
    stage.chain.mine(3)
    payout = await stage.run(payout_id)
    assert payout.state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)


# ------------------------------------------------------------------------------------------------ operators


@pytest.mark.parametrize("state", [S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING])
@pytest.mark.parametrize("is_paused", [False, True])
async def test_a_cancel_in_a_later_round_keeps_what_is_paid_and_forgets_the_rest(
    state: PayoutState, is_paused: bool
) -> None:
    stage = staged([10, 20, 30, 40, 50, 60, 70])
    payout_id = await first_batch_settled(stage)
    for number in range(4):
        stage.chain.transfer(holder(6), holder(number), number + 1)
    stage.chain.mine(4)
    listed = 3 if state is S.PLANNING else 4
    await until(
        stage,
        payout_id,
        lambda each: (each.round_number, each.state, each.listed_count) == (2, state, listed),
    )
    if is_paused:
        await pause_payout(stage.engine, operator_key(), payout_id)
    await cancel_payout(stage.engine, operator_key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.CANCELLED
    counts = states(stage, payout_id)
    assert counts == ({"PAID": 7} if state is S.PLANNING else {"PAID": 7, "CANCELLED": 4})
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
    assert stage.database.committed_base_units() == 0
    again = await request_of(stage, PayoutKind.REDEMPTION)
    assert (await stage.run(again)).state is S.COMPLETED
    assert stage.chain.state.supply == 0
    assert_only_paid(stage, payout_id, again)


@pytest.mark.parametrize("state", [S.PLANNING, S.WAITING_FOR_FUNDS, S.EXECUTING])
async def test_a_paused_redemption_goes_on_where_it_was(state: PayoutState) -> None:
    stage = staged()
    payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    await stage.run_to(payout_id, state)
    await pause_payout(stage.engine, operator_key(), payout_id)
    stage.chain.transfer(holder(0), NEW, 10)
    await stage.rounds(5)
    assert_only_paid(stage, payout_id)
    await resume_payout(stage.engine, operator_key(), payout_id)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert_all_redeemed(stage, payout_id)
