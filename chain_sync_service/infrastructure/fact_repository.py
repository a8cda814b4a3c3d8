"""Stores the facts that logs told, and the coupons whose rate is pending, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, insert, literal, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.domain.facts import Fact, FactKind, RawLog, SeenFact
from chain_sync_service.domain.pending_rates import PendingRate
from chain_sync_service.infrastructure.tables import fact as table
from chain_sync_service.infrastructure.tables import pending_rate
from libs.chain.quantities import BlockNumber

# A rate that was told and is taken back is asked for again, if its announcement is still there.
_ASK_AGAIN = text(
    """
    INSERT INTO pending_rate (asset_id, kind, transaction_hash, log_index, ask_time, delay_seconds)
    SELECT asset_id, kind, transaction_hash, log_index, block_time, 1 FROM fact
    WHERE asset_id = :asset_id AND kind = 'CORPORATE_ACTION_ANNOUNCED'
      AND (transaction_hash, log_index) IN (
          SELECT * FROM unnest(CAST(:hashes AS text[]), CAST(:log_indexes AS bigint[]))
      )
    ON CONFLICT DO NOTHING
    """
)


class SqlFacts:
    """Keeps facts and pending rates in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known_places(self, asset_id: UUID, facts: Sequence[Fact]) -> set[tuple[str, str, int]]:
        hashes = {fact.log.transaction_hash for fact in facts}
        rows = await self._connection.execute(
            select(table.c.kind, table.c.transaction_hash, table.c.log_index).where(
                table.c.asset_id == asset_id, table.c.transaction_hash.in_(hashes)
            )
        )
        return {(row.kind, row.transaction_hash, row.log_index) for row in rows}

    async def add(self, asset_id: UUID, seen: Sequence[SeenFact], now: datetime) -> None:
        if seen:
            await self._connection.execute(insert(table), [_values(asset_id, each, now) for each in seen])

    async def take_back(self, asset_id: UUID, block_number: BlockNumber | None) -> list[SeenFact]:
        statement = delete(table).where(table.c.asset_id == asset_id)
        if block_number is not None:
            statement = statement.where(table.c.block_number > block_number)
        return await self._taken_back(asset_id, (await self._connection.execute(statement.returning(table))).all())

    async def take_back_unseen(
        self, asset_id: UUID, *, from_block: BlockNumber, to_block: BlockNumber, seen: Sequence[Fact]
    ) -> list[SeenFact]:
        blocks = {
            (each.kind.value, each.log.transaction_hash, each.log.log_index): each.log.block_hash for each in seen
        }
        rows = await self._connection.execute(
            select(table).where(
                table.c.asset_id == asset_id,
                or_(
                    table.c.block_number.between(from_block, to_block),
                    table.c.transaction_hash.in_({place[1] for place in blocks}),
                ),
                # No log tells it.
                table.c.kind != FactKind.CORPORATE_ACTION_RATE_SET.value,
            )
        )
        gone = [
            row
            for row in rows
            for place in [(row.kind, row.transaction_hash, row.log_index)]
            if (from_block <= row.block_number <= to_block or place in blocks)
            and row.block_hash != blocks.get(place)
        ]
        if gone:
            await self._connection.execute(delete(table).where(table.c.place.in_([row.place for row in gone])))
        return await self._taken_back(asset_id, gone)

    async def page(
        self,
        asset_id: UUID,
        *,
        kinds: Sequence[FactKind],
        from_block: BlockNumber,
        to_block: BlockNumber | None,
        after: tuple[int, int] | None,
        limit: int,
    ) -> list[tuple[SeenFact, tuple[int, int]]]:
        conditions = [table.c.asset_id == asset_id, table.c.block_number >= from_block]
        if to_block is not None:
            conditions.append(table.c.block_number <= to_block)
        if kinds:
            conditions.append(table.c.kind.in_([kind.value for kind in kinds]))
        if after is not None:
            place = tuple_(table.c.block_number, table.c.place)
            conditions.append(place > tuple_(literal(after[0]), literal(after[1])))
        rows = await self._connection.execute(
            select(table).where(and_(*conditions)).order_by(table.c.block_number, table.c.place).limit(limit)
        )
        return [(_seen(row), (row.block_number, row.place)) for row in rows]

    async def add_pending_rates(self, asset_id: UUID, rates: Sequence[PendingRate]) -> None:
        for rate in rates:
            await self._connection.execute(
                postgresql.insert(pending_rate)
                .values(
                    asset_id=asset_id,
                    kind=rate.announcement.kind.value,
                    transaction_hash=rate.announcement.log.transaction_hash,
                    log_index=rate.announcement.log.log_index,
                    ask_time=rate.ask_time,
                    delay_seconds=int(rate.delay.total_seconds()),
                )
                .on_conflict_do_nothing()
            )

    async def due_pending_rates(
        self, asset_ids: Sequence[UUID], block_time: datetime, limit: int
    ) -> list[tuple[UUID, PendingRate]]:
        rows = await self._connection.execute(
            select(table, pending_rate.c.ask_time, pending_rate.c.delay_seconds)
            .join_from(
                pending_rate,
                table,
                and_(
                    pending_rate.c.asset_id == table.c.asset_id,
                    pending_rate.c.kind == table.c.kind,
                    pending_rate.c.transaction_hash == table.c.transaction_hash,
                    pending_rate.c.log_index == table.c.log_index,
                ),
            )
            .where(pending_rate.c.asset_id.in_(asset_ids), pending_rate.c.ask_time <= block_time)
            .order_by(pending_rate.c.ask_time)
            .limit(limit)
        )
        return [
            (row.asset_id, PendingRate(_seen(row).fact, row.ask_time, timedelta(seconds=row.delay_seconds)))
            for row in rows
        ]

    async def save_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        await self._connection.execute(
            update(pending_rate)
            .where(*_is_of(asset_id, rate))
            .values(ask_time=rate.ask_time, delay_seconds=int(rate.delay.total_seconds()))
        )

    async def remove_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        await self._connection.execute(delete(pending_rate).where(*_is_of(asset_id, rate)))

    async def _taken_back(self, asset_id: UUID, rows: Sequence[Row[Any]]) -> list[SeenFact]:
        seen = [_seen(row) for row in rows]
        rates = [each.fact.log for each in seen if each.fact.kind is FactKind.CORPORATE_ACTION_RATE_SET]
        if rates:
            await self._connection.execute(
                _ASK_AGAIN,
                {
                    "asset_id": asset_id,
                    "hashes": [log.transaction_hash for log in rates],
                    "log_indexes": [log.log_index for log in rates],
                },
            )
        return sorted((each for each in seen if each.sequence), key=lambda each: each.sequence)


def _is_of(asset_id: UUID, rate: PendingRate) -> tuple[Any, ...]:
    columns, log = pending_rate.c, rate.announcement.log
    return (
        columns.asset_id == asset_id,
        columns.transaction_hash == log.transaction_hash,
        columns.log_index == log.log_index,
    )


def _values(asset_id: UUID, seen: SeenFact, now: datetime) -> dict[str, Any]:
    log = seen.fact.log
    return {
        "asset_id": asset_id,
        "kind": seen.fact.kind.value,
        "transaction_hash": log.transaction_hash,
        "log_index": log.log_index,
        "contract": log.contract,
        "block_number": log.block_number,
        "block_hash": log.block_hash,
        "block_time": seen.block_time,
        "topics": list(log.topics),
        "data": log.data,
        "details": dict(seen.fact.details),
        "problem": seen.fact.problem,
        "sequence": seen.sequence,
        "create_time": now,
    }


def _seen(row: Row[Any]) -> SeenFact:
    log = RawLog(
        contract=row.contract,
        topics=tuple(row.topics),
        data=row.data,
        block_number=row.block_number,
        block_hash=row.block_hash,
        transaction_hash=row.transaction_hash,
        log_index=row.log_index,
    )
    fact = Fact(FactKind(row.kind), log, details=row.details, problem=row.problem)
    return SeenFact(fact, row.block_time, row.sequence)
