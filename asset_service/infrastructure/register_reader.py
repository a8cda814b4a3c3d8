"""Reads registers of holders from PostgreSQL, for answers to callers and for comparing them with the chain."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asset_service.application.register_ports import (
    HolderChangeRow,
    HolderKey,
    HolderOrder,
    HolderPage,
    HolderRow,
    HolderRows,
    SampleSize,
)
from asset_service.domain.register import NOTHING, Register
from asset_service.domain.register_check import Discrepancy, DiscrepancyKind, RegisterSample
from asset_service.infrastructure.rows import read_discrepancy, read_holding, read_register
from asset_service.infrastructure.snapshot import open_snapshot
from asset_service.infrastructure.tables import holder_changes, holders, register_discrepancies, registers


class SqlRegisterReader:
    """Implements the port RegisterReader. Each answer comes from one snapshot of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def holders(self, asset_id: UUID, page: HolderPage) -> HolderRows | None:
        """Both orders have an index, so that a page costs the same wherever it begins."""
        order = (
            (holders.c.address,)
            if page.order is HolderOrder.ADDRESS
            else (holders.c.balance.desc(), holders.c.address)
        )
        statement = (
            _SELECT_HOLDERS.where(
                holders.c.asset_id == asset_id,
                holders.c.balance >= page.min_balance_base_units,
                _is_behind(page.after, page.order),
            )
            .order_by(*order)
            .limit(page.limit)
        )
        return await self._holders(asset_id, statement)

    async def holder(self, asset_id: UUID, address: str) -> HolderRows | None:
        """Finds the holder by the primary key."""
        return await self._holders(
            asset_id,
            _SELECT_HOLDERS.where(holders.c.asset_id == asset_id, holders.c.address == address),
        )

    async def largest_holders(self, asset_id: UUID, limit: int) -> HolderRows | None:
        """Holders with equal holdings are ordered by address."""
        statement = (
            _SELECT_HOLDERS.where(holders.c.asset_id == asset_id)
            .order_by(holders.c.total.desc(), holders.c.address)
            .limit(limit)
        )
        return await self._holders(asset_id, statement)

    async def changes(
        self, asset_id: UUID, address: str | None, before_change_id: int | None, limit: int
    ) -> list[HolderChangeRow] | None:
        """Uses the primary key, or the index of one holder's changes."""
        columns = holder_changes.c
        statement = (
            select(
                columns.change_id,
                columns.address,
                columns.delta,
                columns.restricted_delta,
                columns.balance_after,
                columns.restricted_after,
                columns.block_number,
                columns.create_time,
            )
            .where(
                columns.asset_id == asset_id,
                true() if address is None else columns.address == address,
                true() if before_change_id is None else columns.change_id < before_change_id,
            )
            .order_by(columns.change_id.desc())
            .limit(limit)
        )
        async with open_snapshot(self._engine) as connection:
            if await _register(connection, asset_id) is None:
                return None
            return [HolderChangeRow(*row) for row in await connection.execute(statement)]

    async def discrepancies(
        self, asset_id: UUID, before_discrepancy_id: int | None, limit: int, *, unresolved_only: bool
    ) -> list[Discrepancy] | None:
        columns = register_discrepancies.c
        statement = (
            select(register_discrepancies)
            .where(
                columns.asset_id == asset_id,
                true() if before_discrepancy_id is None else columns.discrepancy_id < before_discrepancy_id,
                columns.resolve_time.is_(None) if unresolved_only else true(),
            )
            .order_by(columns.discrepancy_id.desc())
            .limit(limit)
        )
        async with open_snapshot(self._engine) as connection:
            if await _register(connection, asset_id) is None:
                return None
            return [read_discrepancy(row) for row in await connection.execute(statement)]

    async def sample(self, asset_id: UUID, size: SampleSize) -> RegisterSample | None:
        """Holders who changed lately or differed before may have nothing by now."""
        async with open_snapshot(self._engine) as connection:
            register = await _register(connection, asset_id)
            if register is None or register.position is None or not register.is_complete:
                return None
            at_random = (await connection.execute(_at_random(asset_id, size.random))).scalars()
            of_interest = (await connection.execute(_of_interest(asset_id, size))).scalars()
            holdings = dict.fromkeys([*at_random, *of_interest], NOTHING)
            of_them = _SELECT_HOLDERS.where(holders.c.asset_id == asset_id, holders.c.address.in_(list(holdings)))
            holdings |= {row.address: read_holding(row) for row in await connection.execute(of_them)}
        return RegisterSample(register, register.position, holdings)

    async def _holders(self, asset_id: UUID, statement: Select[Any]) -> HolderRows | None:
        async with open_snapshot(self._engine) as connection:
            register = await _register(connection, asset_id)
            if register is None:
                return None
            rows = (await connection.execute(statement)).all()
        return HolderRows(register, tuple(map(_holder_row, rows)))


_SELECT_HOLDERS: Select[Any] = select(
    holders.c.address,
    holders.c.balance,
    holders.c.frozen,
    holders.c.locked,
    holders.c.held,
    holders.c.cleared,
    holders.c.changed_at_block,
)


async def _register(connection: AsyncConnection, asset_id: UUID) -> Register | None:
    row = (await connection.execute(select(registers).where(registers.c.asset_id == asset_id))).one_or_none()
    return read_register(row) if row else None


def _holder_row(row: Row[Any]) -> HolderRow:
    return HolderRow(row.address, read_holding(row), row.changed_at_block)


def _is_behind(key: HolderKey | None, order: HolderOrder) -> ColumnElement[bool]:
    if key is None:
        return true()
    if order is HolderOrder.ADDRESS:
        return holders.c.address > key.address
    # The first condition says nothing that the second does not, but is one that an index can begin at.
    return and_(
        holders.c.balance <= key.balance_base_units,
        or_(holders.c.balance < key.balance_base_units, holders.c.address > key.address),
    )


def _at_random(asset_id: UUID, count: int) -> Select[Any]:
    """Chooses holders at random.

    Reads the whole register once, so that every holder is equally likely, whatever the addresses look like.
    """
    return select(holders.c.address).where(holders.c.asset_id == asset_id).order_by(func.random()).limit(count)


def _of_interest(asset_id: UUID, size: SampleSize) -> Select[Any]:
    recent = (
        select(holder_changes.c.address)
        .where(holder_changes.c.asset_id == asset_id)
        .order_by(holder_changes.c.change_id.desc())
        .limit(size.recent)
        .subquery()
    )
    discrepant = (
        select(register_discrepancies.c.holder.label("address"))
        .where(
            register_discrepancies.c.asset_id == asset_id,
            register_discrepancies.c.kind == DiscrepancyKind.HOLDING_DIFFERS.value,
            register_discrepancies.c.resolve_time.is_(None),
        )
        .order_by(register_discrepancies.c.discrepancy_id)
        .limit(size.discrepant)
        .subquery()
    )
    return select(recent.c.address).union(select(discrepant.c.address))  # type: ignore[return-value]
