"""Stores sweeps (transfers of left-over money to the treasurer) in PostgreSQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.address import EvmAddress
from payout_service.domain.sweep import Sweep, SweepState
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.claims import claim_due

_sweep = tables.sweep
_IS_WORKED = _sweep.c.state == SweepState.SENDING.value


class SqlSweepRepository:
    """Implements the port `SweepRepository`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, sweep: Sweep) -> None:
        await self._connection.execute(
            insert(_sweep).values(
                sweep_id=sweep.sweep_id,
                asset_id=sweep.asset_id,
                receiver=sweep.to.value,
                amount_base_units=sweep.amount_base_units,
                create_time=sweep.create_time,
                due_time=sweep.create_time,
                **_changing_values(sweep),
            )
        )

    async def get(self, sweep_id: UUID) -> Sweep | None:
        statement = select(_sweep).where(_sweep.c.sweep_id == sweep_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return sweep_of(row) if row else None

    async def lock(self, sweep_id: UUID) -> Sweep:
        statement = select(_sweep).where(_sweep.c.sweep_id == sweep_id).with_for_update(key_share=True)
        return sweep_of((await self._connection.execute(statement)).one())

    async def save(self, sweep: Sweep) -> None:
        await self._connection.execute(
            update(_sweep).where(_sweep.c.sweep_id == sweep.sweep_id).values(**_changing_values(sweep))
        )

    async def sending(self, asset_id: UUID) -> list[Sweep]:
        statement = select(_sweep).where(_sweep.c.asset_id == asset_id, _IS_WORKED).order_by(_sweep.c.position)
        return [sweep_of(row) for row in await self._connection.execute(statement)]

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        return await claim_due(self._connection, _sweep, _sweep.c.sweep_id, _IS_WORKED, now, lease_until)

    async def schedule(self, sweep_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            update(_sweep).where(_sweep.c.sweep_id == sweep_id).values(due_time=at, lease_until=None)
        )

    async def wake(self, sweep_id: UUID, now: datetime) -> None:
        await self._connection.execute(update(_sweep).where(_sweep.c.sweep_id == sweep_id).values(due_time=now))


def sweep_of(row: Row[Any]) -> Sweep:
    """Returns the sweep of a row."""
    return Sweep(
        sweep_id=row.sweep_id,
        asset_id=row.asset_id,
        to=EvmAddress(row.receiver),
        amount_base_units=row.amount_base_units,
        create_time=row.create_time,
        update_time=row.update_time,
        state=SweepState(row.state),
        waiting_for=row.waiting_for,
        failure_reason=row.failure_reason,
        transaction_hash=row.transaction_hash,
    )


def _changing_values(sweep: Sweep) -> dict[str, object]:
    return {
        "state": sweep.state.value,
        "waiting_for": sweep.waiting_for,
        "failure_reason": sweep.failure_reason,
        "transaction_hash": sweep.transaction_hash,
        "update_time": sweep.update_time,
    }
