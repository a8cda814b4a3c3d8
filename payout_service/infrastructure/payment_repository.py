"""Payments and batches in PostgreSQL, in bulk."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from libs.persistence.columns import BaseUnits
from payout_service.application.ports import RecordedState, WaitingPayment
from payout_service.domain.payments import (
    RETRIABLE_REASONS,
    Batch,
    BatchState,
    FailureReason,
    PaymentOutcome,
    PaymentState,
    Tallies,
    Tally,
)
from payout_service.domain.plan import PlannedPayment
from payout_service.infrastructure import tables

_payment = tables.payment
_batch = tables.batch
_STREAM_ROWS = 1000
# Back in the plan; tries and cap stay.
_FREED: dict[str, Any] = {
    "state": PaymentState.PLANNED.value,
    "reason": "",
    "detail": "",
    "retry_time": None,
    "batch_number": None,
    "transaction_hash": "",
}


class SqlPaymentRepository:
    """See PaymentRepository."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        """See PaymentRepository."""
        # One statement for the page: arrays in, rows out.
        rows = (
            func.unnest(
                bindparam("ordinals", type_=ARRAY(BigInteger)),
                bindparam("holders", type_=ARRAY(Text)),
                bindparam("balances", type_=ARRAY(BaseUnits)),
                bindparam("amounts", type_=ARRAY(BaseUnits)),
            )
            .table_valued(
                column("ordinal", BigInteger),
                column("holder", Text),
                column("balance", BaseUnits),
                column("amount", BaseUnits),
            )
            .render_derived()
        )
        source = select(
            literal(payout_id),
            rows.c.ordinal,
            rows.c.holder,
            rows.c.balance,
            rows.c.amount,
            case((rows.c.amount == 0, PaymentState.ZERO_DUE.value), else_=PaymentState.PLANNED.value),
            literal(""),
            literal(""),
            literal(0),
            literal(""),
            literal(now),
        )
        columns = [
            "payout_id",
            "ordinal",
            "holder",
            "balance",
            "amount_base_units",
            "state",
            "reason",
            "detail",
            "tries",
            "transaction_hash",
            "update_time",
        ]
        await self._connection.execute(
            insert(_payment).from_select(columns, source),
            {
                "ordinals": [each.ordinal for each in payments],
                "holders": [each.holder for each in payments],
                "balances": [each.balance for each in payments],
                "amounts": [each.amount_base_units for each in payments],
            },
        )

    async def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        """See PaymentRepository."""
        statement = _planned_columns().where(_payment.c.payout_id == payout_id).order_by(_payment.c.ordinal)
        result = await self._connection.stream(statement, execution_options={"yield_per": _STREAM_ROWS})
        async for row in result:
            yield PlannedPayment(row.ordinal, row.holder, row.balance, row.amount_base_units)

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """See PaymentRepository."""
        # Rows with the same cap stand together in this order, which is that of the index payment_unbatched.
        statement = (
            _planned_columns(_payment.c.batch_cap)
            .where(_payment.c.payout_id == payout_id, _is(PaymentState.PLANNED))
            .order_by(_payment.c.batch_cap.nulls_first(), _payment.c.ordinal)
            .limit(limit)
        )
        rows = (await self._connection.execute(statement)).all()
        if not rows:
            return []
        cap = rows[0].batch_cap
        return [_planned(row) for row in rows if row.batch_cap == cap][:cap]

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        """See PaymentRepository."""
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
            update(_payment)
            .where(
                _payment.c.payout_id == payout_id,
                _payment.c.ordinal.in_([payee.ordinal for payee in payees]),
                _payment.c.state == PaymentState.PLANNED.value,
            )
            .values(
                state=PaymentState.IN_FLIGHT.value,
                batch_number=batch.number,
                tries=_payment.c.tries + 1,
                update_time=batch.create_time,
            )
        )
        if result.rowcount != len(payees):
            raise RuntimeError(f"batch {batch.number} of {payout_id}: a payee is not free any more")

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        """See PaymentRepository."""
        statement = (
            select(_batch)
            .where(_batch.c.payout_id == payout_id, _batch.c.settled_state.is_(None))
            .order_by(_batch.c.number)
        )
        return [_batch_of(row) for row in await self._connection.execute(statement)]

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        """See PaymentRepository."""
        statement = (
            _planned_columns()
            .where(_payment.c.payout_id == payout_id, _payment.c.batch_number == batch_number)
            .order_by(_payment.c.ordinal)
        )
        return [_planned(row) for row in await self._connection.execute(statement)]

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        """See PaymentRepository."""
        holder_count = await self._settle(payout_id, batch_number, state, now)
        settled = await self._conclude(
            payout_id, _is_in_flight(payout_id, batch_number), outcomes, transaction_hash, now
        )
        if not settled == len(outcomes) == holder_count:
            raise RuntimeError(f"batch {batch_number} of {payout_id}: not every payee was in flight")

    async def return_to_plan(
        self, payout_id: UUID, batch_number: int, state: BatchState, batch_cap: int | None, now: datetime
    ) -> Tally:
        """See PaymentRepository."""
        await self._settle(payout_id, batch_number, state, now)
        values = {**_FREED, "update_time": now}
        if batch_cap is not None:
            values["batch_cap"] = batch_cap
        if state is BatchState.VOIDED:
            values["tries"] = _payment.c.tries - 1
        return await self._move(update(_payment).where(_is_in_flight(payout_id, batch_number)).values(values))

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        """See PaymentRepository."""
        await self._settle(payout_id, batch_number, state, now)
        return await self._move(
            update(_payment)
            .where(_is_in_flight(payout_id, batch_number))
            .values(state=PaymentState.CANCELLED.value, update_time=now)
        )

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        """See PaymentRepository. Raises RuntimeError if one of the payees is not PLANNED any more."""
        is_free = and_(_payment.c.payout_id == payout_id, _is(PaymentState.PLANNED))
        held = await self._conclude(payout_id, is_free, outcomes, "", now, tries=_payment.c.tries + 1)
        if held != len(outcomes):
            raise RuntimeError(f"payout {payout_id}: a payee to hold back is not free any more")

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        """See PaymentRepository."""
        statement = (
            select(_payment.c.ordinal, _payment.c.holder, _payment.c.amount_base_units, _payment.c.reason)
            .where(_payment.c.payout_id == payout_id, _is(PaymentState.WAITING), _payment.c.retry_time <= now)
            .order_by(_payment.c.ordinal)
            .limit(limit)
        )
        return [
            WaitingPayment(
                row.ordinal,
                row.holder,
                row.amount_base_units,
                is_unfunded=row.reason == FailureReason.UNFUNDED.value,
            )
            for row in await self._connection.execute(statement)
        ]

    async def next_retry_time(self, payout_id: UUID) -> datetime | None:
        """See PaymentRepository."""
        statement = select(func.min(_payment.c.retry_time)).where(
            _payment.c.payout_id == payout_id, _is(PaymentState.WAITING)
        )
        found: datetime | None = (await self._connection.execute(statement)).scalar_one()
        return found

    async def in_flight_base_units(self, payout_id: UUID) -> int:
        """See PaymentRepository."""
        statement = select(func.coalesce(func.sum(_payment.c.amount_base_units), 0)).where(
            _payment.c.payout_id == payout_id, _is(PaymentState.IN_FLIGHT)
        )
        return int((await self._connection.execute(statement)).scalar_one())

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """See PaymentRepository."""
        return await self._move(
            update(_payment)
            .where(
                _payment.c.payout_id == payout_id,
                _payment.c.ordinal == func.any(literal(list(ordinals), ARRAY(BigInteger))),
                _is(PaymentState.WAITING),
            )
            .values(**_FREED, update_time=now)
        )

    async def retry(self, payout_id: UUID, holders: Sequence[str] | None, now: datetime) -> Tallies:
        """See PaymentRepository."""
        is_meant = _IS_RETRIABLE
        if holders is not None:
            is_meant = and_(is_meant, _is_one_of(holders))
        return await self._move_by_state(payout_id, is_meant, {**_FREED, "tries": 0, "update_time": now})

    async def not_retriable(self, payout_id: UUID, holders: Sequence[str]) -> list[str]:
        """See PaymentRepository."""
        statement = select(_payment.c.holder).where(
            _payment.c.payout_id == payout_id, _is_one_of(holders), _IS_RETRIABLE
        )
        retriable = set((await self._connection.execute(statement)).scalars())
        return [each for each in holders if each not in retriable]

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        """See PaymentRepository."""
        is_unsent = _is(PaymentState.PLANNED, PaymentState.WAITING, PaymentState.FAILED)
        values = {"state": PaymentState.CANCELLED.value, "retry_time": None, "update_time": now}
        return await self._move_by_state(payout_id, is_unsent, values)

    async def tallies(self, payout_id: UUID) -> Tallies:
        """See PaymentRepository."""
        statement = (
            select(_payment.c.state, *_sums(_payment.c.amount_base_units))
            .where(_payment.c.payout_id == payout_id)
            .group_by(_payment.c.state)
        )
        return _tallies((await self._connection.execute(statement)).all())

    async def settled_batches(self, payout_id: UUID, after: int, limit: int) -> list[Batch]:
        """See PaymentRepository."""
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

    async def recorded_payments(self, payout_id: UUID, after: int, limit: int) -> list[RecordedState]:
        """See PaymentRepository."""
        statement = (
            select(
                _payment.c.ordinal,
                _payment.c.holder,
                _payment.c.amount_base_units,
                _payment.c.state,
                _payment.c.batch_number,
                _payment.c.transaction_hash,
            )
            # Places count from 1, ordinals from 0.
            .where(_payment.c.payout_id == payout_id, _payment.c.ordinal >= after)
            .order_by(_payment.c.ordinal)
            .limit(limit)
        )
        return [
            RecordedState(
                row.ordinal,
                row.holder,
                row.amount_base_units,
                PaymentState(row.state),
                row.batch_number,
                row.transaction_hash,
            )
            for row in await self._connection.execute(statement)
        ]

    async def _settle(self, payout_id: UUID, number: int, state: BatchState, now: datetime) -> int:
        """Ends an open batch; returns how many payees it has. Raises RuntimeError when it has ended before."""
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

    async def _conclude(
        self,
        payout_id: UUID,
        is_meant: ColumnElement[bool],
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
        **values: object,
    ) -> int:
        """Writes the outcomes to their payees, one statement for all. Returns how many there were."""
        columns: dict[str, tuple[TypeEngine[Any], list[Any]]] = {
            "holder": (Text(), [each.holder for each in outcomes]),
            "state": (Text(), [each.state.value for each in outcomes]),
            "reason": (Text(), [each.reason.value if each.reason else "" for each in outcomes]),
            "detail": (Text(), [each.detail for each in outcomes]),
            "retry_time": (DateTime(timezone=True), [each.retry_time for each in outcomes]),
            "transaction_hash": (Text(), [each.transaction_hash or transaction_hash for each in outcomes]),
        }
        concluded = (
            func.unnest(*(literal(array, ARRAY(item_type)) for item_type, array in columns.values()))
            .table_valued(*(column(name, item_type) for name, (item_type, _) in columns.items()))
            .render_derived()
        )
        result = await self._connection.execute(
            update(_payment)
            .where(is_meant, _payment.c.holder == concluded.c.holder)
            .values(
                state=concluded.c.state,
                reason=concluded.c.reason,
                detail=concluded.c.detail,
                retry_time=concluded.c.retry_time,
                transaction_hash=concluded.c.transaction_hash,
                update_time=now,
                **values,
            )
        )
        return result.rowcount

    async def _move(self, statement: Update) -> Tally:
        """Carries out an update and sums what it changed, in the database."""
        moved = statement.returning(_payment.c.amount_base_units).cte("moved")
        sums = select(func.count(), func.coalesce(func.sum(moved.c.amount_base_units), 0))
        count, amount = (await self._connection.execute(sums)).one()
        return Tally(count, int(amount))

    async def _move_by_state(
        self, payout_id: UUID, is_meant: ColumnElement[bool], values: dict[str, Any]
    ) -> Tallies:
        """Updates payments and sums what was changed by the states that it left."""
        meant = (
            select(_payment.c.ordinal, _payment.c.state)
            .where(_payment.c.payout_id == payout_id, is_meant)
            .with_for_update(key_share=True)
            .cte("meant")
        )
        moved = (
            update(_payment)
            .where(_payment.c.payout_id == payout_id, _payment.c.ordinal == meant.c.ordinal)
            .values(values)
            .returning(meant.c.state, _payment.c.amount_base_units)
            .cte("moved")
        )
        sums = select(moved.c.state, *_sums(moved.c.amount_base_units)).group_by(moved.c.state)
        return _tallies((await self._connection.execute(sums)).all())


def _is(*states: PaymentState) -> ColumnElement[bool]:
    """In one of the states. Written out, not bound: only so the partial indexes can be used in every plan."""
    values = [literal(state.value, literal_execute=True) for state in states]
    return or_(*(_payment.c.state == value for value in values))


_IS_RETRIABLE = or_(
    _is(PaymentState.WAITING),
    and_(
        _is(PaymentState.FAILED),
        _payment.c.reason.in_(sorted(reason.value for reason in RETRIABLE_REASONS)),
    ),
)


def _is_in_flight(payout_id: UUID, batch_number: int) -> ColumnElement[bool]:
    return and_(
        _payment.c.payout_id == payout_id,
        _payment.c.batch_number == batch_number,
        _is(PaymentState.IN_FLIGHT),
    )


def _is_one_of(holders: Sequence[str]) -> ColumnElement[bool]:
    return _payment.c.holder == func.any(literal(list(holders), ARRAY(Text)))


def _planned_columns(*more: ColumnElement[Any]) -> Select[Any]:
    columns = _payment.c
    return select(
        columns.ordinal, columns.holder, columns.balance, columns.amount_base_units, columns.tries, *more
    )


def _planned(row: Row[Any]) -> PlannedPayment:
    return PlannedPayment(row.ordinal, row.holder, row.balance, row.amount_base_units, row.tries)


def _batch_of(row: Row[Any]) -> Batch:
    settled_state = BatchState(row.settled_state) if row.settled_state else None
    return Batch(
        row.number, row.holder_count, row.amount_base_units, row.intent_key, row.create_time, settled_state
    )


def _sums(amount: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    return func.count().label("payment_count"), func.sum(amount).label("base_units")


def _tallies(rows: Sequence[Row[Any]]) -> Tallies:
    return {PaymentState(row.state): Tally(row.payment_count, int(row.base_units)) for row in rows}
