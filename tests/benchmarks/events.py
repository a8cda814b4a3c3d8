"""A subscriber on NATS that notes when each event came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats
from masspayout.chain_sync.v1 import events_pb2
from nats.aio.msg import Msg

from libs.events import event_subject

_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of holder balances as it came. `at` is on the monotonic clock, in seconds."""

    at: float
    sequence: int
    change_count: int
    payload_bytes: int
    completes_block: int | None


class EventLog:
    """What came of one stack's assets. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.imported_at: float | None = None
        self.arrivals: list[Arrival] = []
        self._told_at: dict[tuple[str, int], float] = {}
        self._came = asyncio.Condition()

    async def told_at(self, holder: str, block_number: int, timeout_seconds: float) -> float:
        """When it came that a holder (lower case) changed in a block. Raises TimeoutError."""
        place = (holder, block_number)
        async with asyncio.timeout(timeout_seconds), self._came:
            await self._came.wait_for(lambda: place in self._told_at)
        return self._told_at[place]

    async def on_asset_imported(self, message: Msg) -> None:
        """The asset is active: chain_sync_service makes its listener."""
        self.imported_at = time.monotonic()

    async def on_holder_balances_changed(self, message: Msg) -> None:
        """Holders changed."""
        at = time.monotonic()
        event = events_pb2.HolderBalancesChanged.FromString(message.data)
        completes = event.to_block if event.range_complete else None
        self.arrivals.append(Arrival(at, event.sequence, len(event.changes), len(message.data), completes))
        async with self._came:
            for change in event.changes:
                self._told_at.setdefault((change.holder, change.block_number), at)
            self._came.notify_all()


@asynccontextmanager
async def listening(nats_url: str) -> AsyncIterator[EventLog]:
    """Subscribed as long as the context is open."""
    log = EventLog()
    client = await nats.connect(nats_url, connect_timeout=_CONNECT_SECONDS)
    try:
        await client.subscribe(event_subject("asset", "asset_imported", "*"), cb=log.on_asset_imported)
        changed = event_subject("chain_sync", "holder_balances_changed", "*")
        await client.subscribe(changed, cb=log.on_holder_balances_changed)
        # The server knows of the subscriptions once it has answered.
        await client.flush(timeout=_CONNECT_SECONDS)
        yield log
    finally:
        await client.close()
