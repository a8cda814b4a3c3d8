"""Payments and batches in memory, with the behaviour of the tables in PostgreSQL."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.chain.quantities import BaseUnits, HolderAddress
from payout_service.application.ports.plan_rows import DisputedPayment, RecordedState
from payout_service.application.ports.unsent_payments import DeferredPayment, WaitingPayment
from payout_service.domain.payments import (
    OPEN_STATES,
    RETRIABLE_REASONS,
    Batch,
    BatchState,
    FailureReason,
    PaymentOutcome,
    PaymentState,
    Tallies,
    Tally,
)
from payout_service.domain.payout import RELEASING_STATES, Payout
from payout_service.domain.plan import Entitlement, PlannedPayment, Treatment
from tests.support.payout.amounts import tally
from tests.support.payout.copying import copied
from tests.support.payout.memory_store import Transaction

_UNSENT_STATES = frozenset(
    {PaymentState.PLANNED, PaymentState.WAITING, PaymentState.FAILED, PaymentState.DEFERRED}
)
_FIRST_STATES = frozenset({PaymentState.PLANNED, PaymentState.ZERO_DUE})
_RETRIABLE_REASONS = frozenset(reason.value for reason in RETRIABLE_REASONS)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A row of the table payment. It holds the tries; those of `planned` stay 0."""

    planned: PlannedPayment
    state: PaymentState
    update_time: datetime
    reason: str = ""
    detail: str = ""
    retry_time: datetime | None = None
    batch_cap: int | None = None
    batch_number: int | None = None
    tries: int = 0
    transaction_hash: str = ""
    moved_base_units: int = 0

    @property
    def can_pass(self) -> bool:
        """Whether RetryPayments retries it when no holder is named."""
        is_passing_failure = self.state is PaymentState.FAILED and self.reason in _RETRIABLE_REASONS
        return is_passing_failure or self.state is PaymentState.WAITING

    @property
    def is_retriable(self) -> bool:
        """Whether RetryPayments retries it when its holder is named."""
        return self.can_pass or self.state is PaymentState.DEFERRED


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A row of the table batch."""

    payout_id: UUID
    batch: Batch


class MemoryPayments:
    """Implements PlanRows, Batches and UnsentPayments over the same rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        await self._transaction.statement()
        for each in payments:
            row = PaymentRow(replace(each, tries=0), each.first_state, now)
            self._check(row)
            await self._transaction.insert(("payment", payout_id), each.ordinal, row)

    async def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        await self._transaction.statement()
        for row in self._of(payout_id):
            yield row.planned

    async def drop_rows(self, payout_id: UUID, from_ordinal: int) -> None:
        await self._transaction.statement()
        for row in self._of(payout_id):
            if row.planned.ordinal < from_ordinal:
                continue
            await self._transaction.delete(("payment", payout_id), row.planned.ordinal)
            if row.state not in _FIRST_STATES:
                raise RuntimeError(f"payout {payout_id}: rows from {from_ordinal} on are no longer only planned")

    async def planned_holders(
        self, payout_id: UUID, round_number: int, holders: Sequence[HolderAddress]
    ) -> set[HolderAddress]:
        await self._transaction.statement()
        planned = {row.planned.holder for row in self._of(payout_id) if row.planned.round_number == round_number}
        return planned & set(holders)

    async def open_holders(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> set[HolderAddress]:
        await self._transaction.statement()
        return {row.planned.holder for row in self._of(payout_id) if row.state in OPEN_STATES} & set(holders)

    async def reprice(self, payout_id: UUID, entitlements: Sequence[Entitlement], now: datetime) -> BaseUnits:
        await self._transaction.statement()
        by_holder = {each.holder: each for each in entitlements}

        def repriced(row: PaymentRow) -> PaymentRow:
            entitled = by_holder[row.planned.holder]
            planned = replace(row.planned, balance=entitled.balance, amount_base_units=entitled.amount_base_units)
            return replace(row, planned=planned, update_time=now)

        before = await self._move(
            payout_id,
            lambda row: row.planned.holder in by_holder and row.state is PaymentState.PLANNED,
            repriced,
        )
        rises = (repriced(row).planned.amount_base_units - row.planned.amount_base_units for row in before)
        return BaseUnits(sum(rises))

    async def conclude(
        self, payout_id: UUID, state: PaymentState, outcomes: Sequence[PaymentOutcome], now: datetime
    ) -> Tallies:
        await self._transaction.statement()
        by_holder = {each.holder: each for each in outcomes}

        def concluded(row: PaymentRow) -> PaymentRow:
            return _concluded(row, by_holder[row.planned.holder], "", now)

        settled = await self._move(
            payout_id, lambda row: row.planned.holder in by_holder and row.state is state, concluded
        )
        if len(settled) != len(outcomes):
            raise RuntimeError(f"payout {payout_id}: a payee to settle is not {state} any more")
        after = {row.planned.ordinal: concluded(row) for row in settled}
        return _tallies(
            replace(
                row,
                state=after[row.planned.ordinal].state,
                moved_base_units=after[row.planned.ordinal].moved_base_units,
            )
            for row in settled
        )

    async def disputed(self, payout_id: UUID, after: int, limit: int) -> list[DisputedPayment]:
        await self._transaction.statement()
        return [
            DisputedPayment(
                _tried(row),
                row.batch_number,
                row.transaction_hash,
                FailureReason(row.reason),
                row.detail,
                BaseUnits(row.moved_base_units),
            )
            for row in self._of(payout_id)
            if row.state is PaymentState.DISPUTED and row.planned.ordinal >= after
        ][:limit]

    async def of_state(self, payout_id: UUID, state: PaymentState, after: int, limit: int) -> list[PlannedPayment]:
        await self._transaction.statement()
        return [_tried(row) for row in self._of(payout_id) if row.state is state and row.planned.ordinal >= after][
            :limit
        ]

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        await self._transaction.statement()
        free = [row for row in self._of(payout_id) if row.state is PaymentState.PLANNED]
        if not free:
            return []
        first = min(free, key=_alike)
        alike = [_tried(row) for row in free if _alike(row) == _alike(first)]
        return alike[: limit if first.batch_cap is None else min(limit, first.batch_cap)]

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        await self._transaction.statement()
        self._transaction.check(batch.number > 0, "batch: number")
        stored = StoredBatch(payout_id, copied(batch))
        await self._transaction.insert("batch", (payout_id, batch.number), stored)
        self._transaction.deferred_checks.append(lambda: self._check_intent(batch.intent_key))
        ordinals = {payee.ordinal for payee in payees}
        taken = await self._move(
            payout_id,
            lambda row: row.planned.ordinal in ordinals and row.state is PaymentState.PLANNED,
            lambda row: replace(
                row,
                state=PaymentState.IN_FLIGHT,
                batch_number=batch.number,
                tries=row.tries + 1,
                update_time=batch.create_time,
            ),
        )
        if len(taken) != len(payees):
            raise RuntimeError(f"batch {batch.number} of {payout_id}: a payee is not free any more")

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        await self._transaction.statement()
        return _by_number(self._transaction.find("batch", "open", payout_id))

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        await self._transaction.statement()
        return [_tried(row) for row in self._of(payout_id) if row.batch_number == batch_number]

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        await self._transaction.statement()
        batch = await self._settle(payout_id, batch_number, state)
        by_holder = {each.holder: each for each in outcomes}
        settled = await self._move(
            payout_id,
            lambda row: row.planned.holder in by_holder and _is_in_flight(row, batch_number),
            lambda row: _concluded(row, by_holder[row.planned.holder], transaction_hash, now),
        )
        if not len(settled) == len(outcomes) == batch.holder_count:
            raise RuntimeError(f"batch {batch_number} of {payout_id}: not every payee was in flight")

    async def return_to_plan(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        batch_cap: int | None,
        now: datetime,
        *,
        was_a_try: bool,
    ) -> Tally:
        await self._transaction.statement()
        await self._settle(payout_id, batch_number, state)
        untried = 0 if was_a_try else 1
        returned = await self._move(
            payout_id,
            lambda row: _is_in_flight(row, batch_number),
            lambda row: replace(
                _freed(row, now),
                tries=row.tries - untried,
                batch_cap=row.batch_cap if batch_cap is None else batch_cap,
            ),
        )
        return _tally(returned)

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        await self._transaction.statement()
        await self._settle(payout_id, batch_number, state)
        cancelled = await self._move(
            payout_id,
            lambda row: _is_in_flight(row, batch_number),
            lambda row: replace(row, state=PaymentState.CANCELLED, update_time=now),
        )
        return _tally(cancelled)

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        await self._transaction.statement()
        by_holder = {each.holder: each for each in outcomes}
        held = await self._move(
            payout_id,
            lambda row: row.planned.holder in by_holder and row.state is PaymentState.PLANNED,
            lambda row: replace(_concluded(row, by_holder[row.planned.holder], "", now), tries=row.tries + 1),
        )
        if len(held) != len(outcomes):
            raise RuntimeError(f"payout {payout_id}: a payee to hold back is not free any more")

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        await self._transaction.statement()
        due = [row for row in self._of(payout_id) if row.retry_time and row.retry_time <= now]
        return [
            WaitingPayment(
                row.planned.ordinal,
                row.planned.holder,
                row.planned.amount_base_units,
                is_unfunded=row.reason == FailureReason.UNFUNDED.value,
            )
            for row in due[:limit]
        ]

    async def next_retry_time(self, payout_id: UUID) -> datetime | None:
        await self._transaction.statement()
        return min((row.retry_time for row in self._of(payout_id) if row.retry_time), default=None)

    async def in_flight_base_units(self, payout_id: UUID) -> BaseUnits:
        await self._transaction.statement()
        return _tally(row for row in self._of(payout_id) if row.state is PaymentState.IN_FLIGHT).amount_base_units

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        await self._transaction.statement()
        wanted = set(ordinals)
        resumed = await self._move(
            payout_id,
            lambda row: row.planned.ordinal in wanted and row.state is PaymentState.WAITING,
            lambda row: _freed(row, now),
        )
        return _tally(resumed)

    async def retry(self, payout_id: UUID, holders: Sequence[HolderAddress] | None, now: datetime) -> Tallies:
        await self._transaction.statement()
        wanted = None if holders is None else set(holders)
        left = await self._move(
            payout_id,
            lambda row: row.can_pass if wanted is None else row.is_retriable and row.planned.holder in wanted,
            lambda row: replace(_freed(row, now), tries=0),
        )
        return _tallies(left)

    async def not_retriable(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> list[HolderAddress]:
        await self._transaction.statement()
        retriable = {row.planned.holder for row in self._of(payout_id) if row.is_retriable}
        return [each for each in holders if each not in retriable]

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        await self._transaction.statement()
        cancelled = await self._move(
            payout_id,
            lambda row: row.state in _UNSENT_STATES,
            lambda row: replace(row, state=PaymentState.CANCELLED, retry_time=None, update_time=now),
        )
        return _tallies(cancelled)

    async def deferrals_due(self, asset_id: UUID, limit: int) -> list[DeferredPayment]:
        await self._transaction.statement()
        payouts: list[Payout] = self._transaction.find_by_age("payout", "asset", asset_id)
        deferrals = [
            (payout, row)
            for payout in payouts
            if payout.state in RELEASING_STATES
            for row in self._of(payout.payout_id)
            if row.state is PaymentState.DEFERRED
        ]
        of_holder: Counter[str] = Counter()
        for _, row in deferrals:
            of_holder[row.planned.holder] += row.planned.amount_base_units
        due: dict[str, list[DeferredPayment]] = {}
        for payout, row in deferrals:
            holder = row.planned.holder
            if of_holder[holder] >= payout.rules.minimum_base_units:
                due.setdefault(holder, []).append(DeferredPayment(payout.payout_id, row.planned.ordinal))
        return [each for holder in sorted(due)[:limit] for each in due[holder]]

    async def release_deferred(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        await self._transaction.statement()
        wanted = set(ordinals)
        released = await self._move(
            payout_id,
            lambda row: row.planned.ordinal in wanted and row.state is PaymentState.DEFERRED,
            lambda row: _freed(row, now),
        )
        return _tally(released)

    async def tallies(self, payout_id: UUID) -> Tallies:
        await self._transaction.statement()
        return _tallies(self._of(payout_id))

    async def settled_batches(self, payout_id: UUID, after: int, limit: int) -> list[Batch]:
        await self._transaction.statement()
        settled = _by_number(self._transaction.find("batch", "settled", payout_id))
        return [batch for batch in settled if batch.number > after][:limit]

    async def recorded_payments(self, payout_id: UUID, after: int, limit: int) -> list[RecordedState]:
        await self._transaction.statement()
        return [
            RecordedState(
                ordinal=row.planned.ordinal,
                holder=row.planned.holder,
                amount_base_units=row.planned.amount_base_units,
                state=row.state,
                batch_number=row.batch_number,
                transaction_hash=row.transaction_hash,
                balance=row.planned.balance,
            )
            for row in self._of(payout_id)
            if row.planned.ordinal >= after
        ][:limit]

    def _check_intent(self, key: str) -> None:
        """Checks the deferred foreign key: a batch's transaction is journaled in the same commit."""
        self._transaction.check(bool(self._transaction.find("intent", "key", key)), f"batch: no intent {key}")

    async def _settle(self, payout_id: UUID, number: int, state: BatchState) -> Batch:
        """Ends an open batch. Raises RuntimeError when it has ended before."""
        key = (payout_id, number)
        if self._transaction.get("batch", key):
            await self._transaction.lock("batch", key)
        stored: StoredBatch | None = self._transaction.get("batch", key)
        if stored is None or stored.batch.settled_state is not None:
            raise RuntimeError(f"batch {number} of {payout_id} is not open")
        self._transaction.check(state in _FINAL_BATCH_STATES, "batch: settled_state")
        batch = replace(stored.batch, settled_state=state)
        await self._transaction.update("batch", key, replace(stored, batch=batch))
        return batch

    async def _move(
        self,
        payout_id: UUID,
        is_meant: Callable[[PaymentRow], bool],
        change: Callable[[PaymentRow], PaymentRow],
    ) -> list[PaymentRow]:
        """Does what UPDATE ... WHERE does: locks each matching row and looks again.

        Returns the rows as they were.
        """
        table, moved = ("payment", payout_id), []
        for row in self._of(payout_id):
            if not is_meant(row):
                continue
            await self._transaction.lock(table, row.planned.ordinal)
            present: PaymentRow = self._transaction.get(table, row.planned.ordinal)
            if is_meant(present):
                changed = change(present)
                self._check(changed)
                self._transaction.write(table, row.planned.ordinal, changed)
                moved.append(present)
        return moved

    def _check(self, row: PaymentRow) -> None:
        """Checks what the CHECKs of the table check."""
        check, planned = self._transaction.check, row.planned
        waits, is_excluded = row.state is PaymentState.WAITING, planned.treatment is Treatment.EXCLUDE
        amounts = (planned.amount_base_units, planned.withheld_base_units, planned.excluded_base_units)
        check(waits == (row.retry_time is not None), "payment: waiting_until")
        check(row.batch_cap is None or row.batch_cap > 0, "payment: batch_cap")
        check(min(*amounts, planned.balance) >= 0, "payment: an amount below zero")
        check(planned.round_number > 0, "payment: round_number")
        check(0 <= planned.withholding_basis_points <= 10_000, "payment: withholding_basis_points")
        check((row.state is PaymentState.EXCLUDED) == is_excluded, "payment: excluded_for_ever")
        is_deferred = row.state is PaymentState.DEFERRED
        check(not is_deferred or planned.treatment is Treatment.DEFER, "payment: deferred_by_the_rules")
        check(0 <= row.moved_base_units <= planned.amount_base_units, "payment: moved_within_the_amount")
        is_disputed = row.state is PaymentState.DISPUTED
        check(is_disputed or row.moved_base_units == 0, "payment: moved_only_while_disputed")
        check(not (any(amounts[:2]) if is_excluded else amounts[2]), "payment: paid_or_excluded")

    def _of(self, payout_id: UUID) -> list[PaymentRow]:
        """Returns payments in the order of the plan."""
        return [row for _, row in sorted(self._transaction.rows(("payment", payout_id)).items())]


_FINAL_BATCH_STATES = frozenset({BatchState.SETTLED, BatchState.REVERTED, BatchState.VOIDED})


def _alike(row: PaymentRow) -> tuple[int, int]:
    """Returns what payments that share a call have in common, as a sort key for sending. No cap comes first."""
    return row.batch_cap or 0, row.planned.withholding_basis_points


def _tried(row: PaymentRow) -> PlannedPayment:
    return replace(row.planned, tries=row.tries) if row.tries else row.planned


def _is_in_flight(row: PaymentRow, batch_number: int) -> bool:
    return row.batch_number == batch_number and row.state is PaymentState.IN_FLIGHT


def _freed(row: PaymentRow, now: datetime) -> PaymentRow:
    """Returns the row put back into the plan. Its tries and its cap stay."""
    return replace(
        row,
        state=PaymentState.PLANNED,
        reason="",
        detail="",
        retry_time=None,
        batch_number=None,
        transaction_hash="",
        update_time=now,
    )


def _concluded(row: PaymentRow, outcome: PaymentOutcome, transaction_hash: str, now: datetime) -> PaymentRow:
    amount = outcome.amount_base_units
    return replace(
        row,
        planned=row.planned if amount is None else replace(row.planned, amount_base_units=amount),
        state=outcome.state,
        reason=outcome.reason.value if outcome.reason else "",
        detail=outcome.detail,
        retry_time=outcome.retry_time,
        transaction_hash=outcome.transaction_hash or transaction_hash,
        moved_base_units=min(
            outcome.moved_base_units, row.planned.amount_base_units if amount is None else amount
        ),
        update_time=now,
    )


def _tally(rows: Iterable[PaymentRow]) -> Tally:
    return sum((tally(1, row.planned.amount_base_units, row.moved_base_units) for row in rows), Tally())


def _tallies(rows: Iterable[PaymentRow]) -> Tallies:
    by_state: dict[PaymentState, list[PaymentRow]] = {}
    for row in rows:
        by_state.setdefault(row.state, []).append(row)
    return {state: _tally(of_state) for state, of_state in by_state.items()}


def _by_number(stored: Iterable[StoredBatch]) -> list[Batch]:
    return sorted((copied(each.batch) for each in stored), key=lambda batch: batch.number)
