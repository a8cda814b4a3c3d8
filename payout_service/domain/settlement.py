"""Decides from a batch's final receipt what became of each payee (docs/architecture.md#evidence).

Pure functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.domain.proof import FixedDue, PrincipalDue, prove_paid
from payout_service.domain.retry import RetryPolicy


class ExecutionKind(StrEnum):
    """The lifecycle contract's kinds of calls by addresses."""

    # executeAmountSnapshotByAddresses: a share of a total, one paid flag per snapshot and holder.
    AMOUNT_SNAPSHOT = "AMOUNT_SNAPSHOT"
    # executeDistributionByAddresses: a dividend or coupon, one paid flag per distribution id and holder.
    DISTRIBUTION = "DISTRIBUTION"
    # executeBondCashOutByAddresses: the principal of live balances; no paid flag, the tokens are burned.
    CASH_OUT = "CASH_OUT"


@dataclass(frozen=True, slots=True)
class Execution:
    """A call by addresses, as far as its event repeats it.

    `reference_id` is the snapshot's or the dividend's or coupon's id, 0 for a cash-out; `total_base_units` is what
    a snapshot payout splits, 0 for the others.
    """

    kind: ExecutionKind
    reference_id: int
    total_base_units: BaseUnits
    # In the order of the call.
    holders: tuple[HolderAddress, ...]

    def is_of(self, kind: ExecutionKind, reference_id: int) -> bool:
        """Returns True if it pays from this snapshot, dividend or coupon. All cash-outs count as one kind."""
        return self.kind is kind and self.reference_id == reference_id


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """The contract's event of a call by addresses, without zero padding (docs/contract-surprises.md#4)."""

    execution: Execution
    failed: tuple[HolderAddress, ...]
    paid: Mapping[HolderAddress, BaseUnits]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPayment:
    """What one execution on the chain paid a payee, by its event and the token's Transfer log.

    Of a cash-out also the tokens that it burned (None: the asset's logs contradict each other), and what the asset
    said that the payee was owed in the block before.
    """

    # Empty for the batch's own.
    transaction_hash: str
    # None: the event does not list the payee as paid.
    event_base_units: BaseUnits | None
    transferred_base_units: BaseUnits
    burned_tokens: TokenUnits | None = TokenUnits(0)
    owed_before: Entitlement | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a payee was not paid, found by a look at the chain after the batch."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """The content of a batch's final, successful receipt: the event, and the token's transfers to payees.

    `transferred` is the sum of the payment token's Transfer logs from the lifecycle contract, by receiver. For
    each payee listed as failed either `paid_flags` is true, with the execution that paid it in `recorded` if one
    was found, or `refusals` tells why it was not paid.
    """

    event: ExecutionEvent | None
    transferred: Mapping[HolderAddress, BaseUnits]
    paid_flags: Mapping[HolderAddress, bool]
    recorded: Mapping[HolderAddress, RecordedPayment]
    refusals: Mapping[HolderAddress, Refusal]
    # Of a redemption: what the asset says that each payee was owed at the parent block, and the tokens of each
    # that the batch's transaction has burned; see burned_tokens.
    owed_before: Mapping[HolderAddress, Entitlement] = field(default_factory=dict)
    redeemed: Mapping[HolderAddress, TokenUnits | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpectedBatch:
    """What the batch should have done."""

    execution: Execution
    # In the order of the call.
    payees: tuple[PlannedPayment, ...]


def settle(
    expected: ExpectedBatch, evidence: BatchEvidence, policy: RetryPolicy, now: datetime
) -> list[PaymentOutcome]:
    """Returns one outcome per payee, in the order of the call.

    PAID only where event and Transfer log both say exactly what the plan says. Where they disagree with each
    other or with the plan, the payee is DISPUTED: not paid again, and shown to an operator. A redemption pays what
    its holder has at that moment: there the formula is checked instead of the plan (docs/adr/0013-redemption.md).
    """
    event = evidence.event
    if event is None or event.execution != expected.execution:
        what = "the receipt holds no event of this call"
        moved = evidence.transferred
        return [_disputed(payee.holder, what, moved.get(payee.holder, BaseUnits(0))) for payee in expected.payees]
    failed = frozenset(event.failed)
    return [
        _of_failed(payee, event, evidence, policy, now)
        if payee.holder in failed
        else redeemed(payee.holder, _seen(payee.holder, event, evidence))
        if expected.execution.kind is ExecutionKind.CASH_OUT
        else _of_planned(payee, _seen(payee.holder, event, evidence))
        for payee in expected.payees
    ]


def refused(
    payee: PlannedPayment, tries: int, refusal: Refusal, policy: RetryPolicy, now: datetime
) -> PaymentOutcome:
    """Returns the outcome of an unpaid payee after so many tries: WAITING, or FAILED if it needs an operator."""
    retry_time = policy.next_try(refusal.reason, tries, now, payee.holder)
    state = PaymentState.FAILED if retry_time is None else PaymentState.WAITING
    return PaymentOutcome(payee.holder, state, refusal.reason, refusal.detail, retry_time=retry_time)


def redeemed(holder: HolderAddress, seen: RecordedPayment) -> PaymentOutcome:
    """Returns the outcome of a cash-out for a payee. The amount is the event's.

    It must be what the token transferred, and the principal of what was burned. ZERO_DUE where all was sold, or
    redeemed, before the call came, or where what was left is worth less than a base unit.
    """
    before = seen.owed_before
    is_nothing = seen.event_base_units == seen.transferred_base_units == 0
    if is_nothing and seen.burned_tokens == 0:
        return _nothing_due(holder, seen)
    if before is not None and not before.is_overpaid and seen.burned_tokens is not None:
        due = PrincipalDue(
            balance_before=before.balance,
            principal_base_units=before.amount_base_units,
            burned_tokens=seen.burned_tokens,
            per_token_base_units=before.per_token_base_units,
        )
        proof = prove_paid(
            event_base_units=seen.event_base_units, transferred_base_units=seen.transferred_base_units, due=due
        )
        if proof:
            return PaymentOutcome.paid(holder, proof, seen.transaction_hash)
        if is_nothing and due.allows(BaseUnits(0)):
            return _nothing_due(holder, seen)
    principal = f"{before.amount_base_units} for {before.balance} tokens" if before else "unknown"
    burned = "unknown how many" if seen.burned_tokens is None else seen.burned_tokens
    return _disputed(
        holder,
        f"the event says {seen.event_base_units}, the token says {seen.transferred_base_units}, {burned} tokens "
        f"were burned, the principal in the block before was {principal}",
        seen.transferred_base_units,
        seen.transaction_hash,
    )


def paid_elsewhere(payee: PlannedPayment, recorded: RecordedPayment | None) -> PaymentOutcome:
    """Returns the outcome of a payee whose paid flag is set, by the execution that paid it if one is found."""
    if recorded is None:
        return PaymentOutcome(
            payee.holder,
            PaymentState.FAILED,
            FailureReason.ALREADY_PAID_ELSEWHERE,
            "the contract's paid flag is set, and no execution on the chain is found that paid this payee",
        )
    due = FixedDue(payee.amount_base_units)
    proof = prove_paid(
        event_base_units=recorded.event_base_units, transferred_base_units=recorded.transferred_base_units, due=due
    )
    if proof:
        return PaymentOutcome.paid(payee.holder, proof, recorded.transaction_hash)
    return PaymentOutcome(
        payee.holder,
        PaymentState.DISPUTED,
        FailureReason.PAID_OTHER_AMOUNT,
        f"owed {payee.amount_base_units}, an execution paid {recorded.event_base_units} "
        f"and its token transferred {recorded.transferred_base_units}",
        transaction_hash=recorded.transaction_hash,
        moved_base_units=recorded.transferred_base_units,
    )


def _seen(holder: HolderAddress, event: ExecutionEvent, evidence: BatchEvidence) -> RecordedPayment:
    """Returns what the batch's own transaction shows of a payee."""
    return RecordedPayment(
        transaction_hash="",
        event_base_units=event.paid.get(holder),
        transferred_base_units=evidence.transferred.get(holder, BaseUnits(0)),
        burned_tokens=evidence.redeemed.get(holder, TokenUnits(0)),
        owed_before=evidence.owed_before.get(holder),
    )


def _of_planned(payee: PlannedPayment, seen: RecordedPayment) -> PaymentOutcome:
    """Returns the outcome of a payee that is listed as paid: PAID if it is what the plan owes, else disputed."""
    proof = prove_paid(
        event_base_units=seen.event_base_units,
        transferred_base_units=seen.transferred_base_units,
        due=FixedDue(payee.amount_base_units),
    )
    return PaymentOutcome.paid(payee.holder, proof) if proof else _disputed_as_paid(payee, seen)


def _of_failed(
    payee: PlannedPayment, event: ExecutionEvent, evidence: BatchEvidence, policy: RetryPolicy, now: datetime
) -> PaymentOutcome:
    """Returns the outcome of a payee listed as failed: refused, paid before, or disputed if something was paid."""
    seen = _seen(payee.holder, event, evidence)
    if seen.event_base_units is not None or seen.transferred_base_units:
        return _disputed_as_paid(payee, seen)
    if evidence.paid_flags[payee.holder]:
        return paid_elsewhere(payee, evidence.recorded.get(payee.holder))
    return refused(payee, payee.tries, evidence.refusals[payee.holder], policy, now)


def _disputed_as_paid(payee: PlannedPayment, seen: RecordedPayment) -> PaymentOutcome:
    return _disputed(
        payee.holder,
        f"owed {payee.amount_base_units}, the event says {seen.event_base_units}, "
        f"the token says {seen.transferred_base_units}",
        seen.transferred_base_units,
    )


def _nothing_due(holder: HolderAddress, seen: RecordedPayment) -> PaymentOutcome:
    hash_elsewhere = seen.transaction_hash
    return PaymentOutcome(
        holder, PaymentState.ZERO_DUE, transaction_hash=hash_elsewhere, amount_base_units=BaseUnits(0)
    )


def _disputed(
    holder: HolderAddress, detail: str, moved_base_units: BaseUnits, transaction_hash: str = ""
) -> PaymentOutcome:
    return PaymentOutcome(
        holder,
        PaymentState.DISPUTED,
        FailureReason.EVIDENCE_DISAGREES,
        detail,
        transaction_hash=transaction_hash,
        moved_base_units=moved_base_units,
    )


def strip_padding(
    failed: Sequence[HolderAddress], succeeded: Sequence[HolderAddress], paid_amounts: Sequence[BaseUnits]
) -> tuple[tuple[HolderAddress, ...], dict[HolderAddress, BaseUnits]]:
    """Removes the zero padding of an execution event's arrays. Returns failed payees and others' amounts.

    `paid_amounts[i]` belongs to `succeeded[i]`; the rest of each array is filled with zeros
    (docs/contract-surprises.md#4).
    """
    zero = "0x" + "0" * 40
    paid: dict[HolderAddress, BaseUnits] = {}
    for holder, amount in zip(succeeded, paid_amounts, strict=True):
        if holder != zero:
            paid[holder] = BaseUnits(paid.get(holder, 0) + amount)
    return tuple(holder for holder in failed if holder != zero), paid
