"""The errors of the local stack. Every message says what to do about it, and none holds a secret."""

from __future__ import annotations

from pathlib import Path

LOG_TAIL_LINES = 25


class StackError(Exception):
    """An error about the local stack that is shown to its user without a traceback."""


class SettingError(StackError):
    """A setting has a value that cannot be used."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable


class PortTakenError(StackError):
    """Another process uses a port that the user asked for."""

    def __init__(self, variable: str, port: int, holder: str | None) -> None:
        by = holder or "another process (of another user, so it cannot be named)"
        super().__init__(f"{variable}={port}: the port is taken by {by}; free it or choose another port")
        self.variable = variable
        self.port = port


class ComponentFailedError(StackError):
    """A component died while starting, or did not become ready in time."""

    def __init__(self, component: str, problem: str, log_path: Path) -> None:
        super().__init__(f"{component} {problem}\n{log_excerpt(log_path)}")
        self.component = component
        self.log_path = log_path


class StackBusyError(StackError):
    """Another process is starting or stopping the same stack."""


def log_excerpt(log_path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last ``lines`` lines of a log, under a line that says where the log is."""
    tail = log_tail(log_path, lines)
    if not tail:
        return f"  (its log {log_path} is empty)"
    body = "\n".join(f"  | {line}" for line in tail)
    return f"  the end of {log_path}:\n{body}"


def log_tail(log_path: Path, lines: int) -> list[str]:
    """Return the last ``lines`` lines of a file, read from its last 64 KiB; empty when there is no file."""
    try:
        with log_path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 65_536))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
