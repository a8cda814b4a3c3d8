"""Reads for answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asset_service.application.ports import AssetView, HolderRow, HolderRows
from asset_service.infrastructure.rows import read_asset, read_register
from asset_service.infrastructure.tables import assets, holders, registers

# `update_time` stands in both tables; the register's columns come under names of their own.
_REGISTER_PREFIX = "register_"
_REGISTER_COLUMNS = [column.label(_REGISTER_PREFIX + column.name) for column in registers.c]


class SqlAssetReader:
    """The port AssetReader. One answer is one snapshot of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def asset(self, asset_id: UUID) -> AssetView | None:
        """One asset."""
        async with self._snapshot() as connection:
            views = await _views(connection, _SELECT_VIEWS.where(assets.c.asset_id == asset_id))
        return views[0] if views else None

    async def assets(self, after_list_position: int, limit: int) -> list[AssetView]:
        """Oldest first."""
        statement = (
            _SELECT_VIEWS.where(assets.c.list_position > after_list_position)
            .order_by(assets.c.list_position)
            .limit(limit)
        )
        async with self._snapshot() as connection:
            return await _views(connection, statement)

    async def holders(self, asset_id: UUID, after_address: str, limit: int) -> HolderRows | None:
        """Ordered by address."""
        statement = (
            select(holders.c.address, holders.c.balance, holders.c.changed_at_block)
            .where(holders.c.asset_id == asset_id, holders.c.address > after_address)
            .order_by(holders.c.address)
            .limit(limit)
        )
        async with self._snapshot() as connection:
            of_asset = select(registers).where(registers.c.asset_id == asset_id)
            register = (await connection.execute(of_asset)).one_or_none()
            if register is None:
                return None
            rows = (await connection.execute(statement)).all()
        return HolderRows(read_register(register), tuple(HolderRow(row[0], row[1], row[2]) for row in rows))

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        """All statements see the same moment: rows and the position that they stand for."""
        async with self._engine.connect() as pooled:
            yield await pooled.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


_SELECT_VIEWS: Select[Any] = select(assets, *_REGISTER_COLUMNS).join_from(
    assets, registers, registers.c.asset_id == assets.c.asset_id
)


async def _views(connection: AsyncConnection, statement: Select[Any]) -> list[AssetView]:
    return [_view(row) for row in await connection.execute(statement)]


def _view(row: Row[Any]) -> AssetView:
    return AssetView(read_asset(row), read_register(row, _REGISTER_PREFIX), row.list_position)
