"""Tables transfer_effect, undecodable_log, window_end."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, func, select, text, union_all
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.domain.blocks import ZERO_ADDRESS, BlockRef, Transfer, UndecodableLog
from chain_sync_service.domain.holder_changes import HolderChange
from chain_sync_service.infrastructure.tables import transfer_effect, undecodable_log, window_end

# One statement for any number of rows, with a handful of parameters.
_ADD_TRANSFERS = text(
    """
    INSERT INTO transfer_effect
        (asset_id, transaction_hash, log_index, block_number, sender, receiver, amount)
    SELECT CAST(:asset_id AS uuid), rows.*
    FROM unnest(
        CAST(:transaction_hashes AS text[]), CAST(:log_indexes AS bigint[]), CAST(:block_numbers AS bigint[]),
        CAST(:senders AS text[]), CAST(:receivers AS text[]), CAST(:amounts AS numeric[])
    ) AS rows
    ON CONFLICT DO NOTHING
    RETURNING transaction_hash, log_index
    """
)


class SqlTransferHistory:
    """See the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_transfers(self, asset_id: UUID, transfers: Sequence[Transfer]) -> list[Transfer]:
        """See the port."""
        if not transfers:
            return []
        rows = await self._connection.execute(
            _ADD_TRANSFERS,
            {
                "asset_id": asset_id,
                "transaction_hashes": [transfer.transaction_hash for transfer in transfers],
                "log_indexes": [transfer.log_index for transfer in transfers],
                "block_numbers": [transfer.block_number for transfer in transfers],
                "senders": [transfer.sender for transfer in transfers],
                "receivers": [transfer.receiver for transfer in transfers],
                "amounts": [Decimal(transfer.amount) for transfer in transfers],
            },
        )
        added = {(row.transaction_hash, row.log_index) for row in rows}
        return [transfer for transfer in transfers if (transfer.transaction_hash, transfer.log_index) in added]

    async def add_undecodable(self, asset_id: UUID, logs: Sequence[UndecodableLog], now: datetime) -> None:
        """See the port."""
        if not logs:
            return
        statement = postgresql.insert(undecodable_log).on_conflict_do_nothing()
        await self._connection.execute(
            statement,
            [
                {
                    "asset_id": asset_id,
                    "transaction_hash": log.transaction_hash,
                    "log_index": log.log_index,
                    "block_number": log.block_number,
                    "block_hash": log.block_hash,
                    "topics": list(log.topics),
                    "data": log.data,
                    "problem": log.problem,
                    "create_time": now,
                }
                for log in logs
            ],
        )

    async def add_window_end(self, asset_id: UUID, end: BlockRef, keep: int) -> None:
        """See the port."""
        await self._connection.execute(
            postgresql.insert(window_end).values(asset_id=asset_id, block_number=end.number, block_hash=end.hash)
        )
        oldest_kept = (
            select(window_end.c.block_number)
            .where(window_end.c.asset_id == asset_id)
            .order_by(window_end.c.block_number.desc())
            .offset(keep - 1)
            .limit(1)
            .scalar_subquery()
        )
        await self._connection.execute(
            delete(window_end).where(window_end.c.asset_id == asset_id, window_end.c.block_number < oldest_kept)
        )

    async def window_ends(self, asset_id: UUID) -> list[BlockRef]:
        """See the port."""
        rows = await self._connection.execute(
            select(window_end.c.block_number, window_end.c.block_hash)
            .where(window_end.c.asset_id == asset_id)
            .order_by(window_end.c.block_number.desc())
        )
        return [BlockRef(row.block_number, row.block_hash) for row in rows]

    async def take_back(self, asset_id: UUID, ancestor: BlockRef) -> list[HolderChange]:
        """See the port."""
        changes = await self._inverse_changes(asset_id, ancestor)
        for table in (transfer_effect, undecodable_log, window_end):
            await self._connection.execute(
                delete(table).where(table.c.asset_id == asset_id, table.c.block_number > ancestor.number)
            )
        return changes

    async def _inverse_changes(self, asset_id: UUID, ancestor: BlockRef) -> list[HolderChange]:
        effect = transfer_effect.c
        behind = (effect.asset_id == asset_id, effect.block_number > ancestor.number)
        returned = union_all(
            select(effect.sender.label("holder"), effect.amount.label("delta")).where(*behind),
            select(effect.receiver.label("holder"), (-effect.amount).label("delta")).where(*behind),
        ).subquery()
        delta = func.sum(returned.c.delta)
        rows = await self._connection.execute(
            select(returned.c.holder, delta.label("delta"))
            .where(returned.c.holder != ZERO_ADDRESS.value)
            .group_by(returned.c.holder)
            .having(delta != 0)
            .order_by(returned.c.holder)
        )
        return [HolderChange(row.holder, int(row.delta), ancestor.number) for row in rows]
