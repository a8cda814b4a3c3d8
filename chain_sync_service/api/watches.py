"""Streams how far an asset is followed to the callers of WatchSyncStatus."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from chain_sync_service.application.queries import ListenerView, Queries
from libs.errors import AppError, Reason


class StatusWatches:
    """All watches of this process.

    Each polls, because a status changes with every block and only the newest matters.
    """

    def __init__(self, queries: Queries, *, max_watches: int, poll_seconds: float) -> None:
        self._queries = queries
        self._max_watches = max_watches
        self._poll_seconds = poll_seconds
        self._count = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends every watch, open now or later, with SERVICE_STOPPING."""
        self._stopping.set()

    async def follow(self, asset_id: UUID) -> AsyncGenerator[ListenerView, None]:
        """Yields the status now and after each change, until the caller disconnects.

        Raises AppError ASSET_NOT_YET_KNOWN, SERVICE_STOPPING, TOO_MANY_WATCHES.
        """
        if self._count >= self._max_watches:
            raise AppError(
                Reason.TOO_MANY_WATCHES,
                f"this process serves {self._max_watches} watches already; call again, or poll GetSyncStatus",
            )
        self._count += 1
        try:
            told = None
            while not self._stopping.is_set():
                view = await self._queries.sync_status(asset_id)
                shown = (view.listener, view.look, view.unread_count)
                if shown != told:
                    told = shown
                    yield view
                await self._pause()
            raise AppError(Reason.SERVICE_STOPPING, "the service stops; call again")
        finally:
            self._count -= 1

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
