"""The states of payments and batches, and the reasons why a payee was not paid."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from libs.chain.quantities import BaseUnits, HolderAddress
from payout_service.domain.proof import PaidProof


class PaymentState(StrEnum):
    """The states of a payment."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    WAITING = "WAITING"
    PAID = "PAID"
    FAILED = "FAILED"
    ZERO_DUE = "ZERO_DUE"
    DISPUTED = "DISPUTED"
    CANCELLED = "CANCELLED"
    EXCLUDED = "EXCLUDED"
    DEFERRED = "DEFERRED"


_S = PaymentState
# The one table; docs/state-machines.md draws it. Rows change in bulk, each UPDATE names the state it comes from.
PAYMENT_TRANSITIONS: Mapping[PaymentState, frozenset[PaymentState]] = {
    # Not sent at all where a simulation already shows that this payee makes the whole call revert. ZERO_DUE,
    # PAID and DISPUTED where a redemption's holder has nothing left to redeem: sold, or redeemed by another
    # execution, whose evidence may disagree.
    _S.PLANNED: frozenset({_S.IN_FLIGHT, _S.WAITING, _S.FAILED, _S.CANCELLED, _S.ZERO_DUE, _S.PAID, _S.DISPUTED}),
    # Back to PLANNED only after it is proven that the batch paid nobody: reverted or voided, finally.
    _S.IN_FLIGHT: frozenset({_S.PAID, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.PLANNED, _S.CANCELLED, _S.ZERO_DUE}),
    _S.WAITING: frozenset({_S.PLANNED, _S.CANCELLED}),
    _S.PAID: frozenset(),
    # By an operator: RetryPayments or CancelPayout. PAID and DISPUTED where an execution that is none of this
    # payout's has paid the holder.
    _S.FAILED: frozenset({_S.PLANNED, _S.CANCELLED, _S.PAID, _S.DISPUTED}),
    _S.ZERO_DUE: frozenset(),
    # Looked at again until the evidence agrees: it was paid, nothing was due, or it was refused after all.
    _S.DISPUTED: frozenset({_S.PAID, _S.ZERO_DUE, _S.FAILED, _S.CANCELLED}),
    _S.CANCELLED: frozenset(),
    _S.EXCLUDED: frozenset(),
    # Due less than the minimum; paid once the holder's deferrals reach it. An execution that is none of this
    # payout's may have paid the holder meanwhile.
    _S.DEFERRED: frozenset({_S.PLANNED, _S.CANCELLED, _S.PAID, _S.FAILED, _S.DISPUTED}),
}
# What evidence makes of a payee; ZERO_DUE only of a redemption's that had nothing left to redeem.
SETTLED_STATES = frozenset({_S.PAID, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.ZERO_DUE})
# The payee is still owed something, as far as we know, and the money for it is promised.
OPEN_STATES = frozenset({_S.PLANNED, _S.IN_FLIGHT, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.DEFERRED})


class BatchState(StrEnum):
    """The states of a batch. Between PLANNED and a final state, its transaction decides."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    SETTLED = "SETTLED"
    REVERTED = "REVERTED"
    VOIDED = "VOIDED"


class FailureReason(StrEnum):
    """The reasons why a payee was not paid. The names are stable; docs/errors.md explains each."""

    # The contract had too little of the payment token when it was the payee's turn.
    UNFUNDED = "UNFUNDED"
    # The contract listed the payee as failed and its paid flag is not set: the token refused the transfer.
    TRANSFER_REFUSED = "TRANSFER_REFUSED"
    # The contract listed the payee as failed, its paid flag is set, and no execution is found that paid it.
    ALREADY_PAID_ELSEWHERE = "ALREADY_PAID_ELSEWHERE"
    # Another execution has paid the payee, but not what the plan says.
    PAID_OTHER_AMOUNT = "PAID_OTHER_AMOUNT"
    # Receipt, event and Transfer log do not agree; nothing more is sent to this payee.
    EVIDENCE_DISAGREES = "EVIDENCE_DISAGREES"
    # The call reverts as a whole with this payee in it, also with this payee alone.
    BATCH_REVERTED = "BATCH_REVERTED"
    # A redemption would pay for tokens that it cannot redeem: frozen, locked or held ones.
    TOKENS_NOT_FREE = "TOKENS_NOT_FREE"


# What may pass by itself: tried again after a while, a bounded number of times, and by RetryPayments.
RETRIABLE_REASONS = frozenset(
    {
        FailureReason.UNFUNDED,
        FailureReason.TRANSFER_REFUSED,
        FailureReason.BATCH_REVERTED,
        FailureReason.TOKENS_NOT_FREE,
    }
)


@dataclass(frozen=True, slots=True)
class PaymentOutcome:
    """The outcome for one payee.

    `transaction_hash` is set where another transaction than the batch's has paid; `retry_time` where the payee is
    tried again by itself. `amount_base_units` is set where it may differ from the plan's: a redemption pays the
    balance at its moment. `proof` is there if the payee is PAID, and only then. `moved_base_units`, of a DISPUTED
    payee, is what the token has moved to it all the same: that money is gone, whatever the dispute comes to.
    """

    holder: HolderAddress
    state: PaymentState
    reason: FailureReason | None = None
    detail: str = ""
    transaction_hash: str = ""
    retry_time: datetime | None = None
    _: KW_ONLY
    amount_base_units: BaseUnits | None = None
    proof: PaidProof | None = None
    moved_base_units: BaseUnits = BaseUnits(0)

    @classmethod
    def paid(cls, holder: HolderAddress, proof: PaidProof, transaction_hash: str = "") -> Self:
        """Returns the outcome PAID. The hash names the transaction if it is not the batch's own."""
        amount = proof.transferred_base_units
        return cls(
            holder,
            PaymentState.PAID,
            transaction_hash=transaction_hash,
            amount_base_units=amount,
            proof=proof,
        )

    def __post_init__(self) -> None:
        needs_no_reason = self.state in (PaymentState.PAID, PaymentState.ZERO_DUE)
        waits = self.state is PaymentState.WAITING
        if self.state not in SETTLED_STATES or needs_no_reason != (self.reason is None):
            raise ValueError(f"{self.holder}: {self.state} with reason {self.reason} is no outcome")
        if waits != (self.retry_time is not None) or (waits and self.reason not in RETRIABLE_REASONS):
            raise ValueError(f"{self.holder}: {self.state} for {self.reason} at {self.retry_time} is no outcome")
        if (self.state is PaymentState.PAID) != (self.proof is not None):
            raise ValueError(f"{self.holder}: {self.state} with the proof {self.proof} is no outcome")
        if self.proof and self.amount_base_units != self.proof.transferred_base_units:
            raise ValueError(f"{self.holder}: PAID {self.amount_base_units} is not what its proof says")
        if self.moved_base_units and self.state is not PaymentState.DISPUTED:
            raise ValueError(f"{self.holder}: {self.state} with money moved is no outcome")


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of payments, the sum due, and how much of it has already moved to disputed payees."""

    count: int = 0
    _: KW_ONLY
    amount_base_units: BaseUnits = BaseUnits(0)
    moved_base_units: BaseUnits = BaseUnits(0)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.count + other.count,
            amount_base_units=BaseUnits(self.amount_base_units + other.amount_base_units),
            moved_base_units=BaseUnits(self.moved_base_units + other.moved_base_units),
        )

    @property
    def promised_base_units(self) -> BaseUnits:
        """The sum that is promised to payees in an open state, without money that has already moved."""
        return BaseUnits(self.amount_base_units - self.moved_base_units)


# Payments by state.
Tallies = Mapping[PaymentState, Tally]


def tally_of(tallies: Tallies, *states: PaymentState) -> Tally:
    """Returns the sum of the tallies of these states."""
    return sum((tallies.get(state, Tally()) for state in states), Tally())


def tally_outcomes(
    outcomes: Sequence[PaymentOutcome], owed_base_units: Mapping[HolderAddress, BaseUnits]
) -> Tallies:
    """Returns the tallies of outcomes by state.

    `owed_base_units`, by holder, serves where an outcome has no amount.
    """
    tallies: dict[PaymentState, Tally] = {}
    for each in outcomes:
        amount = owed_base_units[each.holder] if each.amount_base_units is None else each.amount_base_units
        tally = Tally(1, amount_base_units=amount, moved_base_units=min(each.moved_base_units, amount))
        tallies[each.state] = tallies.get(each.state, Tally()) + tally
    return tallies


@dataclass(slots=True, kw_only=True)
class Batch:
    """The payees of one call, numbered within the payout. `settled_state` is set once its transaction is final."""

    number: int
    holder_count: int
    amount_base_units: BaseUnits
    intent_key: str
    create_time: datetime
    settled_state: BatchState | None = None
