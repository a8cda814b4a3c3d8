"""Chooses free loopback ports, and tells which process holds a port that is taken."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil

from deploy.local.errors import PortTakenError, SettingError, StackError
from deploy.local.processes import wait_until

LOOPBACK = "127.0.0.1"
# Below every system's range of ephemeral ports (Linux from 32768, macOS from 49152): a client that keeps
# trying to reach a killed component could otherwise be given the component's own port as its source port,
# connect to itself and hold the port when the component comes back.
LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
CLOSING_SECONDS = 1.0
_ATTEMPTS = 500


def pinned_port(environment: Mapping[str, str], variable: str) -> int | None:
    """Return the port that ``variable`` asks for, or None when it is unset or empty.

    Raises SettingError when it is no port number.
    """
    value = environment.get(variable, "").strip()
    if not value:
        return None
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= 65_535:
        raise SettingError(variable, f"{value!r} is not a port (1 to 65535)")
    return int(value)


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set it too: a port whose last connections are in TIME_WAIT is usable.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        # macOS lets two sockets bind one port when one of them listens on every address.
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) != 0


def require_free(port: int, variable: str) -> None:
    """Raise PortTakenError if the port is taken. It names the variable, the port and where possible its holder."""
    if not wait_free(port):
        raise PortTakenError(variable, port, holder_of(port))


def wait_free(port: int) -> bool:
    """Return whether the port is free now or shortly.

    The system closes a killed process's sockets a little late.
    """
    return wait_until(lambda: is_free(port), CLOSING_SECONDS)


def choose_free(preferred: int | None, taken: set[int]) -> int:
    """Return ``preferred`` when it is free and not in ``taken``, otherwise a random free port not in ``taken``.

    The port is added to ``taken``. Raises StackError when none is found.
    """
    if preferred is not None and preferred not in taken and wait_free(preferred):
        taken.add(preferred)
        return preferred
    generator = random.SystemRandom()
    highest = min(HIGHEST_PORT, _ephemeral_start() - 1)
    lowest = min(LOWEST_PORT, highest - 1_000)
    for _ in range(_ATTEMPTS):
        port = generator.randint(lowest, highest)
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise StackError(f"no free loopback port found between {lowest} and {highest} in {_ATTEMPTS} attempts")


def holder_of(port: int) -> str | None:
    """Return who listens on the port ("python3 (pid 123)"), or None when the system does not tell us."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        # An idle socket has an empty tuple as its address.
        if not connection.laddr or connection.laddr.port != port or connection.status != psutil.CONN_LISTEN:
            continue
        if connection.pid is None:
            return None
        try:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
        except psutil.Error:
            return f"pid {connection.pid}"
    return None


def _ephemeral_start() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return 32_768
    start = int(text.split()[0])
    return start if start > 5_000 else HIGHEST_PORT + 1
