"""Stores the differences between plan, ledger and chain in PostgreSQL."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.events import OutgoingEvent
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind, Finding
from payout_service.infrastructure.sql import tables
from payout_service.messages.events import discrepancy_found_event, discrepancy_resolved_event

_discrepancy = tables.discrepancy
_IS_OPEN = _discrepancy.c.resolve_time.is_(None)


class SqlDiscrepancyRepository:
    """Implements the port `DiscrepancyRepository`."""

    def __init__(self, connection: AsyncConnection, add_event: Callable[[OutgoingEvent], None]) -> None:
        self._connection = connection
        self._add_event = add_event

    async def open_of(self, asset_id: UUID, payout_id: UUID | None) -> list[Discrepancy]:
        statement = (
            select(_discrepancy)
            .where(
                _IS_OPEN,
                _discrepancy.c.asset_id == asset_id,
                _discrepancy.c.payout_id.is_not_distinct_from(payout_id),
            )
            .order_by(_discrepancy.c.position)
        )
        return [discrepancy_of(row) for row in await self._connection.execute(statement)]

    async def add(self, discrepancy: Discrepancy) -> bool:
        finding = discrepancy.finding
        columns = _discrepancy.c
        statement = (
            postgresql.insert(_discrepancy)
            .values(
                discrepancy_id=discrepancy.discrepancy_id,
                asset_id=discrepancy.asset_id,
                payout_id=discrepancy.payout_id,
                kind=finding.kind.value,
                subject=finding.subject,
                expected=finding.expected,
                actual=finding.actual,
                transaction_hash=finding.transaction_hash,
                find_time=discrepancy.find_time,
                last_seen_time=discrepancy.last_seen_time,
                resolve_time=discrepancy.resolve_time,
            )
            .on_conflict_do_nothing(
                index_elements=[columns.asset_id, columns.payout_id, columns.kind, columns.subject],
                index_where=_IS_OPEN,
            )
            .returning(columns.discrepancy_id)
        )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            return False
        self._add_event(discrepancy_found_event(discrepancy))
        return True

    async def seen_again(self, discrepancy_id: UUID, finding: Finding, now: datetime) -> None:
        """The identity of the difference stays; the values seen are new."""
        await self._connection.execute(
            update(_discrepancy)
            .where(_discrepancy.c.discrepancy_id == discrepancy_id, _IS_OPEN)
            .values(
                expected=finding.expected,
                actual=finding.actual,
                transaction_hash=finding.transaction_hash,
                last_seen_time=now,
            )
        )

    async def resolve(self, discrepancy_id: UUID, now: datetime) -> None:
        statement = (
            update(_discrepancy)
            .where(_discrepancy.c.discrepancy_id == discrepancy_id, _IS_OPEN)
            .values(resolve_time=now)
            .returning(_discrepancy)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is not None:
            self._add_event(discrepancy_resolved_event(discrepancy_of(row)))

    async def open_count(self) -> int:
        statement = select(func.count()).select_from(_discrepancy).where(_IS_OPEN)
        return int((await self._connection.execute(statement)).scalar_one())


def discrepancy_of(row: Row[Any]) -> Discrepancy:
    """Returns the discrepancy of a row."""
    return Discrepancy(
        discrepancy_id=row.discrepancy_id,
        asset_id=row.asset_id,
        payout_id=row.payout_id,
        finding=Finding(
            kind=DiscrepancyKind(row.kind),
            subject=row.subject,
            expected=row.expected,
            actual=row.actual,
            transaction_hash=row.transaction_hash,
        ),
        find_time=row.find_time,
        last_seen_time=row.last_seen_time,
        resolve_time=row.resolve_time,
    )
