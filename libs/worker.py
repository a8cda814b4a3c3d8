"""Runs a step repeatedly: at once while there is work, otherwise after a pause or when it is nudged."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from libs import telemetry

_log = logging.getLogger(__name__)
_FIRST_ERROR_DELAY_SECONDS = 0.2
_LONGEST_ERROR_DELAY_SECONDS = 5.0


class Worker:
    """Runs one loop. The state of the work is in the database, so a worker may die or run twice at any time.

    `step` does a bounded piece of work and returns True when there may be more at once.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], poll_seconds: float) -> None:
        self.name = name
        self._step = step
        self._poll_seconds = poll_seconds
        self._nudged = asyncio.Event()
        self._stopping = False

    def nudge(self) -> None:
        """Tells the worker that there may be work, so that it does not wait for the next poll."""
        self._nudged.set()

    def stop(self) -> None:
        """Ends the loop after the step that is running."""
        self._stopping = True
        self._nudged.set()

    async def run(self) -> None:
        """Runs until `stop`. A step that raises is logged, counted and tried again after a growing delay."""
        error_delay_seconds = _FIRST_ERROR_DELAY_SECONDS
        while not self._stopping:
            self._nudged.clear()
            try:
                has_more = await self._step()
            except Exception as error:
                # The loop owns states that nobody else would move on, so it outlives any error.
                telemetry.worker_errors.add(1, {"worker": self.name})
                _log.warning("%s: %s: %s", self.name, type(error).__name__, error)
                _log.debug("%s", self.name, exc_info=True)
                await self._wait(error_delay_seconds)
                error_delay_seconds = min(error_delay_seconds * 2, _LONGEST_ERROR_DELAY_SECONDS)
                continue
            error_delay_seconds = _FIRST_ERROR_DELAY_SECONDS
            if not has_more:
                await self._wait(self._poll_seconds)

    async def _wait(self, seconds: float) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return
