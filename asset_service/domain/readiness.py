"""The conditions that the chain must meet before an asset can be paid, as payout_service last saw them."""

from dataclasses import dataclass
from enum import StrEnum


class ConditionKind(StrEnum):
    """The kinds of conditions for being paid."""

    LIFECYCLE_CONTRACT_EXISTS = "LIFECYCLE_CONTRACT_EXISTS"
    PAYMENT_TOKEN_MATCHES = "PAYMENT_TOKEN_MATCHES"
    ASSET_MATCHES = "ASSET_MATCHES"
    LIFECYCLE_CONTRACT_NOT_PAUSED = "LIFECYCLE_CONTRACT_NOT_PAUSED"
    PAYOUT_ROLE_HELD = "PAYOUT_ROLE_HELD"
    SNAPSHOT_ROLE_HELD = "SNAPSHOT_ROLE_HELD"
    SIGNER_HAS_GAS_MONEY = "SIGNER_HAS_GAS_MONEY"
    # Of one payout, not of the asset as a whole.
    CASH_OUT_ROLE_HELD = "CASH_OUT_ROLE_HELD"
    REDEEMER_ROLE_HELD = "REDEEMER_ROLE_HELD"
    RECORD_DATE_REACHED = "RECORD_DATE_REACHED"
    RATE_SET = "RATE_SET"
    MATURITY_REACHED = "MATURITY_REACHED"


@dataclass(frozen=True, slots=True)
class ReadinessCondition:
    """One condition: what was seen, and who can satisfy it (empty when it is satisfied)."""

    kind: ConditionKind
    is_satisfied: bool
    detail: str
    remedy: str
