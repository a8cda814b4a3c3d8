"""A unit test that opens a socket or starts a process is refused."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import grpc
import pytest

from tests.unit.conftest import Guard


def _connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 1))


def _bind() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def _send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"", ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("attempt", "event"),
    [
        (_connect, "socket.connect"),
        (_bind, "socket.bind"),
        (_send, "socket.sendto"),
        (lambda: socket.getaddrinfo("localhost", 1), "socket.getaddrinfo"),
        (lambda: subprocess.run([sys.executable, "--version"]), "subprocess.Popen"),
        (os.fork, "os.fork"),
    ],
)
def test_it_is_refused(guard: Guard, attempt: Callable[[], object], event: str) -> None:
    with pytest.raises(RuntimeError, match=event):
        attempt()
    assert guard.refused == [event]
    guard.refused.clear()


async def test_asyncio_and_grpc_are_refused_too(guard: Guard) -> None:
    # The event loop of this test has made its own pair of sockets.
    for attempt in (
        asyncio.open_connection("127.0.0.1", 1),
        asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0),
        asyncio.create_subprocess_exec(sys.executable, "--version"),
    ):
        with pytest.raises(RuntimeError, match="a unit test opens no socket"):
            await attempt
    with pytest.raises(RuntimeError, match="a unit test opens no socket"):
        grpc.aio.server().add_insecure_port("127.0.0.1:0")
    assert len(guard.refused) == 4
    guard.refused.clear()


def test_a_refusal_that_is_swallowed_is_known(guard: Guard) -> None:
    with pytest.raises(RuntimeError):
        _connect()
    assert guard.refused
    guard.refused.clear()
