"""An operator's verbs: pause, resume, cancel and retry, in every state, once per request."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from libs.payout_terms.terms import NO_RULES, PayeeRules
from payout_service.application.engine import Engine
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.control_payout import (
    MAX_HOLDERS,
    cancel_payout,
    pause_payout,
    resume_payout,
    retry_payments,
)
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import CANCELLABLE_STATES, PAUSABLE_STATES, Payout, PayoutState
from payout_service.domain.plan import PlanTotals
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.transaction import IntentState
from payout_service.domain.waits import told
from tests.support.payout.amounts import money
from tests.support.payout.memory_chain import SIGNER, holder
from tests.support.payout.stage import Stage, engine_settings
from tests.unit.payout_service.payouts_of_kinds import request_of

TOTAL = 10_000
ONE_TRY = RetryPolicy(max_tries=1)
S = PayoutState
Verb = Callable[[Engine, RequestKey, UUID], Awaitable[Payout]]
VERBS: dict[str, Verb] = {"pause": pause_payout, "resume": resume_payout, "cancel": cancel_payout}


def key(method: str = "Pause", content: bytes = b"") -> RequestKey:
    return RequestKey(uuid4(), method, content, "operator")


async def funded(stage: Stage, rules: PayeeRules = NO_RULES) -> UUID:
    stage.chain.deposit(TOTAL)
    return await request_of(stage, total=TOTAL, rules=rules)


async def in_state(stage: Stage, state: PayoutState) -> UUID:
    """A payout that has got to a state by itself, or with an operator's help."""
    # The holder that is due least is deferred.
    rules = PayeeRules(minimum_base_units=200) if state is S.DEFERRED else NO_RULES
    payout_id = await funded(stage, rules)
    match state:
        case S.PAUSED:
            await pause_payout(stage.engine, key(), payout_id)
        case S.CANCELLING:
            await stage.run_to(payout_id, S.EXECUTING)
            await cancel_payout(stage.engine, key(), payout_id)
        case S.CANCELLED:
            await cancel_payout(stage.engine, key(), payout_id)
            await stage.run(payout_id)
        case S.FAILED:
            stage.chain.reverting_snapshots = 1
            await stage.run(payout_id)
        case S.INCOMPLETE:
            stage.chain.blocked_payees = {holder(0)}
            await stage.run(payout_id)
        case S.COMPLETED:
            await stage.run(payout_id)
        case _:
            await stage.run_to(payout_id, state)
    assert stage.payout(payout_id).state is state
    return payout_id


def staged() -> Stage:
    return Stage(settings=engine_settings(retry=ONE_TRY))


def identity_of(stage: Stage, payout_id: UUID) -> None:
    """Paid + dust + frozen share + open + cancelled = declared, from the rows; the commitment is what is open."""
    payout = stage.payout(payout_id)
    by_state: dict[PaymentState, int] = {}
    for row in stage.payments(payout_id):
        by_state[row.state] = by_state.get(row.state, 0) + row.planned.amount_base_units
    if not isinstance(payout.plan, PlanTotals):
        return
    paid, cancelled = by_state.get(PaymentState.PAID, 0), by_state.get(PaymentState.CANCELLED, 0)
    assert (payout.progress.paid_base_units, payout.progress.cancelled_base_units) == (paid, cancelled)
    payout.plan.assert_identity(
        declared_base_units=payout.total_base_units,
        paid_base_units=BaseUnits(paid),
        open_base_units=BaseUnits(sum(by_state.values()) - paid - cancelled),
        cancelled_base_units=BaseUnits(cancelled),
    )


# ------------------------------------------------------------------------------------------------ states


ALLOWED = {
    "pause": PAUSABLE_STATES | {S.PAUSED},
    "resume": {S.PAUSED},
    "cancel": CANCELLABLE_STATES | {S.CANCELLING},
}


@pytest.mark.parametrize("state", PayoutState)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_works_where_the_table_allows_it_and_is_refused_by_name_elsewhere(
    verb: str, state: PayoutState
) -> None:
    stage = staged()
    payout_id = await in_state(stage, state)
    before = stage.payout(payout_id)
    if state in ALLOWED[verb]:
        after = await VERBS[verb](stage.engine, key(), payout_id)
        assert after.state is {"pause": S.PAUSED, "cancel": S.CANCELLING}.get(verb, S.REQUESTED)
        assert after == stage.payout(payout_id)
        return
    with pytest.raises(AppError) as caught:
        await VERBS[verb](stage.engine, key(), payout_id)
    assert (caught.value.reason, caught.value.field) == (Reason.PAYOUT_STATE_FORBIDS, "name")
    assert caught.value.metadata == {"state": state.value}
    assert stage.payout(payout_id) == before


@pytest.mark.parametrize("verb", VERBS)
async def test_a_payout_that_does_not_exist_is_named(verb: str) -> None:
    stage = staged()
    payout_id = uuid4()
    with pytest.raises(AppError, match=f"there is no payouts/{payout_id}") as caught:
        await VERBS[verb](stage.engine, key(), payout_id)
    assert (caught.value.reason, caught.value.field) == (Reason.PAYOUT_NOT_FOUND, "name")


# ------------------------------------------------------------------------------------------------ pause


@pytest.mark.parametrize("state", sorted(PAUSABLE_STATES))
async def test_a_paused_payout_begins_nothing_and_goes_on_when_it_is_resumed(state: PayoutState) -> None:
    stage = staged()
    payout_id = await in_state(stage, state)
    await pause_payout(stage.engine, key(), payout_id)
    await stage.rounds(10)
    payout = stage.payout(payout_id)
    assert (payout.state, payout.paused_from) == (S.PAUSED, state)
    assert payout.waiting_for == "PAUSED: ResumePayout goes on, CancelPayout gives up"
    assert stage.payments(payout_id) == [] or {row.state for row in stage.payments(payout_id)} == {
        PaymentState.PLANNED
    }
    assert stage.database.batches(payout_id) == []
    await resume_payout(stage.engine, key(), payout_id)
    assert stage.payout(payout_id).state is state
    assert (await stage.run(payout_id)).state is S.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert len(stage.chain.state.snapshots) == 1


async def test_a_pause_takes_back_what_has_not_left_and_lets_the_rest_come_to_its_end() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.EXECUTING)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    await stage.drive()
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    left, waits = (stage.database.intent(f"batch/{payout_id}/{number}") for number in (1, 2))
    await pause_payout(stage.engine, key(), payout_id)
    assert (left.state, waits.state) == (IntentState.BROADCAST, IntentState.CREATED)
    assert stage.database.intent(waits.key).state is IntentState.VOIDED
    assert told(stage.database.intent(waits.key).void_reason).startswith("PAUSED")
    await stage.rounds(10)
    payout = stage.payout(payout_id)
    assert payout.state is S.PAUSED
    assert (payout.progress.paid_count, payout.progress.final_batch_count) == (4, 2)
    assert [each.settled_state for each in stage.database.batches(payout_id)] == [
        BatchState.SETTLED,
        BatchState.VOIDED,
    ]
    assert not any(attempt.is_no_op for each in stage.database.intents() for attempt in each.attempts)
    await resume_payout(stage.engine, key(), payout_id)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert {row.tries for row in stage.payments(payout_id)} == {1}, "a batch that never left was no try"
    stage.assert_paid_as_planned(payout_id)


# ------------------------------------------------------------------------------------------------ cancel


@pytest.mark.parametrize("state", sorted(CANCELLABLE_STATES - {S.INCOMPLETE, S.DEFERRED}))
async def test_a_cancelled_payout_pays_nobody_and_releases_its_money(state: PayoutState) -> None:
    stage = staged()
    payout_id = await in_state(stage, state)
    await cancel_payout(stage.engine, key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.CANCELLED
    assert payout.paused_from is None
    assert stage.database.committed_base_units() == 0
    assert all(stage.chain.money_of(payee) == 0 for payee, _ in stage.chain.balances)
    assert {row.state for row in stage.payments(payout_id)} <= {PaymentState.CANCELLED}
    identity_of(stage, payout_id)
    other = await stage.request(TOTAL)
    assert (await stage.run(other)).state is S.COMPLETED, "the money is there for others"
    assert stage.database.events[-1].event_name == "payout_completed"
    assert "payout_cancelled" in [each.event_name for each in stage.database.events]


async def test_who_is_paid_stays_paid_and_only_the_rest_is_given_up() -> None:
    stage = Stage(settings=engine_settings(max_in_flight_transactions=1))
    payout_id = await in_state(stage, S.EXECUTING)
    while stage.payout(payout_id).progress.paid_count == 0:
        await stage.round()
        stage.chain.mine()
    await cancel_payout(stage.engine, key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.CANCELLED
    assert payout.progress.paid_count + payout.progress.cancelled_count == 10
    assert payout.progress.paid_count > 0
    assert payout.progress.cancelled_count > 0
    identity_of(stage, payout_id)
    assert stage.database.committed_base_units() == 0
    for row in stage.payments(payout_id):
        paid = row.planned.amount_base_units if row.state is PaymentState.PAID else 0
        assert stage.chain.money_of(row.planned.holder) == paid


async def test_failed_payments_are_given_up_by_a_cancel() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.INCOMPLETE)
    assert stage.database.committed_base_units() > 0
    await cancel_payout(stage.engine, key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is S.CANCELLED
    assert (payout.progress.failed_count, payout.progress.cancelled_count) == (0, 1)
    assert stage.database.committed_base_units() == 0
    identity_of(stage, payout_id)


async def test_the_money_of_a_disputed_payment_stays_promised_but_for_what_has_moved() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.EXECUTING)
    original = stage.chain.receipt_evidence

    async def disagreeing(*arguments: object) -> object:
        evidence = await original(*arguments)  # type: ignore[arg-type]
        return type(evidence)(evidence.event, money({**evidence.transferred, holder(0): 1}))

    stage.chain.receipt_evidence = disagreeing  # type: ignore[method-assign, assignment]
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    disputed = stage.payments(payout_id)[0]
    assert disputed.state is PaymentState.DISPUTED
    with pytest.raises(AppError) as caught:
        await retry_payments(stage.engine, key(), payout_id, ())
    assert caught.value.reason is Reason.PAYMENT_NOT_RETRIABLE
    await cancel_payout(stage.engine, key(), payout_id)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    assert stage.payments(payout_id)[0].state is PaymentState.DISPUTED, "it may have been paid"
    # One base unit has moved, as far as the token says.
    assert stage.database.committed_base_units() == disputed.planned.amount_base_units - 1
    identity_of(stage, payout_id)


async def test_who_a_batch_could_not_pay_after_the_cancel_is_given_up_too() -> None:
    stage = Stage()
    payout_id = await in_state(stage, S.EXECUTING)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    await stage.drive()
    stage.chain.mine()
    await stage.drive()
    stage.chain.reorg(1, remine=True)
    stage.chain.blocked_payees = {holder(1)}
    await cancel_payout(stage.engine, key(), payout_id)
    stage.chain.mine(3)
    assert (await stage.run(payout_id)).state is S.CANCELLED
    first, second = stage.payments(payout_id)[:2]
    assert (first.state, second.state) == (PaymentState.PAID, PaymentState.CANCELLED)
    assert stage.database.committed_base_units() == 0
    identity_of(stage, payout_id)


# ------------------------------------------------------------------------------------------------ retry


async def with_failures(stage: Stage, *numbers: int) -> UUID:
    stage.chain.blocked_payees = {holder(number) for number in numbers}
    payout_id = await funded(stage)
    assert (await stage.run(payout_id)).state is S.INCOMPLETE
    stage.chain.blocked_payees = set()
    return payout_id


async def test_all_that_failed_are_tried_again() -> None:
    stage = staged()
    payout_id = await with_failures(stage, 2, 7)
    payout = await retry_payments(stage.engine, key(), payout_id, ())
    assert (payout.state, payout.progress.failed_count) == (S.EXECUTING, 0)
    assert [stage.payments(payout_id)[number].tries for number in (2, 7)] == [0, 0], "the bound begins anew"
    assert (await stage.run(payout_id)).state is S.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert stage.database.committed_base_units() == 0


async def test_only_those_that_are_listed_are_tried_again() -> None:
    stage = staged()
    payout_id = await with_failures(stage, 2, 7)
    await retry_payments(stage.engine, key(), payout_id, (holder(7),))
    payout = await stage.run(payout_id)
    assert (payout.state, payout.progress.failed_count) == (S.INCOMPLETE, 1)
    assert stage.payments(payout_id)[2].state is PaymentState.FAILED
    assert stage.payments(payout_id)[7].state is PaymentState.PAID


@pytest.mark.parametrize("wrong", [holder(0), holder(99)])
async def test_a_holder_that_cannot_be_retried_is_named_and_nobody_is(wrong: HolderAddress) -> None:
    stage = staged()
    payout_id = await with_failures(stage, 2, 7)
    with pytest.raises(AppError) as caught:
        await retry_payments(stage.engine, key(), payout_id, (holder(7), wrong))
    assert (caught.value.reason, caught.value.field) == (Reason.PAYMENT_NOT_RETRIABLE, "holders[1]")
    assert wrong in caught.value.message
    assert stage.payments(payout_id)[7].state is PaymentState.FAILED
    assert stage.payout(payout_id).state is S.INCOMPLETE


async def test_when_nothing_can_be_retried_it_says_so() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.EXECUTING)
    with pytest.raises(AppError, match="no payment has failed") as caught:
        await retry_payments(stage.engine, key(), payout_id, ())
    assert caught.value.reason is Reason.PAYMENT_NOT_RETRIABLE


@pytest.mark.parametrize("state", sorted(set(PayoutState) - {S.INCOMPLETE, S.DEFERRED, S.EXECUTING, S.PAUSED}))
async def test_a_retry_is_refused_where_nothing_can_have_failed(state: PayoutState) -> None:
    stage = staged()
    payout_id = await in_state(stage, state)
    with pytest.raises(AppError) as caught:
        await retry_payments(stage.engine, key(), payout_id, ())
    assert caught.value.reason is Reason.PAYOUT_STATE_FORBIDS


async def test_who_waits_is_tried_again_at_once() -> None:
    stage = Stage(settings=engine_settings(retry=RetryPolicy(max_tries=5, first_delay_seconds=10_000)))
    stage.chain.blocked_payees = {holder(3)}
    payout_id = await funded(stage)
    while stage.payout(payout_id).progress.waiting_count == 0:
        await stage.round()
        stage.chain.mine()
    stage.chain.blocked_payees = set()
    waited_until = stage.payments(payout_id)[3].retry_time
    payout = await retry_payments(stage.engine, key(), payout_id, (holder(3),))
    assert (payout.state, payout.progress.waiting_count) == (S.EXECUTING, 0)
    assert (await stage.run(payout_id)).state is S.COMPLETED
    assert waited_until
    assert stage.clock.now() < waited_until


async def test_what_is_retried_while_paused_waits_for_the_resumption() -> None:
    stage = Stage(settings=engine_settings(retry=RetryPolicy(max_tries=5, first_delay_seconds=10_000)))
    stage.chain.blocked_payees = {holder(3)}
    payout_id = await funded(stage)
    while stage.payout(payout_id).progress.waiting_count == 0:
        await stage.round()
        stage.chain.mine()
    stage.chain.blocked_payees = set()
    await pause_payout(stage.engine, key(), payout_id)
    await retry_payments(stage.engine, key(), payout_id, ())
    await stage.rounds(5)
    assert stage.payments(payout_id)[3].state is PaymentState.PLANNED
    await resume_payout(stage.engine, key(), payout_id)
    assert (await stage.run(payout_id)).state is S.COMPLETED


async def test_a_list_that_is_too_long_is_refused() -> None:
    stage = staged()
    payout_id = await with_failures(stage, 2)
    holders = tuple(holder(number) for number in range(MAX_HOLDERS + 1))
    with pytest.raises(AppError) as caught:
        await retry_payments(stage.engine, key(), payout_id, holders)
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_MANY_HOLDERS, "holders")


# ------------------------------------------------------------------------------------------------ requests


async def test_a_repeated_request_does_nothing_and_answers_with_the_present_state() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.EXECUTING)
    request = key()
    await pause_payout(stage.engine, request, payout_id)
    await resume_payout(stage.engine, key(), payout_id)
    version = stage.payout(payout_id).version
    again = await pause_payout(stage.engine, request, payout_id)
    assert (again.state, again.version) == (S.EXECUTING, version), "it is not paused again"


async def test_a_request_id_is_for_one_call() -> None:
    stage = staged()
    payout_id = await with_failures(stage, 2)
    request = key("Retry", b"all")
    await retry_payments(stage.engine, request, payout_id, ())
    for method, content in (("Retry", b"one"), ("Cancel", b"all")):
        other = RequestKey(request.request_id, method, content, "operator")
        with pytest.raises(AppError) as caught:
            await cancel_payout(stage.engine, other, payout_id)
        assert (caught.value.reason, caught.value.field) == (Reason.REQUEST_ID_REUSED, "request_id")
    assert stage.payout(payout_id).state is S.EXECUTING


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_request_at_once_is_carried_out_once(seed: int) -> None:
    stage = Stage(seed=seed, settings=engine_settings(retry=ONE_TRY))
    payout_id = await with_failures(stage, 2)
    request, version = key("Retry"), stage.payout(payout_id).version
    answers = await asyncio.gather(*(retry_payments(stage.engine, request, payout_id, ()) for _ in range(3)))
    assert {each.payout_id for each in answers} == {payout_id}
    assert stage.payout(payout_id).version == version + 1


async def test_a_refused_request_may_be_repeated_when_it_is_allowed() -> None:
    stage = staged()
    payout_id = await in_state(stage, S.EXECUTING)
    request = key("Resume")
    with pytest.raises(AppError):
        await resume_payout(stage.engine, request, payout_id)
    await pause_payout(stage.engine, key(), payout_id)
    assert (await resume_payout(stage.engine, request, payout_id)).state is S.EXECUTING


# ------------------------------------------------------------------------------------------------ races


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_a_verb_and_the_signing_of_a_batch_decide_under_one_lock(verb: str, seed: int) -> None:
    """Whoever is first: a batch is signed and comes to its end, or it has provably not left; paid once."""
    stage = Stage(seed=seed)
    payout_id = await in_state(stage, S.EXECUTING)
    stage.clock.advance(5)
    await asyncio.gather(
        advance_one_payout(stage.engine),
        drive_transactions(stage.lanes, SIGNER),
        VERBS[verb](stage.engine, key(), payout_id),
        drive_transactions(stage.lanes, SIGNER),
    )
    await asyncio.gather(drive_transactions(stage.lanes, SIGNER), advance_one_payout(stage.engine))
    await stage.rounds(12)
    if verb == "pause":
        await resume_payout(stage.engine, key(), payout_id)
    payout = await stage.run(payout_id)
    assert payout.state is (S.COMPLETED if verb == "pause" else S.CANCELLED)
    for row in stage.payments(payout_id):
        paid = row.planned.amount_base_units if row.state is PaymentState.PAID else 0
        assert stage.chain.money_of(row.planned.holder) == paid
    identity_of(stage, payout_id)
    assert stage.database.committed_base_units() == 0
