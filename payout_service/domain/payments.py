"""States of a payment and of a batch, and the reasons why a payee was not paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PaymentState(StrEnum):
    """Where a payment is in its life."""

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
    # Not sent at all where a simulation already shows that this payee makes the whole call revert. ZERO_DUE
    # and PAID where a redemption's holder has nothing left to redeem: sold, or redeemed by another execution.
    _S.PLANNED: frozenset({_S.IN_FLIGHT, _S.WAITING, _S.FAILED, _S.CANCELLED, _S.ZERO_DUE, _S.PAID}),
    # Back to PLANNED only after it is proven that the batch paid nobody: reverted or voided, finally.
    _S.IN_FLIGHT: frozenset({_S.PAID, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.PLANNED, _S.CANCELLED, _S.ZERO_DUE}),
    _S.WAITING: frozenset({_S.PLANNED, _S.CANCELLED}),
    _S.PAID: frozenset(),
    # Only by an operator: RetryPayments or CancelPayout.
    _S.FAILED: frozenset({_S.PLANNED, _S.CANCELLED}),
    _S.ZERO_DUE: frozenset(),
    _S.DISPUTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXCLUDED: frozenset(),
    # Due less than the minimum; paid once the holder's deferrals reach it.
    _S.DEFERRED: frozenset({_S.PLANNED, _S.CANCELLED}),
}
# What a final batch makes of a payee; ZERO_DUE only of a redemption's that had sold all tokens.
SETTLED_STATES = frozenset({_S.PAID, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.ZERO_DUE})
# Money is still promised to the payee.
OPEN_STATES = frozenset({_S.PLANNED, _S.IN_FLIGHT, _S.WAITING, _S.FAILED, _S.DISPUTED, _S.DEFERRED})


class BatchState(StrEnum):
    """Where a batch is in its life; between PLANNED and a final state its transaction decides."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    SETTLED = "SETTLED"
    REVERTED = "REVERTED"
    VOIDED = "VOIDED"


class FailureReason(StrEnum):
    """Why a payee was not paid. Stable names; docs/errors.md explains each."""

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
    """What became of one payee in a final batch.

    `transaction_hash` is set where another transaction than the batch's has paid; `retry_time` where the payee is
    tried again by itself. `amount_base_units` is set where it is not what the plan says: a redemption pays the
    balance at its moment.
    """

    holder: str
    state: PaymentState
    reason: FailureReason | None = None
    detail: str = ""
    transaction_hash: str = ""
    retry_time: datetime | None = None
    amount_base_units: int | None = None

    def __post_init__(self) -> None:
        needs_no_reason = self.state in (PaymentState.PAID, PaymentState.ZERO_DUE)
        waits = self.state is PaymentState.WAITING
        if self.state not in SETTLED_STATES or needs_no_reason != (self.reason is None):
            raise ValueError(f"{self.holder}: {self.state} with reason {self.reason} is no outcome")
        if waits != (self.retry_time is not None) or (waits and self.reason not in RETRIABLE_REASONS):
            raise ValueError(f"{self.holder}: {self.state} for {self.reason} at {self.retry_time} is no outcome")


@dataclass(frozen=True, slots=True)
class Tally:
    """Payments and what they are due together."""

    count: int = 0
    amount_base_units: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.amount_base_units + other.amount_base_units)


# Payments by state.
Tallies = Mapping[PaymentState, Tally]


def tally_of(tallies: Tallies, *states: PaymentState) -> Tally:
    """The payments in these states together."""
    return sum((tallies.get(state, Tally()) for state in states), Tally())


@dataclass(slots=True)
class Batch:
    """Payees of one call, by number within the payout. `settled_state` is set once its transaction is final."""

    number: int
    holder_count: int
    amount_base_units: int
    intent_key: str
    create_time: datetime
    settled_state: BatchState | None = None
