"""Time that passes only when somebody sleeps."""

from collections.abc import Callable

from libs.evm.pacing import Timing


class FakeTime:
    """A clock in seconds; a sleeper wakes when it meant to. `meanwhile` happens at the end of each sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] | None = None

    @property
    def timing(self) -> Timing:
        """For what is under test, without chance."""
        return Timing(self.monotonic, self.sleep, lambda: 0.0)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            self.meanwhile()
