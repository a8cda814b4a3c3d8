"""A payout from request to its end, step by step, with all that may come between."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from libs.events import EventNotReadyError
from libs.payout_terms.terms import PayoutKind
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.request_payout import RequestPayoutCommand, request_payout
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.application.treasury.commit_funds import commit_funds
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.lifecycle import LifecycleState
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.transaction import IntentState
from payout_service.domain.treasury import treasury_key
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import CONTRACT, OTHER_SIGNER, SIGNER, holder
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings, incoming, ready_contract
from tests.support.payout.terms_of import terms_of
from tests.unit.payout_service.payouts_of_kinds import (
    assert_books,
    assert_only_paid,
    funded_of,
    owed_by_kind,
    step_of,
)

TOTAL = 10_000


async def funded(stage: Stage, total: int = TOTAL) -> UUID:
    stage.chain.deposit(total)
    return await stage.request(total)


@pytest.mark.parametrize("count", [1, 3, 4, 10, 33])
async def test_every_holder_is_paid_what_the_contract_owes(count: int) -> None:
    stage = Stage([7 * number + 1 for number in range(count)])
    payout_id = await funded(stage)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert payout.plan
    assert payout.progress.paid_base_units == payout.plan.payable_base_units
    assert payout.progress.paid_count == count
    assert payout.progress.batch_count == payout.progress.final_batch_count == -(-count // 4)
    assert stage.database.committed_base_units() == 0
    assert stage.chain.money_of(str(ready_contract().address)) == TOTAL - payout.plan.payable_base_units
    versions = [event.aggregate_version for event in stage.database.events if event.aggregate_id == payout_id]
    assert versions == list(range(1, payout.version + 1)), "every version published once, in order"
    assert stage.database.events[-1].event_name == "payout_completed"


async def test_a_distribution_has_one_payout_however_often_it_is_released() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    command = RequestPayoutCommand(payout_id, ASSET_ID, START, terms_of(total=2 * TOTAL))
    await request_payout(stage.engine, command, incoming(payout_id))
    event = incoming(uuid4())
    await request_payout(stage.engine, replace(command, distribution_id=event.aggregate_id), event)
    await request_payout(stage.engine, replace(command, distribution_id=uuid4()), event)
    assert stage.payout(payout_id).total_base_units == TOTAL
    assert len(stage.database.rows("payout")) == 2


async def test_a_payout_waits_for_its_asset() -> None:
    stage = Stage()
    event = incoming(uuid4())
    command = RequestPayoutCommand(event.aggregate_id, ASSET_ID, START, terms_of(total=1))
    with pytest.raises(EventNotReadyError):
        await request_payout(stage.engine, command, event)
    assert stage.database.rows("inbox") == {}, "not recorded as processed"


@pytest.mark.parametrize(
    ("attribute", "value", "name"),
    [
        ("has_snapshot_role", False, "SNAPSHOT_ROLE_HELD"),
        ("has_payout_role", False, "PAYOUT_ROLE_HELD"),
        ("gas_money", 0, "SIGNER_HAS_GAS_MONEY"),
        ("paused", True, "LIFECYCLE_CONTRACT_NOT_PAUSED"),
        ("pays_in", None, "LIFECYCLE_CONTRACT_EXISTS"),
        ("is_for_asset", False, "ASSET_MATCHES"),
        ("is_for_asset", None, "ASSET_MATCHES"),
        ("id_told", 1, "WRONG_CHAIN"),
        ("is_down", True, "CHAIN_UNAVAILABLE"),
    ],
)
async def test_what_is_not_ready_is_waited_for_by_name(attribute: str, value: object, name: str) -> None:
    stage = Stage()
    payout_id = await funded(stage)
    before = getattr(stage.chain, attribute)
    setattr(stage.chain, attribute, value)
    await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).state is PayoutState.REQUESTED
    assert stage.payout(payout_id).waiting_for.startswith(name + ":")
    setattr(stage.chain, attribute, before)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


async def test_an_asset_whose_contract_failed_is_not_paid() -> None:
    stage = Stage()
    async with stage.database.unit_of_work() as work:
        contract = ready_contract()
        contract.state, contract.failure_reason = LifecycleState.FAILED, "the asset is on chain 1"
        await work.lifecycle.add(contract)
        await work.commit()
    payout_id = await funded(stage)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.FAILED
    assert payout.failure_reason == "LIFECYCLE_CONTRACT_FAILED: the asset is on chain 1"
    assert stage.database.intents() == []


async def test_a_snapshot_that_would_revert_waits_by_name() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    stage.chain.would_revert = lambda call: "TokenIsPaused()"
    await stage.rounds(3)
    assert stage.payout(payout_id).waiting_for == f"CALL_WOULD_REVERT: TokenIsPaused() (snapshot/{payout_id})"
    stage.chain.would_revert = lambda call: ""
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


async def test_a_reverted_snapshot_fails_the_payout() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    stage.chain.reverting_snapshots = 1
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.FAILED
    assert payout.failure_reason.startswith("SNAPSHOT_REVERTED: 0x")
    assert stage.database.committed_base_units() == 0


async def test_a_snapshot_without_its_event_fails_the_payout() -> None:
    stage = Stage()
    payout_id = await funded(stage)

    async def nothing(*arguments: object) -> None:
        return None

    stage.chain.snapshot_id_in = nothing  # type: ignore[method-assign, assignment]
    assert (await stage.run(payout_id)).failure_reason.startswith("SNAPSHOT_WITHOUT_EVENT: 0x")


async def test_no_holders_fail_the_payout_before_a_snapshot() -> None:
    stage = Stage([])
    payout = await stage.run(await funded(stage))
    assert payout.state is PayoutState.FAILED
    assert payout.failure_reason.startswith("NO_HOLDERS")
    assert stage.database.intents() == []


async def test_holders_that_left_before_the_snapshot_fail_the_payout() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.SNAPSHOTTING)
    stage.chain.balances = []
    assert (await stage.run(payout_id)).failure_reason == "NO_HOLDERS: snapshot 1 has no holders"


async def test_when_nobody_is_due_a_unit_the_payout_completes_without_a_batch() -> None:
    stage = Stage([1, 1, 1])
    payout = await stage.run(await funded(stage, 2))
    assert payout.state is PayoutState.COMPLETED
    assert payout.progress.batch_count == 0
    assert payout.plan
    assert (payout.plan.zero_due_count, payout.plan.rounding_dust_base_units) == (3, 2)
    assert [intent.key.partition("/")[0] for intent in stage.database.intents()] == ["snapshot"]


async def test_who_is_due_nothing_is_in_no_batch() -> None:
    stage = Stage([1, 1_000_000])
    payout_id = await funded(stage, 100)
    await stage.run(payout_id)
    assert [row.state for row in stage.payments(payout_id)] == [PaymentState.ZERO_DUE, PaymentState.PAID]
    assert stage.payments(payout_id)[0].batch_number is None


async def test_the_share_of_frozen_tokens_is_no_dust() -> None:
    stage = Stage([50, 25])
    stage.chain.frozen = 25
    payout = await stage.run(await funded(stage, 1_000))
    assert payout.plan
    assert (payout.plan.payable_base_units, payout.plan.frozen_share_base_units) == (750, 250)
    assert payout.plan.rounding_dust_base_units == 0


async def test_transfers_after_the_snapshot_change_nothing() -> None:
    stage = Stage([60, 40])
    payout_id = await funded(stage, 100)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    stage.chain.balances = [(holder(7), 100)]
    await stage.run(payout_id)
    assert [stage.chain.money_of(holder(number)) for number in (0, 1, 7)] == [60, 40, 0]


async def test_a_short_page_is_waited_for_and_never_planned() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    stage.chain.short_pages_by = 1
    await stage.run_to(payout_id, PayoutState.PLANNING)
    await stage.rounds(2)
    assert stage.payout(payout_id).waiting_for == "SNAPSHOT_PAGE_SHORT: page 0 has 2 holders, 3 belong there"
    assert stage.payments(payout_id) == []
    stage.chain.short_pages_by = 0
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


@pytest.mark.parametrize("again", [1, 4, 9], ids=["in the same page", "in the next page", "in the last page"])
async def test_a_holder_that_the_asset_lists_twice_is_paid_once(again: int) -> None:
    """Version 7 adds a holder to its list again who has received tokens while all others were frozen."""
    stage = Stage(settings=engine_settings(plan_page_size=3))
    payout_id = await funded(stage)
    stage.chain.balances[again] = stage.chain.balances[0]
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    payees = [row.planned.holder for row in stage.payments(payout_id)]
    assert sorted(payees) == sorted({each for each, _ in stage.chain.balances})
    assert [row.planned.ordinal for row in stage.payments(payout_id)] == list(range(9))
    stage.assert_paid_as_planned(payout_id)


async def test_money_is_waited_for_by_name_until_a_deposit_comes() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(400)
    payout_id = await stage.request(1_000)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    await stage.rounds(2)
    assert "needs 600 more base units" in stage.payout(payout_id).waiting_for
    assert stage.payout(payout_id).waiting_for.startswith("INSUFFICIENT_FUNDS: ")
    assert stage.database.committed_base_units() == 0
    stage.chain.deposit(600)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


@pytest.mark.parametrize("seed", range(10))
async def test_money_is_promised_once(seed: int) -> None:
    """Two payouts, money for one: one executes, the other waits, whoever comes first."""
    stage = Stage([1, 1], seed=seed)
    stage.chain.deposit(1_500)
    payouts = [await stage.request(1_000), await stage.request(1_000)]
    for payout_id in payouts:
        await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    contract = ready_contract()
    await asyncio.gather(
        *(commit_funds(stage.engine, stage.payout(each), contract) for each in [*payouts, *payouts])
    )
    states = sorted(stage.payout(each).state for each in payouts)
    assert states == [PayoutState.EXECUTING, PayoutState.WAITING_FOR_FUNDS]
    assert stage.database.committed_base_units() == 1_000


async def test_a_balance_read_before_money_left_is_not_used() -> None:
    """Between balance and lock another payout's payment is settled: its money is in neither figure."""
    stage = Stage([1, 1])
    payout_id = await stage.request(1_000)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    stage.chain.deposit(1_000)
    key, other = treasury_key(ready_contract()), uuid4()
    async with stage.database.unit_of_work() as work:
        await work.treasury.lock(key)
        await work.treasury.commit(key, other, 1_000)
        await work.commit()

    def pay_meanwhile() -> None:
        stage.chain.before_balance_answer = lambda: None
        stage.database.rows("commitment")[other] = (key, 0)
        stage.database.rows("treasury")[key] += 1

    stage.chain.before_balance_answer = pay_meanwhile
    await commit_funds(stage.engine, stage.payout(payout_id), ready_contract())
    assert stage.payout(payout_id).state is PayoutState.WAITING_FOR_FUNDS
    await commit_funds(stage.engine, stage.payout(payout_id), ready_contract())
    assert stage.payout(payout_id).state is PayoutState.EXECUTING


@pytest.mark.parametrize(
    ("attribute", "value", "name"),
    [
        ("pays_in", ready_contract().token, "PAYMENT_TOKEN_CHANGED"),
        ("implementation", ready_contract().token, "IMPLEMENTATION_CHANGED"),
        ("implementation", None, "IMPLEMENTATION_CHANGED"),
        ("paused", True, "LIFECYCLE_CONTRACT_PAUSED"),
        ("has_payout_role", False, "PAYOUT_ROLE_MISSING"),
    ],
)
async def test_what_the_plan_relied_on_is_looked_at_before_each_batch(
    attribute: str, value: object, name: str
) -> None:
    stage = Stage(settings=engine_settings(max_in_flight_transactions=1))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).progress.batch_count == 1
    before = getattr(stage.chain, attribute)
    setattr(stage.chain, attribute, value)
    await stage.rounds(8)
    payout = stage.payout(payout_id)
    assert payout.progress.batch_count == payout.progress.final_batch_count == 1
    assert payout.waiting_for.startswith(name + ":")
    setattr(stage.chain, attribute, before)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


async def test_caps_below_one_payee_are_named() -> None:
    limits = BatchLimits(max_gas=150_000, max_calldata_bytes=100_000, max_payees=100)
    stage = Stage(settings=engine_settings(batch_limits=limits))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await stage.rounds(2)
    assert stage.payout(payout_id).waiting_for.startswith("BATCH_CAPS_TOO_LOW")


async def test_open_batches_are_bounded() -> None:
    stage = Stage([1] * 40, settings=engine_settings(max_in_flight_transactions=2))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    for _ in range(10):
        stage.clock.advance(5)
        await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).progress.batch_count == 2


async def test_who_was_paid_by_another_execution_is_paid_by_that_one() -> None:
    stage = Stage([1, 1])
    payout_id = await funded(stage, 1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    elsewhere = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, 1, 1_000, (holder(0),))
    stage.chain.use_nonce_elsewhere(
        stage.chain.pay_batch(CONTRACT, ready_contract().token, elsewhere), OTHER_SIGNER
    )
    other = stage.chain.state.by_nonce[OTHER_SIGNER, 0]
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    first, second = stage.payments(payout_id)
    assert (first.state, first.transaction_hash) == (PaymentState.PAID, other)
    assert second.transaction_hash != other
    assert [stage.chain.money_of(holder(number)) for number in (0, 1)] == [500, 500]
    assert stage.database.committed_base_units() == 0


async def test_who_was_paid_another_amount_is_disputed_and_never_paid_again() -> None:
    stage = Stage([1, 1])
    payout_id = await funded(stage, 1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    elsewhere = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, 1, 10, (holder(0),))
    stage.chain.use_nonce_elsewhere(
        stage.chain.pay_batch(CONTRACT, ready_contract().token, elsewhere), OTHER_SIGNER
    )
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.INCOMPLETE
    assert stage.payments(payout_id)[0].state is PaymentState.DISPUTED
    assert stage.payments(payout_id)[0].reason == FailureReason.PAID_OTHER_AMOUNT
    assert stage.chain.money_of(holder(0)) == 5
    assert stage.database.committed_base_units() == 500 - 5, "an operator decides about what has not moved"


async def test_a_paid_flag_that_no_execution_explains_fails_by_name() -> None:
    stage = Stage([1, 1])
    payout_id = await funded(stage, 1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    stage.chain.state.paid[1, holder(0)] = 500
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.INCOMPLETE
    assert stage.payments(payout_id)[0].reason == FailureReason.ALREADY_PAID_ELSEWHERE
    assert stage.chain.money_of(holder(0)) == 0


async def test_payees_of_a_reverted_batch_are_paid_by_others() -> None:
    stage = Stage([1, 2, 3])
    payout_id = await funded(stage)
    stage.chain.reverting_batches = 1
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert [each.holder_count for each in stage.database.batches(payout_id)] == [3, 1, 1, 1]
    assert payout.progress.batch_count == payout.progress.final_batch_count == 4
    stage.assert_paid_as_planned(payout_id)
    assert [row.tries for row in stage.payments(payout_id)] == [2, 2, 2]


async def test_signers_share_the_batches_of_a_payout() -> None:
    stage = Stage([1] * 40, signers=(SIGNER, OTHER_SIGNER))
    payout_id = await funded(stage)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    batches = [each for each in stage.database.intents() if each.key.startswith("batch/")]
    by_signer = Counter(each.signer for each in batches)
    assert by_signer == {SIGNER: 5, OTHER_SIGNER: 5}
    snapshot = stage.database.intent(f"snapshot/{payout_id}")
    assert snapshot.signer == SIGNER, "everything but batches stays with the first"


async def test_a_signer_that_stopped_holds_up_only_its_own_batches() -> None:
    stage = Stage([1] * 16, signers=(SIGNER, OTHER_SIGNER))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    stage.chain.use_nonce_elsewhere(signer=OTHER_SIGNER)
    await stage.rounds(20)
    payout = stage.payout(payout_id)
    assert payout.waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION: JOURNAL_BEHIND_CHAIN")
    assert payout.progress.paid_count == 8
    assert {each.state for each in stage.database.intents() if each.signer == SIGNER} == {IntentState.SUCCEEDED}


@pytest.mark.parametrize(
    ("question", "lacking", "name"),
    [
        ("holds_payout_role", False, "PAYOUT_ROLE_HELD"),
        ("gas_money_wei", 0, "SIGNER_HAS_GAS_MONEY"),
    ],
)
async def test_preflight_names_the_signer_that_lacks_something(question: str, lacking: object, name: str) -> None:
    stage = Stage(signers=(SIGNER, OTHER_SIGNER))
    payout_id = await funded(stage)
    original = getattr(stage.chain, question)

    async def answer(*arguments: object) -> object:
        return lacking if OTHER_SIGNER in arguments else await original(*arguments)

    setattr(stage.chain, question, answer)
    await advance_one_payout(stage.engine)
    payout = stage.payout(payout_id)
    assert payout.state is PayoutState.REQUESTED
    assert payout.waiting_for.startswith(f"{name}: ")
    assert str(OTHER_SIGNER) in payout.waiting_for
    assert str(SIGNER) not in payout.waiting_for
    assert stage.chain.signed == []
    setattr(stage.chain, question, original)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


async def test_a_role_that_one_signer_lost_is_named_before_the_next_batch() -> None:
    stage = Stage(signers=(SIGNER, OTHER_SIGNER))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)

    async def answer(contract: object, signer: object) -> bool:
        return signer != OTHER_SIGNER

    stage.chain.holds_payout_role = answer  # type: ignore[method-assign]
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    payout = stage.payout(payout_id)
    assert (
        payout.waiting_for == f"PAYOUT_ROLE_MISSING: the contract's DEFAULT_ADMIN can grant it to {OTHER_SIGNER}"
    )
    assert payout.progress.batch_count == 0


async def test_a_lost_nonce_leaves_the_payout_waiting_by_name() -> None:
    stage = Stage([1, 2, 3], settings=engine_settings(max_in_flight_transactions=1))
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await advance_one_payout(stage.engine)
    while stage.database.intent(f"batch/{payout_id}/1").state is IntentState.CREATED:
        await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await stage.rounds(6)
    payout = stage.payout(payout_id)
    assert payout.state is PayoutState.EXECUTING
    assert payout.waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION")
    assert all(row.state is PaymentState.IN_FLIGHT for row in stage.payments(payout_id))
    other = await stage.request(1)
    await stage.rounds(4)
    assert stage.payout(other).waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION"), "whoever waits behind it too"


async def test_a_changed_signer_is_named_by_who_waits_for_the_old_one() -> None:
    stage = Stage([1, 2, 3])
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.SNAPSHOTTING)
    stage.engine = replace(stage.engine, signers=(ready_contract().token,))
    await stage.rounds(2)
    assert stage.payout(payout_id).waiting_for.startswith("SIGNER_CHANGED: snapshot/")


async def test_the_node_moved_to_another_chain_is_named_while_money_is_in_flight() -> None:
    stage = Stage()
    payout_id = await funded(stage)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    genesis, stage.chain.genesis = stage.chain.genesis, "0x" + "11" * 32
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    assert stage.payout(payout_id).waiting_for.startswith("WRONG_CHAIN: ")
    assert stage.payout(payout_id).planned_count == 0, "nothing is planned from another chain"
    stage.chain.genesis = genesis
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED


STATES = [
    PayoutState.REQUESTED,
    PayoutState.SNAPSHOTTING,
    PayoutState.PLANNING,
    PayoutState.WAITING_FOR_FUNDS,
    PayoutState.EXECUTING,
]


# A redemption takes no snapshot.
STATES_OF_KINDS = [
    (state, kind)
    for kind in PayoutKind
    for state in STATES
    if (state, kind) != (PayoutState.SNAPSHOTTING, PayoutKind.REDEMPTION)
]


@pytest.mark.parametrize(("state", "kind"), STATES_OF_KINDS)
async def test_a_step_done_again_on_a_stale_view_changes_nothing(state: PayoutState, kind: PayoutKind) -> None:
    """A replica whose lease ran out does its step after another has done it."""
    stage = Stage()
    payout_id = await funded_of(stage, kind)
    stale = await stage.run_to(payout_id, state)
    await stage.run(payout_id)
    before = (stage.payout(payout_id), stage.payments(payout_id), stage.database.intents())
    events, money = list(stage.database.events), dict(stage.chain.state.money)
    for _ in range(2):
        await step_of(stale)(stage.engine, stale, ready_contract())
    assert (stage.payout(payout_id), stage.payments(payout_id), stage.database.intents()) == before
    assert stage.database.events == events
    await stage.rounds(4)
    assert stage.chain.state.money == money


@pytest.mark.parametrize("kind", PayoutKind)
@pytest.mark.parametrize("seed", range(8))
async def test_two_replicas_racing_every_step_do_it_once(seed: int, kind: PayoutKind) -> None:
    """Without any lease between them: the row locks and the looks behind them alone."""
    stage = Stage(seed=seed)
    held, supply = list(stage.chain.balances), stage.chain.state.supply
    payout_id = await funded_of(stage, kind)
    stage.chain.reverting_batches = 1
    while (payout := stage.payout(payout_id)).state in STATES:
        assert len(stage.chain.blocks) < 200
        stage.clock.advance(5)
        step = step_of(payout)
        await asyncio.gather(
            step(stage.engine, payout, ready_contract()),
            step(stage.engine, payout, ready_contract()),
            drive_transactions(stage.lanes, SIGNER),
            drive_transactions(stage.lanes, SIGNER),
        )
        stage.chain.mine()
    assert payout.state is PayoutState.COMPLETED
    for payee, balance in held:
        assert stage.chain.money_of(payee) == owed_by_kind(kind, balance, supply)
    assert len(stage.chain.state.snapshots) == (kind is not PayoutKind.REDEMPTION)
    assert payout.progress.batch_count == payout.progress.final_batch_count
    assert_books(stage, payout_id)
    assert_only_paid(stage, payout_id)
