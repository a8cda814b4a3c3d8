"""Stores holdings in PostgreSQL. A handful of statements handles any number of rows."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.application.ports import StaleHolding
from chain_sync_service.domain.holdings import Fold, Holding, HoldingChange
from chain_sync_service.infrastructure.tables import holding, listener
from libs.chain.quantities import BlockNumber

_READ_BALANCE = 1
_READ_PARTS = 2

# All parts of the statement see the rows as they were before it. A holding that would fall below zero is marked,
# not written: the constraint would refuse it, and something is missing from the logs.
_FOLD = text(
    """
    WITH change AS (
        SELECT rows.* FROM unnest(
            CAST(:holders AS text[]), CAST(:deltas AS numeric[]), CAST(:block_numbers AS bigint[])
        ) AS rows (holder, delta, block_number)
    ), outcome AS (
        SELECT change.*, coalesce(held.balance, 0) AS before, coalesce(held.balance, 0) + change.delta AS after,
               coalesce(held.frozen, 0) AS frozen, coalesce(held.locked, 0) AS locked,
               coalesce(held.held, 0) AS held, coalesce(held.cleared, 0) AS cleared,
               coalesce(held.stale, 0) AS stale
        FROM change LEFT JOIN holding AS held ON held.asset_id = :asset_id AND held.holder = change.holder
    ), overdrawn AS (
        INSERT INTO holding
            (asset_id, holder, balance, frozen, locked, held, cleared, stale, must_tell, as_of_block)
        SELECT :asset_id, holder, before, frozen, locked, held, cleared, 2, false, :as_of_block
        FROM outcome WHERE stale = 0 AND after < 0
        ON CONFLICT (asset_id, holder) DO UPDATE SET stale = 2
    ), folded AS (
        INSERT INTO holding
            (asset_id, holder, balance, frozen, locked, held, cleared, stale, must_tell, as_of_block)
        SELECT :asset_id, holder, after, frozen, locked, held, cleared, 0, false, :as_of_block
        FROM outcome WHERE stale = 0 AND after >= 0
        ON CONFLICT (asset_id, holder) DO UPDATE SET balance = EXCLUDED.balance, as_of_block = EXCLUDED.as_of_block
    )
    SELECT holder, before, after, frozen, locked, held, cleared, block_number
    FROM outcome WHERE stale = 0 AND after >= 0 ORDER BY holder
    """
)

_MARK = text(
    """
    WITH wanted AS (SELECT DISTINCT unnest(CAST(:holders AS text[])) AS holder)
    INSERT INTO holding (asset_id, holder, balance, frozen, locked, held, cleared, stale, must_tell, as_of_block)
    SELECT :asset_id, holder, 0, 0, 0, 0, 0, :stale, :must_tell, 0 FROM wanted ORDER BY holder
    ON CONFLICT (asset_id, holder) DO UPDATE
    SET stale = greatest(holding.stale, EXCLUDED.stale), must_tell = holding.must_tell OR EXCLUDED.must_tell
    """
)

_RECORD_READ = text(
    """
    UPDATE holding
    SET balance = rows.balance, frozen = rows.frozen, locked = rows.locked, held = rows.held,
        cleared = rows.cleared, stale = 0, must_tell = false, as_of_block = :as_of_block
    FROM unnest(
        CAST(:holders AS text[]), CAST(:balance AS numeric[]), CAST(:frozen AS numeric[]),
        CAST(:locked AS numeric[]), CAST(:held AS numeric[]), CAST(:cleared AS numeric[])
    ) AS rows (holder, balance, frozen, locked, held, cleared)
    WHERE holding.asset_id = :asset_id AND holding.holder = rows.holder
    """
)
_AMOUNTS = ("balance", "frozen", "locked", "held", "cleared")


class SqlHoldings:
    """Keeps the holdings of listeners in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fold(self, asset_id: UUID, folds: Sequence[Fold], as_of_block: BlockNumber) -> list[HoldingChange]:
        rows = await self._connection.execute(
            _FOLD,
            {
                "asset_id": asset_id,
                "holders": [fold.holder for fold in folds],
                "deltas": [Decimal(fold.delta) for fold in folds],
                "block_numbers": [fold.block_number for fold in folds],
                "as_of_block": as_of_block,
            },
        )
        return [_change(row) for row in rows]

    async def mark_stale(
        self, asset_id: UUID, holders: Sequence[str], *, reads_parts: bool, must_tell: bool = False
    ) -> None:
        await self._connection.execute(
            _MARK,
            {
                "asset_id": asset_id,
                "holders": list(holders),
                "stale": _READ_PARTS if reads_parts else _READ_BALANCE,
                "must_tell": must_tell,
            },
        )

    async def mark_everybody_stale(self, asset_id: UUID, *, must_tell: bool = False) -> None:
        values: dict[str, Any] = {"stale": _READ_PARTS}
        if must_tell:
            values["must_tell"] = True
        await self._connection.execute(update(holding).where(holding.c.asset_id == asset_id).values(values))

    async def mark_stale_behind(self, asset_id: UUID, block_number: BlockNumber | None) -> None:
        statement = update(holding).where(holding.c.asset_id == asset_id).values(stale=_READ_PARTS)
        if block_number is not None:
            statement = statement.where(holding.c.as_of_block > block_number)
        await self._connection.execute(statement)

    async def count_stale(self, asset_id: UUID) -> int:
        statement = select(func.count()).where(holding.c.asset_id == asset_id, holding.c.stale > 0)
        return int((await self._connection.execute(statement)).scalar_one())

    async def stale_among(self, asset_ids: Sequence[UUID]) -> set[UUID]:
        has_one = exists().where(holding.c.asset_id == listener.c.asset_id, holding.c.stale > 0)
        rows = await self._connection.execute(
            select(listener.c.asset_id).where(listener.c.asset_id.in_(asset_ids), has_one)
        )
        return {row.asset_id for row in rows}

    async def stale(self, asset_id: UUID, limit: int) -> list[StaleHolding]:
        rows = await self._connection.execute(
            select(holding)
            .where(holding.c.asset_id == asset_id, holding.c.stale > 0)
            .order_by(holding.c.holder)
            .limit(limit)
        )
        return [
            StaleHolding(
                holder=row.holder,
                told=Holding(row.balance, row.frozen, row.locked, row.held, row.cleared),
                reads_parts=row.stale == _READ_PARTS,
                must_tell=row.must_tell,
            )
            for row in rows
        ]

    async def record_read(
        self, asset_id: UUID, holders: Sequence[str], holdings: Sequence[Holding], as_of_block: BlockNumber
    ) -> None:
        amounts = {name: [Decimal(getattr(each, name)) for each in holdings] for name in _AMOUNTS}
        await self._connection.execute(
            _RECORD_READ,
            {"asset_id": asset_id, "holders": list(holders), "as_of_block": as_of_block, **amounts},
        )


def _change(row: Row[Any]) -> HoldingChange:
    parts = (int(row.frozen), int(row.locked), int(row.held), int(row.cleared))
    return HoldingChange(
        holder=row.holder,
        before=Holding(int(row.before), *parts),
        after=Holding(int(row.after), *parts),
        block_number=row.block_number,
    )
