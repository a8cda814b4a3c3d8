"""A payout: one distribution, paid once, from one snapshot and one frozen plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress
from payout_service.domain.plan import PlanTotals


class PayoutState(StrEnum):
    """Where a payout is in its life; see TRANSITIONS."""

    REQUESTED = "REQUESTED"
    SNAPSHOTTING = "SNAPSHOTTING"
    PLANNING = "PLANNING"
    WAITING_FOR_FUNDS = "WAITING_FOR_FUNDS"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    INCOMPLETE = "INCOMPLETE"
    FAILED = "FAILED"


# The one table of legal transitions; docs/architecture.md draws it. Every state but the last three is moved on
# by the payout worker; INCOMPLETE waits for an operator.
TRANSITIONS: Mapping[PayoutState, frozenset[PayoutState]] = {
    PayoutState.REQUESTED: frozenset({PayoutState.SNAPSHOTTING, PayoutState.FAILED}),
    PayoutState.SNAPSHOTTING: frozenset({PayoutState.PLANNING, PayoutState.FAILED}),
    PayoutState.PLANNING: frozenset({PayoutState.WAITING_FOR_FUNDS, PayoutState.COMPLETED}),
    PayoutState.WAITING_FOR_FUNDS: frozenset({PayoutState.EXECUTING}),
    PayoutState.EXECUTING: frozenset({PayoutState.COMPLETED, PayoutState.INCOMPLETE}),
    PayoutState.COMPLETED: frozenset(),
    PayoutState.INCOMPLETE: frozenset(),
    PayoutState.FAILED: frozenset(),
}
# States that the payout worker moves on.
WORKED_STATES = frozenset(
    {
        PayoutState.REQUESTED,
        PayoutState.SNAPSHOTTING,
        PayoutState.PLANNING,
        PayoutState.WAITING_FOR_FUNDS,
        PayoutState.EXECUTING,
    }
)


class IllegalTransitionError(Exception):
    """A verb was used in a state that does not allow it. A defect, or a lost race with another replica."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The snapshot that a plan is made from, out of our own receipt's event."""

    snapshot_id: int
    block_number: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the payments are. `paid_base_units` counts only what is proven."""

    paid_count: int = 0
    failed_count: int = 0
    paid_base_units: int = 0
    batch_count: int = 0
    final_batch_count: int = 0


@dataclass(slots=True)
class Payout:
    """The aggregate. Its verbs check the transition; each change raises `version` by one and is published once.

    `waiting_for` names what the payout waits for while it stays in its state; empty when it waits for nothing.
    """

    payout_id: UUID
    asset_id: UUID
    total_base_units: int
    create_time: datetime
    update_time: datetime
    state: PayoutState = PayoutState.REQUESTED
    version: int = 1
    snapshot: Snapshot | None = None
    # Read at the snapshot when planning starts.
    holder_count: int = 0
    total_supply: int = 0
    # Rows of the plan stored so far; equals holder_count when the plan is frozen.
    planned_count: int = 0
    plan: PlanTotals | None = None
    progress: Progress = field(default_factory=Progress)
    waiting_for: str = ""
    failure_reason: str = ""
    # The lifecycle contract's code behind its proxy when the plan was frozen; checked again before each batch.
    implementation: EvmAddress | None = None

    def begin_snapshot(self, now: datetime) -> None:
        """The snapshot transaction is journaled in the same transaction as this."""
        self._move_to(PayoutState.SNAPSHOTTING, now)

    def begin_planning(self, snapshot: Snapshot, holder_count: int, total_supply: int, now: datetime) -> None:
        """The snapshot is final. Raises ValueError for a snapshot that cannot be planned from."""
        if snapshot.snapshot_id <= 0 or holder_count <= 0 or total_supply <= 0:
            raise ValueError("a plan needs a snapshot with holders and supply")
        self.snapshot = snapshot
        self.holder_count = holder_count
        self.total_supply = total_supply
        self._move_to(PayoutState.PLANNING, now)

    def freeze_plan(self, plan: PlanTotals, implementation: EvmAddress | None, now: datetime) -> None:
        """Every holder is in the plan; from here on amounts are never computed again.

        Moves to WAITING_FOR_FUNDS, or to COMPLETED when nobody is due a base unit.
        """
        self._require(PayoutState.PLANNING)
        if plan.holder_count != self.holder_count or self.planned_count != self.holder_count:
            raise ValueError("the plan does not hold every holder exactly once")
        self.plan = plan
        self.implementation = implementation
        payable = plan.payable_base_units
        self._move_to(PayoutState.WAITING_FOR_FUNDS if payable else PayoutState.COMPLETED, now)

    def begin_execution(self, now: datetime) -> None:
        """The money is committed in the same transaction as this."""
        self._move_to(PayoutState.EXECUTING, now)

    def add_batch(self, now: datetime) -> int:
        """Another batch was made. Returns its number, from 1."""
        self._require(PayoutState.EXECUTING)
        self.progress = replace(self.progress, batch_count=self.progress.batch_count + 1)
        self.waiting_for = ""
        self._changed(now)
        return self.progress.batch_count

    def settle_batch(self, paid_count: int, paid_base_units: int, failed_count: int, now: datetime) -> None:
        """A batch is final: so many of its payees were paid, so many will not be paid without an operator."""
        self._require(PayoutState.EXECUTING)
        self.progress = replace(
            self.progress,
            paid_count=self.progress.paid_count + paid_count,
            paid_base_units=self.progress.paid_base_units + paid_base_units,
            failed_count=self.progress.failed_count + failed_count,
            final_batch_count=self.progress.final_batch_count + 1,
        )
        self._changed(now)

    def finish(self, open_base_units: int, now: datetime) -> None:
        """No payment is open any more. Asserts the accounting identity (design.md, 5.10).

        `open_base_units` is what the failed payments are still owed.
        """
        self._require(PayoutState.EXECUTING)
        if self.plan is None:
            raise ValueError("a payout without a plan cannot be finished")
        self.plan.assert_identity(
            declared_base_units=self.total_base_units,
            paid_base_units=self.progress.paid_base_units,
            open_base_units=open_base_units,
        )
        has_failures = self.progress.failed_count > 0
        self._move_to(PayoutState.INCOMPLETE if has_failures else PayoutState.COMPLETED, now)

    def fail(self, reason: str, now: datetime) -> None:
        """Nothing was paid and nothing will be."""
        self.failure_reason = reason
        self._move_to(PayoutState.FAILED, now)

    def wait_for(self, what: str, now: datetime) -> bool:
        """Names what the payout waits for. Returns False when it was named already: nothing changed."""
        if self.waiting_for == what:
            return False
        self.waiting_for = what
        self._changed(now)
        return True

    def _move_to(self, state: PayoutState, now: datetime) -> None:
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"payout {self.payout_id}: {self.state} cannot become {state}")
        self.state = state
        self.waiting_for = ""
        self._changed(now)

    def _require(self, state: PayoutState) -> None:
        if self.state is not state:
            raise IllegalTransitionError(f"payout {self.payout_id} is {self.state}, not {state}")

    def _changed(self, now: datetime) -> None:
        self.version += 1
        self.update_time = now
