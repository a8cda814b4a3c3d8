"""What a final receipt proves about each payee of a batch (design.md, 5.8). Pure: evidence in, outcomes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """The contract's own event of a ByAddresses call, zero padding removed (contracts.md, 3.4)."""

    snapshot_id: int
    holders: tuple[str, ...]
    amount_base_units: int
    failed: tuple[str, ...]
    paid: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """What the final, successful receipt of a batch holds: the event and the token's transfers to payees.

    `transferred` is the sum of the payment token's Transfer logs from the lifecycle contract, by receiver.
    `paid_flags` tells, for payees listed as failed, whether the contract's storage says that they were paid.
    """

    event: ExecutionEvent | None
    transferred: Mapping[str, int]
    paid_flags: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class ExpectedBatch:
    """What the batch was made to do."""

    snapshot_id: int
    total_base_units: int
    # In the order of the call.
    payees: tuple[tuple[str, int], ...]


def settle(expected: ExpectedBatch, evidence: BatchEvidence) -> list[PaymentOutcome]:
    """One outcome per payee, in the order of the call.

    PAID only where event and Transfer log both say exactly what the plan says. Where they disagree with each
    other or with the plan, the payee is DISPUTED: not paid again, and shown to an operator.
    """
    event = evidence.event
    if event is None or not _is_our_call(expected, event):
        return [
            PaymentOutcome(holder, PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)
            for holder, _ in expected.payees
        ]
    failed = frozenset(event.failed)
    return [
        _outcome(holder, amount, holder in failed, event.paid.get(holder), evidence)
        for holder, amount in expected.payees
    ]


def _outcome(
    holder: str, owed: int, is_listed_failed: bool, event_paid: int | None, evidence: BatchEvidence
) -> PaymentOutcome:
    transferred = evidence.transferred.get(holder, 0)
    if not is_listed_failed and event_paid == owed == transferred:
        return PaymentOutcome(holder, PaymentState.PAID)
    if is_listed_failed and event_paid is None and transferred == 0:
        reason = (
            FailureReason.ALREADY_PAID_ELSEWHERE if evidence.paid_flags[holder] else FailureReason.TRANSFER_REFUSED
        )
        return PaymentOutcome(holder, PaymentState.FAILED, reason)
    return PaymentOutcome(holder, PaymentState.DISPUTED, FailureReason.EVIDENCE_DISAGREES)


def _is_our_call(expected: ExpectedBatch, event: ExecutionEvent) -> bool:
    return (
        event.snapshot_id == expected.snapshot_id
        and event.amount_base_units == expected.total_base_units
        and event.holders == tuple(holder for holder, _ in expected.payees)
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
