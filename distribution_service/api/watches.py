"""Streams the changes of distributions to watchers. One query finds the changes for all of them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from uuid import UUID

from distribution_service.application.queries import DistributionQueries
from distribution_service.domain.distribution import Distribution
from libs.errors import AppError, Reason


class DistributionWatches:
    """All watches of this process.

    A watch holds a slot for the newest version, not a queue and not a database connection: a slow reader gets
    the newest state and misses those between. `step` runs in a worker that polls and is nudged by the consumer;
    it asks for all watched distributions in one statement.
    """

    def __init__(self, queries: DistributionQueries, max_watches: int) -> None:
        self._queries = queries
        self._max_watches = max_watches
        self._watches: set[_Watch] = set()
        self._stopping = False

    @property
    def count(self) -> int:
        """Watches that are open."""
        return len(self._watches)

    def stop(self) -> None:
        """Ends every watch, present and to come, with SERVICE_STOPPING."""
        self._stopping = True
        for watch in self._watches:
            watch.stop()

    async def follow(self, distribution_id: UUID) -> AsyncGenerator[Distribution, None]:
        """Yields the distribution now and after each change, until nothing more happens to it by itself.

        Raises AppError DISTRIBUTION_NOT_FOUND, SERVICE_STOPPING, TOO_MANY_WATCHES.
        """
        # Registered before the first read, so that no change falls between the two.
        with self._registered(distribution_id) as watch:
            distribution = await self._queries.get(distribution_id)
            while True:
                watch.seen_version = distribution.version
                yield distribution
                if distribution.state.is_settled:
                    return
                distribution = await watch.next()

    async def step(self) -> bool:
        """Looks for changes of what is watched and hands them out; for a worker."""
        if self._watches:
            # Several watches of one distribution may have seen different versions: the oldest decides.
            versions: dict[UUID, int] = {}
            for watch in self._watches:
                known = versions.get(watch.distribution_id, watch.seen_version)
                versions[watch.distribution_id] = min(known, watch.seen_version)
            changed = {item.distribution_id: item for item in await self._queries.newer_than(versions)}
            for watch in self._watches:
                if watch.distribution_id in changed:
                    watch.offer(changed[watch.distribution_id])
        return False

    @contextmanager
    def _registered(self, distribution_id: UUID) -> "Iterator[_Watch]":
        if self._stopping:
            raise _stopping_error()
        if len(self._watches) >= self._max_watches:
            raise AppError(
                Reason.TOO_MANY_WATCHES,
                f"this process serves {self._max_watches} watches already; call again, or poll GetDistribution",
            )
        watch = _Watch(distribution_id)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)


class _Watch:
    """One stream: what it has sent, and the newest version that it has not."""

    def __init__(self, distribution_id: UUID) -> None:
        self.distribution_id = distribution_id
        self.seen_version = 0
        self._newest: Distribution | None = None
        self._stopping = False
        self._woken = asyncio.Event()

    def offer(self, distribution: Distribution) -> None:
        """Offers a version. It is ignored when it was sent already."""
        if distribution.version > self.seen_version:
            self._newest = distribution
            self._woken.set()

    def stop(self) -> None:
        """Ends the stream."""
        self._stopping = True
        self._woken.set()

    async def next(self) -> Distribution:
        """The newest version above the one seen. Raises AppError SERVICE_STOPPING."""
        while True:
            # A change that is at hand is sent even while stopping: it may be the final one.
            newest, self._newest = self._newest, None
            if newest is not None and newest.version > self.seen_version:
                return newest
            if self._stopping:
                raise _stopping_error()
            self._woken.clear()
            await self._woken.wait()


def _stopping_error() -> AppError:
    return AppError(Reason.SERVICE_STOPPING, "the service stops; call again")
