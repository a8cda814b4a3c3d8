"""What a final receipt proves about each payee of a batch, and what is not believed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import (
    BatchEvidence,
    ExecutionEvent,
    ExpectedBatch,
    RecordedPayment,
    Refusal,
    refused,
    settle,
    strip_padding,
)
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_database import START

A, B = holder(0), holder(1)
POLICY = RetryPolicy(max_tries=3, first_delay_seconds=10)
PAYEE_A, PAYEE_B = PlannedPayment(0, A, 6, 600, tries=1), PlannedPayment(1, B, 4, 400, tries=1)
EXPECTED = ExpectedBatch(7, 1_000, (PAYEE_A, PAYEE_B))
EVENT = ExecutionEvent(7, (A, B), 1_000, (), {A: 600, B: 400})
PAID = BatchEvidence(EVENT, {A: 600, B: 400}, {}, {}, {})
# A is listed as failed, B is paid.
A_FAILED = BatchEvidence(replace(EVENT, failed=(A,), paid={B: 400}), {B: 400}, {}, {}, {})
OTHER_HASH = "0x" + "99" * 32


def settled(evidence: BatchEvidence, expected: ExpectedBatch = EXPECTED) -> list[PaymentOutcome]:
    return settle(expected, evidence, POLICY, START)


def test_agreeing_evidence_is_paid() -> None:
    assert settled(PAID) == [PaymentOutcome(A, PaymentState.PAID), PaymentOutcome(B, PaymentState.PAID)]


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, event=None),
        replace(PAID, event=replace(EVENT, snapshot_id=8)),
        replace(PAID, event=replace(EVENT, amount_base_units=999)),
        replace(PAID, event=replace(EVENT, holders=(B, A))),
        replace(PAID, event=replace(EVENT, holders=(A,))),
        replace(PAID, event=replace(EVENT, holders=(A, B, holder(3)))),
    ],
)
def test_the_event_of_another_call_proves_nothing(evidence: BatchEvidence) -> None:
    assert [(each.state, each.reason) for each in settled(evidence)] == [
        (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    ] * 2


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, transferred={B: 400}),
        replace(PAID, transferred={A: 599, B: 400}),
        replace(PAID, transferred={A: 1_200, B: 400}),
        replace(PAID, event=replace(EVENT, paid={A: 599, B: 400})),
        replace(PAID, event=replace(EVENT, paid={A: 599, B: 400}), transferred={A: 599, B: 400}),
        replace(PAID, event=replace(EVENT, paid={A: 0, B: 400}), transferred={B: 400}),
        replace(PAID, event=replace(EVENT, paid={B: 400})),
        replace(PAID, event=replace(EVENT, paid={B: 400}), transferred={B: 400}),
        # Listed as failed, and money moved all the same.
        replace(PAID, event=replace(EVENT, failed=(A,), paid={B: 400}), paid_flags={A: False}),
        # Listed as both.
        replace(PAID, event=replace(EVENT, failed=(A,)), paid_flags={A: True}),
        replace(PAID, event=replace(EVENT, failed=(A,)), transferred={B: 400}, paid_flags={A: True}),
    ],
)
def test_a_payee_whose_evidence_disagrees_is_disputed_alone(evidence: BatchEvidence) -> None:
    first, second = settled(evidence)
    assert (first.state, first.reason) == (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    assert second.state is PaymentState.PAID


def test_who_was_paid_by_a_recorded_execution_is_paid_by_that_one() -> None:
    recorded = {A: RecordedPayment(OTHER_HASH, 600, 600)}
    first, second = settled(replace(A_FAILED, paid_flags={A: True}, recorded=recorded))
    assert first == PaymentOutcome(A, PaymentState.PAID, transaction_hash=OTHER_HASH)
    assert second == PaymentOutcome(B, PaymentState.PAID)


@pytest.mark.parametrize(("in_event", "moved"), [(599, 600), (600, 599), (599, 599), (600, 0)])
def test_another_amount_than_planned_is_disputed_and_names_the_execution(in_event: int, moved: int) -> None:
    recorded = {A: RecordedPayment(OTHER_HASH, in_event, moved)}
    first, _ = settled(replace(A_FAILED, paid_flags={A: True}, recorded=recorded))
    assert (first.state, first.reason) == (PaymentState.DISPUTED, FailureReason.PAID_OTHER_AMOUNT)
    assert first.transaction_hash == OTHER_HASH
    assert first.retry_time is None


def test_a_flag_that_no_execution_explains_is_failed_for_an_operator() -> None:
    first, _ = settled(replace(A_FAILED, paid_flags={A: True}))
    assert (first.state, first.reason) == (PaymentState.FAILED, FailureReason.ALREADY_PAID_ELSEWHERE)
    assert first.retry_time is None, "never tried again by itself"


@pytest.mark.parametrize("reason", [FailureReason.TRANSFER_REFUSED, FailureReason.UNFUNDED])
def test_who_is_not_marked_as_paid_waits_for_another_try(reason: FailureReason) -> None:
    refusals = {A: Refusal(reason, "why")}
    first, second = settled(replace(A_FAILED, paid_flags={A: False}, refusals=refusals))
    assert (first.state, first.reason, first.detail) == (PaymentState.WAITING, reason, "why")
    assert first.retry_time
    assert timedelta(seconds=10) <= first.retry_time - START <= timedelta(seconds=12.5)
    assert second.state is PaymentState.PAID


def test_a_refusal_beats_no_recorded_payment_of_another_payee() -> None:
    """What paid B says nothing about A."""
    evidence = replace(
        A_FAILED,
        paid_flags={A: False},
        recorded={A: RecordedPayment(OTHER_HASH, 600, 600)},
        refusals={A: Refusal(FailureReason.TRANSFER_REFUSED, "why")},
    )
    assert settled(evidence)[0].state is PaymentState.WAITING, "the contract's flag decides, not a log"


def test_after_its_last_try_a_payee_needs_an_operator() -> None:
    refusal = Refusal(FailureReason.TRANSFER_REFUSED, "why")
    states = [refused(PAYEE_A, tries, refusal, POLICY, START).state for tries in (1, 2, 3, 4)]
    assert states == [PaymentState.WAITING, PaymentState.WAITING, PaymentState.FAILED, PaymentState.FAILED]
    tired = ExpectedBatch(7, 1_000, (replace(PAYEE_A, tries=3), PAYEE_B))
    first, _ = settled(replace(A_FAILED, paid_flags={A: False}, refusals={A: refusal}), tired)
    assert (first.state, first.retry_time) == (PaymentState.FAILED, None)


@pytest.mark.parametrize(
    ("state", "reason", "waits"),
    [
        (PaymentState.PAID, FailureReason.UNFUNDED, False),
        (PaymentState.FAILED, None, False),
        (PaymentState.WAITING, FailureReason.UNFUNDED, False),
        (PaymentState.WAITING, FailureReason.ALREADY_PAID_ELSEWHERE, True),
        (PaymentState.WAITING, FailureReason.EVIDENCE_DISAGREES, True),
        (PaymentState.FAILED, FailureReason.UNFUNDED, True),
        (PaymentState.PLANNED, FailureReason.UNFUNDED, False),
        (PaymentState.CANCELLED, FailureReason.UNFUNDED, False),
    ],
)
def test_what_is_no_outcome_is_refused(state: PaymentState, reason: FailureReason | None, waits: bool) -> None:
    with pytest.raises(ValueError, match="is no outcome"):
        PaymentOutcome(A, state, reason, retry_time=START if waits else None)


def test_padding_is_taken_off_and_amounts_stay_with_their_payees() -> None:
    zero = "0x" + "00" * 20
    assert strip_padding([B, zero, zero], [A, zero, zero], [600, 0, 0]) == ((B,), {A: 600})
    assert strip_padding([], [A, A], [1, 2]) == ((), {A: 3}), "a doubled payee is summed, and so disagrees"
    with pytest.raises(ValueError, match="shorter"):
        strip_padding([], [A], [])
