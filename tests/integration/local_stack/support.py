"""What the tests of the local stack share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from deploy.local.postgres import shared_home
from deploy.local.processes import wait_until
from deploy.local.services import SERVICES, ServiceSpec
from deploy.local.settings import INFRASTRUCTURE, StackSettings
from deploy.local.stack import Stack
from deploy.local.state import StackState, StateFolder

HERE = Path(__file__).resolve().parent
# Bounds: they cost time only when something fails.
COMMAND_SECONDS = 180.0
START_SECONDS = 90.0
MARKER = "LOCAL_STACK_TEST"


def stand_in(spec: ServiceSpec) -> ServiceSpec:
    """The spec with a stand-in for the service itself."""
    script = str(HERE / "stand_in.py")
    return replace(spec, command=(sys.executable, script, spec.environment_prefix, spec.grpc_service))


STAND_INS = tuple(stand_in(spec) for spec in SERVICES)


def plain_environment(**more: str) -> dict[str, str]:
    """Our environment without settings of Mass Payout, which a developer may have set."""
    prefixes = ("MASSPAYOUT_", *(spec.environment_prefix for spec in SERVICES))
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)} | more


@dataclass(slots=True)
class Place:
    """A base folder, and what runs for it."""

    base_dir: Path
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)

    def environment(self, **more: str) -> dict[str, str]:
        """An environment by which every process of the stack is known again."""
        return plain_environment(**{MARKER: self.marker}, **more)

    def settings(
        self,
        services: tuple[ServiceSpec, ...] = STAND_INS,
        infrastructure: tuple[str, ...] = INFRASTRUCTURE,
        **more: str,
    ) -> StackSettings:
        """Settings of a stack here; ``more`` is added to its environment."""
        return StackSettings(
            base_dir=self.base_dir,
            environment=self.environment(**more),
            services=services,
            infrastructure=infrastructure,
            fsync=False,
            start_seconds=START_SECONDS,
        )

    def state(self) -> StackState:
        """What is recorded."""
        return StateFolder(self.base_dir).load()

    def command(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start the command-line tool."""
        return subprocess.Popen(
            [sys.executable, str(HERE / "cli.py"), "--base-dir", str(self.base_dir), *arguments],
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Run the command-line tool to its end: status and output."""
        child = self.command(*arguments, **more)
        try:
            output, _ = child.communicate(timeout=COMMAND_SECONDS)
        finally:
            child.kill()
        return child.returncode, output

    def survivors(self) -> list[str]:
        """Command lines of all live processes that belong to a stack here, recorded or not."""
        data = {self.base_dir / "postgres" / "data", shared_home(self.base_dir) / "data"}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = process.environ().get(MARKER) == self.marker or Path(process.cwd()) in data
                if ours and process.pid != os.getpid():
                    found.append(" ".join(process.cmdline()))
        return found

    def assert_nothing_runs(self) -> None:
        """A killed process's last threads may need a moment, a long one on a busy machine."""
        wait_until(lambda: not self.survivors(), 30.0)
        assert self.survivors() == []


@contextlib.contextmanager
def place(base_dir: Path) -> Iterator[Place]:
    """A base folder that is empty again afterwards, whatever happened in between."""
    where = Place(base_dir)
    try:
        yield where
    finally:
        Stack(where.settings()).destroy()
        where.assert_nothing_runs()


def pids(state: StackState) -> Mapping[str, int]:
    """The recorded pids of what is meant to run."""
    return {name: record.process.pid for name, record in state.components.items() if record.process}
