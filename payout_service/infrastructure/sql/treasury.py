"""Stores in PostgreSQL how much money of a treasury is promised to payouts and sweeps."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.quantities import BaseUnits, BlockNumber
from payout_service.domain.treasury import TreasuryKey
from payout_service.infrastructure.sql import tables

_treasury = tables.treasury
_commitment = tables.commitment


class SqlTreasuryRepository:
    """Implements the port `TreasuryRepository`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def version(self, key: TreasuryKey) -> int:
        statement = select(_treasury.c.version).where(_is(key, _treasury))
        return (await self._connection.execute(statement)).scalar_one_or_none() or 0

    async def lock(self, key: TreasuryKey) -> int:
        await self._connection.execute(
            postgresql.insert(_treasury)
            .values(version=0, settled_block=0, **_columns(key))
            .on_conflict_do_nothing()
        )
        statement = select(_treasury.c.version).where(_is(key, _treasury)).with_for_update(key_share=True)
        return int((await self._connection.execute(statement)).scalar_one())

    async def committed(self, key: TreasuryKey) -> BaseUnits:
        return await self._sum(_is(key, _commitment))

    async def committed_to(self, key: TreasuryKey, owner_id: UUID) -> BaseUnits:
        return await self._sum(and_(_is(key, _commitment), _commitment.c.owner_id == owner_id))

    async def commitments(self, key: TreasuryKey, limit: int) -> list[tuple[UUID, BaseUnits]]:
        statement = (
            select(_commitment.c.owner_id, _commitment.c.amount_base_units)
            .where(_is(key, _commitment), _commitment.c.amount_base_units > 0)
            .order_by(_commitment.c.amount_base_units.desc(), _commitment.c.owner_id)
            .limit(limit)
        )
        return [(row.owner_id, row.amount_base_units) for row in await self._connection.execute(statement)]

    async def commit(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        """Raises RuntimeError when money is promised to the owner already."""
        promise = {"amount_base_units": amount_base_units, **_columns(key)}
        result = await self._connection.execute(
            postgresql.insert(_commitment)
            .values(owner_id=owner_id, **promise)
            .on_conflict_do_update(
                index_elements=[_commitment.c.owner_id],
                set_=promise,
                where=_commitment.c.amount_base_units == 0,
            )
        )
        if result.rowcount != 1:
            raise RuntimeError(f"money is promised to {owner_id} already")
        await self._raise_version(key)

    async def add(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        """Raises RuntimeError when nothing was ever promised to the owner."""
        result = await self._connection.execute(
            update(_commitment)
            .where(_is(key, _commitment), _commitment.c.owner_id == owner_id)
            .values(amount_base_units=_commitment.c.amount_base_units + amount_base_units)
        )
        if result.rowcount != 1:
            raise RuntimeError(f"nothing was promised to {owner_id} before")
        await self._raise_version(key)

    async def reduce(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        result = await self._connection.execute(
            update(_commitment)
            .where(
                _is(key, _commitment),
                _commitment.c.owner_id == owner_id,
                _commitment.c.amount_base_units >= amount_base_units,
            )
            .values(amount_base_units=_commitment.c.amount_base_units - amount_base_units)
        )
        if result.rowcount != 1:
            raise RuntimeError(f"{owner_id} used more money than was promised to it")
        await self._raise_version(key)

    async def settled_block(self, key: TreasuryKey) -> BlockNumber:
        statement = select(_treasury.c.settled_block).where(_is(key, _treasury))
        return BlockNumber((await self._connection.execute(statement)).scalar_one_or_none() or 0)

    async def raise_settled_block(self, key: TreasuryKey, block_number: BlockNumber) -> None:
        await self._connection.execute(
            update(_treasury)
            .where(_is(key, _treasury), _treasury.c.settled_block < block_number)
            .values(settled_block=block_number)
        )

    async def checked_block(self, key: TreasuryKey) -> BlockNumber | None:
        statement = select(_treasury.c.checked_block).where(_is(key, _treasury))
        found: BlockNumber | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def set_checked_block(self, key: TreasuryKey, block_number: BlockNumber) -> None:
        await self._connection.execute(
            postgresql.insert(_treasury)
            .values(version=0, settled_block=0, checked_block=block_number, **_columns(key))
            .on_conflict_do_update(constraint=_treasury.primary_key, set_={"checked_block": block_number})
        )

    async def _raise_version(self, key: TreasuryKey) -> None:
        await self._connection.execute(
            update(_treasury).where(_is(key, _treasury)).values(version=_treasury.c.version + 1)
        )

    async def _sum(self, condition: ColumnElement[bool]) -> BaseUnits:
        statement = select(func.coalesce(func.sum(_commitment.c.amount_base_units), 0)).where(condition)
        return BaseUnits(int((await self._connection.execute(statement)).scalar_one()))


def _is(key: TreasuryKey, table: Table) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _columns(key).items()))


def _columns(key: TreasuryKey) -> dict[str, Any]:
    return {
        "chain_id": key.chain_id,
        "lifecycle_contract": key.lifecycle_contract.value,
        "payment_token": key.payment_token.value,
    }
