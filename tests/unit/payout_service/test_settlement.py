"""What a final receipt proves about each payee of a batch, and what is not believed."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import Entitlement
from payout_service.domain.proof import Due, PaidProof
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import (
    BatchEvidence,
    ExecutionEvent,
    ExecutionKind,
    ExpectedBatch,
    RecordedPayment,
    Refusal,
    refused,
    settle,
    strip_padding,
)
from tests.support.payout.amounts import (
    entitlement,
    execution_of,
    fixed_due,
    money,
    planned_payment,
    principal_due,
)
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_database import START

A, B = holder(0), holder(1)
POLICY = RetryPolicy(max_tries=3, first_delay_seconds=10)
PAYEE_A, PAYEE_B = planned_payment(0, A, 6, 600, tries=1), planned_payment(1, B, 4, 400, tries=1)
EXECUTION = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, 7, 1_000, (A, B))
EXPECTED = ExpectedBatch(EXECUTION, (PAYEE_A, PAYEE_B))
EVENT = ExecutionEvent(EXECUTION, (), money({A: 600, B: 400}))
PAID = BatchEvidence(EVENT, money({A: 600, B: 400}), {}, {}, {})
# A is listed as failed, B is paid.
A_FAILED = BatchEvidence(replace(EVENT, failed=(A,), paid=money({B: 400})), money({B: 400}), {}, {}, {})
OTHER_HASH = "0x" + "99" * 32


def is_paid(
    payee: HolderAddress, amount: int, due: Due | None = None, transaction_hash: str = ""
) -> PaymentOutcome:
    """What the plan owes, unless said otherwise."""
    proof = PaidProof(
        event_base_units=BaseUnits(amount), transferred_base_units=BaseUnits(amount), due=due or fixed_due(amount)
    )
    return PaymentOutcome.paid(payee, proof, transaction_hash)


def settled(evidence: BatchEvidence, expected: ExpectedBatch = EXPECTED) -> list[PaymentOutcome]:
    return settle(expected, evidence, POLICY, START)


def of_another_call(**change: object) -> BatchEvidence:
    execution = replace(EXECUTION, **change)  # type: ignore[arg-type]
    return replace(PAID, event=replace(EVENT, execution=execution))


def test_agreeing_evidence_is_paid() -> None:
    assert settled(PAID) == [is_paid(A, 600), is_paid(B, 400)]


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, event=None),
        of_another_call(kind=ExecutionKind.DISTRIBUTION),
        of_another_call(reference_id=8),
        of_another_call(total_base_units=999),
        of_another_call(holders=(B, A)),
        of_another_call(holders=(A,)),
        of_another_call(holders=(A, B, holder(3))),
    ],
)
def test_the_event_of_another_call_proves_nothing(evidence: BatchEvidence) -> None:
    assert [(each.state, each.reason) for each in settled(evidence)] == [
        (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    ] * 2


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, transferred=money({B: 400})),
        replace(PAID, transferred=money({A: 599, B: 400})),
        replace(PAID, transferred=money({A: 1_200, B: 400})),
        replace(PAID, event=replace(EVENT, paid=money({A: 599, B: 400}))),
        replace(PAID, event=replace(EVENT, paid=money({A: 599, B: 400})), transferred=money({A: 599, B: 400})),
        replace(PAID, event=replace(EVENT, paid=money({A: 0, B: 400})), transferred=money({B: 400})),
        replace(PAID, event=replace(EVENT, paid=money({B: 400}))),
        replace(PAID, event=replace(EVENT, paid=money({B: 400})), transferred=money({B: 400})),
        # Listed as failed, and money moved all the same.
        replace(PAID, event=replace(EVENT, failed=(A,), paid=money({B: 400})), paid_flags={A: False}),
        # Listed as both.
        replace(PAID, event=replace(EVENT, failed=(A,)), paid_flags={A: True}),
        replace(PAID, event=replace(EVENT, failed=(A,)), transferred=money({B: 400}), paid_flags={A: True}),
    ],
)
def test_a_payee_whose_evidence_disagrees_is_disputed_alone(evidence: BatchEvidence) -> None:
    first, second = settled(evidence)
    assert (first.state, first.reason) == (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    assert second.state is PaymentState.PAID


def test_who_was_paid_by_a_recorded_execution_is_paid_by_that_one() -> None:
    recorded = {
        A: RecordedPayment(
            transaction_hash=OTHER_HASH, event_base_units=BaseUnits(600), transferred_base_units=BaseUnits(600)
        )
    }
    first, second = settled(replace(A_FAILED, paid_flags={A: True}, recorded=recorded))
    assert first == is_paid(A, 600, transaction_hash=OTHER_HASH)
    assert second == is_paid(B, 400)


@pytest.mark.parametrize(("in_event", "moved"), [(599, 600), (600, 599), (599, 599), (600, 0)])
def test_another_amount_than_planned_is_disputed_and_names_the_execution(in_event: int, moved: int) -> None:
    recorded = {
        A: RecordedPayment(
            transaction_hash=OTHER_HASH,
            event_base_units=BaseUnits(in_event),
            transferred_base_units=BaseUnits(moved),
        )
    }
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
        recorded={
            A: RecordedPayment(
                transaction_hash=OTHER_HASH, event_base_units=BaseUnits(600), transferred_base_units=BaseUnits(600)
            )
        },
        refusals={A: Refusal(FailureReason.TRANSFER_REFUSED, "why")},
    )
    assert settled(evidence)[0].state is PaymentState.WAITING, "the contract's flag decides, not a log"


def test_after_its_last_try_a_payee_needs_an_operator() -> None:
    refusal = Refusal(FailureReason.TRANSFER_REFUSED, "why")
    states = [refused(PAYEE_A, tries, refusal, POLICY, START).state for tries in (1, 2, 3, 4)]
    assert states == [PaymentState.WAITING, PaymentState.WAITING, PaymentState.FAILED, PaymentState.FAILED]
    tired = ExpectedBatch(EXECUTION, (replace(PAYEE_A, tries=3), PAYEE_B))
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
        # PAID without a proof.
        (PaymentState.PAID, None, False),
    ],
)
def test_what_is_no_outcome_is_refused(state: PaymentState, reason: FailureReason | None, waits: bool) -> None:
    with pytest.raises(ValueError, match="is no outcome"):
        PaymentOutcome(A, state, reason, retry_time=START if waits else None)


def test_padding_is_taken_off_and_amounts_stay_with_their_payees() -> None:
    zero = "0x" + "00" * 20
    assert strip_padding(
        [B, HolderAddress(zero), HolderAddress(zero)],
        [A, HolderAddress(zero), HolderAddress(zero)],
        [BaseUnits(600), BaseUnits(0), BaseUnits(0)],
    ) == (
        (B,),
        {A: 600},
    )
    assert strip_padding([], [A, A], [BaseUnits(1), BaseUnits(2)]) == ((), {A: 3}), (
        "a doubled payee is summed, and so disagrees"
    )
    with pytest.raises(ValueError, match="shorter"):
        strip_padding([], [A], [])


# ------------------------------------------------------------------------------------------------ distributions

DISTRIBUTION = execution_of(ExecutionKind.DISTRIBUTION, 7, 0, (A, B))
DISTRIBUTED = replace(PAID, event=replace(EVENT, execution=DISTRIBUTION))


def test_a_distribution_is_paid_by_the_event_of_its_own_action() -> None:
    expected = ExpectedBatch(DISTRIBUTION, (PAYEE_A, PAYEE_B))
    assert {each.state for each in settled(DISTRIBUTED, expected)} == {PaymentState.PAID}
    for other in (replace(DISTRIBUTION, reference_id=8), EXECUTION):
        first, second = settled(DISTRIBUTED, ExpectedBatch(other, (PAYEE_A, PAYEE_B)))
        assert first.state is second.state is PaymentState.DISPUTED
    short = replace(DISTRIBUTED, event=replace(EVENT, execution=DISTRIBUTION, paid=money({A: 599, B: 400})))
    first, second = settled(replace(short, transferred=money({A: 599, B: 400})), expected)
    assert (first.state, second.state) == (PaymentState.DISPUTED, PaymentState.PAID), "the plan's amount counts"


# ------------------------------------------------------------------------------------------------ redemptions

CASH_OUT = execution_of(ExecutionKind.CASH_OUT, 0, 0, (A, B))
CASHED = ExpectedBatch(CASH_OUT, (PAYEE_A, PAYEE_B))
# As planned: 100 base units of money for each token, and nothing has moved.
REDEEMED = BatchEvidence(
    ExecutionEvent(CASH_OUT, (), money({A: 600, B: 400})),
    transferred=money({A: 600, B: 400}),
    paid_flags={},
    recorded={},
    refusals={},
    owed_before={A: entitlement(A, 6, 600), B: entitlement(B, 4, 400)},
    redeemed={A: TokenUnits(6), B: TokenUnits(4)},
)


def redeemed(
    paid: int, burned: int | None, before: Entitlement, *, transferred: int | None = None
) -> PaymentOutcome:
    """What becomes of A; B is redeemed as planned."""
    assert REDEEMED.event
    evidence = replace(
        REDEEMED,
        event=replace(REDEEMED.event, paid=money({A: paid, B: 400})),
        transferred=money({A: paid if transferred is None else transferred, B: 400}),
        owed_before={**REDEEMED.owed_before, A: before},
        redeemed={A: None if burned is None else TokenUnits(burned), B: TokenUnits(4)},
    )
    first, second = settled(evidence, CASHED)
    assert second == is_paid(B, 400, principal_due(4, 400, 4)), "the other one is judged alone"
    return first


def test_a_redemption_is_paid_what_the_event_says() -> None:
    assert settled(REDEEMED, CASHED) == [
        is_paid(A, 600, principal_due(6, 600, 6)),
        is_paid(B, 400, principal_due(4, 400, 4)),
    ]


def test_who_bought_or_sold_since_the_plan_is_paid_the_principal_of_the_moment() -> None:
    for balance in (9, 2):
        outcome = redeemed(100 * balance, balance, entitlement(A, balance, 100 * balance))
        assert outcome == is_paid(A, BaseUnits(100 * balance), principal_due(balance, 100 * balance, balance))


def test_a_transfer_between_the_parent_block_and_the_call_is_followed_in_proportion() -> None:
    # 1.5 base units a token: 10 tokens at the parent block are 15; 7 of them are burned.
    assert redeemed(10, 7, entitlement(A, 10, 15)) == is_paid(A, 10, principal_due(10, 15, 7))
    for wrong in (9, 13, 15):
        assert redeemed(wrong, 7, entitlement(A, 10, 15)).state is PaymentState.DISPUTED


def test_the_worth_of_a_token_is_followed_exactly_where_the_asset_tells_it() -> None:
    worth = Fraction(155, 100)
    before = entitlement(A, 10, 15, per_token_base_units=worth)
    assert redeemed(10, 7, before) == is_paid(A, 10, principal_due(10, 15, 7, worth))
    # By the rounded principal alone 11 for 7 would be right as well: 15.9 may stand behind 15.
    assert redeemed(11, 7, entitlement(A, 10, 15)).state is PaymentState.PAID
    assert redeemed(11, 7, before).state is PaymentState.DISPUTED


@given(
    principal=st.fractions(min_value=0, max_value=10**9),
    before=st.integers(min_value=1, max_value=10**12),
    burned=st.integers(min_value=0, max_value=10**12),
)
def test_a_right_principal_is_never_disputed(principal: Fraction, before: int, burned: int) -> None:
    """Whatever was bought or sold in between: both figures are floors of the same principal for each token."""
    paid = int(principal * burned)
    outcome = redeemed(paid, burned, entitlement(A, before, int(principal * before)))
    expected = PaymentState.PAID if paid else PaymentState.ZERO_DUE
    assert (outcome.state, outcome.amount_base_units) == (expected, paid)


@given(before=st.integers(min_value=1, max_value=10**12), off=st.integers(min_value=-100, max_value=100))
def test_without_a_transfer_in_between_the_principal_must_be_exact(before: int, off: int) -> None:
    owed = 3 * before + 100
    state = redeemed(owed + off, before, entitlement(A, before, owed)).state
    assert state is (PaymentState.DISPUTED if off else PaymentState.PAID)


@pytest.mark.parametrize(
    ("paid", "transferred", "burned", "before"),
    [
        (600, 599, 6, entitlement(A, 6, 600)),
        (599, 600, 6, entitlement(A, 6, 600)),
        (0, 600, 6, entitlement(A, 6, 600)),
        (600, 0, 6, entitlement(A, 6, 600)),
        # Paid, and the tokens are still there.
        (600, 600, 0, entitlement(A, 6, 600)),
        # Some were frozen in the block of the call, and paid for: 35 tokens at less than 7/44 are less than 6.
        (6, 6, 35, entitlement(A, 44, 6)),
        # Burned for nothing.
        (0, 0, 6, entitlement(A, 6, 600)),
        # Nothing was there to be paid for.
        (600, 600, 6, entitlement(A, 0, 0)),
        # The asset's logs contradict each other.
        (600, 600, None, entitlement(A, 6, 600)),
        (0, 0, None, entitlement(A, 6, 600)),
        # Paid for tokens that stay: frozen ones.
        (600, 600, 6, entitlement(A, 6, 600, "2 tokens are frozen", is_overpaid=True)),
    ],
)
def test_a_redemption_that_does_not_add_up_is_disputed(
    paid: int, transferred: int, burned: int | None, before: Entitlement
) -> None:
    outcome = redeemed(paid, burned, before, transferred=transferred)
    assert (outcome.state, outcome.reason) == (PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
    assert outcome.amount_base_units is None, "the books keep what the plan says"
    assert outcome.moved_base_units == transferred, "what has moved is not there to be promised"


def test_a_redemption_without_the_principal_of_before_is_disputed() -> None:
    first, second = settled(replace(REDEEMED, owed_before={B: entitlement(B, 4, 400)}), CASHED)
    assert (first.state, second.state) == (PaymentState.DISPUTED, PaymentState.PAID)
    assert "unknown" in first.detail


def test_who_has_nothing_left_is_due_nothing() -> None:
    nothing = PaymentOutcome(A, PaymentState.ZERO_DUE, amount_base_units=BaseUnits(0))
    assert redeemed(0, 0, entitlement(A, 6, 600)) == nothing
    assert redeemed(0, 0, entitlement(A, 6, 600, "2 tokens are frozen")) == nothing, "nothing happened at all"
    assert redeemed(0, 9, entitlement(A, 81, 8)) == nothing, "nine of them are worth less than a base unit"
    assert REDEEMED.event
    missing = replace(
        REDEEMED,
        event=replace(REDEEMED.event, paid=money({B: 400})),
        transferred=money({B: 400}),
        redeemed={B: TokenUnits(4)},
    )
    assert settled(missing, CASHED)[0].state is PaymentState.DISPUTED, "the event does not name it"


def test_a_redemption_that_the_token_refused_waits_and_has_no_flag_to_ask_for() -> None:
    assert REDEEMED.event
    evidence = replace(
        REDEEMED,
        event=replace(REDEEMED.event, failed=(A,), paid=money({B: 400})),
        transferred=money({B: 400}),
        redeemed={B: TokenUnits(4)},
        paid_flags={A: False},
        refusals={A: Refusal(FailureReason.TRANSFER_REFUSED, "why")},
    )
    first, second = settled(evidence, CASHED)
    assert (first.state, first.reason, first.detail) == (
        PaymentState.WAITING,
        FailureReason.TRANSFER_REFUSED,
        "why",
    )
    assert second.state is PaymentState.PAID
    both = replace(evidence, transferred=money({A: 600, B: 400}))
    assert settled(both, CASHED)[0].state is PaymentState.DISPUTED, "listed as failed, and money moved"


def test_all_cash_outs_are_of_one_kind_and_other_calls_go_by_their_id() -> None:
    assert CASH_OUT.is_of(ExecutionKind.CASH_OUT, 0)
    assert DISTRIBUTION.is_of(ExecutionKind.DISTRIBUTION, 7)
    assert not DISTRIBUTION.is_of(ExecutionKind.DISTRIBUTION, 8)
    assert not DISTRIBUTION.is_of(ExecutionKind.AMOUNT_SNAPSHOT, 7)
