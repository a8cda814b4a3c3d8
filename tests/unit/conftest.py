"""Unit tests open no socket and start no process: whatever tries to is refused, and its test fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

# Python's own names of these events. An event loop's pair of sockets raises none of them.
_REFUSED = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "os.exec",
        "os.system",
    }
)


class Guard:
    """What was refused while a unit test ran."""

    def __init__(self) -> None:
        self.is_on = False
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Python's audit hook."""
        if self.is_on and event in _REFUSED:
            self.refused.append(event)
            raise RuntimeError(f"{event}: a unit test opens no socket and starts no process")


# A hook cannot be taken away again; it does nothing while it is off.
_GUARD = Guard()
sys.addaudithook(_GUARD)


@pytest.fixture(autouse=True)
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """Refuses, and fails also the test that swallows the refusal."""
    # gRPC's sockets are opened by its own C code, which Python does not see.
    monkeypatch.setattr("grpc.aio._server.Server.add_insecure_port", _no_port)
    _GUARD.refused.clear()
    _GUARD.is_on = True
    yield _GUARD
    _GUARD.is_on = False
    assert _GUARD.refused == []


def _no_port(server: object, address: str) -> int:
    _GUARD.refused.append("grpc")
    raise RuntimeError(f"{address}: a unit test opens no socket and starts no process")
