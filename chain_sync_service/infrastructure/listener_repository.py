"""Stores listeners in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.listener import (
    Contracts,
    Doubt,
    HolderSource,
    Listener,
    ListenerState,
    ListingProgress,
)
from chain_sync_service.infrastructure.tables import listener as table
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber

_AT_ONE_BLOCK = (ListenerState.LISTING.value, ListenerState.READING.value)


class SqlListeners:
    """Keeps listeners in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, listener: Listener) -> Listener:
        added = await self._connection.execute(
            postgresql.insert(table)
            .values(asset_id=listener.asset_id, **_values(listener))
            .on_conflict_do_nothing()
            .returning(table.c.asset_id)
        )
        if added.one_or_none() is not None:
            return listener
        present = await self.find(listener.asset_id)
        if present is None:
            raise LookupError(f"listener {listener.asset_id} vanished")
        return present

    async def find(self, asset_id: UUID) -> Listener | None:
        row = (await self._connection.execute(select(table).where(table.c.asset_id == asset_id))).one_or_none()
        return _listener(row) if row else None

    async def page(self, after: UUID | None, limit: int) -> list[Listener]:
        statement = select(table).order_by(table.c.asset_id).limit(limit)
        if after is not None:
            statement = statement.where(table.c.asset_id > after)
        return [_listener(row) for row in await self._connection.execute(statement)]

    async def claim_due(
        self, *, last_block: BlockNumber, now: datetime, lease_until: datetime, limit: int
    ) -> list[Listener]:
        """It skips the claims of others instead of waiting for them, so that replicas share the work."""
        columns = table.c
        is_due = and_(
            columns.is_stopped.is_(False),
            columns.due_time <= now,
            or_(
                columns.state.in_(_AT_ONE_BLOCK),
                columns.position_block.is_(None),
                columns.position_block < last_block,
            ),
        )
        longest_due = select(table).where(is_due).order_by(columns.due_time).limit(1)
        row = (await self._connection.execute(longest_due.with_for_update(skip_locked=True))).one_or_none()
        if row is None:
            return []
        first = _listener(row)
        rows = [row]
        if first.reads_windows:
            floor = first.position.number if first.position else first.floor_block
            others = (
                select(table)
                .where(
                    is_due,
                    columns.state.not_in(_AT_ONE_BLOCK),
                    columns.asset_id != first.asset_id,
                    columns.position_hash.is_not_distinct_from(first.position.hash if first.position else None),
                    func.coalesce(columns.position_block, func.greatest(columns.start_block - 1, 0)) == floor,
                )
                .order_by(columns.due_time)
                .limit(limit - 1)
            )
            rows += (await self._connection.execute(others.with_for_update(skip_locked=True))).all()
        claimed = [_listener(each) for each in rows]
        await self._connection.execute(
            update(table)
            .where(columns.asset_id.in_([each.asset_id for each in claimed]))
            .values(due_time=lease_until)
        )
        return claimed

    async def lock(self, asset_id: UUID) -> Listener | None:
        locked = await self.lock_many([asset_id])
        return locked[0] if locked else None

    async def lock_many(self, asset_ids: Sequence[UUID]) -> list[Listener]:
        """It always locks in the same order, so that two workers cannot wait for each other."""
        rows = await self._connection.execute(
            select(table).where(table.c.asset_id.in_(asset_ids)).order_by(table.c.asset_id).with_for_update()
        )
        return [_listener(row) for row in rows]

    async def save(self, listeners: Sequence[Listener]) -> None:
        if not listeners:
            return
        names = _values(listeners[0])
        statement = (
            update(table)
            .where(table.c.asset_id == bindparam("of_asset"))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        await self._connection.execute(
            statement,
            [
                {"of_asset": each.asset_id, **{f"new_{name}": value for name, value in _values(each).items()}}
                for each in listeners
            ],
        )


def _values(listener: Listener) -> dict[str, Any]:
    contracts, position = listener.contracts, listener.position
    return {
        "token": contracts.token.value,
        "lifecycle_contract": contracts.lifecycle_contract.value if contracts.lifecycle_contract else None,
        "payment_token": contracts.payment_token.value if contracts.payment_token else None,
        "start_block": listener.start_block,
        "holder_source": listener.holder_source.value,
        "state": listener.state.value,
        "is_stopped": listener.is_stopped,
        "position_block": position.number if position else None,
        "position_hash": position.hash if position else None,
        "position_time": listener.position_time,
        "announced_block": listener.announced_block,
        "is_range_open": listener.is_range_open,
        "last_sequence": listener.last_sequence,
        "fact_sequence": listener.fact_sequence,
        "total": listener.total_base_units,
        "supply_gap": listener.supply_gap_base_units,
        "doubt": listener.doubt.value,
        "listing_next_page": listener.listing.next_page,
        "listing_listed_count": listener.listing.listed_count,
        "listing_holder_count": listener.listing.holder_count,
        "replay_until": listener.replay_until,
        "window_blocks": listener.window_blocks,
        "last_error": listener.last_error,
        "asset_version": listener.asset_version,
        "version": listener.version,
        "due_time": listener.due_time,
        "update_time": listener.update_time,
    }


def _listener(row: Row[Any]) -> Listener:
    return Listener(
        asset_id=row.asset_id,
        contracts=Contracts(
            token=EvmAddress(row.token),
            lifecycle_contract=EvmAddress(row.lifecycle_contract) if row.lifecycle_contract else None,
            payment_token=EvmAddress(row.payment_token) if row.payment_token else None,
        ),
        start_block=row.start_block,
        holder_source=HolderSource(row.holder_source),
        state=ListenerState(row.state),
        is_stopped=row.is_stopped,
        position=None if row.position_block is None else BlockRef(row.position_block, row.position_hash),
        position_time=row.position_time,
        announced_block=row.announced_block,
        is_range_open=row.is_range_open,
        last_sequence=row.last_sequence,
        fact_sequence=row.fact_sequence,
        total_base_units=row.total,
        supply_gap_base_units=row.supply_gap,
        doubt=Doubt(row.doubt),
        listing=ListingProgress(
            next_page=row.listing_next_page,
            listed_count=row.listing_listed_count,
            holder_count=row.listing_holder_count,
        ),
        replay_until=row.replay_until,
        window_blocks=row.window_blocks,
        last_error=row.last_error,
        asset_version=row.asset_version,
        version=row.version,
        due_time=row.due_time,
        update_time=row.update_time,
    )
