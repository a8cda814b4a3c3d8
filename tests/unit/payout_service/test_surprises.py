"""We are immune to what surprises an integrator of the contracts (docs/contract-surprises.md has the whole list).

Here stand the numbered surprises that no other test of the engine names; each test's number is its row there.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from deploy.docs.subscriptions import consumers
from libs.chain.quantities import BlockNumber
from libs.payout_terms.terms import PayoutKind
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.config import PayoutSettings
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.settlement import ExecutionKind
from payout_service.infrastructure.peers.chain_sync_peer import ChainSyncPeer
from tests.support.payout.amounts import execution_of, tokens
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_node import Block
from tests.support.payout.stage import Stage, engine_settings
from tests.unit.payout_service.payouts_of_kinds import (
    announced,
    assert_books,
    assert_only_paid,
    funded_of,
    now,
    owed_by_kind,
    request_of,
    states,
)

MONEY = 10**6
DAY_SECONDS = 24 * 3600
# How long the chain's clock stands before the date that is waited for.
AHEAD_SECONDS = 600


async def test_3_a_second_payout_has_a_snapshot_of_its_own_and_pays_everybody() -> None:
    """On the first one's snapshot it would pay nobody: the paid flags are shared by all amounts."""
    stage = Stage([10, 20, 30])
    stage.chain.deposit(MONEY)
    payouts = [await stage.request(600), await stage.request(6_000)]
    snapshot_ids = []
    for payout_id in payouts:
        payout = await stage.run(payout_id)
        assert payout.snapshot
        snapshot_ids.append(payout.snapshot.snapshot_id)
        assert states(stage, payout_id) == {"PAID": 3}
    assert len(set(snapshot_ids)) == 2
    assert [stage.chain.money_of(holder(number)) for number in range(3)] == [1_100, 2_200, 3_300]
    assert_only_paid(stage, *payouts)


async def test_3_who_succeeded_with_nothing_is_not_taken_for_paid() -> None:
    """A stranger's call with too small an amount uses the flag up: it succeeds with 0, and then ours fails."""
    stage = Stage([1, 1])
    stage.chain.deposit(MONEY)
    payout_id = await stage.request(1_000)
    payout = await stage.run_to(payout_id, PayoutState.EXECUTING)
    assert payout.snapshot
    too_small = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, payout.snapshot.snapshot_id, 1, (holder(0),))
    stage.chain.pay_elsewhere(too_small)
    stage.chain.mine()
    assert (await stage.run(payout_id)).state is PayoutState.INCOMPLETE
    first, second = stage.payments(payout_id)
    assert (first.state, first.reason) == (PaymentState.DISPUTED, FailureReason.PAID_OTHER_AMOUNT)
    assert second.state is PaymentState.PAID
    assert stage.database.committed_base_units() == 500, "what the first is owed stays promised"


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        (PayoutKind.SNAPSHOT, "snapshot_page"),
        (PayoutKind.DIVIDEND, "entitled_page"),
        (PayoutKind.COUPON, "entitled_page"),
        (PayoutKind.REDEMPTION, "entitled_page"),
    ],
)
async def test_5_the_short_last_page_is_asked_for_by_the_length_of_all_others(
    kind: PayoutKind, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten holders in pages of three: asked for by its own length, the last page would be holder 3, not 9."""
    stage = Stage(settings=engine_settings(plan_page_size=3))
    held = list(stage.chain.balances)
    asked: list[tuple[int, int]] = []
    answer = getattr(stage.chain, question)

    async def noted(*arguments: object, page: int, length: int, block_number: BlockNumber) -> object:
        asked.append((page, length))
        return await answer(*arguments, page=page, length=length, block_number=block_number)

    monkeypatch.setattr(stage.chain, question, noted)
    payout_id = await funded_of(stage, kind)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert asked == [(0, 3), (1, 3), (2, 3), (3, 3)]
    supply = sum(balance for _, balance in held)
    assert [stage.chain.money_of(payee) for payee, _ in held] == [
        owed_by_kind(kind, balance, supply) for _, balance in held
    ]


async def test_9_a_percentage_in_three_batches_is_of_one_balance() -> None:
    """The contract would take 10 % of what the batches before have left; a deposit in between counts neither."""
    stage = Stage([100] * 10, settings=engine_settings(max_in_flight_transactions=1))
    stage.chain.deposit(900_000)
    payout_id = await request_of(stage, percentage_basis_points=1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    while not stage.payout(payout_id).progress.paid_count:
        await stage.rounds(1)
    stage.chain.deposit(500_000)
    payout = await stage.run(payout_id)
    assert payout.progress.batch_count == 3
    assert (payout.total_base_units, payout.progress.paid_base_units) == (90_000, 90_000)
    assert {stage.chain.money_of(holder(number)) for number in range(10)} == {9_000}


async def test_12_a_dividend_is_paid_once_however_long_ago_its_date_was() -> None:
    """No window closes: what keeps a dividend from being paid again is that its action has a payout."""
    stage = Stage([10, 20])
    stage.chain.deposit(MONEY)
    action_id = announced(stage)
    payouts = []
    for expected in (PayoutState.COMPLETED, PayoutState.FAILED):
        stage.clock.advance(365 * DAY_SECONDS)
        payouts.append(await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id))
        assert (await stage.run(payouts[-1])).state is expected
    assert stage.payout(payouts[1]).failure_reason == f"ACTION_HAS_PAYOUT: payouts/{payouts[0]} pays it"
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [100, 200]
    assert_only_paid(stage, payouts[0])


async def test_13_beside_a_pending_dividend_a_payout_pays_from_the_snapshot_of_its_own_event() -> None:
    """One transaction takes two snapshots; the next id after the last one is the dividend's."""
    stage = Stage([10, 20])
    stage.chain.deposit(MONEY)
    action_id = announced(stage)
    payout_id = await stage.request(3_000)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert stage.chain.state.actions[action_id].snapshot_id == 1
    assert payout.snapshot
    assert payout.snapshot.snapshot_id == 2
    assert set(stage.chain.state.paid) == {(2, holder(0)), (2, holder(1))}
    dividend_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    dividend = await stage.run(dividend_id)
    assert dividend.snapshot
    assert dividend.snapshot.snapshot_id == 1
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [1_000 + 100, 2_000 + 200]


def multiplied(factor: int) -> Callable[[Block, str], None]:
    """An adjustment of all balances, which no Transfer tells of."""

    def act(block: Block, _: str) -> None:
        block.state.holdings = tokens((payee, balance * factor) for payee, balance in block.state.holdings)
        block.state.frozen = {payee: balance * factor for payee, balance in block.state.frozen.items()}

    return act


async def test_15_balances_that_no_transfer_tells_of_are_paid_as_the_chain_has_them() -> None:
    stage = Stage([10, 20])
    stage.chain.deposit(MONEY)
    stage.chain.freeze(holder(0), 4)
    stage.chain.mine()
    stage.chain.happen(multiplied(5))
    payout_id = await stage.request(3_000)
    await stage.run(payout_id)
    assert [row.planned.balance for row in stage.payments(payout_id)] == [30, 100]
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [600, 2_000]
    assert_books(stage, payout_id)


def test_15_no_payout_can_read_the_register() -> None:
    """Neither by its events nor by a call: of the other services it asks one, for executions alone."""
    assert consumers()[("asset", "asset_import_started")] == ["payout_service"]
    hearing = [event for event, services in consumers().items() if "payout_service" in services]
    assert ("chain_sync", "holder_balances_changed") not in hearing
    assert {context for context, _ in hearing} == {"asset", "distribution"}
    addresses = [name for name in PayoutSettings.model_fields if name.endswith("_address")]
    assert addresses == ["listen_address", "chain_sync_address"]
    assert [name for name in vars(ChainSyncPeer) if not name.startswith("_")] == ["execution_logs"]


@pytest.mark.parametrize("date", ["record", "execution", "maturity"])
async def test_19_a_date_has_come_when_the_chains_clock_says_so_and_not_ours(date: str) -> None:
    """A day passes for us while the chain's clock stands still; then the chain is far ahead of us."""
    stage = Stage([10, 20])
    stage.chain.deposit(MONEY)
    stands_at = now(stage)
    stage.chain.stand_at(stands_at)
    if date == "maturity":
        stage.chain.become_bond(stands_at + AHEAD_SECONDS, 10)
        payout_id = await request_of(stage, PayoutKind.REDEMPTION)
    else:
        record_time = stands_at + (AHEAD_SECONDS if date == "record" else -1)
        action_id = stage.chain.announce(record_time, stands_at + AHEAD_SECONDS, 10)
        stage.chain.mine()
        payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    stage.clock.advance(DAY_SECONDS)
    await stage.rounds(20)
    payout = stage.payout(payout_id)
    names = {
        "record": "RECORD_DATE_REACHED: ",
        "execution": "EXECUTION_DATE_AHEAD: ",
        "maturity": "MATURITY_REACHED: ",
    }
    assert payout.waiting_for.startswith(names[date])
    assert payout.progress.batch_count == 0
    stage.chain.stand_at(stands_at + 365 * DAY_SECONDS)
    stage.chain.mine()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [100, 200]
    assert all(each.succeeded for each in stage.chain.state.mined.values()), "nothing was sent too early"


async def test_16_a_snapshot_in_the_very_second_of_the_record_date_is_waited_for() -> None:
    """The asset takes it then, and tells its holders only a second later."""
    stage = Stage([10, 20])
    stage.chain.deposit(MONEY)
    record_time = now(stage) + 60
    action_id = stage.chain.announce(record_time, record_time, 10)
    stage.chain.mine()
    payout_id = await request_of(stage, PayoutKind.DIVIDEND, action_id=action_id)
    stage.chain.stand_at(record_time)
    stage.chain.trigger_elsewhere()
    stage.chain.mine()
    stage.chain.stand_at(record_time + 2)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert [stage.chain.money_of(holder(number)) for number in range(2)] == [100, 200]


@pytest.mark.parametrize("page_size", [1, 2, 4, 100])
async def test_5_another_page_size_in_the_middle_of_a_plan_skips_and_doubles_nobody(page_size: int) -> None:
    stage = Stage()
    stage.chain.deposit(MONEY)
    payout_id = await stage.request(10_000)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    while not stage.payout(payout_id).listed_count:
        stage.clock.advance(5)
        await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).listed_count == 3
    stage.engine = replace(stage.engine, settings=replace(stage.engine.settings, plan_page_size=page_size))
    payout = await stage.run(payout_id)
    assert (payout.state, payout.listed_count) == (PayoutState.COMPLETED, payout.holder_count)
    planned = [row.planned.holder for row in stage.payments(payout_id)]
    assert planned == list(dict.fromkeys(planned))
    assert len(planned) == payout.holder_count
