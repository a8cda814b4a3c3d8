"""Registers of holders in PostgreSQL."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Numeric, Select, Text, Uuid, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asset_service.domain.register import BalanceChanges, HolderCountChange, NegativeBalanceError, Register
from asset_service.infrastructure.rows import read_register, register_values
from asset_service.infrastructure.tables import registers

# One statement for a whole event. All its parts see the rows as they were before it, so each holder is either
# deleted (to zero), updated or inserted. An upsert would not do: PostgreSQL checks the constraint on the row that
# it would insert, which for a shrinking balance is negative, before it finds that the holder exists. A balance
# below zero is not written but counted; the caller then rolls back.
_APPLY = text(
    """
    WITH change AS (
        SELECT address, delta, block
        FROM unnest(:addresses, :deltas, :blocks) AS given (address, delta, block)
    ), outcome AS (
        SELECT change.address, change.block, held.balance IS NOT NULL AS existed,
               coalesce(held.balance, 0) + change.delta AS balance
        FROM change
        LEFT JOIN holders AS held ON held.asset_id = :asset_id AND held.address = change.address
    ), went AS (
        DELETE FROM holders USING outcome
        WHERE holders.asset_id = :asset_id AND holders.address = outcome.address AND outcome.balance = 0
    ), stayed AS (
        UPDATE holders SET balance = outcome.balance, changed_at_block = outcome.block
        FROM outcome
        WHERE holders.asset_id = :asset_id AND holders.address = outcome.address AND outcome.balance > 0
    ), came AS (
        INSERT INTO holders (asset_id, address, balance, changed_at_block)
        SELECT :asset_id, address, balance, block FROM outcome WHERE NOT existed AND balance > 0
    )
    SELECT count(*) FILTER (WHERE NOT existed AND balance > 0) AS came,
           count(*) FILTER (WHERE existed AND balance = 0) AS went,
           min(address) FILTER (WHERE balance < 0) AS overdrawn
    FROM outcome
    """
).bindparams(
    bindparam("addresses", type_=ARRAY(Text)),
    bindparam("deltas", type_=ARRAY(Numeric)),
    bindparam("blocks", type_=ARRAY(BigInteger)),
    bindparam("asset_id", type_=Uuid),
)


class SqlRegisters:
    """The port Registers on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, register: Register) -> None:
        """Adds the register of a new asset."""
        await self._connection.execute(insert(registers).values(register_values(register)))

    async def get(self, asset_id: UUID) -> Register | None:
        """Unlocked."""
        return await self._one(select(registers).where(registers.c.asset_id == asset_id))

    async def lock(self, asset_id: UUID) -> Register | None:
        """Locked, so that one asset's events are applied one after the other."""
        return await self._one(select(registers).where(registers.c.asset_id == asset_id).with_for_update())

    async def apply(self, asset_id: UUID, changes: BalanceChanges) -> HolderCountChange:
        """One statement, however many holders."""
        parameters = {
            "asset_id": asset_id,
            "addresses": list(changes.holders),
            "deltas": [Decimal(delta) for delta in changes.deltas_base_units],
            "blocks": list(changes.block_numbers),
        }
        row = (await self._connection.execute(_APPLY, parameters)).one()
        if row.overdrawn is not None:
            raise NegativeBalanceError(f"asset {asset_id}: the balance of {row.overdrawn} would fall below zero")
        return HolderCountChange(came=row.came, went=row.went)

    async def save(self, register: Register) -> None:
        """Writes totals and position."""
        statement = update(registers).where(registers.c.asset_id == register.asset_id)
        await self._connection.execute(statement.values(register_values(register)))

    async def _one(self, statement: Select[Any]) -> Register | None:
        row = (await self._connection.execute(statement)).one_or_none()
        return read_register(row) if row else None
