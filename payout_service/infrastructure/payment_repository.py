"""Payments and batches in PostgreSQL, in bulk."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Row,
    Select,
    Text,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.persistence.columns import BaseUnits
from payout_service.domain.payments import Batch, BatchState, FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.plan import PlannedPayment
from payout_service.infrastructure import tables

_payment = tables.payment
_batch = tables.batch
_STREAM_ROWS = 1000


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
            yield _planned(row)

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """See PaymentRepository."""
        statement = (
            _planned_columns()
            .where(_payment.c.payout_id == payout_id, _payment.c.state == PaymentState.PLANNED.value)
            .order_by(_payment.c.ordinal)
            .limit(limit)
        )
        return [_planned(row) for row in await self._connection.execute(statement)]

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
        return [
            Batch(row.number, row.holder_count, row.amount_base_units, row.intent_key, row.create_time)
            for row in await self._connection.execute(statement)
        ]

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
        await self._connection.execute(
            update(_batch)
            .where(_batch.c.payout_id == payout_id, _batch.c.number == batch_number)
            .values(settled_state=state.value, update_time=now)
        )
        if not outcomes:
            return
        settled = (
            func.unnest(
                bindparam("holders", type_=ARRAY(Text)),
                bindparam("states", type_=ARRAY(Text)),
                bindparam("reasons", type_=ARRAY(Text)),
            )
            .table_valued(column("holder", Text), column("state", Text), column("reason", Text))
            .render_derived()
        )
        result = await self._connection.execute(
            update(_payment)
            .where(
                _payment.c.payout_id == payout_id,
                _payment.c.batch_number == batch_number,
                _payment.c.state == PaymentState.IN_FLIGHT.value,
                _payment.c.holder == settled.c.holder,
            )
            .values(
                state=settled.c.state,
                reason=settled.c.reason,
                transaction_hash=transaction_hash,
                update_time=now,
            ),
            {
                "holders": [each.holder for each in outcomes],
                "states": [each.state.value for each in outcomes],
                "reasons": [each.reason.value if each.reason else "" for each in outcomes],
            },
        )
        if result.rowcount != len(outcomes):
            raise RuntimeError(f"batch {batch_number} of {payout_id}: not every payee was in flight")

    async def return_to_plan(
        self, payout_id: UUID, batch_number: int, transaction_hash: str, max_tries: int, now: datetime
    ) -> tuple[int, int]:
        """See PaymentRepository."""
        is_spent = _payment.c.tries >= max_tries
        result = await self._connection.execute(
            update(_payment)
            .where(
                _payment.c.payout_id == payout_id,
                _payment.c.batch_number == batch_number,
                _payment.c.state == PaymentState.IN_FLIGHT.value,
            )
            .values(
                state=case((is_spent, PaymentState.FAILED.value), else_=PaymentState.PLANNED.value),
                reason=case((is_spent, FailureReason.BATCH_REVERTED.value), else_=""),
                batch_number=case((is_spent, _payment.c.batch_number), else_=None),
                transaction_hash=case((is_spent, transaction_hash), else_=""),
                update_time=now,
            )
            .returning(_payment.c.state)
        )
        states = [row.state for row in result]
        failed = states.count(PaymentState.FAILED.value)
        return len(states) - failed, failed

    async def open_sums(self, payout_id: UUID) -> tuple[int, int]:
        """See PaymentRepository."""
        to_be_made = _payment.c.state.in_([PaymentState.PLANNED.value, PaymentState.IN_FLIGHT.value])
        is_owed = _payment.c.state.in_([PaymentState.FAILED.value, PaymentState.DISPUTED.value])
        statement = select(
            func.count().filter(to_be_made),
            func.coalesce(func.sum(_payment.c.amount_base_units).filter(is_owed), 0),
        ).where(_payment.c.payout_id == payout_id)
        count, owed = (await self._connection.execute(statement)).one()
        return int(count), int(owed)


def _planned_columns() -> Select[Any]:
    return select(_payment.c.ordinal, _payment.c.holder, _payment.c.balance, _payment.c.amount_base_units)


def _planned(row: Row[Any]) -> PlannedPayment:
    return PlannedPayment(row.ordinal, row.holder, row.balance, row.amount_base_units)
