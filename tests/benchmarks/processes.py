"""What processes have used, as the system tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import psutil

from deploy.local.stack import Stack

_PEAK_RSS = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class PeakUnknownError(Exception):
    """The system does not tell the peak of a process: nothing may be said about its memory then."""


def peak_rss_kib(pid: int, proc: Path = Path("/proc")) -> int:
    """The most memory that a process has had resident since it began, in KiB. Raises PeakUnknownError."""
    status = proc / str(pid) / "status"
    try:
        found = _PEAK_RSS.search(status.read_text(encoding="utf-8"))
    except OSError as error:
        raise PeakUnknownError(f"{status} cannot be read: {error}") from error
    if found is None:
        raise PeakUnknownError(f"{status} has no VmHWM")
    return int(found.group(1))


def service_peaks_kib(stack: Stack) -> dict[str, int]:
    """Peak RSS of each service of a stack, in KiB. Raises PeakUnknownError."""
    return {name: peak_rss_kib(_pid(service.pid, name)) for name, service in stack.services.items()}


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Processor seconds that each part of a stack has used, with those of its living child processes."""
    return {name: _cpu_of(_pid(component.pid, name)) for name, component in stack.components.items()}


def used_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was used between two readings, by part. Raises KeyError when the parts differ."""
    return {name: after[name] - seconds for name, seconds in before.items()}


def _cpu_of(pid: int) -> float:
    leader = psutil.Process(pid)
    # PostgreSQL has a process for each connection.
    times = [leader.cpu_times(), *(child.cpu_times() for child in leader.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _pid(pid: int | None, name: str) -> int:
    if pid is None:
        raise PeakUnknownError(f"{name} does not run")
    return pid
