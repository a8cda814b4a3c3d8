"""The lifecycle contract of an asset: deployed or attached, then watched for what paying needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress


class LifecycleState(StrEnum):
    """Where the contract is in its life."""

    DEPLOYING = "DEPLOYING"
    NOT_READY = "NOT_READY"
    READY = "READY"
    FAILED = "FAILED"


# The one table; docs/state-machines.md draws it. All but FAILED are looked at again and again by the worker.
LIFECYCLE_TRANSITIONS: Mapping[LifecycleState, frozenset[LifecycleState]] = {
    LifecycleState.DEPLOYING: frozenset({LifecycleState.NOT_READY, LifecycleState.FAILED}),
    LifecycleState.NOT_READY: frozenset({LifecycleState.READY}),
    LifecycleState.READY: frozenset({LifecycleState.NOT_READY}),
    LifecycleState.FAILED: frozenset(),
}


class ConditionKind(StrEnum):
    """What must hold before an asset can be paid."""

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
class Condition:
    """One condition, what was seen, and who can make it hold."""

    kind: ConditionKind
    is_satisfied: bool
    detail: str
    remedy: str = ""


@dataclass(slots=True)
class LifecycleContract:
    """The aggregate. Each change raises `version` by one and is published once."""

    asset_id: UUID
    chain_id: int
    token: EvmAddress
    payment_token: EvmAddress
    payment_token_symbol: str
    payment_token_decimals: int
    create_time: datetime
    update_time: datetime
    address: EvmAddress | None = None
    state: LifecycleState = LifecycleState.DEPLOYING
    version: int = 1
    readiness: tuple[Condition, ...] = ()
    # Addresses of the artifact's creations so far, by name, in their order.
    created: dict[str, EvmAddress] = field(default_factory=dict)
    failure_reason: str = ""

    def record_creation(self, name: str, address: EvmAddress, is_the_contract: bool, now: datetime) -> None:
        """A creation is final. The one that is the contract itself ends the deployment."""
        if self.state is not LifecycleState.DEPLOYING or name in self.created:
            raise ValueError(f"creation {name} of {self.asset_id} does not belong here")
        self.created[name] = address
        if is_the_contract:
            self.address = address
            self._move_to(LifecycleState.NOT_READY)
        self._changed(now)

    def observe(self, readiness: tuple[Condition, ...], now: datetime) -> bool:
        """The conditions at a fresh look. Returns False when nothing changed."""
        if self.state is LifecycleState.FAILED:
            raise ValueError(f"the contract of {self.asset_id} is {self.state}: there is nothing to observe")
        is_ready = all(condition.is_satisfied for condition in readiness)
        state = LifecycleState.READY if is_ready else LifecycleState.NOT_READY
        if self.state is LifecycleState.DEPLOYING:
            # Only its last creation ends that.
            state = LifecycleState.DEPLOYING
        if (state, readiness) == (self.state, self.readiness):
            return False
        if state is not self.state:
            self._move_to(state)
        self.readiness = readiness
        self._changed(now)
        return True

    def fail(self, reason: str, now: datetime) -> None:
        """The contract could not be deployed."""
        self._move_to(LifecycleState.FAILED)
        self.failure_reason = reason
        self._changed(now)

    def _move_to(self, state: LifecycleState) -> None:
        if state not in LIFECYCLE_TRANSITIONS[self.state]:
            raise ValueError(f"the contract of {self.asset_id}: {self.state} cannot become {state}")
        self.state = state

    def _changed(self, now: datetime) -> None:
        self.version += 1
        self.update_time = now
