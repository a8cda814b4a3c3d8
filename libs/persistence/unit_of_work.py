"""The base class of the services' units of work: one transaction, which also stores the events it causes."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.clock import Clock
from libs.events import IncomingEvent, OutgoingEvent
from libs.idempotency import LoggedRequest, RequestKey
from libs.persistence.tables import SharedTables


class SqlUnitOfWork:
    """One transaction on the service's database, with outbox, inbox and request log. Use it once, in `async with`.

    Services derive from it and add their repositories in `_open`. Leaving the block without `commit()` rolls
    back. Network waits do not belong inside.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        shared: SharedTables,
        clock: Clock,
        on_outbox_commit: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._shared = shared
        self._clock = clock
        self._on_outbox_commit = on_outbox_commit
        self._stack = AsyncExitStack()
        self._outgoing: list[OutgoingEvent] = []
        self.connection: AsyncConnection

    async def __aenter__(self) -> Self:
        self.connection = await self._stack.enter_async_context(self._engine.connect())
        await self.connection.begin()
        self._open()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Closing the connection rolls back whatever was not committed.
        await self._stack.aclose()

    def _open(self) -> None:
        """Creates the repositories on `self.connection`. Services override it."""

    def add_event(self, event: OutgoingEvent) -> None:
        """Puts an event into the outbox; it leaves with the commit."""
        self._outgoing.append(event)

    async def commit(self) -> None:
        """Writes the outbox rows and commits."""
        if self._outgoing:
            await self.connection.execute(
                insert(self._shared.outbox),
                [
                    {
                        "event_id": event.event_id,
                        "aggregate_id": event.aggregate_id,
                        "aggregate_version": event.aggregate_version,
                        "context": event.context,
                        "event_name": event.event_name,
                        "payload": event.payload,
                        "create_time": event.create_time,
                    }
                    for event in self._outgoing
                ],
            )
        await self.connection.commit()
        if self._outgoing:
            self._outgoing.clear()
            self._on_outbox_commit()

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that this transaction processes an event. Returns False when it was processed before."""
        statement = (
            postgresql.insert(self._shared.inbox)
            .values(event_id=event.event_id, subject=event.subject, process_time=self._clock.now())
            .on_conflict_do_nothing()
            .returning(self._shared.inbox.c.event_id)
        )
        return (await self.connection.execute(statement)).scalar_one_or_none() is not None

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        """Returns the call with this id, if it was carried out before."""
        log = self._shared.request_log
        row = (
            await self.connection.execute(
                select(log.c.request_id, log.c.method, log.c.request_hash, log.c.caller, log.c.resource_id).where(
                    log.c.request_id == request_id
                )
            )
        ).one_or_none()
        return LoggedRequest(RequestKey(*row[:4]), row[4]) if row else None

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        """Records a call with its effect. Returns False when another transaction has recorded the same id.

        Waits for a transaction that is recording the same id just now, so the answer is final.
        """
        log = self._shared.request_log
        statement = (
            postgresql.insert(log)
            .values(
                request_id=key.request_id,
                method=key.method,
                request_hash=key.request_hash,
                caller=key.caller,
                resource_id=resource_id,
                create_time=self._clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(log.c.request_id)
        )
        return (await self.connection.execute(statement)).scalar_one_or_none() is not None
