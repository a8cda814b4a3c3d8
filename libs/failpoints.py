"""Named places where a test can stop or kill a process, to see that nothing is lost there.

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
    """Places in the engine that a test can name."""

    async def reach(self, name: str) -> None:
        """Called where the engine passes the named place."""
        ...


class NoFailpoints:
    """For production: nothing happens."""

    async def reach(self, name: str) -> None:
        """Does nothing."""


class ConfiguredFailpoints:
    """Failpoints read from a setting; see the module's text for its form."""

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
    """The failpoints of a setting; none when it is empty. Raises ValueError when it is malformed."""
    return ConfiguredFailpoints(setting) if setting else NoFailpoints()
