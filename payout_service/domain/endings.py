"""The reasons why a transaction was given up, and why a payout or sweep failed. docs/waits.md is made from them.

Whoever decides by a reason asks `reason.what`. The text, `NAME: details`, is made where it is stored or shown.
"""

from dataclasses import dataclass
from enum import Enum, unique

from libs.errors import Reason


@unique
class VoidedBecause(Enum):
    """The reasons why a transaction was given up. A member's value explains it, in Markdown."""

    STALE = "It waited too long for its signature."
    WOULD_REVERT = "The node says that it would revert by now, and why."
    NO_LONGER_FITS = "It needs more gas by now than a batch may; its payees go into smaller batches."
    NEVER_FITS = "No block can hold it; its nonce went to a no-op, its payees go into smaller batches."
    PAUSED = "An operator paused the payout before the batch had left."
    CANCELLED = "An operator cancelled the payout."
    NOT_WANTED = "A pause or unpause is not needed: the contract is so already, or the request was replaced."
    OTHER = "Not shown: a text that was stored by another version. It is shown as it is."

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


@dataclass(frozen=True, slots=True)
class VoidReason:
    """A reason to give up a transaction, with details for people. Its text is what is stored and shown."""

    what: VoidedBecause
    detail: str

    def __str__(self) -> str:
        return self.detail if self.what is VoidedBecause.OTHER else f"{self.what.name}: {self.detail}"


def read_void_reason(text: str) -> VoidReason | None:
    """Returns the reason in a stored text; None for an empty text. OTHER keeps a text without a known name."""
    name, colon, detail = text.partition(": ")
    if colon and name in VoidedBecause.__members__ and name != VoidedBecause.OTHER.name:
        return VoidReason(VoidedBecause[name], detail)
    return VoidReason(VoidedBecause.OTHER, text) if text else None


@unique
class FailedBecause(Enum):
    """The reasons why a payout never pays or a sweep never moves anything.

    A member's value explains it, in Markdown.
    """

    NO_HOLDERS = "Nobody holds the asset at the snapshot, or the rules exclude every holder."
    NOTHING_AVAILABLE = "The percentage is of 0: the lifecycle contract has no money that is not promised."
    SNAPSHOT_REVERTED = "The transaction that takes or triggers the snapshot reverted."
    SNAPSHOT_VOIDED = "The transaction that takes or triggers the snapshot was given up."
    SNAPSHOT_WITHOUT_EVENT = "The snapshot's receipt lacks the snapshot's event."
    LIFECYCLE_CONTRACT_FAILED = "The lifecycle contract could not be deployed."
    ACTION_HAS_PAYOUT = "Another payout has paid the same dividend or coupon."
    TRANSACTION_REVERTED = "The sweep's transaction reverted."
    TRANSACTION_VOIDED = "The sweep's transaction was given up."
    TRANSACTION_NONCE_LOST = "A transaction that is not ours used the nonce of the sweep's transaction."

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason for failing, with details for people. Its text is what is stored and shown."""

    what: FailedBecause | Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.what.name}: {self.detail}"
