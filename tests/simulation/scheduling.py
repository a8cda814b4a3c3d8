"""Runs the steps of all replicas one await at a time, in an order that the seed alone decides.

A step is a coroutine that awaits nothing but the ports' memory forms: they yield, or wait for a lock. It can be
ended at any await, as kill -9 ends a process: what its transaction has not committed is gone.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

# Awaits of a step at most; a step is a bounded piece of work.
_MOST_AWAITS = 200_000


class KilledError(BaseException):
    """kill -9: no handler of the engine catches it."""


@dataclass(slots=True, eq=False)
class Task:
    """A step under way. A lane's name is that of its worker."""

    name: str
    replica: int
    coroutine: Coroutine[Any, Any, Any]
    on_end: Callable[["Task", object, BaseException | None], None]
    # The newest block when it was started.
    began_at_block: int = 0
    # How many commits there were then.
    began_at_commit: int = 0
    waits_for: asyncio.Future[None] | None = None
    awaits: int = 0
    # It was seen under way together with the other replica's step on the same lane.
    has_raced: bool = False


class Scheduler:
    """All steps under way."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.tasks: list[Task] = []
        # Whose await it is.
        self.current: Task | None = None

    def start(self, task: Task) -> None:
        self.tasks.append(task)

    def run(self, awaits: int, broken: Sequence[Exception]) -> None:
        """So many awaits at most, each of one step that can go on. Raises the first of `broken`, if any."""
        tasks, throw = self.tasks, self._rng.random
        for _ in range(awaits):
            count = len(tasks)
            if not count:
                return
            first = int(throw() * count)
            task = tasks[first]
            if task.waits_for is not None and not task.waits_for.done():
                others = (tasks[(first + place) % count] for place in range(1, count))
                free = next((each for each in others if each.waits_for is None or each.waits_for.done()), None)
                if free is None:
                    return
                task = free
            task.awaits += 1
            if task.awaits > _MOST_AWAITS:
                raise RuntimeError(f"{task.name} never ends")
            self.current = task
            try:
                task.waits_for = task.coroutine.send(None)
            except StopIteration as ended:
                tasks.remove(task)
                task.on_end(task, ended.value, None)
            except Exception as error:
                tasks.remove(task)
                task.on_end(task, None, error)
            if broken:
                raise broken[0]

    def kill(self, replica: int) -> int:
        """Ends a replica's steps where they are. Returns how many were under way."""
        victims = [task for task in self.tasks if task.replica == replica]
        for task in victims:
            self.tasks.remove(task)
            if task.awaits:
                try:
                    task.coroutine.throw(KilledError())
                except (KilledError, StopIteration):
                    continue
            # It never ran, or it went on after its death, which nothing may.
            task.coroutine.close()
        return sum(task.awaits > 0 for task in victims)
