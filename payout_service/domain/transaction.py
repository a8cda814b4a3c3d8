"""The journal of transactions: what shall happen on the chain (intents), and signed bytes for it (attempts)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce
from payout_service.domain.endings import VoidReason
from payout_service.domain.fees import Fees
from payout_service.domain.waits import Wait, WaitFor


class IntentState(StrEnum):
    """The states of an intent; see INTENT_TRANSITIONS."""

    # Recorded; no nonce, no bytes.
    CREATED = "CREATED"
    # Signed bytes are durable. They may or may not have been sent.
    SIGNED = "SIGNED"
    # Sent, and the node answered.
    BROADCAST = "BROADCAST"
    # Sent, and no answer came: it may have arrived. The lane worker asks for a receipt, and sends the same bytes
    # again; a final receipt or a nonce that is finally used by another transaction ends it.
    UNKNOWN = "UNKNOWN"
    # A receipt was seen that is not final yet.
    MINED = "MINED"
    # Final: it took effect.
    SUCCEEDED = "SUCCEEDED"
    # Final: it was mined and reverted; it changed nothing.
    REVERTED = "REVERTED"
    # Final: it will never happen. It had no nonce, or our own no-op has used it.
    VOIDED = "VOIDED"
    # A transaction that is not one of its attempts has finally used its nonce. The lane stops for ReconcileSigner.
    NONCE_LOST = "NONCE_LOST"


_S = IntentState
# The one table; docs/state-machines.md draws it. Every state but the last four is moved on by the lane worker.
INTENT_TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    # SUCCEEDED at once, also out of NONCE_LOST: ReconcileSigner has found it on the chain.
    _S.CREATED: frozenset({_S.SIGNED, _S.VOIDED, _S.SUCCEEDED}),
    _S.SIGNED: frozenset({_S.BROADCAST, _S.UNKNOWN}),
    _S.BROADCAST: frozenset({_S.UNKNOWN, _S.MINED, _S.SUCCEEDED, _S.REVERTED, _S.VOIDED, _S.NONCE_LOST}),
    _S.UNKNOWN: frozenset({_S.BROADCAST, _S.MINED, _S.SUCCEEDED, _S.REVERTED, _S.VOIDED, _S.NONCE_LOST}),
    # A reorg takes a receipt back.
    _S.MINED: frozenset({_S.BROADCAST, _S.UNKNOWN, _S.SUCCEEDED, _S.REVERTED, _S.VOIDED, _S.NONCE_LOST}),
    _S.SUCCEEDED: frozenset(),
    _S.REVERTED: frozenset(),
    _S.VOIDED: frozenset(),
    _S.NONCE_LOST: frozenset({_S.SUCCEEDED}),
}
# A nonce is allocated and the outcome is open.
IN_FLIGHT_STATES = frozenset({_S.SIGNED, _S.BROADCAST, _S.UNKNOWN, _S.MINED})
FINAL_STATES = frozenset({_S.SUCCEEDED, _S.REVERTED, _S.VOIDED, _S.NONCE_LOST})


class Purpose(StrEnum):
    """The purposes of transactions."""

    CONTRACT_CREATION = "CONTRACT_CREATION"
    SNAPSHOT = "SNAPSHOT"
    BATCH = "BATCH"
    SWEEP = "SWEEP"
    # Of the lifecycle contract: to pause it, or to unpause it.
    PAUSE = "PAUSE"


class OwnerKind(StrEnum):
    """The kinds of owners, whose workers wait for a transaction's outcome."""

    PAYOUT = "PAYOUT"
    LIFECYCLE_CONTRACT = "LIFECYCLE_CONTRACT"
    SWEEP = "SWEEP"


OWNER_OF: Mapping[Purpose, OwnerKind] = MappingProxyType(
    {
        Purpose.CONTRACT_CREATION: OwnerKind.LIFECYCLE_CONTRACT,
        Purpose.SNAPSHOT: OwnerKind.PAYOUT,
        Purpose.BATCH: OwnerKind.PAYOUT,
        Purpose.SWEEP: OwnerKind.SWEEP,
        Purpose.PAUSE: OwnerKind.LIFECYCLE_CONTRACT,
    }
)


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A call to send. `to` is None for a contract creation. No native currency is ever sent."""

    to: EvmAddress | None
    data: bytes


# Gas of a transfer of nothing to oneself: a transaction without data (yellow paper, appendix G).
NO_OP_GAS = 21_000


def no_op(signer: EvmAddress) -> ContractCall:
    """Returns a call that uses a nonce and does nothing: it sends nothing to oneself."""
    return ContractCall(signer, b"")


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Signed bytes ready to be sent, and their hash."""

    raw: bytes
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One version of the signed bytes for an intent. Any attempt may be the one that is mined.

    A no-op attempt has the intent's nonce and does nothing: mined, it proves that the intent never happens.
    """

    number: int
    raw: bytes
    transaction_hash: str
    fees: Fees
    create_time: datetime
    is_no_op: bool = False
    last_broadcast_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of the final receipt."""

    transaction_hash: str
    block_number: BlockNumber
    block_hash: str
    gas_used: int
    created_contract: EvmAddress | None


@dataclass(slots=True, kw_only=True)
class TransactionIntent:
    """Something to do on the chain at most once. `key` is unique: one intent per purpose and owner."""

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
    nonce: Nonce | None = None
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome | None = None
    # Why it is not getting on; None when it is.
    problem: Wait | None = None
    # Why it shall not happen any more; the next attempt is a no-op. None: it shall happen.
    void_reason: VoidReason | None = None

    @property
    def is_final(self) -> bool:
        """True when the outcome cannot change any more."""
        return self.state in FINAL_STATES

    def has_attempt(self, transaction_hash: str) -> bool:
        """True if these bytes were signed for the intent."""
        return any(attempt.transaction_hash == transaction_hash for attempt in self.attempts)

    def sign(self, nonce: Nonce, gas_limit: int, attempt: Attempt) -> None:
        """Adds the first signed bytes. They are committed together with the new state."""
        self._move_to(IntentState.SIGNED)
        self.nonce = nonce
        self.gas_limit = gas_limit
        self.attempts.append(attempt)
        self.problem = None

    def replace_with(self, attempt: Attempt) -> None:
        """Adds other signed bytes with the same nonce. The older ones may still be mined."""
        if self.state not in IN_FLIGHT_STATES or attempt.number != len(self.attempts) + 1:
            raise ValueError(f"intent {self.key} is {self.state}: attempt {attempt.number} does not belong to it")
        if self.void_reason and not attempt.is_no_op:
            raise ValueError(f"intent {self.key} shall not happen: {self.void_reason}")
        self.attempts.append(attempt)

    def mark_broadcast(self, attempt_number: int, problem: Wait | None, now: datetime) -> None:
        """Records that the node answered to the bytes, sent for the first time or again without a receipt."""
        self._sent(IntentState.BROADCAST, attempt_number, problem, now)

    def mark_unknown(self, attempt_number: int, problem: Wait, now: datetime) -> None:
        """Records that the bytes were sent, but not whether they arrived."""
        self._sent(IntentState.UNKNOWN, attempt_number, problem, now)

    def mined(self) -> None:
        """Records that a receipt was seen that is not final yet."""
        if self.state is not IntentState.MINED:
            self._move_to(IntentState.MINED)
        self.problem = None

    def conclude(self, succeeded: bool, outcome: Outcome) -> None:
        """Records the final receipt. That of a no-op proves that the intent never happens."""
        if self._attempt_with(outcome.transaction_hash).is_no_op:
            self._move_to(IntentState.VOIDED)
        else:
            self._move_to(IntentState.SUCCEEDED if succeeded else IntentState.REVERTED)
        self.outcome = outcome
        self.problem = None

    def void(self, reason: VoidReason) -> bool:
        """Gives the intent up.

        Returns True if that is final at once; otherwise a no-op must use its nonce first.
        """
        if self.state is IntentState.CREATED:
            self._move_to(IntentState.VOIDED)
            self.problem = None
        elif self.is_final:
            return self.state is IntentState.VOIDED
        self.void_reason = self.void_reason or reason
        return self.state is IntentState.VOIDED

    def lose_nonce(self) -> None:
        """Records that another transaction has finally used the nonce."""
        self._move_to(IntentState.NONCE_LOST)
        self.problem = Wait(
            WaitFor.SIGNER_NEEDS_RECONCILIATION, f"nonce {self.nonce} was used by a transaction that is not ours"
        )

    def adopt(self, outcome: Outcome) -> None:
        """Takes over a signer's transaction that is not in the journal but did this (ReconcileSigner).

        Its nonce stays with the ForeignTransaction: another intent of the journal may claim the same.
        """
        if self.state not in (IntentState.CREATED, IntentState.NONCE_LOST):
            raise ValueError(f"intent {self.key} is {self.state}: it is accounted for")
        self._move_to(IntentState.SUCCEEDED)
        self.outcome, self.problem = outcome, None

    def move_outcome(self, outcome: Outcome) -> None:
        """Records that a reorg deeper than the confirmations moved the same transaction to another block."""
        if self.outcome is None or self.outcome.transaction_hash != outcome.transaction_hash:
            raise ValueError(f"intent {self.key}: the outcome is of another transaction")
        self.outcome = outcome

    def _attempt_with(self, transaction_hash: str) -> Attempt:
        return next(each for each in self.attempts if each.transaction_hash == transaction_hash)

    def _sent(self, state: IntentState, attempt_number: int, problem: Wait | None, now: datetime) -> None:
        if self.state is not state:
            self._move_to(state)
        self.attempts = [
            replace(attempt, last_broadcast_time=now) if attempt.number == attempt_number else attempt
            for attempt in self.attempts
        ]
        self.problem = problem

    def _move_to(self, state: IntentState) -> None:
        if state not in INTENT_TRANSITIONS[self.state]:
            raise ValueError(f"intent {self.key}: {self.state} cannot become {state}")
        self.state = state


@dataclass(slots=True)
class NonceLane:
    """The nonces of one signer on one chain. `halted_because` stops all signing until an operator reconciles."""

    chain_id: int
    signer: EvmAddress
    genesis_hash: str
    next_nonce: Nonce
    halted_because: Wait | None = None

    def allocate(self) -> Nonce:
        """Returns the next nonce and moves on. Raises LaneHaltedError."""
        if self.halted_because:
            raise LaneHaltedError(str(self.halted_because))
        nonce = self.next_nonce
        self.next_nonce = Nonce(nonce + 1)
        return nonce

    def halt(self, reason: Wait) -> Wait:
        """Stops signing. Returns the reason, which is the first one if it was stopped before."""
        self.halted_because = self.halted_because or reason
        return self.halted_because

    def resume_at(self, next_nonce: Nonce) -> None:
        """Lets signing go on, as every nonce below is accounted for.

        Raises ValueError for a nonce already given away.
        """
        if next_nonce < self.next_nonce:
            raise ValueError(f"nonce {next_nonce} of {self.signer} was given away")
        self.next_nonce = next_nonce
        self.halted_because = None


class LaneHaltedError(Exception):
    """The signer may not sign until an operator has accounted for a nonce."""


@dataclass(frozen=True, slots=True)
class ForeignTransaction:
    """A transaction of one of our signers that is not in the journal, found on the chain by its nonce.

    `account` tells what it was, for people; `payout_id` the payout that it belongs to, if any.
    """

    chain_id: int
    signer: EvmAddress
    nonce: Nonce
    transaction_hash: str
    block_number: BlockNumber
    to: EvmAddress | None
    account: str
    payout_id: UUID | None
    find_time: datetime
