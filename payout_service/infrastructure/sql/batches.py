"""Stores batches of payments in PostgreSQL, in bulk."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update

from libs.chain.quantities import BaseUnits
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome, PaymentState, Tally
from payout_service.domain.plan import PlannedPayment
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.payment_statements import (
    FREED,
    PaymentStatements,
    in_flight,
    in_state,
    payment,
    planned_of,
    select_planned,
)

_batch = tables.batch


class SqlBatches(PaymentStatements):
    """Implements the port `Batches`."""

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        # Rows that may share a call stand together in this order, which is that of the index payment_unbatched.
        statement = (
            select_planned(payment.c.batch_cap)
            .where(payment.c.payout_id == payout_id, in_state(PaymentState.PLANNED))
            .order_by(payment.c.batch_cap.nulls_first(), payment.c.withholding_basis_points, payment.c.ordinal)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).all()
        if not rows:
            return []
        cap, rate = rows[0].batch_cap, rows[0].withholding_basis_points
        alike = [row for row in rows if (row.batch_cap, row.withholding_basis_points) == (cap, rate)]
        return [planned_of(row, row.tries) for row in alike[:cap]]

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        await self._connection.execute(
            insert(_batch).values(
                payout_id=payout_id,
                number=batch.number,
                holder_count=batch.holder_count,
                amount_base_units=batch.amount_base_units,
                intent_key=batch.intent_key,
                create_time=batch.create_time,
                update_time=batch.create_time,
            )
        )
        result = await self._connection.execute(
            update(payment)
            .where(
                payment.c.payout_id == payout_id,
                payment.c.ordinal.in_([payee.ordinal for payee in payees]),
                payment.c.state == PaymentState.PLANNED.value,
            )
            .values(
                state=PaymentState.IN_FLIGHT.value,
                batch_number=batch.number,
                tries=payment.c.tries + 1,
                update_time=batch.create_time,
            )
        )
        if result.rowcount != len(payees):
            raise RuntimeError(f"batch {batch.number} of {payout_id}: a payee is not free any more")

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        statement = (
            select(_batch)
            .where(_batch.c.payout_id == payout_id, _batch.c.settled_state.is_(None))
            .order_by(_batch.c.number)
        )
        return [_batch_of(row) for row in await self._connection.execute(statement)]

    async def settled_batches(self, payout_id: UUID, *, after: int, limit: int) -> list[Batch]:
        statement = (
            select(_batch)
            .where(
                _batch.c.payout_id == payout_id,
                _batch.c.settled_state == BatchState.SETTLED.value,
                _batch.c.number > after,
            )
            .order_by(_batch.c.number)
            .limit(limit)
        )
        return [_batch_of(row) for row in await self._connection.execute(statement)]

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        statement = (
            select_planned()
            .where(payment.c.payout_id == payout_id, payment.c.batch_number == batch_number)
            .order_by(payment.c.ordinal)
        )
        return [planned_of(row, row.tries) for row in await self._connection.execute(statement)]

    async def in_flight_base_units(self, payout_id: UUID) -> BaseUnits:
        statement = select(func.coalesce(func.sum(payment.c.amount_base_units), 0)).where(
            payment.c.payout_id == payout_id, in_state(PaymentState.IN_FLIGHT)
        )
        return BaseUnits(int((await self._connection.execute(statement)).scalar_one()))

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        holder_count = await self._settle(payout_id, batch_number, state, now)
        settled = await self._conclude(in_flight(payout_id, batch_number), outcomes, transaction_hash, now)
        if not settled == len(outcomes) == holder_count:
            raise RuntimeError(f"batch {batch_number} of {payout_id}: not every payee was in flight")

    async def return_to_plan(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        *,
        batch_cap: int | None,
        now: datetime,
        was_a_try: bool,
    ) -> Tally:
        await self._settle(payout_id, batch_number, state, now)
        values = {**FREED, "update_time": now}
        if batch_cap is not None:
            values["batch_cap"] = batch_cap
        if not was_a_try:
            values["tries"] = payment.c.tries - 1
        return await self._move(update(payment).where(in_flight(payout_id, batch_number)).values(values))

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        await self._settle(payout_id, batch_number, state, now)
        return await self._move(
            update(payment)
            .where(in_flight(payout_id, batch_number))
            .values(state=PaymentState.CANCELLED.value, update_time=now)
        )

    async def _settle(self, payout_id: UUID, number: int, state: BatchState, now: datetime) -> int:
        """Ends an open batch and returns how many payees it has. Raises RuntimeError when it has ended before."""
        statement = (
            update(_batch)
            .where(_batch.c.payout_id == payout_id, _batch.c.number == number, _batch.c.settled_state.is_(None))
            .values(settled_state=state.value, update_time=now)
            .returning(_batch.c.holder_count)
        )
        holder_count = (await self._connection.execute(statement)).scalar_one_or_none()
        if holder_count is None:
            raise RuntimeError(f"batch {number} of {payout_id} is not open")
        return int(holder_count)


def _batch_of(row: Row[Any]) -> Batch:
    settled_state = BatchState(row.settled_state) if row.settled_state else None
    return Batch(
        number=row.number,
        holder_count=row.holder_count,
        amount_base_units=row.amount_base_units,
        intent_key=row.intent_key,
        create_time=row.create_time,
        settled_state=settled_state,
    )
