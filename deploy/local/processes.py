"""Starts processes that outlive the launcher, and finds them again without mistaking another process for them.

A process is known by its pid *and* the moment it was started, so that a pid given by the system to
somebody else is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

POLL_SECONDS = 0.03
KILL_SECONDS = 10.0
MAX_LOG_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class UnixUser:
    """An unprivileged user for a process that must not run as root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid and the start of its process. No other process ever has both."""

    pid: int
    started: str


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of the live process with this pid; None when there is none (a zombie counts as none)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        started = _start_ticks(pid) if sys.platform == "linux" else f"{process.create_time():.3f}"
    except (psutil.Error, OSError):
        return None
    return ProcessIdentity(pid, started)


def _start_ticks(pid: int) -> str:
    # Not psutil's create_time: that is reckoned from the wall clock, which may be set between two runs.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return f"{boot}:{stat.rpartition(')')[2].split()[19]}"


class ManagedProcess:
    """A process that this or an earlier run of the launcher started as the leader of its own session."""

    def __init__(self, identity: ProcessIdentity) -> None:
        self.identity = identity

    @property
    def pid(self) -> int:
        """Its pid; whether it still is that process, ``is_alive`` tells."""
        return self.identity.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; None while it runs or when it was not our child."""
        _reap(self.identity)
        return _exit_codes.get(self.identity)

    def is_alive(self) -> bool:
        """Return whether the process that was started still runs (and not another one with its pid)."""
        _reap(self.identity)
        # A child of ours keeps its pid until it is reaped. Its leader is a zombie before its threads have
        # ended, so `identify` would give it up unreaped.
        return self.identity in _children or identify(self.pid) == self.identity

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself, if it still is the one that was started."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait_gone(self, seconds: float) -> bool:
        """Return whether the process has ended within ``seconds``."""
        return wait_until(lambda: not self.is_alive(), seconds)

    def kill(self) -> None:
        """SIGKILL the process, its group and its descendants, and wait until all have ended."""
        if not self.is_alive():
            return
        # PostgreSQL's back ends have groups of their own, so the group alone is not enough.
        descendants = []
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.pid).children(recursive=True)
            descendants = [found for child in children if (found := identify(child.pid)) is not None]
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        for descendant in descendants:
            ManagedProcess(descendant).send(signal.SIGKILL)
        self.wait_gone(KILL_SECONDS)
        wait_until(lambda: all(identify(child.pid) != child for child in descendants), KILL_SECONDS)


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log_path: Path,
    user: UnixUser | None = None,
) -> ManagedProcess:
    """Start a process in a session of its own, with its output appended to ``log_path``.

    Raises OSError when it cannot be started.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log_path.exists() and log_path.stat().st_size > MAX_LOG_BYTES:
        log_path.replace(log_path.with_suffix(log_path.suffix + ".1"))
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
    finally:
        os.close(descriptor)
    identity = identify(child.pid)
    if identity is None:  # it ended at once; the caller sees so and shows its log
        identity = ProcessIdentity(child.pid, "ended")
    _children.add(identity)
    # It may outlive us, and whoever holds its identity reaps it: not this object, which would warn at its end.
    child.returncode = 0
    return ManagedProcess(identity)


# Processes started by this one that have not been reaped, and how reaped ones have ended.
_children: set[ProcessIdentity] = set()
_exit_codes: dict[ProcessIdentity, int] = {}


def _reap(identity: ProcessIdentity) -> None:
    """Collect the exit status of a child that ended, so that it does not stay as a zombie."""
    if identity not in _children:
        return
    try:
        pid, status = os.waitpid(identity.pid, os.WNOHANG)
    except ChildProcessError:
        _children.discard(identity)
        return
    if pid:
        _children.discard(identity)
        _exit_codes[identity] = os.waitstatus_to_exitcode(status)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether ``condition`` became true within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Hold SIGINT, SIGTERM and SIGHUP back until the block is done, then deliver the first one.

    Around starting a process and writing down that it was started (nothing may come between the two) and
    around cleaning up. Without effect outside the main thread, which is where Python handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def defer(number: int, frame: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, defer) for number in watched}
    try:
        yield
    finally:
        for watched_number, handler in previous.items():
            signal.signal(watched_number, handler)
    if received:
        signal.raise_signal(received[0])
