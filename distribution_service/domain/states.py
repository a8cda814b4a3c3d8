"""The states of a distribution, and the one table of legal changes between them."""

from collections.abc import Mapping
from enum import StrEnum

from libs.payout_terms.terms import PayoutKind


class DistributionState(StrEnum):
    """Where a distribution is in its life; see the proto for what each state promises."""

    RELEASED = "RELEASED"
    PLANNING = "PLANNING"
    WAITING_FOR_FUNDS = "WAITING_FOR_FUNDS"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    INCOMPLETE = "INCOMPLETE"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    DEFERRED = "DEFERRED"

    @property
    def is_final(self) -> bool:
        """True when no later state is legal."""
        return not LEGAL_TRANSITIONS[self]

    @property
    def is_settled(self) -> bool:
        """True when nothing more happens soon by itself: final, or waiting for an operator or for later payouts.

        Not in PAUSED: what has left is still being settled then.
        """
        return self.is_final or self in (DistributionState.INCOMPLETE, DistributionState.DEFERRED)


class PayoutState(StrEnum):
    """State of a payout at payout_service."""

    REQUESTED = "REQUESTED"
    SNAPSHOTTING = "SNAPSHOTTING"
    PLANNING = "PLANNING"
    WAITING_FOR_FUNDS = "WAITING_FOR_FUNDS"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    INCOMPLETE = "INCOMPLETE"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    DEFERRED = "DEFERRED"


_S = DistributionState
# The plan is frozen: from here on nothing fails as a whole.
_PLANNED = frozenset({_S.WAITING_FOR_FUNDS, _S.EXECUTING, _S.INCOMPLETE, _S.DEFERRED})
_AFTER_PLAN = _PLANNED | {_S.PLANNING, _S.COMPLETED, _S.PAUSED, _S.CANCELLING, _S.CANCELLED}

# Who moves a distribution out of a state: payout_service, by its events, out of each that is not final; out of
# PAUSED only after an operator told it to, out of INCOMPLETE also when deferred payments come due. Versions of a
# payout may be skipped, so a state may be jumped over; a test compares this table with what payout_service's own
# allows then. Only a redemption leads back to PLANNING, see `is_legal`.
LEGAL_TRANSITIONS: Mapping[DistributionState, frozenset[DistributionState]] = {
    _S.RELEASED: frozenset(_S) - {_S.RELEASED},
    _S.PLANNING: frozenset(_S) - {_S.RELEASED, _S.PLANNING},
    **{state: _AFTER_PLAN - {state} for state in _PLANNED},
    # Back to where the payout was, which is not told here, and on from there.
    _S.PAUSED: frozenset(_S) - {_S.RELEASED, _S.PAUSED},
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}

STATE_OF_PAYOUT: Mapping[PayoutState, DistributionState] = {
    PayoutState.REQUESTED: _S.PLANNING,
    PayoutState.SNAPSHOTTING: _S.PLANNING,
    PayoutState.PLANNING: _S.PLANNING,
    PayoutState.WAITING_FOR_FUNDS: _S.WAITING_FOR_FUNDS,
    PayoutState.EXECUTING: _S.EXECUTING,
    PayoutState.COMPLETED: _S.COMPLETED,
    PayoutState.INCOMPLETE: _S.INCOMPLETE,
    PayoutState.FAILED: _S.FAILED,
    PayoutState.PAUSED: _S.PAUSED,
    PayoutState.CANCELLING: _S.CANCELLING,
    PayoutState.CANCELLED: _S.CANCELLED,
    PayoutState.DEFERRED: _S.DEFERRED,
}


def is_legal(kind: PayoutKind, before: DistributionState, after: DistributionState) -> bool:
    """Whether a distribution of this kind may get from one state to another."""
    lists_holders_again = before in _PLANNED and after in (_S.PLANNING, _S.WAITING_FOR_FUNDS)
    if lists_holders_again and kind is not PayoutKind.REDEMPTION:
        return False
    return after in LEGAL_TRANSITIONS[before]
