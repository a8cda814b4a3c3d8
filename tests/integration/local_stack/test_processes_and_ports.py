"""Processes are known by more than their pid; free and taken ports."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.errors import PortTakenError
from deploy.local.ports import choose_free, is_free, pinned_port, require_free
from deploy.local.processes import ProcessIdentity, identify, spawn


def test_ports() -> None:
    assert pinned_port({}, "X") is None
    assert pinned_port({"X": " 4222 "}, "X") == 4222
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortTakenError) as caught:
            require_free(port, "X")
        assert f"pid {os.getpid()}" in str(caught.value)
        taken: set[int] = set()
        assert choose_free(port, taken) != port
    assert choose_free(port, taken) == port
    assert port in taken
    assert choose_free(port, taken) != port


def test_a_process_is_known_by_more_than_its_pid(tmp_path: Path) -> None:
    process = spawn(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        cwd=tmp_path,
        environment={},
        log_path=tmp_path / "log",
    )
    try:
        assert process.is_alive()
        assert identify(process.pid) == process.identity
        stranger = processes.ManagedProcess(ProcessIdentity(process.pid, "another"))
        assert not stranger.is_alive()
        stranger.kill()
        stranger.send(signal.SIGKILL)
        assert process.is_alive()
    finally:
        process.kill()
    assert process.exit_code == -signal.SIGKILL
    assert not process.is_alive()
