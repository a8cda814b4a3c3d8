"""What chance decides in a run. Every decision has a name, so that it can be recorded and decided again.

A decision belongs to the place where it is made: a deed of the world in a tick (`at`, `deed`), or else the step
whose await it is. Plain dice do not care; those in recording.py do.
"""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from tests.simulation.scheduling import Task

Option = TypeVar("Option")
_ANYWHERE = nullcontext()


class Dice:
    """From a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        # What the world's clock says; set with every tick.
        self.tick = 0

    # ------------------------------------------------------------------------------------ where

    def at(self, place: str) -> AbstractContextManager[None]:
        """What is decided meanwhile is decided there."""
        return _ANYWHERE

    def deed(self, place: str) -> AbstractContextManager[None]:
        """The same of something that may as well be left undone."""
        return _ANYWHERE

    # ------------------------------------------------------------------------------------ what

    def happens(self, chance: float, what: str = "happens") -> bool:
        """With so much of a chance."""
        return self._random.random() < chance

    def which(self, chances: Sequence[tuple[str, float]], what: str) -> str:
        """One of them with its chance, or else none: empty."""
        left = self._random.random()
        for name, chance in chances:
            if left < chance:
                return name
            left -= chance
        return ""

    def choice(self, options: Sequence[Option], what: str = "which") -> Option:
        """One of some; each is as likely as it stands there often."""
        return self._random.choice(options)

    def sample(self, options: Sequence[Option], count: int, what: str = "some") -> list[Option]:
        """So many different ones."""
        return self._random.sample(options, count)

    def number(self, start: int, stop: int, what: str = "number") -> int:
        """From the first on, below the last."""
        return self._random.randrange(start, stop)

    # ------------------------------------------------------------------------------------ who is next

    def begin(self, task: Task) -> None:
        """A step begins."""

    def rest(self) -> None:
        """No step goes on until the next tick."""

    def pick(self, tasks: Sequence[Task]) -> Task | None:
        """Who goes on: somebody, or whoever stands behind and can; None when nobody can."""
        count = len(tasks)
        if not count:
            return None
        first = int(self._random.random() * count)
        task = tasks[first]
        if task.waits_for is None or task.waits_for.done():
            return task
        behind = (tasks[(first + place) % count] for place in range(1, count))
        return next((each for each in behind if each.can_go_on), None)
