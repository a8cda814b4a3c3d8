"""Reads for answers: payouts, batches and payments, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.errors import AppError, Reason
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import Payout
from payout_service.domain.transaction import IntentState
from payout_service.infrastructure import tables
from payout_service.infrastructure.payout_repository import payout_of

_payout, _batch, _payment = tables.payout, tables.batch, tables.payment
_intent, _attempt = tables.transaction_intent, tables.transaction_attempt


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch with its transaction's figures."""

    number: int
    state: BatchState
    holder_count: int
    amount_base_units: int
    transaction_hash: str
    nonce: int | None
    gas_limit: int
    gas_used: int
    block_number: int
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with the transaction that paid it or tries to."""

    ordinal: int
    holder: str
    balance: int
    amount_base_units: int
    state: PaymentState
    reason: str
    batch_number: int | None
    transaction_hash: str
    update_time: datetime


class PayoutQueries:
    """Reads outside any unit of work."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def payout(self, payout_id: UUID, field: str) -> Payout:
        """One payout. Raises AppError PAYOUT_NOT_FOUND naming `field`."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(_payout).where(_payout.c.payout_id == payout_id))).one_or_none()
        if row is None:
            raise AppError(Reason.PAYOUT_NOT_FOUND, f"there is no payouts/{payout_id}", field=field)
        return payout_of(row)

    async def payouts(self, asset_id: UUID | None, after: int, limit: int) -> list[tuple[int, Payout]]:
        """Payouts behind a position, oldest first, with their positions."""
        statement = select(_payout).where(_payout.c.position > after).order_by(_payout.c.position).limit(limit)
        if asset_id is not None:
            statement = statement.where(_payout.c.asset_id == asset_id)
        async with self._engine.connect() as connection:
            return [(row.position, payout_of(row)) for row in await connection.execute(statement)]

    async def batches(self, payout_id: UUID, after: int, limit: int) -> list[BatchView]:
        """Batches behind a number."""
        # Any attempt may be the one that is mined; before that is known, the newest is shown.
        newest = (
            select(_attempt.c.transaction_hash)
            .where(_attempt.c.intent_id == _intent.c.intent_id)
            .order_by(_attempt.c.number.desc())
            .limit(1)
            .scalar_subquery()
        )
        statement = (
            select(
                _batch,
                _intent.c.state.label("intent_state"),
                _intent.c.nonce,
                _intent.c.gas_limit,
                func.coalesce(_intent.c.outcome_gas_used, 0).label("gas_used"),
                func.coalesce(_intent.c.outcome_block_number, 0).label("block_number"),
                func.coalesce(_intent.c.outcome_transaction_hash, newest, "").label("transaction_hash"),
            )
            .join(_intent, _intent.c.key == _batch.c.intent_key)
            .where(_batch.c.payout_id == payout_id, _batch.c.number > after)
            .order_by(_batch.c.number)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [
                BatchView(
                    number=row.number,
                    state=_batch_state(row.settled_state, IntentState(row.intent_state)),
                    holder_count=row.holder_count,
                    amount_base_units=row.amount_base_units,
                    transaction_hash=row.transaction_hash,
                    nonce=row.nonce,
                    gas_limit=row.gas_limit,
                    gas_used=row.gas_used,
                    block_number=row.block_number,
                    create_time=row.create_time,
                    update_time=row.update_time,
                )
                for row in await connection.execute(statement)
            ]

    async def payments(self, payout_id: UUID, after: int, limit: int) -> Sequence[PaymentView]:
        """Payments whose 1-based place is behind `after`, in the order of the snapshot's list."""
        statement = (
            select(_payment)
            .where(_payment.c.payout_id == payout_id, _payment.c.ordinal >= after)
            .order_by(_payment.c.ordinal)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [
                PaymentView(
                    ordinal=row.ordinal,
                    holder=row.holder,
                    balance=row.balance,
                    amount_base_units=row.amount_base_units,
                    state=PaymentState(row.state),
                    reason=row.reason,
                    batch_number=row.batch_number,
                    transaction_hash=row.transaction_hash,
                    update_time=row.update_time,
                )
                for row in await connection.execute(statement)
            ]


def _batch_state(settled_state: str | None, intent_state: IntentState) -> BatchState:
    if settled_state is not None:
        return BatchState(settled_state)
    return BatchState.PLANNED if intent_state is IntentState.CREATED else BatchState.IN_FLIGHT
