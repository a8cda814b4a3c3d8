"""Reads assets from PostgreSQL for answers to callers."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asset_service.application.ports import AssetField, AssetTerm, AssetView
from asset_service.domain.asset import AssetState
from asset_service.infrastructure.rows import read_asset, read_register
from asset_service.infrastructure.snapshot import open_snapshot
from asset_service.infrastructure.tables import assets, registers
from libs.chain.address import EvmAddress

# `update_time` stands in both tables; the register's columns come under names of their own.
_REGISTER_PREFIX = "register_"
_REGISTER_COLUMNS = [column.label(_REGISTER_PREFIX + column.name) for column in registers.c]


class SqlAssetReader:
    """Implements the port AssetReader. Each answer comes from one snapshot of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def asset(self, asset_id: UUID) -> AssetView | None:
        async with open_snapshot(self._engine) as connection:
            views = await _views(connection, _SELECT_VIEWS.where(assets.c.asset_id == asset_id))
        return views[0] if views else None

    async def assets(self, terms: Sequence[AssetTerm], after_list_position: int, limit: int) -> list[AssetView]:
        statement = (
            _SELECT_VIEWS.where(assets.c.list_position > after_list_position)
            .where(*(_FILTER_COLUMNS[term.field] == term.value for term in terms))
            .order_by(assets.c.list_position)
            .limit(limit)
        )
        async with open_snapshot(self._engine) as connection:
            return await _views(connection, statement)

    async def asset_of_token(self, chain_id: int, token: EvmAddress) -> UUID | None:
        """A unique index makes sure that there is at most one."""
        statement = select(assets.c.asset_id).where(
            assets.c.chain_id == chain_id,
            assets.c.token == token.value,
            assets.c.state != AssetState.FAILED.value,
        )
        async with open_snapshot(self._engine) as connection:
            asset_id: UUID | None = (await connection.execute(statement)).scalar_one_or_none()
        return asset_id


# All that a filter can name.
_FILTER_COLUMNS: Mapping[AssetField, Column[Any]] = {
    AssetField.STATE: assets.c.state,
    AssetField.SECURITY_TYPE: assets.c.security_type,
    AssetField.SYNC_STATE: assets.c.sync_state,
    AssetField.PAUSE_STATE: assets.c.pause_state,
    AssetField.SYMBOL: assets.c.symbol,
    AssetField.ISIN: assets.c.isin,
    AssetField.TOKEN: assets.c.token,
}
_SELECT_VIEWS: Select[Any] = select(assets, *_REGISTER_COLUMNS).join_from(
    assets, registers, registers.c.asset_id == assets.c.asset_id
)


async def _views(connection: AsyncConnection, statement: Select[Any]) -> list[AssetView]:
    return [_view(row) for row in await connection.execute(statement)]


def _view(row: Row[Any]) -> AssetView:
    return AssetView(read_asset(row), read_register(row, _REGISTER_PREFIX), row.list_position)
