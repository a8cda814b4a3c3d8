"""Stores the registers of holders in PostgreSQL and applies changes of balances to them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Numeric,
    Select,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from asset_service.domain.asset import AssetState
from asset_service.domain.register import (
    AppliedChanges,
    BalanceChanges,
    Holding,
    HoldingDifference,
    NegativeBalanceError,
    Register,
)
from asset_service.infrastructure.rows import read_register, register_values
from asset_service.infrastructure.tables import assets, registers

# One statement for a whole event. All its parts see the rows as they were before it, so each holder is either
# deleted (nothing left), updated or inserted. An upsert would not do: PostgreSQL checks the constraints on the row
# that it would insert, which for a holder to be deleted is of nothing. A change without holding, of an event that
# knew only balances, adds its delta and leaves the parts; a balance below zero is then not written but counted,
# and the caller rolls back. Holders who are told anew what they have already are not written either.
#
# An event costs the same however large the register is. Statistics lag behind an import, and a planner that takes
# it for small would read all of it to join the few changes: OFFSET 0 makes it look holders up one by one, by the
# primary key, and rows are written where they were found (`ctid`), which holds while the register is locked.
_APPLY = (
    text(
        """
    WITH change AS (
        SELECT * FROM unnest(:addresses, :deltas, :blocks, :balances, :frozen, :locked, :held, :cleared)
            AS given (address, delta, block, balance, frozen, locked, held, cleared)
    ), compared AS (
        SELECT change.address, change.block, had.place, had.place IS NOT NULL AS existed,
               coalesce(had.balance, 0) AS had_balance, coalesce(had.frozen, 0) AS had_frozen,
               coalesce(had.locked, 0) AS had_locked, coalesce(had.held, 0) AS had_held,
               coalesce(had.cleared, 0) AS had_cleared, had.changed_at_block AS had_block,
               coalesce(change.balance, coalesce(had.balance, 0) + change.delta) AS balance,
               coalesce(change.frozen, had.frozen, 0) AS frozen, coalesce(change.locked, had.locked, 0) AS locked,
               coalesce(change.held, had.held, 0) AS held, coalesce(change.cleared, had.cleared, 0) AS cleared,
               change.balance - change.delta AS implied_balance
        FROM change
        LEFT JOIN LATERAL (
            SELECT ctid AS place, holders.* FROM holders
            WHERE asset_id = :asset_id AND address = change.address
            OFFSET 0
        ) AS had ON true
    ), outcome AS (
        SELECT *, balance + frozen + locked + held + cleared AS total,
               balance - had_balance AS balance_delta,
               frozen + locked + held + cleared AS restricted,
               frozen + locked + held + cleared - had_frozen - had_locked - had_held - had_cleared
                   AS restricted_delta,
               (balance, frozen, locked, held, cleared, block)
                   IS DISTINCT FROM (had_balance, had_frozen, had_locked, had_held, had_cleared, had_block)
                   AS is_new,
               coalesce(implied_balance <> had_balance, false) AS differs
        FROM compared
    ), went AS (
        DELETE FROM holders USING outcome
        WHERE holders.ctid = outcome.place AND outcome.total = 0
    ), stayed AS (
        UPDATE holders
        SET balance = outcome.balance, frozen = outcome.frozen, locked = outcome.locked, held = outcome.held,
            cleared = outcome.cleared, changed_at_block = outcome.block
        FROM outcome
        WHERE holders.ctid = outcome.place AND outcome.total > 0 AND outcome.balance >= 0 AND outcome.is_new
    ), came AS (
        INSERT INTO holders (asset_id, address, balance, frozen, locked, held, cleared, changed_at_block)
        SELECT :asset_id, address, balance, frozen, locked, held, cleared, block
        FROM outcome WHERE NOT existed AND total > 0 AND balance >= 0
    ), told AS (
        INSERT INTO holder_changes (
            asset_id, address, delta, restricted_delta, balance_after, restricted_after, block_number, create_time
        )
        SELECT :asset_id, address, balance_delta, restricted_delta, balance, restricted, block, :now
        FROM outcome
        WHERE (balance_delta <> 0 OR restricted_delta <> 0) AND balance >= 0
        ORDER BY address
    )
    SELECT count(*) FILTER (WHERE NOT existed AND total > 0) AS came,
           count(*) FILTER (WHERE existed AND total = 0) AS went,
           coalesce(sum(balance_delta), 0) AS balance_delta,
           coalesce(sum(restricted_delta), 0) AS restricted_delta,
           min(address) FILTER (WHERE balance < 0) AS overdrawn,
           -- Numbers as text: JSON has none of this size.
           coalesce(
               jsonb_agg(
                   jsonb_build_array(
                       address, implied_balance::text, had_balance::text, had_frozen::text, had_locked::text,
                       had_held::text, had_cleared::text
                   ) ORDER BY address
               ) FILTER (WHERE differs),
               '[]'
           ) AS differences
    FROM outcome
    """
    )
    .bindparams(
        bindparam("addresses", type_=ARRAY(Text)),
        bindparam("blocks", type_=ARRAY(BigInteger)),
        bindparam("asset_id", type_=Uuid),
        bindparam("now", type_=DateTime(timezone=True)),
        *(bindparam(name, type_=ARRAY(Numeric)) for name in ("deltas", "balances", *Holding._fields[1:])),
    )
    .columns(differences=JSONB)
)

# The longest ago first; SKIP LOCKED passes over a register to which changes are being applied.
_CLAIM_CHECK = (
    select(registers.c.asset_id)
    .join_from(registers, assets, assets.c.asset_id == registers.c.asset_id)
    .where(
        registers.c.is_complete,
        assets.c.state == AssetState.ACTIVE.value,
        func.coalesce(registers.c.check_time, datetime.min.replace(tzinfo=UTC)) < bindparam("checked_before"),
    )
    .order_by(registers.c.check_time.nulls_first())
    .limit(1)
    .with_for_update(of=registers, skip_locked=True)
)


class SqlRegisters:
    """Implements the port Registers on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, register: Register) -> None:
        """Adds the register of a new asset."""
        await self._connection.execute(insert(registers).values(register_values(register)))

    async def get(self, asset_id: UUID) -> Register | None:
        return await self._one(select(registers).where(registers.c.asset_id == asset_id))

    async def lock(self, asset_id: UUID) -> Register | None:
        """The lock makes one asset's events apply one after the other."""
        return await self._one(select(registers).where(registers.c.asset_id == asset_id).with_for_update())

    async def apply(self, asset_id: UUID, changes: BalanceChanges, now: datetime) -> AppliedChanges:
        """Uses one statement, however many holders there are."""
        row = (await self._connection.execute(_APPLY, _parameters(asset_id, changes, now))).one()
        if row.overdrawn is not None:
            raise NegativeBalanceError(f"asset {asset_id}: the balance of {row.overdrawn} would fall below zero")
        return AppliedChanges(
            came=row.came,
            went=row.went,
            balance_delta_base_units=int(row.balance_delta),
            restricted_delta_base_units=int(row.restricted_delta),
            differences=tuple(_difference(*values) for values in row.differences),
        )

    async def save(self, register: Register) -> None:
        statement = update(registers).where(registers.c.asset_id == register.asset_id)
        await self._connection.execute(statement.values(register_values(register)))

    async def claim_check(self, checked_before: datetime, now: datetime) -> UUID | None:
        parameters = {"checked_before": checked_before}
        asset_id: UUID | None = (await self._connection.execute(_CLAIM_CHECK, parameters)).scalar_one_or_none()
        if asset_id is not None:
            await self._connection.execute(
                update(registers).where(registers.c.asset_id == asset_id).values(check_time=now)
            )
        return asset_id

    async def _one(self, statement: Select[Any]) -> Register | None:
        row = (await self._connection.execute(statement)).one_or_none()
        return read_register(row) if row else None


def _parameters(asset_id: UUID, changes: BalanceChanges, now: datetime) -> dict[str, Any]:
    columns: list[list[Decimal | None]]
    if changes.holdings:
        columns = [[Decimal(amount) for amount in column] for column in zip(*changes.holdings, strict=True)]
    else:
        columns = [[None] * len(changes.holders) for _ in Holding._fields]
    return {
        "asset_id": asset_id,
        "now": now,
        "addresses": list(changes.holders),
        "deltas": [Decimal(delta) for delta in changes.deltas_base_units],
        "blocks": list(changes.block_numbers),
        **dict(zip(("balances", *Holding._fields[1:]), columns, strict=True)),
    }


def _difference(holder: str, implied_balance: str, *had: str) -> HoldingDifference:
    return HoldingDifference(holder, Holding(*map(int, had)), int(implied_balance))
