"""Stores and reads distributions in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Uuid,
    bindparam,
    column,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution_service.application.ports import ListPosition
from distribution_service.domain.distribution import Distribution
from distribution_service.infrastructure.rows import all_values, changing_values, distribution_of
from distribution_service.infrastructure.tables import distributions
from distribution_service.messages.events import outgoing_events
from libs.events import OutgoingEvent


class SqlDistributionRepository:
    """The distributions, on one transaction's connection; recorded events go to `add_event`."""

    def __init__(self, connection: AsyncConnection, add_event: Callable[[OutgoingEvent], None]) -> None:
        self._connection = connection
        self._add_event = add_event

    async def add(self, distribution: Distribution) -> None:
        await self._connection.execute(insert(distributions).values(**all_values(distribution)))
        self._add_recorded_events(distribution)

    async def find(self, distribution_id: UUID) -> Distribution | None:
        return await _find(self._connection, distribution_id)

    async def find_for_update(self, distribution_id: UUID) -> Distribution | None:
        """The lock makes the outbox's order the order of commits of this distribution."""
        statement = select(distributions).where(distributions.c.distribution_id == distribution_id)
        row = (await self._connection.execute(statement.with_for_update())).one_or_none()
        return distribution_of(row) if row else None

    async def update(self, distribution: Distribution) -> None:
        statement = (
            update(distributions)
            .where(distributions.c.distribution_id == distribution.distribution_id)
            .values(**changing_values(distribution))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise LookupError(f"distribution {distribution.distribution_id} is missing")
        self._add_recorded_events(distribution)

    def _add_recorded_events(self, distribution: Distribution) -> None:
        for event in outgoing_events(distribution):
            self._add_event(event)


class SqlDistributionReader:
    """Takes a connection for each read and gives it back at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, distribution_id: UUID) -> Distribution | None:
        async with self._engine.connect() as connection:
            return await _find(connection, distribution_id)

    async def page(self, asset_id: UUID | None, after: ListPosition | None, limit: int) -> Sequence[Distribution]:
        """Keyset pagination: each page costs the same, wherever it is."""
        key = tuple_(distributions.c.create_time, distributions.c.distribution_id)
        statement = select(distributions).order_by(*key.clauses).limit(limit)
        if asset_id is not None:
            statement = statement.where(distributions.c.asset_id == asset_id)
        if after is not None:
            statement = statement.where(key > tuple_(after.create_time, after.distribution_id))
        async with self._engine.connect() as connection:
            return [distribution_of(row) for row in (await connection.execute(statement)).all()]

    async def newer_than(self, versions: Mapping[UUID, int]) -> Sequence[Distribution]:
        """One statement, however many are asked for."""
        known = (
            func.unnest(
                bindparam("ids", list(versions), ARRAY(Uuid)),
                bindparam("versions", list(versions.values()), ARRAY(BigInteger)),
            )
            .table_valued(column("distribution_id", Uuid), column("version", BigInteger), name="known")
            .render_derived()
        )
        statement = select(distributions).join(
            known,
            (known.c.distribution_id == distributions.c.distribution_id)
            & (distributions.c.version > known.c.version),
        )
        async with self._engine.connect() as connection:
            return [distribution_of(row) for row in (await connection.execute(statement)).all()]


async def _find(connection: AsyncConnection, distribution_id: UUID) -> Distribution | None:
    statement = select(distributions).where(distributions.c.distribution_id == distribution_id)
    row = (await connection.execute(statement)).one_or_none()
    return distribution_of(row) if row else None
