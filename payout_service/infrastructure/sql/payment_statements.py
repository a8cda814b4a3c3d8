"""SQL fragments shared by the payment statements: conditions, columns, arrays as rows, sums of an update."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Row,
    Select,
    TableValuedAlias,
    Text,
    Update,
    and_,
    column,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.persistence.columns import BaseUnitsType
from payout_service.domain.payments import PaymentOutcome, PaymentState, Tallies, Tally
from payout_service.domain.plan import PlannedPayment, Treatment
from payout_service.infrastructure.sql import tables

payment = tables.payment
# Back in the plan; tries and cap stay.
FREED: Mapping[str, Any] = {
    "state": PaymentState.PLANNED.value,
    "reason": "",
    "detail": "",
    "retry_time": None,
    "batch_number": None,
    "transaction_hash": "",
}


class PaymentStatements:
    """The base class of the repositories of payments. Each method updates many payments by one statement."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def _conclude(
        self,
        is_meant: ColumnElement[bool],
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
        **values: object,
    ) -> int:
        """Writes the outcomes to their payees, one statement for all. Returns how many there were."""
        statement = conclusion(is_meant, outcomes, transaction_hash, now).values(**values)
        return (await self._connection.execute(statement)).rowcount

    async def _move(self, statement: Update) -> Tally:
        """Carries out an update and sums what it changed, in the database."""
        changed = statement.returning(payment.c.amount_base_units, payment.c.moved_base_units).cte("changed")
        row = (
            await self._connection.execute(select(*sums(changed.c.amount_base_units, changed.c.moved_base_units)))
        ).one()
        return _tally_of(row)

    async def _move_by_state(
        self, payout_id: UUID, is_meant: ColumnElement[bool], values: Mapping[str, Any]
    ) -> Tallies:
        """Carries out an update and sums what it changed, by the states before the update."""
        meant = locked(payout_id, is_meant)
        changed = (
            update(payment)
            .where(payment.c.payout_id == payout_id, payment.c.ordinal == meant.c.ordinal)
            .values(values)
            .returning(meant.c.state, payment.c.amount_base_units, payment.c.moved_base_units)
            .cte("changed")
        )
        by_state = select(
            changed.c.state, *sums(changed.c.amount_base_units, changed.c.moved_base_units)
        ).group_by(changed.c.state)
        return tallies_of((await self._connection.execute(by_state)).all())


def conclusion(
    is_meant: ColumnElement[bool], outcomes: Sequence[PaymentOutcome], transaction_hash: str, now: datetime
) -> Update:
    """Returns the update that writes outcomes to their payees. An outcome's amount replaces the planned one."""
    concluded = unnested(
        {
            "holder": (Text(), [each.holder for each in outcomes]),
            "state": (Text(), [each.state.value for each in outcomes]),
            "reason": (Text(), [each.reason.value if each.reason else "" for each in outcomes]),
            "detail": (Text(), [each.detail for each in outcomes]),
            "retry_time": (DateTime(timezone=True), [each.retry_time for each in outcomes]),
            "transaction_hash": (Text(), [each.transaction_hash or transaction_hash for each in outcomes]),
            "amount": (BaseUnitsType(), [each.amount_base_units for each in outcomes]),
            "moved": (BaseUnitsType(), [each.moved_base_units for each in outcomes]),
        }
    )
    amount = func.coalesce(concluded.c.amount, payment.c.amount_base_units)
    return (
        update(payment)
        .where(is_meant, payment.c.holder == concluded.c.holder)
        .values(
            state=concluded.c.state,
            reason=concluded.c.reason,
            detail=concluded.c.detail,
            retry_time=concluded.c.retry_time,
            transaction_hash=concluded.c.transaction_hash,
            amount_base_units=amount,
            moved_base_units=func.least(concluded.c.moved, amount),
            update_time=now,
        )
    )


def unnested(columns: Mapping[str, tuple[TypeEngine[Any], Sequence[Any]]]) -> TableValuedAlias:
    """Returns arrays of equal length as rows, with one parameter per column."""
    return (
        func.unnest(*(literal(list(array), ARRAY(item_type)) for item_type, array in columns.values()))
        .table_valued(*(column(name, item_type) for name, (item_type, _) in columns.items()))
        .render_derived()
    )


def locked(payout_id: UUID, is_meant: ColumnElement[bool]) -> CTE:
    """Selects payments as they are before an update and locks their rows: ordinal, holder, state and amount."""
    return (
        select(payment.c.ordinal, payment.c.holder, payment.c.state, payment.c.amount_base_units)
        .where(payment.c.payout_id == payout_id, is_meant)
        .with_for_update(key_share=True)
        .cte("meant")
    )


def in_state(*states: PaymentState) -> ColumnElement[bool]:
    """Returns the condition that a payment is in one of these states.

    They are written out, not bound, as only then all query plans can use the partial indexes.
    """
    values = [literal(state.value, literal_execute=True) for state in states]
    return or_(*(payment.c.state == value for value in values))


def in_flight(payout_id: UUID, batch_number: int) -> ColumnElement[bool]:
    """Returns the condition that a payment is in this batch, which is not settled."""
    return and_(
        payment.c.payout_id == payout_id,
        payment.c.batch_number == batch_number,
        in_state(PaymentState.IN_FLIGHT),
    )


def of_holders(holders: Sequence[HolderAddress]) -> ColumnElement[bool]:
    """Returns the condition that a payment is of one of these holders."""
    return payment.c.holder == func.any(literal(list(holders), ARRAY(Text)))


def select_planned(*more: ColumnElement[Any]) -> Select[Any]:
    """Selects the columns from which `planned_of` reads a row of the plan."""
    columns = payment.c
    return select(
        columns.ordinal,
        columns.holder,
        columns.balance,
        columns.amount_base_units,
        columns.tries,
        columns.withheld_base_units,
        columns.excluded_base_units,
        columns.withholding_basis_points,
        columns.treatment,
        columns.round_number,
        *more,
    )


def planned_of(row: Row[Any], tries: int) -> PlannedPayment:
    """Returns the planned payment of a row."""
    return PlannedPayment(
        ordinal=row.ordinal,
        holder=row.holder,
        balance=row.balance,
        amount_base_units=row.amount_base_units,
        tries=tries,
        withheld_base_units=row.withheld_base_units,
        excluded_base_units=row.excluded_base_units,
        withholding_basis_points=row.withholding_basis_points,
        treatment=Treatment(row.treatment),
        round_number=row.round_number,
    )


def sums(amount: ColumnElement[int], moved: ColumnElement[int]) -> Sequence[ColumnElement[int]]:
    """Returns the columns that `tallies_of` reads besides the state. A sum of no rows is 0."""
    return (
        func.count().label("payment_count"),
        func.coalesce(func.sum(amount), 0).label("base_units"),
        func.coalesce(func.sum(moved), 0).label("moved_base_units"),
    )


def tallies_of(rows: Sequence[Row[Any]]) -> Tallies:
    """Returns the tallies by state. Each row has a state and its sums."""
    return {PaymentState(row.state): _tally_of(row) for row in rows}


def _tally_of(row: Any) -> Tally:
    return Tally(
        row.payment_count,
        amount_base_units=BaseUnits(int(row.base_units)),
        moved_base_units=BaseUnits(int(row.moved_base_units)),
    )
