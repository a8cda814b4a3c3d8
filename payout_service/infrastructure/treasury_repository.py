"""Commitments in PostgreSQL."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from payout_service.application.ports import TreasuryKey
from payout_service.infrastructure import tables

_treasury = tables.treasury
_commitment = tables.commitment


class SqlTreasuryRepository:
    """See TreasuryRepository."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def version(self, key: TreasuryKey) -> int:
        """See TreasuryRepository."""
        statement = select(_treasury.c.version).where(_is(key, _treasury))
        return (await self._connection.execute(statement)).scalar_one_or_none() or 0

    async def lock(self, key: TreasuryKey) -> int:
        """See TreasuryRepository."""
        await self._connection.execute(
            postgresql.insert(_treasury).values(version=0, **_columns(key)).on_conflict_do_nothing()
        )
        statement = select(_treasury.c.version).where(_is(key, _treasury)).with_for_update()
        return int((await self._connection.execute(statement)).scalar_one())

    async def committed(self, key: TreasuryKey) -> int:
        """See TreasuryRepository."""
        return await self._sum(_is(key, _commitment))

    async def committed_to(self, key: TreasuryKey, payout_id: UUID) -> int:
        """See TreasuryRepository."""
        return await self._sum(and_(_is(key, _commitment), _commitment.c.payout_id == payout_id))

    async def commit(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """See TreasuryRepository."""
        await self._connection.execute(
            insert(_commitment).values(payout_id=payout_id, amount_base_units=amount_base_units, **_columns(key))
        )
        await self._raise_version(key)

    async def reduce(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """See TreasuryRepository."""
        result = await self._connection.execute(
            update(_commitment)
            .where(_commitment.c.payout_id == payout_id, _commitment.c.amount_base_units >= amount_base_units)
            .values(amount_base_units=_commitment.c.amount_base_units - amount_base_units)
        )
        if result.rowcount != 1:
            raise RuntimeError(f"payout {payout_id} was paid more than was committed to it")
        await self._raise_version(key)

    async def _raise_version(self, key: TreasuryKey) -> None:
        await self._connection.execute(
            update(_treasury).where(_is(key, _treasury)).values(version=_treasury.c.version + 1)
        )

    async def _sum(self, condition: ColumnElement[bool]) -> int:
        statement = select(func.coalesce(func.sum(_commitment.c.amount_base_units), 0)).where(condition)
        return int((await self._connection.execute(statement)).scalar_one())


def _is(key: TreasuryKey, table: Table) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _columns(key).items()))


def _columns(key: TreasuryKey) -> dict[str, Any]:
    return {
        "chain_id": key.chain_id,
        "lifecycle_contract": key.lifecycle_contract.value,
        "payment_token": key.payment_token.value,
    }
