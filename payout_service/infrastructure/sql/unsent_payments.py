"""Stores payments that are in no batch in PostgreSQL: held back, waiting, failed, deferred, given up."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Numeric,
    Subquery,
    Update,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from libs.chain.quantities import HolderAddress
from payout_service.application.ports.unsent_payments import DeferredPayment, WaitingPayment
from payout_service.domain.payments import (
    RETRIABLE_REASONS,
    FailureReason,
    PaymentOutcome,
    PaymentState,
    Tallies,
    Tally,
)
from payout_service.domain.payout import RELEASING_STATES
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.payment_statements import (
    FREED,
    PaymentStatements,
    conclusion,
    in_state,
    locked,
    of_holders,
    payment,
    sums,
    tallies_of,
)

_payout = tables.payout


class SqlUnsentPayments(PaymentStatements):
    """Implements the port `UnsentPayments`."""

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        """Raises RuntimeError if one of the payees is not PLANNED any more."""
        is_free = and_(payment.c.payout_id == payout_id, in_state(PaymentState.PLANNED))
        held = await self._conclude(is_free, outcomes, "", now, tries=payment.c.tries + 1)
        if held != len(outcomes):
            raise RuntimeError(f"payout {payout_id}: a payee to hold back is not free any more")

    async def conclude(
        self, payout_id: UUID, state: PaymentState, outcomes: Sequence[PaymentOutcome], now: datetime
    ) -> Tallies:
        """Raises RuntimeError if one of the payees is not in this state any more."""
        holders = [each.holder for each in outcomes]
        meant = locked(payout_id, and_(in_state(state), of_holders(holders)))
        is_meant = and_(payment.c.payout_id == payout_id, payment.c.ordinal == meant.c.ordinal)
        settled = (
            conclusion(is_meant, outcomes, "", now)
            .returning(payment.c.state, meant.c.amount_base_units, payment.c.moved_base_units)
            .cte("settled")
        )
        by_state = select(
            settled.c.state, *sums(settled.c.amount_base_units, settled.c.moved_base_units)
        ).group_by(settled.c.state)
        tallies = tallies_of((await self._connection.execute(by_state)).all())
        if sum(each.count for each in tallies.values()) != len(outcomes):
            raise RuntimeError(f"payout {payout_id}: a payee to settle is not {state} any more")
        return tallies

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        statement = (
            select(payment.c.ordinal, payment.c.holder, payment.c.amount_base_units, payment.c.reason)
            .where(payment.c.payout_id == payout_id, in_state(PaymentState.WAITING), payment.c.retry_time <= now)
            .order_by(payment.c.ordinal)
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
        statement = select(func.min(payment.c.retry_time)).where(
            payment.c.payout_id == payout_id, in_state(PaymentState.WAITING)
        )
        found: datetime | None = (await self._connection.execute(statement)).scalar_one()
        return found

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        return await self._move(_freeing(payout_id, ordinals, PaymentState.WAITING, now))

    async def release_deferred(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        return await self._move(_freeing(payout_id, ordinals, PaymentState.DEFERRED, now))

    async def retry(self, payout_id: UUID, holders: Sequence[HolderAddress] | None, now: datetime) -> Tallies:
        is_meant = _CAN_PASS if holders is None else _is_retriable(holders)
        return await self._move_by_state(payout_id, is_meant, {**FREED, "tries": 0, "update_time": now})

    async def not_retriable(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> list[HolderAddress]:
        statement = select(payment.c.holder).where(payment.c.payout_id == payout_id, _is_retriable(holders))
        retriable = set((await self._connection.execute(statement)).scalars())
        return [each for each in holders if each not in retriable]

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        is_unsent = in_state(
            PaymentState.PLANNED, PaymentState.WAITING, PaymentState.FAILED, PaymentState.DEFERRED
        )
        values = {"state": PaymentState.CANCELLED.value, "retry_time": None, "update_time": now}
        return await self._move_by_state(payout_id, is_unsent, values)

    async def deferrals_due(self, asset_id: UUID, limit: int) -> list[DeferredPayment]:
        deferrals = _deferrals(asset_id)
        is_due = deferrals.c.of_holder_base_units >= deferrals.c.minimum_base_units
        due = (
            select(deferrals, func.dense_rank().over(order_by=deferrals.c.holder).label("holder_number"))
            .where(is_due)
            .subquery()
        )
        statement = (
            select(due.c.payout_id, due.c.ordinal)
            .where(due.c.holder_number <= limit)
            .order_by(due.c.holder_number, due.c.position, due.c.ordinal)
        )
        return [DeferredPayment(row.payout_id, row.ordinal) for row in await self._connection.execute(statement)]


_CAN_PASS = or_(
    in_state(PaymentState.WAITING),
    and_(
        in_state(PaymentState.FAILED),
        payment.c.reason.in_(sorted(reason.value for reason in RETRIABLE_REASONS)),
    ),
)


def _is_retriable(holders: Sequence[HolderAddress]) -> ColumnElement[bool]:
    """Returns the condition that a payment can be retried.

    Holders who are named are paid even below the minimum.
    """
    return and_(of_holders(holders), or_(_CAN_PASS, in_state(PaymentState.DEFERRED)))


def _freeing(payout_id: UUID, ordinals: Sequence[int], state: PaymentState, now: datetime) -> Update:
    return (
        update(payment)
        .where(
            payment.c.payout_id == payout_id,
            payment.c.ordinal == func.any(literal(list(ordinals), ARRAY(BigInteger))),
            in_state(state),
        )
        .values(**FREED, update_time=now)
    )


def _deferrals(asset_id: UUID) -> Subquery:
    """Selects every deferral of an asset that counts, with the sum of its holder's deferrals."""
    minimum = cast(_payout.c.rules["minimum_base_units"].astext, Numeric)
    # Materialized: the rules may be long, and are read once for each payout, not for each of its payments.
    releasing = (
        select(_payout.c.payout_id, _payout.c.position, func.coalesce(minimum, 0).label("minimum_base_units"))
        .where(_payout.c.asset_id == asset_id, _payout.c.state.in_(sorted(RELEASING_STATES)))
        .cte("releasing")
        .prefix_with("MATERIALIZED")
    )
    of_holder = func.sum(payment.c.amount_base_units).over(partition_by=payment.c.holder)
    return (
        select(
            releasing,
            payment.c.ordinal,
            payment.c.holder,
            of_holder.label("of_holder_base_units"),
        )
        .join(payment, payment.c.payout_id == releasing.c.payout_id)
        .where(in_state(PaymentState.DEFERRED))
        .subquery()
    )
