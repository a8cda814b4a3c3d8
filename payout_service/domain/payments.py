"""States of a payment and of a batch, and the reasons why a payee was not paid."""

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


@dataclass(slots=True)
class Batch:
    """Payees of one call, by number within the payout. `settled_state` is set once its transaction is final."""

    number: int
    holder_count: int
    amount_base_units: int
    intent_key: str
    create_time: datetime
    settled_state: BatchState | None = None
