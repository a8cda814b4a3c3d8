"""A payout: one distribution, paid once, from one snapshot and one frozen plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.chain.address import EvmAddress
from payout_service.domain.payments import PaymentState, Tallies, Tally, tally_of
from payout_service.domain.plan import PlanTotals


class PayoutState(StrEnum):
    """Where a payout is in its life; see TRANSITIONS."""

    REQUESTED = "REQUESTED"
    SNAPSHOTTING = "SNAPSHOTTING"
    PLANNING = "PLANNING"
    WAITING_FOR_FUNDS = "WAITING_FOR_FUNDS"
    EXECUTING = "EXECUTING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    INCOMPLETE = "INCOMPLETE"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


_S = PayoutState
# The one table of legal transitions; docs/state-machines.md draws it. Every state but the last four is moved on
# by the payout worker; PAUSED and INCOMPLETE wait for an operator.
TRANSITIONS: Mapping[PayoutState, frozenset[PayoutState]] = {
    _S.REQUESTED: frozenset({_S.SNAPSHOTTING, _S.PAUSED, _S.CANCELLING, _S.FAILED}),
    _S.SNAPSHOTTING: frozenset({_S.PLANNING, _S.PAUSED, _S.CANCELLING, _S.FAILED}),
    _S.PLANNING: frozenset({_S.WAITING_FOR_FUNDS, _S.COMPLETED, _S.PAUSED, _S.CANCELLING}),
    _S.WAITING_FOR_FUNDS: frozenset({_S.EXECUTING, _S.PAUSED, _S.CANCELLING}),
    _S.EXECUTING: frozenset({_S.COMPLETED, _S.INCOMPLETE, _S.PAUSED, _S.CANCELLING}),
    # Back to where it was.
    _S.PAUSED: frozenset(
        {_S.REQUESTED, _S.SNAPSHOTTING, _S.PLANNING, _S.WAITING_FOR_FUNDS, _S.EXECUTING, _S.CANCELLING}
    ),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    # An operator tries the failed payments again, or gives up on them.
    _S.INCOMPLETE: frozenset({_S.EXECUTING, _S.CANCELLING}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.FAILED: frozenset(),
}
# States that the payout worker moves on; in PAUSED it only settles what was under way.
WORKED_STATES = frozenset(
    {
        _S.REQUESTED,
        _S.SNAPSHOTTING,
        _S.PLANNING,
        _S.WAITING_FOR_FUNDS,
        _S.EXECUTING,
        _S.PAUSED,
        _S.CANCELLING,
    }
)
PAUSABLE_STATES = frozenset(state for state, after in TRANSITIONS.items() if _S.PAUSED in after)
CANCELLABLE_STATES = frozenset(state for state, after in TRANSITIONS.items() if _S.CANCELLING in after)
# Batches may be under way.
SETTLING_STATES = frozenset({_S.EXECUTING, _S.PAUSED, _S.CANCELLING})


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
    """How far the payments are. Only what is proven counts as paid; disputed payments count as failed."""

    paid_count: int = 0
    failed_count: int = 0
    waiting_count: int = 0
    cancelled_count: int = 0
    paid_base_units: int = 0
    cancelled_base_units: int = 0
    batch_count: int = 0
    final_batch_count: int = 0

    def moved(self, entered: Tallies, left: Tallies) -> "Progress":
        """After payments entered some states and left others."""

        def change(*states: PaymentState) -> Tally:
            plus, minus = tally_of(entered, *states), tally_of(left, *states)
            return Tally(plus.count - minus.count, plus.amount_base_units - minus.amount_base_units)

        paid, cancelled = change(PaymentState.PAID), change(PaymentState.CANCELLED)
        return replace(
            self,
            paid_count=self.paid_count + paid.count,
            failed_count=self.failed_count + change(PaymentState.FAILED, PaymentState.DISPUTED).count,
            waiting_count=self.waiting_count + change(PaymentState.WAITING).count,
            cancelled_count=self.cancelled_count + cancelled.count,
            paid_base_units=self.paid_base_units + paid.amount_base_units,
            cancelled_base_units=self.cancelled_base_units + cancelled.amount_base_units,
        )


@dataclass(slots=True)
class Payout:
    """The aggregate. Its verbs check the transition; each change raises `version` by one and is published once.

    `waiting_for` names what the payout waits for while it stays in its state; empty when it waits for nothing.
    """

    payout_id: UUID
    asset_id: UUID
    # What all holders together shall be paid; 0 for a percentage until the plan fixes it.
    total_base_units: int
    create_time: datetime
    update_time: datetime
    # Hundredths of a percent of the money that is available when the plan is made; None for a fixed total.
    percentage_basis_points: int | None = None
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
    # Where ResumePayout leads back to; set while PAUSED.
    paused_from: PayoutState | None = None
    # The lifecycle contract's code behind its proxy when the plan was frozen; checked again before each batch.
    implementation: EvmAddress | None = None

    def begin_snapshot(self, now: datetime) -> None:
        """The snapshot transaction is journaled in the same transaction as this."""
        self._require(PayoutState.REQUESTED)
        self._move_to(PayoutState.SNAPSHOTTING, now)

    def fix_total(self, total_base_units: int) -> None:
        """A percentage becomes an amount, once. Raises ValueError when there is nothing to fix or to pay."""
        if self.percentage_basis_points is None or self.total_base_units or total_base_units <= 0:
            raise ValueError(f"payout {self.payout_id}: {total_base_units} cannot become the total")
        self.total_base_units = total_base_units

    def begin_planning(self, snapshot: Snapshot, holder_count: int, total_supply: int, now: datetime) -> None:
        """The snapshot is final. Raises ValueError for a snapshot that cannot be planned from."""
        if snapshot.snapshot_id <= 0 or holder_count <= 0 or total_supply <= 0 or self.total_base_units <= 0:
            raise ValueError("a plan needs a snapshot with holders and supply, and a total")
        self._require(PayoutState.SNAPSHOTTING)
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
        self._require(PayoutState.WAITING_FOR_FUNDS)
        self._move_to(PayoutState.EXECUTING, now)

    def add_batch(self, now: datetime) -> int:
        """Another batch was made. Returns its number, from 1."""
        self._require(PayoutState.EXECUTING)
        self.progress = replace(self.progress, batch_count=self.progress.batch_count + 1)
        self.waiting_for = ""
        self._changed(now)
        return self.progress.batch_count

    def settle_batch(self, entered: Tallies, now: datetime) -> None:
        """A batch is final: its payees entered these states (PLANNED: they go into another batch)."""
        self._require(*SETTLING_STATES)
        progress = self.progress.moved(entered, {})
        self.progress = replace(progress, final_batch_count=progress.final_batch_count + 1)
        self._changed(now)

    def move_payments(self, entered: Tallies, left: Tallies, now: datetime) -> None:
        """Payments changed outside of a batch: resumed after a wait, or found to make every call revert."""
        self._require(*SETTLING_STATES)
        self.progress = self.progress.moved(entered, left)
        self._changed(now)

    def finish(self, open_base_units: int, now: datetime) -> None:
        """No payment is under way any more. Asserts the accounting identity (design.md, 5.10).

        `open_base_units` is what failed and disputed payments are still owed.
        """
        self._require(PayoutState.EXECUTING, PayoutState.CANCELLING)
        if self.plan is not None:
            self.plan.assert_identity(
                declared_base_units=self.total_base_units,
                paid_base_units=self.progress.paid_base_units,
                open_base_units=open_base_units,
                cancelled_base_units=self.progress.cancelled_base_units,
            )
        if self.state is PayoutState.CANCELLING:
            self._move_to(PayoutState.CANCELLED, now)
        elif self.plan is None:
            raise ValueError("a payout without a plan cannot be finished")
        else:
            has_failures = self.progress.failed_count > 0
            self._move_to(PayoutState.INCOMPLETE if has_failures else PayoutState.COMPLETED, now)

    def pause(self, now: datetime) -> None:
        """Nothing new is begun; what has left is settled. Raises IllegalTransitionError."""
        self._require(*PAUSABLE_STATES)
        self.paused_from = self.state
        self._move_to(PayoutState.PAUSED, now)

    def resume(self, now: datetime) -> None:
        """Goes on where it was. Raises IllegalTransitionError."""
        self._require(PayoutState.PAUSED)
        if self.paused_from is None:
            raise ValueError(f"payout {self.payout_id} is paused and does not know from where")
        state, self.paused_from = self.paused_from, None
        self._move_to(state, now)

    def cancel(self, entered: Tallies, left: Tallies, now: datetime) -> None:
        """Gives up what has provably not left: these payments. Raises IllegalTransitionError."""
        self._require(*CANCELLABLE_STATES)
        self.paused_from = None
        self.progress = self.progress.moved(entered, left)
        self._move_to(PayoutState.CANCELLING, now)

    def retry(self, left: Tallies, now: datetime) -> None:
        """An operator wants these failed or waiting payments tried again now. Raises IllegalTransitionError."""
        self._require(PayoutState.INCOMPLETE, PayoutState.EXECUTING, PayoutState.PAUSED)
        self.progress = self.progress.moved({}, left)
        if self.state is PayoutState.INCOMPLETE:
            self._move_to(PayoutState.EXECUTING, now)
        else:
            self._changed(now)

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

    def _require(self, *states: PayoutState) -> None:
        if self.state not in states:
            allowed = ", ".join(sorted(states))
            raise IllegalTransitionError(f"payout {self.payout_id} is {self.state}; this needs {allowed}")

    def _changed(self, now: datetime) -> None:
        self.version += 1
        self.update_time = now
