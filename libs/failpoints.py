"""Named places where a test can stop or kill a process, to check that nothing is lost there.

Set `<SERVICE>_FAILPOINTS=name=kill,name=hold:/path` for one process: `kill` ends it at once as kill -9 does;
`hold` writes the file and waits there until the process is killed or the file is removed. `name@3=kill` acts
on the third time the place is reached. Without the setting a failpoint does nothing.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Protocol

_HOLD_POLL_SECONDS = 0.05
_HOLD_LIMIT_SECONDS = 600.0


class Failpoints(Protocol):
    """The places in the engine where a test can intervene, by name."""

    async def reach(self, name: str) -> None:
        """Does what the test wants at the named place, which the engine passes."""
        ...


class NoFailpoints:
    """Failpoints for production. Nothing happens."""

    async def reach(self, name: str) -> None:
        """Does nothing."""


class ConfiguredFailpoints:
    """Failpoints read from a setting. The module's text describes its form."""

    def __init__(self, setting: str) -> None:
        """Raises ValueError when `setting` is malformed."""
        self._actions: dict[str, tuple[int, str]] = {}
        self._reached: dict[str, int] = {}
        for part in filter(None, setting.split(",")):
            place, separator, action = part.partition("=")
            name, _, nth = place.partition("@")
            if not separator or not (action == "kill" or action.startswith("hold:")):
                raise ValueError(f"failpoint {part!r}: expected name=kill or name=hold:/path")
            self._actions[name] = (int(nth or "1"), action)

    async def reach(self, name: str) -> None:
        """Kills or holds the process when the setting says so."""
        self._reached[name] = self._reached.get(name, 0) + 1
        nth, action = self._actions.get(name, (0, ""))
        if self._reached[name] != nth:
            return
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        marker = Path(action.removeprefix("hold:"))
        marker.write_text(name)
        async with asyncio.timeout(_HOLD_LIMIT_SECONDS):
            while marker.exists():  # noqa: ASYNC110 - another process removes the file
                await asyncio.sleep(_HOLD_POLL_SECONDS)


def from_setting(setting: str) -> Failpoints:
    """Returns the failpoints of a setting; none if it is empty. Raises ValueError when it is malformed."""
    return ConfiguredFailpoints(setting) if setting else NoFailpoints()
