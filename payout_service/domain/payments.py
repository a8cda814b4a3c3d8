"""States of a payment and of a batch, and the reasons why a payee was not paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PaymentState(StrEnum):
    """Where a payment is in its life."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    PAID = "PAID"
    FAILED = "FAILED"
    ZERO_DUE = "ZERO_DUE"
    DISPUTED = "DISPUTED"


# The one table; docs/state-machines.md draws it. Rows change in bulk, each UPDATE names the state it comes from.
PAYMENT_TRANSITIONS: Mapping[PaymentState, frozenset[PaymentState]] = {
    PaymentState.PLANNED: frozenset({PaymentState.IN_FLIGHT}),
    # Back to PLANNED only after a final receipt says that the batch reverted.
    PaymentState.IN_FLIGHT: frozenset(
        {PaymentState.PAID, PaymentState.FAILED, PaymentState.DISPUTED, PaymentState.PLANNED}
    ),
    PaymentState.PAID: frozenset(),
    PaymentState.FAILED: frozenset(),
    PaymentState.ZERO_DUE: frozenset(),
    PaymentState.DISPUTED: frozenset(),
}
SETTLED_STATES = frozenset({PaymentState.PAID, PaymentState.FAILED, PaymentState.DISPUTED})


class BatchState(StrEnum):
    """Where a batch is in its life; between PLANNED and a final state its transaction decides."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    SETTLED = "SETTLED"
    REVERTED = "REVERTED"


class FailureReason(StrEnum):
    """Why a payee was not paid. Stable names; docs/errors.md explains each."""

    # The contract listed the payee as failed and its paid flag is not set: the token refused the transfer.
    TRANSFER_REFUSED = "TRANSFER_REFUSED"
    # The contract listed the payee as failed and its paid flag was set by a transaction that is not ours.
    ALREADY_PAID_ELSEWHERE = "ALREADY_PAID_ELSEWHERE"
    # Receipt, event and Transfer log do not agree; nothing more is sent to this payee.
    EVIDENCE_DISAGREES = "EVIDENCE_DISAGREES"
    # Every transaction that held this payee reverted as a whole, as often as is allowed.
    BATCH_REVERTED = "BATCH_REVERTED"


@dataclass(frozen=True, slots=True)
class PaymentOutcome:
    """What became of one payee in a final batch."""

    holder: str
    state: PaymentState
    reason: FailureReason | None = None

    def __post_init__(self) -> None:
        if self.state not in SETTLED_STATES or (self.state is PaymentState.PAID) != (self.reason is None):
            raise ValueError(f"{self.holder}: {self.state} with reason {self.reason} is no outcome")


@dataclass(slots=True)
class Batch:
    """Payees of one call, by number within the payout. `settled_state` is set once its transaction is final."""

    number: int
    holder_count: int
    amount_base_units: int
    intent_key: str
    create_time: datetime
    settled_state: BatchState | None = None
