"""States of a distribution, and the one table of the changes that are legal."""

from collections.abc import Mapping
from enum import StrEnum


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

    @property
    def is_final(self) -> bool:
        """True when no later state is legal."""
        return not LEGAL_TRANSITIONS[self]

    @property
    def is_settled(self) -> bool:
        """True when nothing more happens by itself: final, or waiting for an operator.

        Not in PAUSED: what has left is still being settled then.
        """
        return self.is_final or self is DistributionState.INCOMPLETE


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


_S = DistributionState

# Who moves a distribution out of a state: payout_service, by its events, out of each that is not final; out of
# PAUSED and INCOMPLETE only after an operator told it to. Versions of a payout may be skipped, so a state may be
# jumped over; a test compares this table with what payout_service's own allows then.
LEGAL_TRANSITIONS: Mapping[DistributionState, frozenset[DistributionState]] = {
    _S.RELEASED: frozenset(_S) - {_S.RELEASED},
    _S.PLANNING: frozenset(_S) - {_S.RELEASED, _S.PLANNING},
    # The plan is frozen: from here on nothing fails as a whole.
    _S.WAITING_FOR_FUNDS: frozenset(
        {_S.EXECUTING, _S.COMPLETED, _S.INCOMPLETE, _S.PAUSED, _S.CANCELLING, _S.CANCELLED}
    ),
    _S.EXECUTING: frozenset({_S.COMPLETED, _S.INCOMPLETE, _S.PAUSED, _S.CANCELLING, _S.CANCELLED}),
    _S.INCOMPLETE: frozenset({_S.EXECUTING, _S.COMPLETED, _S.PAUSED, _S.CANCELLING, _S.CANCELLED}),
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
}
