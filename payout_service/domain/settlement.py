"""What a final receipt proves about each payee of a batch (design.md, 5.8). Pure: evidence in, outcomes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """The contract's own event of a ByAddresses call, zero padding removed (contracts.md, 3.4)."""

    snapshot_id: int
    holders: tuple[str, ...]
    amount_base_units: int
    failed: tuple[str, ...]
    paid: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """What another execution on the chain has paid a payee, by its event and the token's Transfer log."""

    transaction_hash: str
    event_base_units: int
    transferred_base_units: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a payee that is not marked as paid was not paid, by a look at the chain after the batch."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """What the final, successful receipt of a batch holds: the event and the token's transfers to payees.

    `transferred` is the sum of the payment token's Transfer logs from the lifecycle contract, by receiver. For
    each payee listed as failed either `paid_flags` is true, with the execution that paid it in `recorded` if one
    was found, or `refusals` tells why it was not paid.
    """

    event: ExecutionEvent | None
    transferred: Mapping[str, int]
    paid_flags: Mapping[str, bool]
    recorded: Mapping[str, RecordedPayment]
    refusals: Mapping[str, Refusal]


@dataclass(frozen=True, slots=True)
class ExpectedBatch:
    """What the batch was made to do."""

    snapshot_id: int
    total_base_units: int
    # In the order of the call.
    payees: tuple[PlannedPayment, ...]


def settle(
    expected: ExpectedBatch, evidence: BatchEvidence, policy: RetryPolicy, now: datetime
) -> list[PaymentOutcome]:
    """One outcome per payee, in the order of the call.

    PAID only where event and Transfer log both say exactly what the plan says. Where they disagree with each
    other or with the plan, the payee is DISPUTED: not paid again, and shown to an operator.
    """
    event = evidence.event
    if event is None or not _is_our_call(expected, event):
        return [_disputed(payee.holder, "the receipt holds no event of this call") for payee in expected.payees]
    failed = frozenset(event.failed)
    return [
        _refused(payee, evidence, policy, now)
        if payee.holder in failed and payee.holder not in event.paid and not evidence.transferred.get(payee.holder)
        else _paid(payee, event.paid.get(payee.holder), evidence, is_listed_failed=payee.holder in failed)
        for payee in expected.payees
    ]


def refused(
    payee: PlannedPayment, tries: int, refusal: Refusal, policy: RetryPolicy, now: datetime
) -> PaymentOutcome:
    """A payee that was not paid after so many tries: WAITING for the next, or FAILED when it needs an operator."""
    retry_time = policy.next_try(refusal.reason, tries, now, payee.holder)
    state = PaymentState.FAILED if retry_time is None else PaymentState.WAITING
    return PaymentOutcome(payee.holder, state, refusal.reason, refusal.detail, retry_time=retry_time)


def _paid(
    payee: PlannedPayment, event_paid: int | None, evidence: BatchEvidence, *, is_listed_failed: bool
) -> PaymentOutcome:
    transferred = evidence.transferred.get(payee.holder, 0)
    if not is_listed_failed and event_paid == payee.amount_base_units == transferred:
        return PaymentOutcome(payee.holder, PaymentState.PAID)
    return _disputed(
        payee.holder, f"owed {payee.amount_base_units}, the event says {event_paid}, the token says {transferred}"
    )


def _refused(payee: PlannedPayment, evidence: BatchEvidence, policy: RetryPolicy, now: datetime) -> PaymentOutcome:
    if not evidence.paid_flags[payee.holder]:
        return refused(payee, payee.tries, evidence.refusals[payee.holder], policy, now)
    recorded = evidence.recorded.get(payee.holder)
    if recorded is None:
        return PaymentOutcome(
            payee.holder,
            PaymentState.FAILED,
            FailureReason.ALREADY_PAID_ELSEWHERE,
            "the contract's paid flag is set, and no execution on the chain is found that paid this payee",
        )
    if recorded.event_base_units == recorded.transferred_base_units == payee.amount_base_units:
        return PaymentOutcome(payee.holder, PaymentState.PAID, transaction_hash=recorded.transaction_hash)
    return PaymentOutcome(
        payee.holder,
        PaymentState.DISPUTED,
        FailureReason.PAID_OTHER_AMOUNT,
        f"owed {payee.amount_base_units}, an execution paid {recorded.event_base_units} "
        f"and its token transferred {recorded.transferred_base_units}",
        transaction_hash=recorded.transaction_hash,
    )


def _disputed(holder: str, detail: str) -> PaymentOutcome:
    return PaymentOutcome(holder, PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES, detail)


def _is_our_call(expected: ExpectedBatch, event: ExecutionEvent) -> bool:
    return (
        event.snapshot_id == expected.snapshot_id
        and event.amount_base_units == expected.total_base_units
        and event.holders == tuple(payee.holder for payee in expected.payees)
    )


def strip_padding(
    failed: Sequence[str], succeeded: Sequence[str], paid_amounts: Sequence[int]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The payees in the three padded arrays of an execution event: those failed, and what each other got.

    `paid_amounts[i]` belongs to `succeeded[i]`; the rest of each array is filled with zeros (contracts.md, 3.4).
    """
    zero = "0x" + "0" * 40
    paid: Counter[str] = Counter()
    for holder, amount in zip(succeeded, paid_amounts, strict=True):
        if holder != zero:
            paid[holder] += amount
    return tuple(holder for holder in failed if holder != zero), dict(paid)
