"""Claims one row that is due, so that replicas share the work.

A claim is a lease, which ends if its holder dies.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection


async def claim_due(
    connection: AsyncConnection,
    table: Table,
    key: Column[UUID],
    is_worked: ColumnElement[bool],
    now: datetime,
    lease_until: datetime,
) -> UUID | None:
    """Leases the row that has been due longest. Returns None when no row is due and free."""
    candidate = (
        select(key)
        .where(
            is_worked,
            table.c.due_time <= now,
            or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
        )
        .order_by(table.c.due_time)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    claimed = (await connection.execute(candidate)).scalar_one_or_none()
    if claimed is not None:
        await connection.execute(update(table).where(key == claimed).values(lease_until=lease_until))
    return claimed
