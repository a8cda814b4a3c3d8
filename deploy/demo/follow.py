"""Follows a distribution to its end, shows its progress, and lets a scenario wait for a certain state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.demo.payout import PaidDistribution, paid_distribution
from deploy.demo.scene import Scene
from deploy.demo.settings import DemoError
from libs.client.client import progress_of
from libs.protogen.typed.masspayout.distribution.v1 import Distribution, DistributionState

_POLL_SECONDS = 0.1


class Following:
    """Watches one distribution. Use it as an async context manager.

    Every new thing that the distribution waits for is told, by name.
    """

    def __init__(self, scene: Scene, distribution: Distribution) -> None:
        self._scene = scene
        self._latest = distribution
        self._told_reason = ""
        columns = (
            TextColumn("[bold]Paying[/] {task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=scene.console)

    async def __aenter__(self) -> Self:
        self._progress.start()
        bar = self._progress.add_task("released", total=self._scene.settings.holder_count)
        self._watching = asyncio.create_task(self._watch(bar))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        self._progress.stop()

    async def until(self, is_so: Callable[[Distribution], bool], what: str) -> Distribution:
        """Waits until the distribution meets a condition.

        Raises DemoError if it ends otherwise, AppError when time is up.
        """
        while not is_so(self._latest):
            if self._watching.done():
                self._watching.result()
                raise DemoError(f"expected: {what}; {_ended_as(self._latest)}")
            await asyncio.sleep(_POLL_SECONDS)
        return self._latest

    async def waits_for(self, name: str) -> None:
        """Waits until the distribution waits for the thing of this name. Raises as `until`."""
        await self.until(lambda seen: seen.waiting_for.startswith(name), f"it waits for {name}")

    async def end(self, *expected: DistributionState) -> PaidDistribution:
        """Waits for the end of the distribution and returns it.

        Raises DemoError unless it ends in an expected state.
        """
        await self._watching
        if self._latest.state not in expected:
            raise DemoError(f"the distribution {_ended_as(self._latest)}")
        return await paid_distribution(self._scene.client, self._latest.name)

    async def _watch(self, bar: TaskID) -> None:
        longest = self._scene.settings.longest_payout_seconds
        async for seen in self._scene.client.watch_distribution(self._latest.name, timeout_seconds=longest):
            self._latest = seen
            self._show(bar, seen)

    def _show(self, bar: TaskID, seen: Distribution) -> None:
        done = progress_of(seen)
        settled = done.paid_count + done.failed_count + done.zero_due_count
        settled += done.excluded_count + done.deferred_count
        state = (seen.state.name or "").lower().replace("_", " ")
        # A redemption pays those again who got tokens after they were paid.
        total = max(self._scene.settings.holder_count, settled)
        self._progress.update(bar, completed=settled, total=total, description=state)
        reason = seen.waiting_for.partition(":")[0]
        if reason and reason != self._told_reason:
            self._scene.note(f"waits: {seen.waiting_for}")
        self._told_reason = reason


def _ended_as(distribution: Distribution) -> str:
    return f"ended as {distribution.state.name}: {distribution.failure_reason or distribution.waiting_for}"
