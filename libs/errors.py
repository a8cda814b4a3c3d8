"""Errors with a stable reason. docs/errors.md is this table for readers; a test compares the two."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

ERROR_DOMAIN = "masspayout"


class Code(Enum):
    """Canonical status codes (google.rpc.Code), by their gRPC numbers."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    FAILED_PRECONDITION = 9
    ABORTED = 10
    INTERNAL = 13
    UNAVAILABLE = 14


class Reason(StrEnum):
    """`google.rpc.ErrorInfo.reason` of every error that a caller can see. Stable: never renamed."""

    REQUIRED_FIELD_MISSING = "REQUIRED_FIELD_MISSING"
    INVALID_REQUEST_ID = "INVALID_REQUEST_ID"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    INVALID_RESOURCE_NAME = "INVALID_RESOURCE_NAME"
    INVALID_PAGE_SIZE = "INVALID_PAGE_SIZE"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    INVALID_TIME_RANGE = "INVALID_TIME_RANGE"
    INVALID_ADDRESS = "INVALID_ADDRESS"
    HEDERA_ID_NEEDS_MIRROR_NODE = "HEDERA_ID_NEEDS_MIRROR_NODE"
    INVALID_AMOUNT = "INVALID_AMOUNT"
    AMOUNT_NOT_POSITIVE = "AMOUNT_NOT_POSITIVE"
    AMOUNT_TOO_MANY_DECIMALS = "AMOUNT_TOO_MANY_DECIMALS"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    ASSET_NOT_FOUND = "ASSET_NOT_FOUND"
    DISTRIBUTION_NOT_FOUND = "DISTRIBUTION_NOT_FOUND"
    PAYOUT_NOT_FOUND = "PAYOUT_NOT_FOUND"
    ASSET_ALREADY_IMPORTED = "ASSET_ALREADY_IMPORTED"
    LIFECYCLE_CONTRACT_IN_USE = "LIFECYCLE_CONTRACT_IN_USE"
    NOT_A_CONTRACT = "NOT_A_CONTRACT"
    NOT_A_SECURITY_TOKEN = "NOT_A_SECURITY_TOKEN"
    NOT_A_PAYMENT_TOKEN = "NOT_A_PAYMENT_TOKEN"
    LIFECYCLE_ARTIFACT_NOT_CONFIGURED = "LIFECYCLE_ARTIFACT_NOT_CONFIGURED"
    LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY = "LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    NO_HOLDERS = "NO_HOLDERS"
    ASSET_NOT_YET_KNOWN = "ASSET_NOT_YET_KNOWN"
    CHAIN_UNAVAILABLE = "CHAIN_UNAVAILABLE"
    PEER_UNAVAILABLE = "PEER_UNAVAILABLE"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    MESSAGING_UNAVAILABLE = "MESSAGING_UNAVAILABLE"
    SERVICE_STOPPING = "SERVICE_STOPPING"
    TOO_MANY_WATCHES = "TOO_MANY_WATCHES"
    INTERNAL = "INTERNAL"


_CODES: Mapping[Reason, Code] = {
    Reason.REQUIRED_FIELD_MISSING: Code.INVALID_ARGUMENT,
    Reason.INVALID_REQUEST_ID: Code.INVALID_ARGUMENT,
    Reason.REQUEST_ID_REUSED: Code.INVALID_ARGUMENT,
    Reason.INVALID_RESOURCE_NAME: Code.INVALID_ARGUMENT,
    Reason.INVALID_PAGE_SIZE: Code.INVALID_ARGUMENT,
    Reason.INVALID_PAGE_TOKEN: Code.INVALID_ARGUMENT,
    Reason.INVALID_TIME_RANGE: Code.INVALID_ARGUMENT,
    Reason.INVALID_ADDRESS: Code.INVALID_ARGUMENT,
    Reason.HEDERA_ID_NEEDS_MIRROR_NODE: Code.INVALID_ARGUMENT,
    Reason.INVALID_AMOUNT: Code.INVALID_ARGUMENT,
    Reason.AMOUNT_NOT_POSITIVE: Code.INVALID_ARGUMENT,
    Reason.AMOUNT_TOO_MANY_DECIMALS: Code.INVALID_ARGUMENT,
    Reason.AMOUNT_TOO_LARGE: Code.INVALID_ARGUMENT,
    Reason.ASSET_NOT_FOUND: Code.NOT_FOUND,
    Reason.DISTRIBUTION_NOT_FOUND: Code.NOT_FOUND,
    Reason.PAYOUT_NOT_FOUND: Code.NOT_FOUND,
    Reason.ASSET_ALREADY_IMPORTED: Code.ALREADY_EXISTS,
    Reason.LIFECYCLE_CONTRACT_IN_USE: Code.ALREADY_EXISTS,
    Reason.NOT_A_CONTRACT: Code.FAILED_PRECONDITION,
    Reason.NOT_A_SECURITY_TOKEN: Code.FAILED_PRECONDITION,
    Reason.NOT_A_PAYMENT_TOKEN: Code.FAILED_PRECONDITION,
    Reason.LIFECYCLE_ARTIFACT_NOT_CONFIGURED: Code.FAILED_PRECONDITION,
    Reason.LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY: Code.FAILED_PRECONDITION,
    Reason.INSUFFICIENT_FUNDS: Code.FAILED_PRECONDITION,
    Reason.NO_HOLDERS: Code.FAILED_PRECONDITION,
    Reason.ASSET_NOT_YET_KNOWN: Code.UNAVAILABLE,
    Reason.CHAIN_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.PEER_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.DATABASE_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.MESSAGING_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.SERVICE_STOPPING: Code.UNAVAILABLE,
    Reason.TOO_MANY_WATCHES: Code.UNAVAILABLE,
    Reason.INTERNAL: Code.INTERNAL,
}


@dataclass(eq=False)
class AppError(Exception):
    """An error that a caller may see: a stable reason, a sentence, and the field it is about.

    `field` is the path of the request's field (`total_amount.base_units`); `metadata` goes into ErrorInfo.
    Never put a secret into either.
    """

    reason: Reason
    message: str
    field: str | None = None
    metadata: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        super().__init__(self.reason, self.message)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def code(self) -> Code:
        """The canonical status code of the reason."""
        return code_of(self.reason)


def code_of(reason: Reason) -> Code:
    """The canonical status code of a reason."""
    return _CODES[reason]
