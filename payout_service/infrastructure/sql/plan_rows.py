"""Stores the rows of plans in PostgreSQL, in bulk."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Text, delete, func, insert, literal, select, update

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.persistence.columns import BaseUnitsType
from payout_service.application.ports.plan_rows import DisputedPayment, RecordedState
from payout_service.domain.payments import OPEN_STATES, FailureReason, PaymentState, Tallies
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.infrastructure.sql.payment_statements import (
    PaymentStatements,
    in_state,
    locked,
    of_holders,
    payment,
    planned_of,
    select_planned,
    sums,
    tallies_of,
    unnested,
)

_STREAM_ROWS = 1000


class SqlPlanRows(PaymentStatements):
    """Implements the port `PlanRows`."""

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        # One statement for the page: arrays in, rows out.
        rows = unnested(
            {
                "ordinal": (BigInteger(), [each.ordinal for each in payments]),
                "holder": (Text(), [each.holder for each in payments]),
                "round_number": (Integer(), [each.round_number for each in payments]),
                "balance": (BaseUnitsType(), [each.balance for each in payments]),
                "amount_base_units": (BaseUnitsType(), [each.amount_base_units for each in payments]),
                "withheld_base_units": (BaseUnitsType(), [each.withheld_base_units for each in payments]),
                "excluded_base_units": (BaseUnitsType(), [each.excluded_base_units for each in payments]),
                "withholding_basis_points": (Integer(), [each.withholding_basis_points for each in payments]),
                "treatment": (Text(), [each.treatment.value for each in payments]),
                "state": (Text(), [each.first_state.value for each in payments]),
            }
        )
        same_for_all = {
            "payout_id": literal(payout_id),
            "reason": literal(""),
            "detail": literal(""),
            "tries": literal(0),
            "transaction_hash": literal(""),
            "update_time": literal(now),
        }
        source = select(*rows.c, *same_for_all.values())
        await self._connection.execute(insert(payment).from_select([*rows.c.keys(), *same_for_all], source))

    async def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        statement = select_planned().where(payment.c.payout_id == payout_id).order_by(payment.c.ordinal)
        result = await self._connection.stream(statement, execution_options={"yield_per": _STREAM_ROWS})
        async for row in result:
            yield planned_of(row, tries=0)

    async def drop_rows(self, payout_id: UUID, from_ordinal: int) -> None:
        """Raises RuntimeError if one of the rows has left its first state."""
        dropped = (
            delete(payment)
            .where(payment.c.payout_id == payout_id, payment.c.ordinal >= from_ordinal)
            .returning(payment.c.state)
            .cte("dropped")
        )
        first_states = [PaymentState.PLANNED.value, PaymentState.ZERO_DUE.value]
        moved_on = select(func.count()).select_from(dropped).where(dropped.c.state.not_in(first_states))
        if (await self._connection.execute(moved_on)).scalar_one():
            raise RuntimeError(f"payout {payout_id}: rows from {from_ordinal} on are no longer only planned")

    async def planned_holders(
        self, payout_id: UUID, round_number: int, holders: Sequence[HolderAddress]
    ) -> set[HolderAddress]:
        statement = select(payment.c.holder).where(
            payment.c.payout_id == payout_id, of_holders(holders), payment.c.round_number == round_number
        )
        return set((await self._connection.execute(statement)).scalars())

    async def open_holders(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> set[HolderAddress]:
        statement = select(payment.c.holder).where(
            payment.c.payout_id == payout_id, of_holders(holders), in_state(*sorted(OPEN_STATES))
        )
        return set((await self._connection.execute(statement)).scalars())

    async def reprice(self, payout_id: UUID, entitlements: Sequence[Entitlement], now: datetime) -> BaseUnits:
        priced = unnested(
            {
                "holder": (Text(), [each.holder for each in entitlements]),
                "balance": (BaseUnitsType(), [each.balance for each in entitlements]),
                "amount": (BaseUnitsType(), [each.amount_base_units for each in entitlements]),
            }
        )
        holders = [each.holder for each in entitlements]
        meant = locked(payout_id, in_state(PaymentState.PLANNED) & of_holders(holders))
        repriced = (
            update(payment)
            .where(
                payment.c.payout_id == payout_id,
                payment.c.ordinal == meant.c.ordinal,
                meant.c.holder == priced.c.holder,
            )
            .values(balance=priced.c.balance, amount_base_units=priced.c.amount, update_time=now)
            .returning((payment.c.amount_base_units - meant.c.amount_base_units).label("rise"))
            .cte("repriced")
        )
        rise = select(func.coalesce(func.sum(repriced.c.rise), 0))
        return BaseUnits(int((await self._connection.execute(rise)).scalar_one()))

    async def tallies(self, payout_id: UUID) -> Tallies:
        statement = (
            select(payment.c.state, *sums(payment.c.amount_base_units, payment.c.moved_base_units))
            .where(payment.c.payout_id == payout_id)
            .group_by(payment.c.state)
        )
        return tallies_of((await self._connection.execute(statement)).all())

    async def disputed(self, payout_id: UUID, *, after: int, limit: int) -> list[DisputedPayment]:
        statement = (
            select_planned(
                payment.c.batch_number,
                payment.c.transaction_hash,
                payment.c.reason,
                payment.c.detail,
                payment.c.moved_base_units,
            )
            .where(payment.c.payout_id == payout_id, in_state(PaymentState.DISPUTED), payment.c.ordinal >= after)
            .order_by(payment.c.ordinal)
            .limit(limit)
        )
        return [
            DisputedPayment(
                planned_of(row, row.tries),
                row.batch_number,
                row.transaction_hash,
                FailureReason(row.reason),
                row.detail,
                row.moved_base_units,
            )
            for row in await self._connection.execute(statement)
        ]

    async def of_state(
        self, payout_id: UUID, state: PaymentState, *, after: int, limit: int
    ) -> list[PlannedPayment]:
        statement = (
            select_planned()
            .where(payment.c.payout_id == payout_id, in_state(state), payment.c.ordinal >= after)
            .order_by(payment.c.ordinal)
            .limit(limit)
        )
        return [planned_of(row, row.tries) for row in await self._connection.execute(statement)]

    async def recorded_payments(self, payout_id: UUID, *, after: int, limit: int) -> list[RecordedState]:
        statement = (
            select(
                payment.c.ordinal,
                payment.c.holder,
                payment.c.amount_base_units,
                payment.c.state,
                payment.c.batch_number,
                payment.c.transaction_hash,
                payment.c.balance,
            )
            # Places count from 1, ordinals from 0.
            .where(payment.c.payout_id == payout_id, payment.c.ordinal >= after)
            .order_by(payment.c.ordinal)
            .limit(limit)
        )
        return [
            RecordedState(
                ordinal=row.ordinal,
                holder=row.holder,
                amount_base_units=row.amount_base_units,
                state=PaymentState(row.state),
                batch_number=row.batch_number,
                transaction_hash=row.transaction_hash,
                balance=row.balance,
            )
            for row in await self._connection.execute(statement)
        ]
