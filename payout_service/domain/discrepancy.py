"""A difference between plan, ledger and chain. It raises an alarm and is never repaired silently."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DiscrepancyKind(StrEnum):
    """The kinds of differences. The names are stable; docs/errors.md explains each and what to do."""

    # The stored plan is not the one that was frozen: its hash differs.
    PLAN_CHANGED = "PLAN_CHANGED"
    # Payments and the payout's own figures differ, or the parts do not make the declared total.
    LEDGER_DIFFERS = "LEDGER_DIFFERS"
    # A payment says PAID and the transaction that it names does not prove that.
    PAYMENT_WITHOUT_EVIDENCE = "PAYMENT_WITHOUT_EVIDENCE"
    # The chain has paid a payee and the ledger does not say so.
    EVIDENCE_WITHOUT_PAYMENT = "EVIDENCE_WITHOUT_PAYMENT"
    # What a transaction shows of a payee does not agree; the payment is looked at again by itself.
    PAYMENT_DISPUTED = "PAYMENT_DISPUTED"
    # The transaction that settled a batch is not on the chain any more: a reorg deeper than the confirmations.
    SETTLED_TRANSACTION_GONE = "SETTLED_TRANSACTION_GONE"
    # An execution on one of our snapshots that no batch of ours made.
    EXECUTION_NOT_OURS = "EXECUTION_NOT_OURS"
    # The payment token left the contract by a transaction that is neither a batch nor a sweep of ours.
    OUTSIDE_TRANSFER = "OUTSIDE_TRANSFER"
    # The contract holds less than what is promised.
    BALANCE_BELOW_COMMITMENTS = "BALANCE_BELOW_COMMITMENTS"
    # A redemption is COMPLETED, and tokens of the bond are still there: frozen ones, or of unlisted holders.
    TOKENS_LEFT = "TOKENS_LEFT"
    # What is promised to a payout is not what it still owes.
    COMMITMENT_DIFFERS = "COMMITMENT_DIFFERS"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference found by one look. `subject` (a holder, a hash) tells it from others of its kind."""

    kind: DiscrepancyKind
    subject: str
    expected: str
    actual: str
    transaction_hash: str = ""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference that was found. It is open until a later look does not find it any more.

    `payout_id` is None for one of the lifecycle contract as a whole.
    """

    discrepancy_id: UUID
    asset_id: UUID
    payout_id: UUID | None
    finding: Finding
    find_time: datetime
    last_seen_time: datetime
    resolve_time: datetime | None = None
