"""Reconciliation: silent on sound books in every state; each difference found, named, once, until it is gone."""

import asyncio
import random
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from payout_service.application.audit import reconcile_evidence, reconcile_findings, reconcile_treasury
from payout_service.application.audit.reconcile_payout import Reconciliation, reconcile_one, reconcile_payout
from payout_service.application.life.control_payout import (
    cancel_payout,
    pause_payout,
    resume_payout,
    retry_payments,
)
from payout_service.application.paying import recorded_payments
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.treasury.sweep_leftover import SweepLeftoverCommand, sweep_leftover
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind
from payout_service.domain.payments import PaymentState, Tallies
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.progress import Progress
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.transaction import ContractCall
from payout_service.domain.treasury import treasury_key
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import CONTRACT, TOKEN, TREASURER, holder
from tests.support.payout.memory_database import MemoryPayments, PaymentRow
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings, ready_contract

TOTAL = 10_000
FUNDS = 12_000
_K = DiscrepancyKind


class Alarms:
    """What was announced."""

    def __init__(self) -> None:
        self.found: list[DiscrepancyKind] = []
        self.open_counts: list[int] = []

    def discrepancy_found(self, discrepancy: Discrepancy) -> None:
        self.found.append(discrepancy.finding.kind)

    def discrepancies_open(self, count: int) -> None:
        self.open_counts.append(count)


async def look(stage: Stage, payout_id: UUID, alarms: Alarms | None = None) -> Reconciliation:
    return await reconcile_payout(stage.engine, payout_id, alarms or Alarms())


async def kinds(stage: Stage, payout_id: UUID) -> set[DiscrepancyKind]:
    """What is open after a look."""
    return {each.finding.kind for each in (await look(stage, payout_id)).discrepancies}


async def only(stage: Stage, payout_id: UUID, kind: DiscrepancyKind) -> Discrepancy:
    """The one difference of a kind that a look finds, when it finds no other kind."""
    found = (await look(stage, payout_id)).discrepancies
    assert {each.finding.kind for each in found} == {kind}
    (discrepancy,) = found
    return discrepancy


async def completed(stage: Stage, total: int = TOTAL) -> UUID:
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(total)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    assert await kinds(stage, payout_id) == set()
    return payout_id


async def with_a_payee_that_waits(stage: Stage, ordinal: int) -> UUID:
    """A payout whose other payees are paid; this one was refused and is tried again after a while."""
    stage.chain.blocked_payees = {holder(ordinal)}
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(TOTAL)
    states: list[PaymentState] = []
    for _ in range(60):
        await stage.rounds(1)
        states = [row.state for row in stage.payments(payout_id)]
        if sorted(states) == sorted([PaymentState.WAITING, *[PaymentState.PAID] * 9]):
            return payout_id
    raise AssertionError(states)


def tamper(stage: Stage, payout_id: UUID, ordinal: int, change: Callable[[PaymentRow], PaymentRow]) -> PaymentRow:
    """Edits a committed row behind the service's back. Returns it as it was."""
    table = stage.database.table(("payment", payout_id))
    before: PaymentRow = table.rows[ordinal]
    table.store(ordinal, change(before))
    return before


def edit_payout(stage: Stage, payout_id: UUID, **changes: object) -> None:
    stage.database.table("payout").store(payout_id, replace(stage.payout(payout_id), **changes))  # type: ignore[arg-type]


def set_commitment(stage: Stage, owner_id: UUID, amount: int) -> None:
    stage.database.table("commitment").store(owner_id, (treasury_key(ready_contract()), amount))


async def disputed_on_chain(stage: Stage, cheated: int = 1) -> UUID:
    """A payout in which the token has moved nothing for one payee that the contract says was paid."""
    stage.chain.cheated_payees = {holder(cheated)}
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(TOTAL)
    assert (await stage.run(payout_id)).state is PayoutState.INCOMPLETE
    assert stage.payments(payout_id)[cheated].state is PaymentState.DISPUTED
    return payout_id


def key() -> RequestKey:
    return RequestKey(uuid4(), "Method", b"", "anonymous")


def pay_call(stage: Stage, snapshot_id: int, payees: list[HolderAddress], total: int = TOTAL) -> ContractCall:
    execution = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, total, tuple(payees))
    return stage.chain.pay_batch(CONTRACT, TOKEN, execution)


# ------------------------------------------------------------------------------------------------ sound books


async def run_and_look(stage: Stage, payout_id: UUID, is_end: Callable[[Payout], bool], rounds: int = 60) -> None:
    """Goes on until the end, with a look after every step of the workers and every block."""
    for _ in range(rounds):
        await stage.round()
        assert await kinds(stage, payout_id) == set(), stage.payout(payout_id)
        stage.chain.mine()
        assert await kinds(stage, payout_id) == set(), stage.payout(payout_id)
        if is_end(stage.payout(payout_id)):
            return
    raise AssertionError(f"no end: {stage.payout(payout_id)}")


def is_in(*states: PayoutState) -> Callable[[Payout], bool]:
    return lambda payout: payout.state in states


async def test_a_payout_that_is_paid_is_sound_at_every_step() -> None:
    stage = Stage()
    payout_id = await stage.request(TOTAL)
    assert await kinds(stage, payout_id) == set()
    await run_and_look(stage, payout_id, is_in(PayoutState.WAITING_FOR_FUNDS))
    stage.chain.deposit(TOTAL)
    await run_and_look(stage, payout_id, is_in(PayoutState.COMPLETED))
    result = await look(stage, payout_id)
    assert (result.discrepancies, result.payment_count) == ((), 10)
    assert result.block_number == len(stage.chain.blocks) - 1 - stage.engine.settings.confirmations


async def test_a_percentage_is_sound_at_every_step() -> None:
    stage = Stage()
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(0, percentage_basis_points=5_000)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    assert stage.database.committed_base_units() == FUNDS // 2
    assert await kinds(stage, payout_id) == set()
    await run_and_look(stage, payout_id, is_in(PayoutState.COMPLETED))


async def test_failed_payees_waits_pause_retry_and_cancel_are_sound() -> None:
    quick = RetryPolicy(max_tries=2, first_delay_seconds=10)
    stage = Stage(settings=engine_settings(max_in_flight_transactions=1, retry=quick))
    stage.chain.blocked_payees = {holder(1), holder(6)}
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(TOTAL)
    await run_and_look(stage, payout_id, lambda payout: payout.progress.waiting_count > 0)
    await pause_payout(stage.engine, key(), payout_id)
    await run_and_look(stage, payout_id, is_in(PayoutState.PAUSED))
    await resume_payout(stage.engine, key(), payout_id)
    await run_and_look(stage, payout_id, is_in(PayoutState.INCOMPLETE))
    stage.chain.blocked_payees = {holder(6)}
    await retry_payments(stage.engine, key(), payout_id, (holder(1),))
    await run_and_look(stage, payout_id, is_in(PayoutState.INCOMPLETE))
    await cancel_payout(stage.engine, key(), payout_id)
    assert await kinds(stage, payout_id) == set()
    await run_and_look(stage, payout_id, is_in(PayoutState.CANCELLED))


@pytest.mark.parametrize("state", [PayoutState.WAITING_FOR_FUNDS, PayoutState.EXECUTING])
async def test_a_cancelled_payout_is_sound(state: PayoutState) -> None:
    stage = Stage()
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    stage.chain.deposit(FUNDS)
    await stage.run_to(payout_id, state)
    await cancel_payout(stage.engine, key(), payout_id)
    assert await kinds(stage, payout_id) == set()
    await run_and_look(stage, payout_id, is_in(PayoutState.CANCELLED))


async def test_a_sweep_and_a_second_payout_are_sound() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    await sweep_leftover(stage.engine, SweepLeftoverCommand(key(), ASSET_ID, TREASURER, BaseUnits(500)))
    other = await stage.request(1_000)
    await run_and_look(stage, other, is_in(PayoutState.COMPLETED))
    assert stage.chain.money_of(TREASURER.value) == 500
    assert await kinds(stage, payout_id) == set()


async def test_money_that_a_sweep_moved_and_that_is_not_settled_yet_is_no_shortfall() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    await sweep_leftover(stage.engine, SweepLeftoverCommand(key(), ASSET_ID, TREASURER, None))
    await stage.round()
    stage.chain.mine()
    assert (stage.chain.money_of(CONTRACT.value), stage.database.committed_base_units() > 0) == (0, True)
    assert await kinds(stage, payout_id) == set()


async def test_money_that_a_batch_moved_and_that_is_not_settled_yet_is_no_shortfall() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    await stage.round()
    stage.chain.mine()
    assert stage.chain.money_of(CONTRACT.value) < stage.database.committed_base_units()
    assert await kinds(stage, payout_id) == set()


async def test_the_books_are_read_under_the_payouts_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    payout_id = await completed(stage)
    tallies = MemoryPayments.tallies

    async def tallies_under_lock(self: MemoryPayments, owner: UUID) -> Tallies:
        assert ("payout", owner) in stage.database.locks
        return await tallies(self, owner)

    monkeypatch.setattr(MemoryPayments, "tallies", tallies_under_lock)
    assert await kinds(stage, payout_id) == set()


@pytest.mark.parametrize("seed", range(12))
async def test_looks_beside_the_workers_find_nothing(seed: int) -> None:
    """Batches are made, mined and settled between any two reads of a look, and the node lags now and then."""
    stage = Stage(seed=seed)
    chance = random.Random(seed)
    stage.chain.lag_of = lambda: chance.choice((0, 0, 0, 1))
    stage.chain.before_balance_answer = lambda: stage.chain.mine() if chance.random() < 0.3 else None
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    alarms, looks = Alarms(), 0

    async def look_again_and_again() -> None:
        nonlocal looks
        while stage.payout(payout_id).state is not PayoutState.COMPLETED:
            # CHAIN_UNAVAILABLE, of a node that lags behind what is recorded.
            with suppress(AppError):
                await look(stage, payout_id, alarms)
                looks += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(look_again_and_again())
        tasks.create_task(stage.run(payout_id))
    assert looks > 3
    assert alarms.found == []


# ------------------------------------------------------------------------------------------------ the ledger


async def test_a_tampered_amount_is_found_as_plan_ledger_and_evidence() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    before = tamper(
        stage, payout_id, 4, lambda row: replace(row, planned=replace(row.planned, amount_base_units=BaseUnits(1)))
    )
    found = {each.finding.kind: each.finding for each in (await look(stage, payout_id)).discrepancies}
    assert set(found) == {_K.PLAN_CHANGED, _K.LEDGER_DIFFERS, _K.PAYMENT_WITHOUT_EVIDENCE}
    owed = before.planned.amount_base_units
    assert f"row 5 ({holder(4)}) says 1, its balance makes {owed}" in found[_K.PLAN_CHANGED].actual
    assert "paid base units" in found[_K.LEDGER_DIFFERS].expected
    assert found[_K.PAYMENT_WITHOUT_EVIDENCE].subject == holder(4)
    assert found[_K.PAYMENT_WITHOUT_EVIDENCE].actual == f"the event says {owed}, the token says {owed}"


async def test_a_row_that_is_missing_is_a_changed_plan() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    del stage.database.rows(("payment", payout_id))[3]
    found = {each.finding.kind: each.finding for each in (await look(stage, payout_id)).discrepancies}
    assert found[_K.PLAN_CHANGED].actual == "ordinal 4 stands where 3 belongs"
    assert found[_K.EVIDENCE_WITHOUT_PAYMENT].actual == "no payment of this payout"


async def test_a_tampered_holder_is_found_on_both_sides() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    thief = "0x" + "99" * 20
    tamper(
        stage, payout_id, 4, lambda row: replace(row, planned=replace(row.planned, holder=HolderAddress(thief)))
    )
    found = {(each.finding.kind, each.finding.subject) for each in (await look(stage, payout_id)).discrepancies}
    assert found == {
        (_K.PLAN_CHANGED, ""),
        (_K.PAYMENT_WITHOUT_EVIDENCE, thief),
        (_K.EVIDENCE_WITHOUT_PAYMENT, holder(4)),
    }


async def test_a_figure_of_the_payout_that_was_changed_is_named() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    progress = stage.payout(payout_id).progress
    edit_payout(stage, payout_id, progress=replace(progress, paid_count=9))
    difference = (await only(stage, payout_id, _K.LEDGER_DIFFERS)).finding
    assert (difference.expected, difference.actual) == ("paid 9", "paid 10")


# How many batches there were is not told by the payments.
_NOT_COMPARED = {"batch_count", "final_batch_count"}


@pytest.mark.parametrize("name", [each.name for each in fields(Progress) if each.name not in _NOT_COMPARED])
async def test_every_figure_of_the_progress_is_compared_with_the_payments(name: str) -> None:
    """`_figures_told` and `_figures_counted` have a line for each, named as the field is, in words."""
    stage = Stage()
    payout_id = await completed(stage)
    progress = stage.payout(payout_id).progress
    counted = getattr(progress, name)
    edit_payout(stage, payout_id, progress=replace(progress, **{name: counted + 1}))
    difference = (await only(stage, payout_id, _K.LEDGER_DIFFERS)).finding
    figure = name.removesuffix("_count").replace("_", " ")
    assert (difference.expected, difference.actual) == (f"{figure} {counted + 1}", f"{figure} {counted}")


async def test_parts_that_do_not_make_the_total_are_told() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    edit_payout(stage, payout_id, total_base_units=TOTAL + 1)
    found = {each.finding.kind: each.finding for each in (await look(stage, payout_id)).discrepancies}
    assert set(found) == {_K.PLAN_CHANGED, _K.LEDGER_DIFFERS}
    assert f"declared {TOTAL + 1}" in found[_K.LEDGER_DIFFERS].actual


@pytest.mark.parametrize("amount", [0, TOTAL])
async def test_a_commitment_that_was_changed_is_found(amount: int) -> None:
    stage = Stage()
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    plan = stage.payout(payout_id).plan
    assert plan is not None
    set_commitment(stage, payout_id, amount)
    difference = (await only(stage, payout_id, _K.COMMITMENT_DIFFERS)).finding
    assert (difference.expected, difference.actual) == (str(plan.payable_base_units), str(amount))


async def test_a_commitment_of_a_payout_that_is_over_is_found() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    set_commitment(stage, payout_id, 5)
    assert (await only(stage, payout_id, _K.COMMITMENT_DIFFERS)).finding.expected == "0"


# ------------------------------------------------------------------------------------------------ the chain


@pytest.mark.parametrize("transaction_hash", ["", "0x" + "12" * 32])
async def test_a_payment_marked_as_paid_that_no_transaction_proves(transaction_hash: str) -> None:
    stage = Stage()
    payout_id = await with_a_payee_that_waits(stage, 2)
    tamper(
        stage,
        payout_id,
        2,
        lambda row: replace(row, state=PaymentState.PAID, retry_time=None, transaction_hash=transaction_hash),
    )
    found = (await look(stage, payout_id)).discrepancies
    (finding,) = [each.finding for each in found if each.finding.kind is _K.PAYMENT_WITHOUT_EVIDENCE]
    assert (finding.subject, finding.transaction_hash) == (holder(2), transaction_hash)
    assert _K.LEDGER_DIFFERS in {each.finding.kind for each in found}


async def test_a_payment_that_names_another_batch_has_no_evidence() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    first, last = stage.payments(payout_id)[0], stage.payments(payout_id)[-1]
    tamper(stage, payout_id, 0, lambda row: replace(row, transaction_hash=last.transaction_hash))
    found = {(each.finding.kind, each.finding.subject) for each in (await look(stage, payout_id)).discrepancies}
    assert first.transaction_hash != last.transaction_hash
    assert found == {
        (_K.PAYMENT_WITHOUT_EVIDENCE, holder(0)),
        (_K.EVIDENCE_WITHOUT_PAYMENT, holder(0)),
    }


@pytest.mark.parametrize("batch_number", [1, None])
async def test_a_payment_that_the_chain_made_and_the_ledger_would_make_again(batch_number: int | None) -> None:
    stage = Stage()
    payout_id = await completed(stage)
    tamper(
        stage,
        payout_id,
        1,
        lambda row: replace(row, state=PaymentState.PLANNED, batch_number=batch_number, transaction_hash=""),
    )
    found = {each.finding.kind: each.finding for each in (await look(stage, payout_id)).discrepancies}
    finding = found[_K.EVIDENCE_WITHOUT_PAYMENT]
    assert (finding.subject, finding.actual) == (holder(1), "PLANNED")
    assert finding.transaction_hash == stage.payments(payout_id)[0].transaction_hash
    assert set(found) == {_K.EVIDENCE_WITHOUT_PAYMENT, _K.LEDGER_DIFFERS, _K.COMMITMENT_DIFFERS}


async def test_a_settled_batch_that_no_row_points_to() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    for ordinal in range(4):
        tamper(stage, payout_id, ordinal, lambda row: replace(row, state=PaymentState.PLANNED, batch_number=None))
    found = (await look(stage, payout_id)).discrepancies
    subjects = [each.finding.subject for each in found if each.finding.kind is _K.EVIDENCE_WITHOUT_PAYMENT]
    assert subjects == [holder(ordinal) for ordinal in range(4)]


async def test_an_event_about_another_snapshot_proves_nothing() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    mined = stage.chain.state.mined
    first = mined[stage.payments(payout_id)[0].transaction_hash]
    assert first.evidence
    assert first.evidence.event
    event = first.evidence.event
    event = replace(event, execution=replace(event.execution, reference_id=2))
    mined[first.transaction.hash] = replace(first, evidence=replace(first.evidence, event=event))
    found = (await look(stage, payout_id)).discrepancies
    assert {each.finding.kind for each in found} == {_K.PAYMENT_WITHOUT_EVIDENCE}
    assert len(found) == 4


async def test_a_disputed_payment_is_a_difference_with_a_name_while_it_lasts() -> None:
    stage = Stage()
    payout_id = await disputed_on_chain(stage)
    before = stage.payments(payout_id)
    for _ in range(2):
        found = await only(stage, payout_id, _K.PAYMENT_DISPUTED)
        assert found.finding.subject == holder(1)
        amount = before[1].planned.amount_base_units
        assert (found.finding.expected, found.finding.actual) == (
            f"paid {amount}, or not at all",
            f"the event says {amount}, the token says 0",
        )
        assert stage.payments(payout_id) == before


async def paid_by_another_execution(stage: Stage) -> tuple[UUID, str]:
    """A payout whose fourth payee was paid by another program's transaction; and that transaction."""
    stage.chain.deposit(FUNDS)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    stage.chain.use_nonce_elsewhere(pay_call(stage, 1, [holder(3)]), TREASURER)
    await stage.run(payout_id)
    foreign = stage.chain.state.by_nonce[TREASURER, 0]
    assert stage.payments(payout_id)[3].transaction_hash == foreign
    return payout_id, foreign


async def test_a_payee_that_another_execution_paid_is_checked_against_that_one() -> None:
    stage = Stage()
    payout_id, foreign = await paid_by_another_execution(stage)
    # Money left by a transaction that is not ours: a fact. That it paid a payee of ours is in the ledger.
    alarms = Alarms()
    (found,) = (await look(stage, payout_id, alarms)).discrepancies
    assert (found.finding.kind, found.finding.subject) == (_K.OUTSIDE_TRANSFER, foreign)
    assert alarms.found == [_K.OUTSIDE_TRANSFER]
    tamper(
        stage, payout_id, 3, lambda row: replace(row, planned=replace(row.planned, amount_base_units=BaseUnits(1)))
    )
    assert _K.PAYMENT_WITHOUT_EVIDENCE in await kinds(stage, payout_id)


async def test_another_execution_is_asked_for_again_when_a_node_does_not_tell_of_it() -> None:
    stage = Stage()
    payout_id, _ = await paid_by_another_execution(stage)
    questions: list[str] = []
    stage.chain.before_answer = questions.append
    # The first receipt is that of our first batch, the second that of the other execution.
    stage.chain.lag_of = lambda: (
        len(stage.chain.blocks) if questions[-1] == "find_receipt" and questions.count("find_receipt") == 2 else 0
    )
    assert await kinds(stage, payout_id) == {_K.OUTSIDE_TRANSFER}
    assert questions.count("find_receipt") > 3


async def test_a_reorg_deeper_than_the_confirmations_is_an_alarm_until_the_transaction_is_back() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    transactions = {row.transaction_hash for row in stage.payments(payout_id)}
    outcomes = {intent.key: intent.outcome for intent in stage.database.intents()}
    depth = len(stage.chain.blocks) - min(stage.chain.state.mined[each].block_number for each in transactions)
    stage.chain.reorg(depth, remine=True)
    gone = (await look(stage, payout_id)).discrepancies
    assert {each.finding.kind for each in gone} == {_K.SETTLED_TRANSACTION_GONE}
    assert {each.finding.subject for each in gone} == transactions
    stage.chain.mine()
    again = (await look(stage, payout_id)).discrepancies
    assert {each.finding.actual.partition(", ")[2] for each in again} == {"not final yet"}
    stage.chain.mine(3)
    assert await kinds(stage, payout_id) == set()
    for intent in stage.database.intents():
        before, now = outcomes[intent.key], intent.outcome
        assert before
        assert now
        if intent.key.startswith("batch/"):
            assert now.block_hash != before.block_hash
            assert now.block_hash == stage.chain.blocks[now.block_number].hash


async def test_a_transaction_that_did_something_else_elsewhere_is_found_row_by_row() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    transactions = {row.transaction_hash for row in stage.payments(payout_id)}
    depth = len(stage.chain.blocks) - min(stage.chain.state.mined[each].block_number for each in transactions)
    stage.chain.reorg(depth, remine=True)
    stage.chain.blocked_payees = {holder(0)}
    stage.chain.mine(4)
    finding = (await only(stage, payout_id, _K.PAYMENT_WITHOUT_EVIDENCE)).finding
    assert finding.subject == holder(0)
    moved = stage.chain.state.mined[finding.transaction_hash].block_number
    (outcome,) = (
        intent.outcome
        for intent in stage.database.intents()
        if intent.outcome and intent.outcome.transaction_hash == finding.transaction_hash
    )
    # The journal keeps pointing to where the ledger's evidence was seen.
    assert outcome.block_hash != stage.chain.blocks[moved].hash


async def test_a_reverted_transaction_elsewhere_settles_nothing() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    transactions = {row.transaction_hash for row in stage.payments(payout_id)}
    depth = len(stage.chain.blocks) - min(stage.chain.state.mined[each].block_number for each in transactions)
    stage.chain.reorg(depth, remine=True)
    stage.chain.reverting_batches = 1
    stage.chain.mine(4)
    finding = (await only(stage, payout_id, _K.SETTLED_TRANSACTION_GONE)).finding
    assert finding.actual.startswith("it reverted in block")


async def test_a_node_that_lags_is_no_reorg() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.lag_of = lambda: len(stage.chain.blocks) - 3
    with pytest.raises(AppError) as error:
        await look(stage, payout_id)
    assert error.value.reason is Reason.CHAIN_UNAVAILABLE
    stage.chain.lag_of = lambda: 0
    assert await kinds(stage, payout_id) == set()


async def test_an_open_finding_about_a_payee_stays_while_its_transaction_is_gone() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    tamper(stage, payout_id, 4, lambda row: replace(row, state=PaymentState.FAILED))
    assert _K.EVIDENCE_WITHOUT_PAYMENT in await kinds(stage, payout_id)
    transactions = {row.transaction_hash for row in stage.payments(payout_id)}
    depth = len(stage.chain.blocks) - min(stage.chain.state.mined[each].block_number for each in transactions)
    stage.chain.reorg(depth)
    assert await kinds(stage, payout_id) >= {_K.SETTLED_TRANSACTION_GONE, _K.EVIDENCE_WITHOUT_PAYMENT}


# ------------------------------------------------------------------------------------------------ the treasury


async def test_an_execution_on_our_snapshot_that_is_not_ours() -> None:
    stage = Stage()
    payout_id = await with_a_payee_that_waits(stage, 3)
    stage.chain.blocked_payees = set()
    stage.chain.use_nonce_elsewhere(pay_call(stage, 1, [holder(3)]), TREASURER)
    stage.chain.mine(3)
    foreign = stage.chain.state.by_nonce[TREASURER, 0]
    alarms = Alarms()
    found = {each.finding.kind: each for each in (await look(stage, payout_id, alarms)).discrepancies}
    assert set(found) == {_K.EXECUTION_NOT_OURS, _K.OUTSIDE_TRANSFER, _K.BALANCE_BELOW_COMMITMENTS} & set(
        found
    ) | {
        _K.EXECUTION_NOT_OURS,
        _K.OUTSIDE_TRANSFER,
    }
    execution = found[_K.EXECUTION_NOT_OURS]
    assert (execution.payout_id, execution.finding.subject) == (payout_id, foreign)
    assert found[_K.OUTSIDE_TRANSFER].payout_id is None
    assert _K.EXECUTION_NOT_OURS in alarms.found
    # A later batch finds the payee paid and names that execution: it is accounted for now.
    stage.clock.advance(40_000)
    await stage.run(payout_id)
    assert stage.payments(payout_id)[3].transaction_hash == foreign
    assert await kinds(stage, payout_id) == {_K.OUTSIDE_TRANSFER}


async def test_an_execution_on_a_snapshot_of_nobody_is_only_a_transfer() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.use_nonce_elsewhere(stage.chain.take_snapshot(TOKEN), TREASURER)
    stage.chain.use_nonce_elsewhere(pay_call(stage, 2, [holder(3)], 100), TREASURER)
    stage.chain.mine(3)
    await only(stage, payout_id, _K.OUTSIDE_TRANSFER)


async def test_an_outside_transfer_is_found_once_and_stays() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.move_money(-700)
    stage.chain.mine(3)
    alarms = Alarms()
    first = (await look(stage, payout_id, alarms)).discrepancies
    (found,) = first
    assert (found.finding.kind, found.payout_id) == (_K.OUTSIDE_TRANSFER, None)
    assert found.finding.actual.startswith("700 base units to 0x9999")
    stage.clock.advance(600)
    stage.chain.mine(100)
    (again,) = (await look(stage, payout_id, alarms)).discrepancies
    assert (again.discrepancy_id, again.last_seen_time > found.last_seen_time) == (found.discrepancy_id, True)
    assert alarms.found == [_K.OUTSIDE_TRANSFER]
    assert alarms.open_counts == [1, 1]


async def test_an_outside_transfer_is_explained_once_the_journal_knows_its_transaction() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    await sweep_leftover(stage.engine, SweepLeftoverCommand(key(), ASSET_ID, TREASURER, BaseUnits(500)))
    await stage.rounds(6)
    (intent,) = [each for each in stage.database.intents() if each.key.startswith("sweep/")]
    assert intent.outcome is not None
    # As after a restored backup: the journal has lost the sweep's transaction.
    lost = replace(intent, attempts=[], outcome=None)
    attempts = stage.database.rows("attempt")
    attempt = attempts.pop(intent.outcome.transaction_hash)
    stage.database.table("intent").store(intent.intent_id, lost)
    assert await kinds(stage, payout_id) == {_K.OUTSIDE_TRANSFER}
    attempts[intent.outcome.transaction_hash] = attempt
    stage.database.table("intent").store(intent.intent_id, intent)
    assert await kinds(stage, payout_id) == set()


async def test_money_that_is_promised_and_gone() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    stage.chain.move_money(-1_000)
    stage.chain.mine()
    assert (await only(stage, payout_id, _K.BALANCE_BELOW_COMMITMENTS)).finding.actual == "9000 base units"
    stage.chain.deposit(1_000)
    assert await kinds(stage, payout_id) == {_K.OUTSIDE_TRANSFER}


async def executing_with_all_the_money_promised(stage: Stage) -> UUID:
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    stage.chain.deposit(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    return payout_id


async def test_a_node_that_lags_once_tells_no_shortfall() -> None:
    stage = Stage()
    payout_id = await executing_with_all_the_money_promised(stage)
    questions: list[str] = []
    stage.chain.before_answer = questions.append
    balance = "payment_token_balance"
    stage.chain.lag_of = lambda: (
        len(stage.chain.blocks) if questions[-1] == balance and questions.count(balance) == 1 else 0
    )
    assert await kinds(stage, payout_id) == set()
    assert questions.count(balance) == 2


async def test_whether_money_is_missing_cannot_be_told_while_promises_change() -> None:
    stage = Stage()
    payout_id = await executing_with_all_the_money_promised(stage)
    treasury, name = stage.database.table("treasury"), treasury_key(ready_contract())

    def change_promises() -> None:
        treasury.store(name, treasury.rows[name] + 1)

    stage.chain.before_balance_answer = change_promises
    stage.chain.move_money(-1_000)
    stage.chain.mine()
    assert await kinds(stage, payout_id) == set()
    stage.chain.before_balance_answer = lambda: None
    assert await kinds(stage, payout_id) == {_K.BALANCE_BELOW_COMMITMENTS}
    stage.chain.before_balance_answer = change_promises
    assert await kinds(stage, payout_id) >= {_K.BALANCE_BELOW_COMMITMENTS}


async def test_how_far_was_searched_never_goes_back() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.mine(30)
    await look(stage, payout_id)
    checked = stage.database.rows("checked block")
    searched = dict(checked)
    stage.chain.lag_of = lambda: 20
    await look(stage, payout_id)
    assert dict(checked) == searched
    # Another replica searches the same window at the same time, and is first.
    stage.chain.lag_of = lambda: 0
    stage.chain.mine(30)
    (name,) = searched

    def another_replica(question: str) -> None:
        if question == "executions":
            stage.database.table("checked block").store(name, searched[name] + 29)

    stage.chain.before_answer = another_replica
    await look(stage, payout_id)
    assert checked[name] == searched[name] + 29


async def test_a_search_goes_on_where_it_stopped_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_treasury, "_WINDOW_BLOCKS", 10)
    monkeypatch.setattr(reconcile_treasury, "_MOST_WINDOWS", 3)
    monkeypatch.setattr(reconcile_treasury, "_OVERLAP_BLOCKS", 2)
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.mine(100)
    stage.chain.move_money(-700)
    stage.chain.mine(3)
    blocks = [(await look(stage, payout_id)).block_number for _ in range(5)]
    steps = [after - before for before, after in pairwise(blocks)]
    assert steps[0] == 28
    assert all(0 <= step <= 28 for step in steps)
    assert blocks[-1] == len(stage.chain.blocks) - 3
    assert await kinds(stage, payout_id) == {_K.OUTSIDE_TRANSFER}


# ------------------------------------------------------------------------------------------------ looks


async def test_a_difference_is_stored_once_and_resolved_when_it_is_gone() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    progress = stage.payout(payout_id).progress
    edit_payout(stage, payout_id, progress=replace(progress, failed_count=1))
    alarms = Alarms()
    first = (await look(stage, payout_id, alarms)).discrepancies
    stage.clock.advance(300)
    edit_payout(stage, payout_id, progress=replace(progress, failed_count=2))
    (again,) = (await look(stage, payout_id, alarms)).discrepancies
    assert (again.discrepancy_id, again.find_time) == (first[0].discrepancy_id, first[0].find_time)
    assert (again.finding.expected, again.last_seen_time) == ("failed 2", stage.engine.now())
    assert alarms.found == [_K.LEDGER_DIFFERS]
    edit_payout(stage, payout_id, progress=progress)
    assert (await look(stage, payout_id, alarms)).discrepancies == ()
    assert alarms.open_counts == [1, 1, 0]
    names = [event.event_name for event in stage.database.events if event.aggregate_id == again.discrepancy_id]
    assert names == ["discrepancy_found", "discrepancy_resolved"]
    # It is a new one when it comes back.
    edit_payout(stage, payout_id, progress=replace(progress, failed_count=1))
    assert (await only(stage, payout_id, _K.LEDGER_DIFFERS)).discrepancy_id != again.discrepancy_id


async def test_nothing_is_mended() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    edit_payout(stage, payout_id, progress=Progress())
    tamper(stage, payout_id, 0, lambda row: replace(row, state=PaymentState.PLANNED))
    before = stage.payout(payout_id), stage.payments(payout_id), stage.database.intents()
    assert await kinds(stage, payout_id) >= {_K.LEDGER_DIFFERS, _K.EVIDENCE_WITHOUT_PAYMENT}
    assert (stage.payout(payout_id), stage.payments(payout_id), stage.database.intents()) == before


async def test_more_findings_than_one_look_names_resolve_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    payout_id = await completed(stage)
    rows = [
        tamper(stage, payout_id, ordinal, lambda row: replace(row, state=PaymentState.FAILED))
        for ordinal in range(10)
    ]
    monkeypatch.setattr(reconcile_findings, "MOST_FINDINGS", 4)
    assert len((await look(stage, payout_id)).discrepancies) == 4
    monkeypatch.setattr(reconcile_findings, "MOST_FINDINGS", 1000)
    assert len((await look(stage, payout_id)).discrepancies) == 12
    monkeypatch.setattr(reconcile_findings, "MOST_FINDINGS", 4)
    assert len((await look(stage, payout_id)).discrepancies) == 12
    for row in rows:
        tamper(stage, payout_id, row.planned.ordinal, lambda _, row=row: row)  # type: ignore[misc]
    assert (await look(stage, payout_id)).discrepancies == ()


async def test_pages_and_kept_evidence_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_payments, "_PAGE_ROWS", 3)
    monkeypatch.setattr(reconcile_evidence, "_PAGE_BATCHES", 1)
    monkeypatch.setattr(reconcile_evidence, "_MOST_EVIDENCE_KEPT", 1)
    stage = Stage()
    payout_id = await completed(stage)
    tamper(stage, payout_id, 8, lambda row: replace(row, state=PaymentState.PLANNED, batch_number=None))
    found = (await look(stage, payout_id)).discrepancies
    subjects = [each.finding.subject for each in found if each.finding.kind is _K.EVIDENCE_WITHOUT_PAYMENT]
    assert subjects == [holder(8)]


async def test_payouts_are_compared_in_turn() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.move_money(-700)
    stage.chain.mine(3)
    alarms = Alarms()
    stage.clock.advance(stage.engine.settings.reconcile_seconds)
    assert await reconcile_one(stage.engine, alarms)
    assert alarms.found == [_K.OUTSIDE_TRANSFER]
    assert not await reconcile_one(stage.engine, alarms)
    stage.clock.advance(stage.engine.settings.reconcile_seconds)
    assert await reconcile_one(stage.engine, alarms)
    assert stage.payout(payout_id).state is PayoutState.COMPLETED


async def test_trouble_with_the_chain_is_raised_and_finds_nothing() -> None:
    stage = Stage()
    payout_id = await completed(stage)
    stage.chain.is_down = True
    with pytest.raises(AppError) as error:
        await look(stage, payout_id)
    assert error.value.reason is Reason.CHAIN_UNAVAILABLE
    stage.chain.is_down = False
    stage.chain.genesis = "0x" + "77" * 32
    with pytest.raises(WrongChainError):
        await look(stage, payout_id)
    stage.chain.genesis = "0x" + "00" * 32
    contract = stage.database.rows("lifecycle")[ASSET_ID]
    stage.database.table("lifecycle").store(ASSET_ID, replace(contract, chain_id=contract.chain_id + 1))
    with pytest.raises(WrongChainError):
        await look(stage, payout_id)
    assert stage.database.discrepancies() == []


async def test_a_payout_that_does_not_exist() -> None:
    stage = Stage()
    with pytest.raises(AppError) as error:
        await look(stage, uuid4())
    assert (error.value.reason, error.value.field) == (Reason.PAYOUT_NOT_FOUND, "name")


def test_each_kind_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "errors.md").read_text(encoding="utf-8")
    section = page.split("\n## Discrepancies\n")[1]
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)) == sorted(DiscrepancyKind)
