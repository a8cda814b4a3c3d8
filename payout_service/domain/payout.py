"""A payout: one distribution, paid once, from one snapshot and one frozen plan."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, SnapshotId, TokenUnits
from libs.payout_terms.terms import PayeeRules, PayoutKind, PayoutTerms
from payout_service.domain.endings import Failure
from payout_service.domain.payee_rules import spreads
from payout_service.domain.payments import PaymentState, Tallies, Tally, tally_of
from payout_service.domain.plan import PlanSum, PlanTotals, net_total, spread_total
from payout_service.domain.progress import Progress
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.domain.waits import Wait, told

# A redemption lists the live holders so often at most by itself; transfers without end must not keep it going.
MOST_ROUNDS = 16
_LONGEST_REST_WITH_FAILURES = timedelta(hours=1)
_EXECUTIONS: Mapping[PayoutKind, ExecutionKind] = {
    PayoutKind.SNAPSHOT: ExecutionKind.AMOUNT_SNAPSHOT,
    PayoutKind.DIVIDEND: ExecutionKind.DISTRIBUTION,
    PayoutKind.COUPON: ExecutionKind.DISTRIBUTION,
    PayoutKind.REDEMPTION: ExecutionKind.CASH_OUT,
}


class PayoutState(StrEnum):
    """The states of a payout; see TRANSITIONS."""

    REQUESTED = "REQUESTED"
    SNAPSHOTTING = "SNAPSHOTTING"
    PLANNING = "PLANNING"
    WAITING_FOR_FUNDS = "WAITING_FOR_FUNDS"
    EXECUTING = "EXECUTING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    INCOMPLETE = "INCOMPLETE"
    DEFERRED = "DEFERRED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


_S = PayoutState
# The one table of legal transitions; docs/state-machines.md draws it. Every state but COMPLETED, INCOMPLETE,
# CANCELLED and FAILED is moved on by the payout worker; PAUSED and INCOMPLETE wait for an operator.
TRANSITIONS: Mapping[PayoutState, frozenset[PayoutState]] = {
    # A redemption needs no snapshot.
    _S.REQUESTED: frozenset({_S.SNAPSHOTTING, _S.PLANNING, _S.PAUSED, _S.CANCELLING, _S.FAILED}),
    _S.SNAPSHOTTING: frozenset({_S.PLANNING, _S.PAUSED, _S.CANCELLING, _S.FAILED}),
    # To EXECUTING when another round of a redemption found nobody new.
    _S.PLANNING: frozenset({_S.WAITING_FOR_FUNDS, _S.EXECUTING, _S.COMPLETED, _S.PAUSED, _S.CANCELLING}),
    _S.WAITING_FOR_FUNDS: frozenset({_S.EXECUTING, _S.PAUSED, _S.CANCELLING}),
    # To PLANNING for another round of a redemption.
    _S.EXECUTING: frozenset({_S.COMPLETED, _S.INCOMPLETE, _S.DEFERRED, _S.PLANNING, _S.PAUSED, _S.CANCELLING}),
    # Back to where it was.
    _S.PAUSED: frozenset(
        {_S.REQUESTED, _S.SNAPSHOTTING, _S.PLANNING, _S.WAITING_FOR_FUNDS, _S.EXECUTING, _S.CANCELLING}
    ),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    # An operator tries the failed payments again, or gives up on them; deferred ones may come due.
    _S.INCOMPLETE: frozenset({_S.EXECUTING, _S.CANCELLING}),
    # All but deferred payments are made; those come due when their holders' deferrals reach the minimum.
    _S.DEFERRED: frozenset({_S.EXECUTING, _S.CANCELLING}),
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
        _S.DEFERRED,
        _S.PAUSED,
        _S.CANCELLING,
    }
)
PAUSABLE_STATES = frozenset(state for state, after in TRANSITIONS.items() if _S.PAUSED in after)
CANCELLABLE_STATES = frozenset(state for state, after in TRANSITIONS.items() if _S.CANCELLING in after)
# Deferred payments whose time has come go back into the plan: the money is committed, nothing stops them.
RELEASING_STATES = frozenset({_S.EXECUTING, _S.INCOMPLETE, _S.DEFERRED})
# The money is promised and nothing of the plan is being made: evidence may settle single payments once more.
SETTLED_AGAIN_STATES = frozenset({_S.EXECUTING, _S.INCOMPLETE, _S.DEFERRED, _S.CANCELLED})
# Batches may be under way.
SETTLING_STATES = frozenset({_S.EXECUTING, _S.PAUSED, _S.CANCELLING})


def reconciliation_rest(unchanged_for: timedelta, failed_count: int) -> timedelta:
    """Returns how long an unchanged payout need not be compared: a tenth of the time since its last change.

    With failed payments, disputed ones among them, an hour at most: evidence may settle them any time.
    """
    rest = unchanged_for / 10
    return min(rest, _LONGEST_REST_WITH_FAILURES) if failed_count else rest


class IllegalTransitionError(Exception):
    """A verb was used in a state that does not allow it. It is a defect, or another replica was faster."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The snapshot that a plan is made from. Every read of the plan uses its block.

    Of a snapshot payout out of our own receipt's event; of a corporate action the one of its record date; of a
    redemption the id is 0 and the block is where the live holders of the present round were listed.
    """

    snapshot_id: SnapshotId
    block_number: BlockNumber
    block_hash: str


@dataclass(slots=True)
class Payout:
    """The aggregate. Its verbs check the transition; each change raises `version` by one and is published once.

    `waiting_for` names what the payout waits for while it stays in its state; empty when it waits for nothing. It
    and `failure_reason` are texts for people.
    """

    payout_id: UUID
    asset_id: UUID
    # What was asked for; never changes.
    terms: PayoutTerms
    # What all holders together shall be paid; 0 until the plan fixes it for all but a fixed total.
    total_base_units: BaseUnits
    create_time: datetime
    update_time: datetime
    state: PayoutState = PayoutState.REQUESTED
    _: KW_ONLY
    version: int = 1
    snapshot: Snapshot | None = None
    # Read at the snapshot when planning starts.
    holder_count: int = 0
    total_supply: TokenUnits = TokenUnits(0)
    # Free balances of excluded holders at the snapshot, where their share is spread over the others.
    excluded_balance: TokenUnits = TokenUnits(0)
    # Holders of the list that were looked at; equals holder_count when the plan is frozen.
    listed_count: int = 0
    # Rows of the plan stored so far, of all rounds.
    planned_count: int = 0
    # Of a redemption, from 1: how often the live holders were listed; and whether anything was sent since, or has
    # gone elsewhere, so that they are listed again.
    round_number: int = 1
    # The last round that may begin; an operator's retry allows as many again.
    round_limit: int = MOST_ROUNDS
    is_listing_stale: bool = False
    plan: PlanTotals | None = None
    progress: Progress = field(default_factory=Progress)
    waiting_for: str = ""
    failure_reason: str = ""
    # Where ResumePayout leads back to; set while PAUSED.
    paused_from: PayoutState | None = None
    # The lifecycle contract's code behind its proxy when the plan was frozen; checked again before each batch.
    implementation: EvmAddress | None = None

    @classmethod
    def request(
        cls, payout_id: UUID, asset_id: UUID, terms: PayoutTerms, *, create_time: datetime, now: datetime
    ) -> Self:
        """A new payout. `create_time` is that of its distribution."""
        return cls(payout_id, asset_id, terms, terms.total_base_units, create_time, now)

    @property
    def kind(self) -> PayoutKind:
        """The kind that its terms ask for."""
        return self.terms.kind

    @property
    def action_id(self) -> int:
        """Of a corporate action: the dividend's or coupon's id on the asset, from 1; else 0."""
        return self.terms.action_id

    @property
    def rules(self) -> PayeeRules:
        """Rules per payee."""
        return self.terms.rules

    def begin_snapshot(self, now: datetime) -> None:
        """Records that the snapshot's transaction is journaled, in the same database transaction."""
        self._require(PayoutState.REQUESTED)
        self._move_to(PayoutState.SNAPSHOTTING, now)

    def fix_total(self, total_base_units: BaseUnits) -> None:
        """Turns a percentage into an amount, once. Raises ValueError when there is nothing to fix or to pay."""
        if self.terms.percentage_basis_points is None or self.total_base_units or total_base_units <= 0:
            raise ValueError(f"payout {self.payout_id}: {total_base_units} cannot become the total")
        self.total_base_units = total_base_units

    def begin_planning(
        self,
        snapshot: Snapshot,
        holder_count: int,
        total_supply: TokenUnits,
        now: datetime,
        *,
        excluded_balance: TokenUnits = TokenUnits(0),
    ) -> None:
        """Records the final snapshot. Raises ValueError for a snapshot that cannot be planned from."""
        is_redemption = self.kind is PayoutKind.REDEMPTION
        if (snapshot.snapshot_id <= 0) is not is_redemption or holder_count <= 0 or total_supply <= 0:
            raise ValueError("a plan needs a snapshot with holders and supply")
        if self.kind is PayoutKind.SNAPSHOT and self.total_base_units <= 0:
            raise ValueError("a plan needs a total")
        self._require(PayoutState.REQUESTED if is_redemption else PayoutState.SNAPSHOTTING)
        self.snapshot = snapshot
        self.holder_count = holder_count
        self.total_supply = total_supply
        self.excluded_balance = excluded_balance
        self._move_to(PayoutState.PLANNING, now)

    def begin_round(self, listing: Snapshot, holder_count: int, now: datetime) -> None:
        """Begins a redemption's next listing of live holders. Raises ValueError when it did so too often."""
        self._require(PayoutState.EXECUTING)
        if self.kind is not PayoutKind.REDEMPTION or not self.may_begin_round:
            raise ValueError(f"payout {self.payout_id} cannot begin round {self.round_number + 1}")
        self.snapshot = listing
        self.holder_count = holder_count
        self.listed_count = 0
        self.round_number += 1
        self.is_listing_stale = False
        self._move_to(PayoutState.PLANNING, now)

    @property
    def may_begin_round(self) -> bool:
        """Returns False after the last round that the bound allows."""
        return self.round_number < self.round_limit

    @property
    def wants_round(self) -> bool:
        """True if a redemption has to list the live holders once more."""
        return self.kind is PayoutKind.REDEMPTION and self.is_listing_stale

    def new_plan_sum(self) -> PlanSum:
        """Returns an empty sum of the payout's rows."""
        if self.kind is PayoutKind.SNAPSHOT:
            return PlanSum(
                self.kind,
                self.total_base_units,
                self.total_supply,
                call_total_base_units=self.call_total_base_units,
            )
        return PlanSum(self.kind, None, self.total_supply)

    def store_page(self, *, listed_count: int, row_count: int) -> None:
        """Records how many more holders were looked at and how many rows of the plan were stored."""
        self._require(PayoutState.PLANNING)
        self.listed_count += listed_count
        self.planned_count += row_count

    def drop_unfrozen_rows(self) -> None:
        """Records that the rows of a round that was never frozen were deleted. Those of the frozen plan stay."""
        self.planned_count = self.plan.holder_count if self.plan else 0

    def freeze_plan(self, plan: PlanTotals, implementation: EvmAddress | None, now: datetime) -> None:
        """Freezes the plan, which has every holder. From here on amounts stay as they are, except a redemption's.

        Moves to WAITING_FOR_FUNDS, to COMPLETED when nobody is due a base unit, or on to EXECUTING when another
        round of a redemption found nobody new.
        """
        self._require(PayoutState.PLANNING)
        if plan.holder_count != self.planned_count or self.listed_count != self.holder_count:
            raise ValueError("the plan does not hold every holder exactly once")
        is_first, had = self.plan is None, self.plan.holder_count if self.plan else 0
        self.plan = plan
        self.implementation = implementation
        if self.kind is not PayoutKind.SNAPSHOT:
            self.total_base_units = BaseUnits(plan.payable_base_units + plan.excluded_base_units)
        if is_first:
            deferred = Tally(plan.deferred_count, amount_base_units=plan.deferred_base_units)
            self.progress = self.progress.moved({PaymentState.DEFERRED: deferred}, {})
            # A redemption that owes nobody anything may still not have reached every token: its end tells.
            goes_on = plan.payable_base_units or self.kind is PayoutKind.REDEMPTION
            after = PayoutState.WAITING_FOR_FUNDS if goes_on else PayoutState.COMPLETED
        else:
            after = PayoutState.WAITING_FOR_FUNDS if plan.holder_count > had else PayoutState.EXECUTING
        self._move_to(after, now)

    @property
    def call_total_base_units(self) -> BaseUnits:
        """The total that a snapshot payout's calls split before withholding.

        With REDISTRIBUTE it is more than the total.
        """
        if not spreads(self.rules) or not self.total_supply:
            return self.total_base_units
        return spread_total(
            self.total_base_units, total_supply=self.total_supply, excluded_balance=self.excluded_balance
        )

    def execution_of(self, holders: Sequence[HolderAddress], withholding_basis_points: int) -> Execution:
        """Returns the call that pays these holders, who share a withholding rate.

        Raises ValueError before the plan.
        """
        if self.snapshot is None:
            raise ValueError(f"payout {self.payout_id} pays without a snapshot")
        total = net_total(self.call_total_base_units, withholding_basis_points)
        return Execution(
            kind=_EXECUTIONS[self.kind],
            reference_id=self.reference_id,
            total_base_units=total if self.kind is PayoutKind.SNAPSHOT else BaseUnits(0),
            holders=tuple(holders),
        )

    @property
    def execution_kind(self) -> ExecutionKind:
        """The kind of the calls that pay."""
        return _EXECUTIONS[self.kind]

    @property
    def reference_id(self) -> int:
        """The id by which the contract pays and remembers: the snapshot's, dividend's or coupon's; else 0."""
        if self.kind is PayoutKind.SNAPSHOT and self.snapshot is not None:
            return self.snapshot.snapshot_id
        return self.action_id

    def begin_execution(self, now: datetime) -> None:
        """Records that the money is committed, in the same database transaction."""
        self._require(PayoutState.WAITING_FOR_FUNDS)
        self._move_to(PayoutState.EXECUTING, now)

    def add_batch(self, now: datetime) -> int:
        """Records another batch. Returns its number, from 1."""
        self._require(PayoutState.EXECUTING)
        self.progress = replace(self.progress, batch_count=self.progress.batch_count + 1)
        self.is_listing_stale = True
        self.waiting_for = ""
        self._changed(now)
        return self.progress.batch_count

    def settle_batch(self, entered: Tallies, now: datetime) -> None:
        """Records that a batch is final, and the new states of its payees (PLANNED: for another batch)."""
        self._require(*SETTLING_STATES)
        progress = self.progress.moved(entered, {})
        self.progress = replace(progress, final_batch_count=progress.final_batch_count + 1)
        self._changed(now)

    def reprice(self, delta_base_units: BaseUnits, now: datetime) -> None:
        """Changes what payments of a redemption are due, because live balances have moved."""
        if not delta_base_units:
            return
        if self.kind is not PayoutKind.REDEMPTION or self.plan is None:
            raise ValueError(f"payout {self.payout_id}: the amounts of a frozen plan never change")
        self.total_base_units = BaseUnits(self.total_base_units + delta_base_units)
        payable = BaseUnits(self.plan.payable_base_units + delta_base_units)
        self.plan = replace(self.plan, payable_base_units=payable)
        self._changed(now)

    def tokens_moved(self) -> None:
        """Records that live balances have changed since the listing. Somebody who is not in it may hold tokens."""
        self.is_listing_stale = True

    def found_nothing_due(self, count: int) -> None:
        """Records payments of a redemption that became ZERO_DUE: their holders' tokens are elsewhere."""
        if self.plan is None:
            raise ValueError(f"payout {self.payout_id} has no plan")
        self.is_listing_stale = True
        self.plan = replace(self.plan, zero_due_count=self.plan.zero_due_count + count)

    def release_deferred(self, tally: Tally, now: datetime) -> None:
        """Puts deferred payments back into the plan, because their holders' deferrals reach the minimum."""
        self._require(*RELEASING_STATES)
        self.progress = self.progress.moved({}, {PaymentState.DEFERRED: tally})
        if self.state is PayoutState.EXECUTING:
            self._changed(now)
        else:
            self._move_to(PayoutState.EXECUTING, now)

    def move_payments(self, entered: Tallies, left: Tallies, now: datetime) -> None:
        """Records payments that changed outside of a batch: resumed, or found to make every call revert."""
        self._require(*SETTLING_STATES)
        self.progress = self.progress.moved(entered, left)
        self._changed(now)

    def settle_again(self, entered: Tallies, left: Tallies, now: datetime) -> None:
        """Records payments that evidence settled after all: disputed ones, or unpaid ones that others have paid.

        An INCOMPLETE payout in which nothing has failed any more goes back to EXECUTING, where it is finished; so
        does a DEFERRED one. Amounts of a redemption become what was paid.
        """
        if not self.may_be_settled_again:
            raise IllegalTransitionError(f"payout {self.payout_id} is {self.state}: nothing is settled again")
        before, after = sum(left.values(), Tally()), sum(entered.values(), Tally())
        self.progress = self.progress.moved(entered, left)
        self.reprice(BaseUnits(after.amount_base_units - before.amount_base_units), now)
        zero_due = tally_of(entered, PaymentState.ZERO_DUE).count
        if self.kind is PayoutKind.REDEMPTION:
            self.found_nothing_due(zero_due)
        is_settled = self.state is PayoutState.INCOMPLETE and not self.progress.failed_count
        if is_settled or self.state is PayoutState.DEFERRED:
            self._move_to(PayoutState.EXECUTING, now)
        else:
            self._changed(now)

    @property
    def may_be_settled_again(self) -> bool:
        """Returns whether evidence may settle single payments now."""
        state = self.paused_from or self.state
        # Of a redemption's later round the money of the earlier ones is promised, whatever becomes of this one.
        is_later_round = self.round_number > 1 and state in (PayoutState.PLANNING, PayoutState.WAITING_FOR_FUNDS)
        return self.plan is not None and (state in SETTLED_AGAIN_STATES or is_later_round)

    def give_up(self, left: Tallies, now: datetime) -> None:
        """Cancels payments of a CANCELLED payout that turned out not to be paid."""
        self._require(PayoutState.CANCELLED)
        self.progress = self.progress.moved({PaymentState.CANCELLED: sum(left.values(), Tally())}, left)
        self._changed(now)

    def finish(self, open_base_units: BaseUnits, now: datetime, *, are_tokens_left: bool = False) -> None:
        """Ends a payout without payments under way. Asserts docs/architecture.md#accounting-identity.

        `open_base_units` is what failed, disputed and deferred payments are still owed. `are_tokens_left`: a
        redemption has paid all that it could, and tokens are still there; it is INCOMPLETE then.
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
            self._move_to(self._end(are_tokens_left), now)

    def _end(self, are_tokens_left: bool) -> PayoutState:
        if self.progress.failed_count or self.wants_round or are_tokens_left:
            return PayoutState.INCOMPLETE
        return PayoutState.DEFERRED if self.progress.deferred_count else PayoutState.COMPLETED

    def pause(self, now: datetime) -> None:
        """Pauses. Nothing new begins; what was sent is settled. Raises IllegalTransitionError."""
        self._require(*PAUSABLE_STATES)
        self.paused_from = self.state
        self._move_to(PayoutState.PAUSED, now)

    def resume(self, now: datetime) -> None:
        """Resumes where it was. Raises IllegalTransitionError."""
        self._require(PayoutState.PAUSED)
        if self.paused_from is None:
            raise ValueError(f"payout {self.payout_id} is paused and does not know from where")
        state, self.paused_from = self.paused_from, None
        self._move_to(state, now)

    def cancel(self, entered: Tallies, left: Tallies, now: datetime) -> None:
        """Cancels, and gives up these payments, which were provably not sent. Raises IllegalTransitionError."""
        self._require(*CANCELLABLE_STATES)
        self.paused_from = None
        self.progress = self.progress.moved(entered, left)
        self._move_to(PayoutState.CANCELLING, now)

    def retry(self, left: Tallies, now: datetime) -> None:
        """Has these payments tried, or paid, now, as an operator wants. Raises IllegalTransitionError.

        A redemption lists the live holders once more: tokens may have moved to holders that nothing names.
        """
        self._require(PayoutState.INCOMPLETE, PayoutState.DEFERRED, PayoutState.EXECUTING, PayoutState.PAUSED)
        self.is_listing_stale = True
        self.round_limit = self.round_number + MOST_ROUNDS
        self.progress = self.progress.moved({}, left)
        if self.state in (PayoutState.INCOMPLETE, PayoutState.DEFERRED):
            self._move_to(PayoutState.EXECUTING, now)
        else:
            self._changed(now)

    def fail(self, reason: Failure, now: datetime) -> None:
        """Fails. Nothing was paid and nothing will be."""
        self.failure_reason = str(reason)
        self._move_to(PayoutState.FAILED, now)

    def wait_for(self, what: Wait | None, now: datetime) -> bool:
        """Names what the payout waits for. Returns False when it was named already: nothing changed."""
        if self.waiting_for == told(what):
            return False
        self.waiting_for = told(what)
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
