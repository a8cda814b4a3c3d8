"""An asset's lifecycle contract: deployed by us or attached, then checked for what paying needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from payout_service.domain.waits import Wait, WaitFor, told


class LifecycleState(StrEnum):
    """The states of a lifecycle contract."""

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
    """The kinds of conditions that the chain must meet before an asset can be paid."""

    LIFECYCLE_CONTRACT_EXISTS = WaitFor.LIFECYCLE_CONTRACT_EXISTS.name
    PAYMENT_TOKEN_MATCHES = WaitFor.PAYMENT_TOKEN_MATCHES.name
    ASSET_MATCHES = WaitFor.ASSET_MATCHES.name
    LIFECYCLE_CONTRACT_NOT_PAUSED = WaitFor.LIFECYCLE_CONTRACT_NOT_PAUSED.name
    PAYOUT_ROLE_HELD = WaitFor.PAYOUT_ROLE_HELD.name
    SNAPSHOT_ROLE_HELD = WaitFor.SNAPSHOT_ROLE_HELD.name
    SIGNER_HAS_GAS_MONEY = WaitFor.SIGNER_HAS_GAS_MONEY.name
    # Of one payout, not of the asset as a whole.
    CASH_OUT_ROLE_HELD = WaitFor.CASH_OUT_ROLE_HELD.name
    REDEEMER_ROLE_HELD = WaitFor.REDEEMER_ROLE_HELD.name
    RECORD_DATE_REACHED = WaitFor.RECORD_DATE_REACHED.name
    RATE_SET = WaitFor.RATE_SET.name
    MATURITY_REACHED = WaitFor.MATURITY_REACHED.name


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, what was seen, and who can satisfy it."""

    kind: ConditionKind
    is_satisfied: bool
    detail: str
    remedy: str = ""

    @property
    def wait(self) -> Wait:
        """What a payout waits for while the condition is not satisfied."""
        return Wait(WaitFor[self.kind.name], f"{self.detail}; {self.remedy}")


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """What asset_service wants of the contract.

    `version` is the asset's version at the request; the newest request wins.
    """

    version: int
    paused: bool


@dataclass(slots=True, kw_only=True)
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
    # The newest request to pause or unpause, until the chain is finally as it wants.
    pause_request: PauseRequest | None = None
    # Version of the request that was carried out last, 0 before the first.
    pause_request_version: int = 0
    # Final block at which that was seen, 0 before the first: what a node tells of older ones proves nothing new.
    pause_final_block: BlockNumber = BlockNumber(0)
    # Key of the transaction that is under way for the request, or for an older one; empty for none.
    pause_intent_key: str = ""
    # Why the request does not get on, a text for people; empty when it does.
    pause_problem: str = ""

    @property
    def exists(self) -> bool:
        """True if there was a lifecycle contract at the last look."""
        return self._was(ConditionKind.LIFECYCLE_CONTRACT_EXISTS, satisfied=True)

    @property
    def is_paused(self) -> bool:
        """True if the contract was paused at the last look, whoever paused it."""
        return self._was(ConditionKind.LIFECYCLE_CONTRACT_NOT_PAUSED, satisfied=False)

    def record_creation(self, name: str, address: EvmAddress, is_the_contract: bool, now: datetime) -> None:
        """Records that a creation is final. The creation of the contract itself ends the deployment."""
        if self.state is not LifecycleState.DEPLOYING or name in self.created:
            raise ValueError(f"creation {name} of {self.asset_id} does not belong here")
        self.created[name] = address
        if is_the_contract:
            self.address = address
            self._move_to(LifecycleState.NOT_READY)
        self._changed(now)

    def observe(self, readiness: tuple[Condition, ...], now: datetime) -> bool:
        """Records the conditions at a fresh look. Returns False when nothing changed."""
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
        """Records that the contract could not be deployed."""
        self._move_to(LifecycleState.FAILED)
        self.failure_reason = reason
        if self.pause_request:
            self.pause_problem = str(self._nothing_to_pause)
        self._changed(now)

    def request_pause(self, request: PauseRequest, now: datetime) -> bool:
        """Stores a request to be carried out. Returns False if it is not newer than the last known one."""
        newest_version = self.pause_request.version if self.pause_request else self.pause_request_version
        if request.version <= newest_version:
            return False
        self.pause_request = request
        self.pause_problem = told(self._nothing_to_pause if self.state is LifecycleState.FAILED else None)
        self._changed(now)
        return True

    def begin_pause(self, intent_key: str) -> None:
        """Records that a transaction for the request is journaled. This is not published."""
        if self.pause_request is None or self.pause_intent_key:
            raise ValueError(f"the contract of {self.asset_id}: nothing asks for {intent_key}")
        self.pause_intent_key = intent_key

    def end_pause_transaction(self) -> None:
        """Records that the transaction is final, whatever its outcome. The chain is then looked at again."""
        self.pause_intent_key = ""

    def note_pause_problem(self, problem: Wait | None, now: datetime) -> bool:
        """Records why the request makes no progress; None when it does.

        Returns False when that is known already.
        """
        if told(problem) == self.pause_problem:
            return False
        self.pause_problem = told(problem)
        self._changed(now)
        return True

    def finish_pause(self, final_block: BlockNumber, now: datetime) -> None:
        """Records that the contract is as the request wants by a final block, whoever made it so."""
        if self.pause_request is None or self.pause_intent_key or self.is_paused is not self.pause_request.paused:
            raise ValueError(f"the contract of {self.asset_id}: no request is carried out")
        self.pause_request_version = self.pause_request.version
        self.pause_final_block = final_block
        self.pause_request = None
        self.pause_problem = ""
        self._changed(now)

    @property
    def _nothing_to_pause(self) -> Wait:
        return Wait(WaitFor.LIFECYCLE_CONTRACT_FAILED, self.failure_reason)

    def _was(self, kind: ConditionKind, *, satisfied: bool) -> bool:
        return any(each.kind is kind and each.is_satisfied is satisfied for each in self.readiness)

    def _move_to(self, state: LifecycleState) -> None:
        if state not in LIFECYCLE_TRANSITIONS[self.state]:
            raise ValueError(f"the contract of {self.asset_id}: {self.state} cannot become {state}")
        self.state = state

    def _changed(self, now: datetime) -> None:
        self.version += 1
        self.update_time = now
