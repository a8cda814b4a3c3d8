"""What a final receipt proves about each payee of a batch (design.md, 5.8). Pure: evidence in, outcomes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.domain.retry import RetryPolicy


class ExecutionKind(StrEnum):
    """Which of the lifecycle contract's calls by addresses it is."""

    # executeAmountSnapshotByAddresses: a share of a total, one paid flag per snapshot and holder.
    AMOUNT_SNAPSHOT = "AMOUNT_SNAPSHOT"
    # executeDistributionByAddresses: a dividend or coupon, one paid flag per distribution id and holder.
    DISTRIBUTION = "DISTRIBUTION"
    # executeBondCashOutByAddresses: the principal of live balances; no paid flag, the tokens are burned.
    CASH_OUT = "CASH_OUT"


@dataclass(frozen=True, slots=True)
class Execution:
    """A call by addresses, and what its event repeats of it.

    `reference_id` is the snapshot's or the dividend's or coupon's id, 0 for a cash-out; `total_base_units` is what
    a snapshot payout splits, 0 for the others.
    """

    kind: ExecutionKind
    reference_id: int
    total_base_units: int
    # In the order of the call.
    holders: tuple[str, ...]

    def is_of(self, kind: ExecutionKind, reference_id: int) -> bool:
        """True if it pays from the same snapshot, dividend or coupon; all cash-outs are of one kind."""
        return self.kind is kind and self.reference_id == reference_id


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """The contract's own event of a call by addresses, zero padding removed (contracts.md, 3.4)."""

    execution: Execution
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
    # Of a redemption: what the asset says that each payee was owed at the parent block, and the tokens of each
    # that the batch's transaction has burned.
    owed_before: Mapping[str, Entitlement] = field(default_factory=dict)
    redeemed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpectedBatch:
    """What the batch was made to do."""

    execution: Execution
    # In the order of the call.
    payees: tuple[PlannedPayment, ...]


def settle(
    expected: ExpectedBatch, evidence: BatchEvidence, policy: RetryPolicy, now: datetime
) -> list[PaymentOutcome]:
    """One outcome per payee, in the order of the call.

    PAID only where event and Transfer log both say exactly what the plan says. Where they disagree with each
    other or with the plan, the payee is DISPUTED: not paid again, and shown to an operator. A redemption pays what
    its holder has at that moment: there the formula is checked instead of the plan (design.md, 5.5).
    """
    event = evidence.event
    if event is None or event.execution != expected.execution:
        return [_disputed(payee.holder, "the receipt holds no event of this call") for payee in expected.payees]
    failed = frozenset(event.failed)
    paid = _redeemed if expected.execution.kind is ExecutionKind.CASH_OUT else _paid
    return [
        _refused(payee, evidence, policy, now)
        if payee.holder in failed and payee.holder not in event.paid and not evidence.transferred.get(payee.holder)
        else _disputed_as_failed(payee, event.paid.get(payee.holder), evidence)
        if payee.holder in failed
        else paid(payee, event.paid.get(payee.holder), evidence)
        for payee in expected.payees
    ]


def refused(
    payee: PlannedPayment, tries: int, refusal: Refusal, policy: RetryPolicy, now: datetime
) -> PaymentOutcome:
    """A payee that was not paid after so many tries: WAITING for the next, or FAILED when it needs an operator."""
    retry_time = policy.next_try(refusal.reason, tries, now, payee.holder)
    state = PaymentState.FAILED if retry_time is None else PaymentState.WAITING
    return PaymentOutcome(payee.holder, state, refusal.reason, refusal.detail, retry_time=retry_time)


def _paid(payee: PlannedPayment, event_paid: int | None, evidence: BatchEvidence) -> PaymentOutcome:
    transferred = evidence.transferred.get(payee.holder, 0)
    if event_paid == payee.amount_base_units == transferred:
        return PaymentOutcome(payee.holder, PaymentState.PAID)
    return _disputed_as_paid(payee, event_paid, transferred)


def _redeemed(payee: PlannedPayment, event_paid: int | None, evidence: BatchEvidence) -> PaymentOutcome:
    """The amount is the event's. It must be what the token transferred, and the principal of what was burned."""
    transferred = evidence.transferred.get(payee.holder, 0)
    burned = evidence.redeemed.get(payee.holder, 0)
    if event_paid == transferred == burned == 0:
        # All was sold, or redeemed, before this call came.
        return PaymentOutcome(payee.holder, PaymentState.ZERO_DUE, amount_base_units=0)
    before = evidence.owed_before.get(payee.holder)
    agrees = event_paid is not None and event_paid == transferred
    if not agrees or before is None or before.obstacle or not _is_principal(before, burned, transferred):
        principal = f"{before.amount_base_units} for {before.balance} tokens" if before else "unknown"
        return _disputed(
            payee.holder,
            f"the event says {event_paid}, the token says {transferred}, {burned} tokens were burned, "
            f"the principal in the block before was {principal}",
        )
    return PaymentOutcome(payee.holder, PaymentState.PAID, amount_base_units=transferred)


def _is_principal(before: Entitlement, burned: int, paid_base_units: int) -> bool:
    """Whether an amount is the principal of the tokens burned, by the principal of the balance before.

    Exactly, where no token moved in between; else in proportion, give or take what two roundings leave: before
    rounding, the balance was worth the amount or more, and less than one base unit more.
    """
    if before.balance == burned:
        return paid_base_units == before.amount_base_units
    if before.balance == 0:
        return False
    low = before.amount_base_units * burned // before.balance
    too_high = -(-(before.amount_base_units + 1) * burned // before.balance)
    return low <= paid_base_units < too_high


def _disputed_as_failed(payee: PlannedPayment, event_paid: int | None, evidence: BatchEvidence) -> PaymentOutcome:
    """Listed as failed, and yet something was paid."""
    return _disputed_as_paid(payee, event_paid, evidence.transferred.get(payee.holder, 0))


def _disputed_as_paid(payee: PlannedPayment, event_paid: int | None, transferred: int) -> PaymentOutcome:
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
