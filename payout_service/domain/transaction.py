"""The journal: what we mean to do on the chain (intent), and the signed bytes that may do it (attempts)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress


class IntentState(StrEnum):
    """Where an intent is in its life; see INTENT_TRANSITIONS."""

    # Recorded; no nonce, no bytes.
    CREATED = "CREATED"
    # Signed bytes are durable. They may or may not have been sent.
    SIGNED = "SIGNED"
    # Sent at least once.
    BROADCAST = "BROADCAST"
    # A receipt was seen that is not final yet.
    MINED = "MINED"
    # Final: it took effect.
    SUCCEEDED = "SUCCEEDED"
    # Final: it was mined and reverted; it changed nothing.
    REVERTED = "REVERTED"
    # Its nonce is finally used by a transaction that is not one of its attempts. The lane stops for an operator.
    NONCE_LOST = "NONCE_LOST"


# The one table; docs/architecture.md draws it. Every state but the last three is moved on by the lane worker.
INTENT_TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.CREATED: frozenset({IntentState.SIGNED}),
    IntentState.SIGNED: frozenset({IntentState.BROADCAST}),
    IntentState.BROADCAST: frozenset(
        {IntentState.MINED, IntentState.SUCCEEDED, IntentState.REVERTED, IntentState.NONCE_LOST}
    ),
    # A reorg takes a receipt back.
    IntentState.MINED: frozenset(
        {IntentState.BROADCAST, IntentState.SUCCEEDED, IntentState.REVERTED, IntentState.NONCE_LOST}
    ),
    IntentState.SUCCEEDED: frozenset(),
    IntentState.REVERTED: frozenset(),
    IntentState.NONCE_LOST: frozenset(),
}
# A nonce is allocated and the outcome is open.
IN_FLIGHT_STATES = frozenset({IntentState.SIGNED, IntentState.BROADCAST, IntentState.MINED})


class Purpose(StrEnum):
    """What a transaction is for."""

    CONTRACT_CREATION = "CONTRACT_CREATION"
    SNAPSHOT = "SNAPSHOT"
    BATCH = "BATCH"


class OwnerKind(StrEnum):
    """Whose worker waits for the outcome."""

    PAYOUT = "PAYOUT"
    LIFECYCLE_CONTRACT = "LIFECYCLE_CONTRACT"


@dataclass(frozen=True, slots=True)
class ContractCall:
    """What to send. `to` is None for a contract creation. No value is ever sent."""

    to: EvmAddress | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees, in wei per gas."""

    max_fee_per_gas_wei: int
    max_priority_fee_per_gas_wei: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes ready to be sent, and their hash."""

    raw: bytes
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One set of signed bytes for an intent. Any attempt may be the one that is mined."""

    number: int
    raw: bytes
    transaction_hash: str
    max_fee_per_gas_wei: int
    create_time: datetime
    last_broadcast_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final receipt's figures."""

    transaction_hash: str
    block_number: int
    block_hash: str
    gas_used: int
    created_contract: EvmAddress | None


@dataclass(slots=True)
class TransactionIntent:
    """Something that shall happen on the chain at most once. `key` is unique: one intent per purpose and owner."""

    intent_id: UUID
    key: str
    purpose: Purpose
    owner_kind: OwnerKind
    owner_id: UUID
    chain_id: int
    signer: EvmAddress
    call: ContractCall
    # 0: estimated just before signing.
    gas_limit: int
    create_time: datetime
    state: IntentState = IntentState.CREATED
    nonce: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome | None = None
    # Why it is not getting on, for people; empty when it is.
    problem: str = ""

    def sign(self, nonce: int, gas_limit: int, attempt: Attempt) -> None:
        """The bytes become durable with the same commit as this."""
        self._move_to(IntentState.SIGNED)
        self.nonce = nonce
        self.gas_limit = gas_limit
        self.attempts.append(attempt)
        self.problem = ""

    def mark_broadcast(self, attempt_number: int, problem: str, now: datetime) -> None:
        """The bytes were sent, or sent again because no receipt is to be seen any more."""
        if self.state is not IntentState.BROADCAST:
            self._move_to(IntentState.BROADCAST)
        self.attempts = [
            replace(attempt, last_broadcast_time=now) if attempt.number == attempt_number else attempt
            for attempt in self.attempts
        ]
        self.problem = problem

    def mined(self) -> None:
        """A receipt was seen that is not final yet."""
        if self.state is not IntentState.MINED:
            self._move_to(IntentState.MINED)

    def conclude(self, succeeded: bool, outcome: Outcome) -> None:
        """The receipt is final."""
        self._move_to(IntentState.SUCCEEDED if succeeded else IntentState.REVERTED)
        self.outcome = outcome
        self.problem = ""

    def lose_nonce(self) -> None:
        """Another transaction has finally used the nonce."""
        self._move_to(IntentState.NONCE_LOST)
        self.problem = (
            f"SIGNER_NEEDS_RECONCILIATION: nonce {self.nonce} was used by a transaction that is not ours"
        )

    def _move_to(self, state: IntentState) -> None:
        if state not in INTENT_TRANSITIONS[self.state]:
            raise ValueError(f"intent {self.key}: {self.state} cannot become {state}")
        self.state = state


@dataclass(slots=True)
class NonceLane:
    """A signer's line of nonces on one chain. `halted_because` stops all signing until an operator reconciles."""

    chain_id: int
    signer: EvmAddress
    genesis_hash: str
    next_nonce: int
    halted_because: str = ""

    def allocate(self) -> int:
        """The next nonce. Raises LaneHaltedError."""
        if self.halted_because:
            raise LaneHaltedError(self.halted_because)
        nonce = self.next_nonce
        self.next_nonce += 1
        return nonce

    def halt(self, reason: str) -> None:
        """Stops signing; the first reason stays."""
        self.halted_because = self.halted_because or reason


class LaneHaltedError(Exception):
    """The signer may not sign until an operator has accounted for a nonce."""
