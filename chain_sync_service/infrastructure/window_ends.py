"""Stores the last blocks of recent windows in PostgreSQL, so that a reorg's common ancestor can be found."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.infrastructure.tables import window_end
from libs.chain.quantities import BlockNumber

_FORGET = text(
    """
    DELETE FROM window_end USING (
        SELECT asset_id, block_number,
               row_number() OVER (PARTITION BY asset_id ORDER BY block_number DESC) AS rank
        FROM window_end WHERE asset_id = ANY(CAST(:asset_ids AS uuid[]))
    ) AS ranked
    WHERE window_end.asset_id = ranked.asset_id AND window_end.block_number = ranked.block_number
      AND ranked.rank > :keep
    """
)


class SqlWindowEnds:
    """Keeps the last block of each window in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, asset_ids: Sequence[UUID], end: BlockRef, keep: int) -> None:
        statement = postgresql.insert(window_end)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[window_end.c.asset_id, window_end.c.block_number],
                set_={"block_hash": statement.excluded.block_hash},
            ),
            [{"asset_id": each, "block_number": end.number, "block_hash": end.hash} for each in asset_ids],
        )
        await self._connection.execute(_FORGET, {"asset_ids": list(asset_ids), "keep": keep})

    async def newest_first(self, asset_id: UUID) -> list[BlockRef]:
        rows = await self._connection.execute(
            select(window_end.c.block_number, window_end.c.block_hash)
            .where(window_end.c.asset_id == asset_id)
            .order_by(window_end.c.block_number.desc())
        )
        return [BlockRef(row.block_number, row.block_hash) for row in rows]

    async def remove_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        statement = delete(window_end).where(window_end.c.asset_id == asset_id)
        if block_number is not None:
            statement = statement.where(window_end.c.block_number > block_number)
        await self._connection.execute(statement)
