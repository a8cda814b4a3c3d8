"""Publishes the outbox rows of a schema to JetStream, in order. Only one relay per schema is active."""

import asyncio
import logging
from collections.abc import Sequence

from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs import telemetry
from libs.clock import Clock
from libs.events import event_subject
from libs.messaging.connection import REQUEST_TIMEOUT_SECONDS
from libs.messaging.streams import CONTEXTS, ensure_streams
from libs.persistence.advisory_lock import session_lock
from libs.persistence.tables import SharedTables

_log = logging.getLogger(__name__)
_PAGE = 500


class OutboxRelay:
    """Publishes the outbox. One step publishes a page of unpublished rows, then marks them.

    An advisory lock lets one relay per schema work, so the events of an aggregate leave in the order of their
    commits. It reads by `publish_time IS NULL`, never by `position > last`: a slow transaction commits a lower
    position later. A crash between publishing and marking publishes again with the same Nats-Msg-Id.
    """

    def __init__(
        self, engine: AsyncEngine, shared: SharedTables, client: Client, clock: Clock, service: str
    ) -> None:
        self._engine = engine
        self._shared = shared
        self._client = client
        self._clock = clock
        self._service = service

    async def step(self) -> bool:
        """Publishes one page. Returns True when the page was full. Raises when NATS or PostgreSQL fails."""
        if not self._client.is_connected:
            return False
        async with session_lock(self._engine, "outbox relay") as connection:
            return connection is not None and await self._relay_page(connection)

    async def _relay_page(self, connection: AsyncConnection) -> bool:
        rows = await self._unpublished(connection)
        if not rows:
            return False
        try:
            await self._publish(rows)
        except NoStreamResponseError:
            # JetStream lost its data or was replaced; the streams are ours to make.
            await ensure_streams(self._client.jetstream(), CONTEXTS, self._service)
            raise
        outbox = self._shared.outbox
        await connection.execute(
            update(outbox)
            .where(outbox.c.event_id.in_([row.event_id for row in rows]))
            .values(publish_time=self._clock.now())
        )
        telemetry.published_events.add(len(rows), {"service": self._service})
        return len(rows) == _PAGE

    async def _unpublished(self, connection: AsyncConnection) -> Sequence[Row[tuple[object, ...]]]:
        outbox = self._shared.outbox
        statement = select(outbox).where(outbox.c.publish_time.is_(None)).order_by(outbox.c.position).limit(_PAGE)
        return (await connection.execute(statement)).all()

    async def _publish(self, rows: Sequence[Row[tuple[object, ...]]]) -> None:
        """Sends all events in order on one connection, then awaits all acknowledgements."""
        jetstream = self._client.jetstream(timeout=REQUEST_TIMEOUT_SECONDS, publish_async_max_pending=_PAGE)
        acknowledgements = [
            await jetstream.publish_async(
                event_subject(row.context, row.event_name, str(row.aggregate_id)),
                row.payload,
                headers=_cloud_event_headers(row, self._service),
            )
            for row in rows
        ]
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            await asyncio.gather(*acknowledgements)


def _cloud_event_headers(row: Row[tuple[object, ...]], service: str) -> dict[str, str]:
    """Returns CloudEvents 1.0 attributes as `ce-` headers (NATS binding), and JetStream's id to deduplicate."""
    return {
        "Nats-Msg-Id": str(row.event_id),
        "ce-specversion": "1.0",
        "ce-id": str(row.event_id),
        "ce-type": f"masspayout.{row.context}.v1.{row.event_name}",
        "ce-source": f"/masspayout/{service}",
        "ce-subject": str(row.aggregate_id),
        "ce-time": row.create_time.isoformat(),
        "ce-datacontenttype": "application/protobuf",
        "masspayout-aggregate-version": str(row.aggregate_version),
    }
