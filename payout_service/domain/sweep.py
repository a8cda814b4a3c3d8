"""A sweep: moves money left over in a lifecycle contract to the treasurer, never money that is promised."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from payout_service.domain.endings import Failure
from payout_service.domain.waits import Wait, told


class SweepState(StrEnum):
    """The states of a sweep."""

    SENDING = "SENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


# The one table; docs/state-machines.md draws it.
SWEEP_TRANSITIONS: Mapping[SweepState, frozenset[SweepState]] = {
    SweepState.SENDING: frozenset({SweepState.SUCCEEDED, SweepState.FAILED}),
    SweepState.SUCCEEDED: frozenset(),
    SweepState.FAILED: frozenset(),
}


@dataclass(slots=True)
class Sweep:
    """The aggregate. Its amount is committed while it is SENDING, so that no payout promises it too."""

    sweep_id: UUID
    asset_id: UUID
    to: EvmAddress
    amount_base_units: BaseUnits
    create_time: datetime
    update_time: datetime
    state: SweepState = SweepState.SENDING
    # Texts for people: what it waits for, empty when it is getting on; why it failed.
    waiting_for: str = ""
    failure_reason: str = ""
    transaction_hash: str = ""

    @property
    def intent_key(self) -> str:
        """The key of its transaction in the journal."""
        return f"sweep/{self.sweep_id}"

    def succeed(self, transaction_hash: str, now: datetime) -> None:
        """Records that its transaction is final."""
        self.transaction_hash = transaction_hash
        self._move_to(SweepState.SUCCEEDED, now)

    def fail(self, reason: Failure, transaction_hash: str, now: datetime) -> None:
        """Records that nothing was moved and nothing will be."""
        self.failure_reason, self.transaction_hash = str(reason), transaction_hash
        self._move_to(SweepState.FAILED, now)

    def wait_for(self, what: Wait | None) -> None:
        """Records what it waits for while it is under way; None when it makes progress."""
        if self.state is SweepState.SENDING:
            self.waiting_for = told(what)

    def _move_to(self, state: SweepState, now: datetime) -> None:
        if state not in SWEEP_TRANSITIONS[self.state]:
            raise ValueError(f"sweep {self.sweep_id}: {self.state} cannot become {state}")
        self.state, self.update_time, self.waiting_for = state, now, ""
