"""Stores the differences between registers and the chain in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asset_service.domain.register_check import Discrepancy, Finding
from asset_service.infrastructure.rows import finding_values, read_discrepancy
from asset_service.infrastructure.tables import register_discrepancies
from asset_service.messages.register import discrepancy_found_event
from libs.events import OutgoingEvent

_columns = register_discrepancies.c
_IS_OPEN = _columns.resolve_time.is_(None)
_IS_TO_REFRESH = and_(_IS_OPEN, _columns.refresh_requested_time.is_(None))


class SqlDiscrepancies:
    """Implements the port Discrepancies on one connection."""

    def __init__(
        self,
        connection: AsyncConnection,
        add_event: Callable[[OutgoingEvent], None],
        new_id: Callable[[], UUID],
    ) -> None:
        self._connection = connection
        self._add_event = add_event
        self._new_id = new_id

    async def open_of(self, asset_id: UUID) -> list[Discrepancy]:
        statement = (
            select(register_discrepancies)
            .where(_columns.asset_id == asset_id, _IS_OPEN)
            .order_by(_columns.discrepancy_id)
        )
        return [read_discrepancy(row) for row in await self._connection.execute(statement)]

    async def add(self, asset_id: UUID, findings: Sequence[Finding], now: datetime) -> list[Discrepancy]:
        """Uses one statement; the version of the event is the list position of the first difference."""
        if not findings:
            return []
        common = {"asset_id": asset_id, "create_time": now, "refresh_round": 1}
        statement = (
            insert(register_discrepancies)
            .values([{**common, **finding_values(finding)} for finding in findings])
            .returning(register_discrepancies)
        )
        added = [read_discrepancy(row) for row in await self._connection.execute(statement)]
        added.sort(key=lambda each: each.discrepancy_id)
        self._add_event(discrepancy_found_event(asset_id, added, now, self._new_id()))
        return added

    async def seen_again(self, findings: Mapping[int, Finding]) -> None:
        """The time at which each difference was first found stays."""
        if not findings:
            return
        statement = (
            update(register_discrepancies)
            .where(_columns.discrepancy_id == bindparam("seen_id"), _IS_OPEN)
            .values(
                block_number=bindparam("seen_at"),
                register_value=bindparam("in_register"),
                chain_value=bindparam("on_chain"),
                refresh_round=_columns.refresh_round + 1,
                refresh_requested_time=None,
            )
        )
        parameters = [
            {
                "seen_id": discrepancy_id,
                "seen_at": finding.block_number,
                "in_register": finding.register_value,
                "on_chain": finding.chain_value,
            }
            for discrepancy_id, finding in findings.items()
        ]
        await self._connection.execute(statement, parameters)

    async def resolve(self, discrepancy_ids: Sequence[int], now: datetime) -> None:
        await self._connection.execute(
            update(register_discrepancies)
            .where(_columns.discrepancy_id.in_(discrepancy_ids), _IS_OPEN)
            .values(resolve_time=now)
        )

    async def assets_to_refresh(self, limit: int) -> list[UUID]:
        """The assets come in no order."""
        statement = select(_columns.asset_id).where(_IS_TO_REFRESH).distinct().limit(limit)
        return list((await self._connection.execute(statement)).scalars())

    async def to_refresh(self, asset_id: UUID, limit: int) -> list[Discrepancy]:
        statement = (
            select(register_discrepancies)
            .where(_columns.asset_id == asset_id, _IS_TO_REFRESH)
            .order_by(_columns.discrepancy_id)
            .limit(limit)
        )
        return [read_discrepancy(row) for row in await self._connection.execute(statement)]

    async def refresh_requested(self, discrepancies: Sequence[Discrepancy], now: datetime) -> None:
        """A round that has begun meanwhile is still to be requested."""
        asked = [(each.discrepancy_id, each.refresh_round) for each in discrepancies]
        await self._connection.execute(
            update(register_discrepancies)
            .where(tuple_(_columns.discrepancy_id, _columns.refresh_round).in_(asked))
            .values(refresh_requested_time=now)
        )
