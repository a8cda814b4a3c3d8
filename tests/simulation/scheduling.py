"""Runs the steps of all replicas one await at a time, in an order that chance alone decides.

A step is a coroutine that awaits nothing but the ports' memory forms: they yield, or wait for a lock. It can be
ended at any await, as kill -9 ends a process: what its transaction has not committed is gone.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
    # Tells it from all others, where that is asked for.
    label: str = ""

    @property
    def can_go_on(self) -> bool:
        return self.waits_for is None or self.waits_for.done()


class Picks(Protocol):
    """Decides who goes on."""

    def begin(self, task: Task) -> None:
        """A step begins."""

    def pick(self, tasks: Sequence[Task]) -> Task | None:
        """One that can go on; None when nobody can."""


class Scheduler:
    """All steps under way."""

    def __init__(self, picks: Picks) -> None:
        self._picks = picks
        self.tasks: list[Task] = []
        # Whose await it is.
        self.current: Task | None = None

    def start(self, task: Task) -> None:
        self._picks.begin(task)
        self.tasks.append(task)

    def run(self, awaits: int, broken: Sequence[Exception]) -> None:
        """So many awaits at most, each of one step that can go on. Raises the first of `broken`, if any."""
        tasks, pick = self.tasks, self._picks.pick
        for _ in range(awaits):
            task = pick(tasks)
            if task is None:
                return
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
