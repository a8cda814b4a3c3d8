"""Reads payouts, batches, payments, sweeps and discrepancies from PostgreSQL for answers, page by page."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.chain.quantities import Nonce
from libs.errors import AppError, Reason
from payout_service.application.ports.reads import AttemptView, BatchView, PaymentView
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import Payout
from payout_service.domain.sweep import Sweep
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.discrepancies import discrepancy_of
from payout_service.infrastructure.sql.payouts import payout_of
from payout_service.infrastructure.sql.sweeps import sweep_of

_payout, _batch, _payment = tables.payout, tables.batch, tables.payment
_intent, _attempt = tables.transaction_intent, tables.transaction_attempt
_sweep, _discrepancy = tables.sweep, tables.discrepancy
_EXPORT_PAGE_ROWS = 1000


class SqlPayoutReads:
    """Implements the port `PayoutReads`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def payout(self, payout_id: UUID, field: str) -> Payout:
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(_payout).where(_payout.c.payout_id == payout_id))).one_or_none()
        if row is None:
            raise AppError(Reason.PAYOUT_NOT_FOUND, f"there is no payouts/{payout_id}", field=field)
        return payout_of(row)

    async def payouts(self, asset_id: UUID | None, *, after: int, limit: int) -> list[tuple[int, Payout]]:
        statement = select(_payout).where(_payout.c.position > after).order_by(_payout.c.position).limit(limit)
        if asset_id is not None:
            statement = statement.where(_payout.c.asset_id == asset_id)
        async with self._engine.connect() as connection:
            return [(row.position, payout_of(row)) for row in await connection.execute(statement)]

    async def batches(self, payout_id: UUID, *, after: int, limit: int) -> list[BatchView]:
        statement = (
            select(
                _batch,
                _intent.c.intent_id,
                _intent.c.signer,
                func.coalesce(func.nullif(_intent.c.problem, ""), _intent.c.void_reason).label("problem"),
                _intent.c.nonce,
                _intent.c.gas_limit,
                func.coalesce(_intent.c.outcome_gas_used, 0).label("gas_used"),
                func.coalesce(_intent.c.outcome_block_number, 0).label("block_number"),
                _intent.c.outcome_transaction_hash,
            )
            .join(_intent, _intent.c.key == _batch.c.intent_key)
            .where(_batch.c.payout_id == payout_id, _batch.c.number > after)
            .order_by(_batch.c.number)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
            attempts = await _attempts(connection, [row.intent_id for row in rows])
        return [
            BatchView(
                number=row.number,
                state=_batch_state(row.settled_state, row.nonce),
                holder_count=row.holder_count,
                amount_base_units=row.amount_base_units,
                transaction_hash=_present_hash(row.outcome_transaction_hash, attempts[row.intent_id]),
                nonce=row.nonce,
                gas_limit=row.gas_limit,
                gas_used=row.gas_used,
                block_number=row.block_number,
                signer=row.signer,
                problem=row.problem,
                attempts=tuple(attempts[row.intent_id]),
                create_time=row.create_time,
                update_time=row.update_time,
            )
            for row in rows
        ]

    async def payments(self, payout_id: UUID, *, after: int, limit: int) -> Sequence[PaymentView]:
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
                    detail=row.detail,
                    tries=row.tries,
                    retry_time=row.retry_time,
                    batch_number=row.batch_number,
                    transaction_hash=row.transaction_hash,
                    update_time=row.update_time,
                    withheld_base_units=row.withheld_base_units,
                    excluded_base_units=row.excluded_base_units,
                    withholding_basis_points=row.withholding_basis_points,
                    round_number=row.round_number,
                )
                for row in await connection.execute(statement)
            ]

    async def export_payments(
        self, payout_id: UUID, *, after: int, last: int
    ) -> AsyncIterator[Sequence[PaymentView]]:
        """Between two pages no connection is held, so a slow reader costs the database nothing."""
        while page := await self.payments(payout_id, after=after, limit=min(last - after, _EXPORT_PAGE_ROWS)):
            yield page
            after = page[-1].ordinal + 1

    async def sweep(self, sweep_id: UUID, field: str) -> Sweep:
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(_sweep).where(_sweep.c.sweep_id == sweep_id))).one_or_none()
        if row is None:
            raise AppError(Reason.SWEEP_NOT_FOUND, f"there is no sweeps/{sweep_id}", field=field)
        return sweep_of(row)

    async def sweeps(self, asset_id: UUID | None, *, after: int, limit: int) -> list[tuple[int, Sweep]]:
        statement = select(_sweep).where(_sweep.c.position > after).order_by(_sweep.c.position).limit(limit)
        if asset_id is not None:
            statement = statement.where(_sweep.c.asset_id == asset_id)
        async with self._engine.connect() as connection:
            return [(row.position, sweep_of(row)) for row in await connection.execute(statement)]

    async def discrepancies(
        self, payout_id: UUID | None, *, include_resolved: bool, after: int, limit: int
    ) -> list[tuple[int, Discrepancy]]:
        statement = (
            select(_discrepancy)
            .where(_discrepancy.c.position > after)
            .order_by(_discrepancy.c.position)
            .limit(limit)
        )
        if payout_id is not None:
            statement = statement.where(_discrepancy.c.payout_id == payout_id)
        if not include_resolved:
            statement = statement.where(_discrepancy.c.resolve_time.is_(None))
        async with self._engine.connect() as connection:
            return [(row.position, discrepancy_of(row)) for row in await connection.execute(statement)]


async def _attempts(connection: AsyncConnection, intent_ids: Sequence[UUID]) -> dict[UUID, list[AttemptView]]:
    """Returns the attempts by intent, oldest first."""
    by_intent: dict[UUID, list[AttemptView]] = {intent_id: [] for intent_id in intent_ids}
    statement = select(_attempt).where(_attempt.c.intent_id.in_(intent_ids)).order_by(_attempt.c.number)
    for row in await connection.execute(statement):
        by_intent[row.intent_id].append(
            AttemptView(
                transaction_hash=row.transaction_hash,
                max_fee_per_gas_wei=row.max_fee_per_gas_wei,
                is_no_op=row.is_no_op,
                create_time=row.create_time,
                last_broadcast_time=row.last_broadcast_time,
            )
        )
    return by_intent


def _present_hash(outcome_hash: str | None, attempts: Sequence[AttemptView]) -> str:
    """Returns the hash of the mined attempt or, while none is known to be mined, of the newest one."""
    if outcome_hash is not None:
        return outcome_hash
    return attempts[-1].transaction_hash if attempts else ""


def _batch_state(settled_state: str | None, nonce: Nonce | None) -> BatchState:
    if settled_state is not None:
        return BatchState(settled_state)
    return BatchState.PLANNED if nonce is None else BatchState.IN_FLIGHT
