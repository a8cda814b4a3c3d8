"""The base class of every part of the stack: start, readiness, stop, kill, restart."""

from __future__ import annotations

import contextlib
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deploy.local.errors import ComponentFailedError, StackError
from deploy.local.ports import choose_free, pinned_port, require_free
from deploy.local.processes import POLL_SECONDS, ManagedProcess, signals_deferred
from deploy.local.settings import StackSettings
from deploy.local.state import ComponentRecord, StackSecrets, StackState, StateFolder


class RunState(StrEnum):
    """Whether a component runs, and whether it should."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"
    """it should run, and does not"""
    EXTERNAL = "external"
    """not ours: its URL was given"""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One line of ``make status``. ``health`` is one word when fine, otherwise what is wrong."""

    name: str
    state: RunState
    endpoint: str
    version: str
    health: str
    pid: int | None

    @property
    def healthy(self) -> bool:
        """Whether the component reports that all is well."""
        return self.health in ("ok", "SERVING")


class StackContext:
    """What the components of one stack share."""

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self.folder = StateFolder(settings.base_dir)
        self.state = StackState()
        self.taken_ports: set[int] = set()
        self._secrets: StackSecrets | None = None

    @property
    def secrets(self) -> StackSecrets:
        """The stack's passwords."""
        if self._secrets is None:
            self._secrets = self.folder.secrets()
        return self._secrets

    def reload(self) -> None:
        """Read what is recorded now."""
        self.state = self.folder.load()
        self._secrets = None
        self.taken_ports = {
            record.port for record in self.state.components.values() if record.process and record.port
        }

    def save(self) -> None:
        """Record the state."""
        self.folder.save(self.state)


class Component(ABC):
    """One process of the stack. Its record in the state file is kept up to date by every method."""

    port_variable: str = ""
    stop_signal = signal.SIGTERM
    stop_seconds = 15.0

    def __init__(self, name: str, context: StackContext) -> None:
        self.name = name
        self.context = context
        self.started_at = 0.0
        """when this object started it last, as ``time.monotonic`` tells"""
        self._process: ManagedProcess | None = None

    # ------------------------------------------------------------------ what each component says of itself

    @abstractmethod
    def prepare(self) -> None:
        """Create the files and folders that the process needs. The ports are known."""

    @abstractmethod
    def launch(self) -> ManagedProcess:
        """Start the process and return at once."""

    @abstractmethod
    def probe(self) -> str | None:
        """Return None when ready, otherwise what is still missing. Must return within about a second."""

    @abstractmethod
    def version(self) -> str:
        """Return the version that the component reports. May raise OSError when it does not answer."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """Return the address at which it is reached, without credentials."""

    def settled(self) -> None:  # noqa: B027 most components have nothing to do then
        """Do what is due once it has become ready."""

    # ------------------------------------------------------------------------------------------- lifecycle

    @property
    def record(self) -> ComponentRecord:
        """Its part of the state file."""
        return self.context.state.component(self.name)

    @property
    def port(self) -> int:
        """Its port on loopback. Raises StackError before the first start."""
        port = self.record.port
        if port is None:
            raise StackError(f"{self.name} has not been started, so it has no port yet")
        return port

    @property
    def log_path(self) -> Path:
        """The file that its output goes to."""
        return self.context.folder.logs / f"{self.name}.log"

    @property
    def process(self) -> ManagedProcess | None:
        """The recorded process, alive or not; None when it was never started or was stopped."""
        identity = self.record.process
        if identity is None:
            return None
        if self._process is None or self._process.identity != identity:
            self._process = ManagedProcess(identity)
        return self._process

    @property
    def pid(self) -> int | None:
        """The pid of the running process."""
        process = self.process
        return process.pid if process is not None and process.is_alive() else None

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self.pid is not None

    @property
    def run_state(self) -> RunState:
        """RUNNING, STOPPED, or DEAD when it ended without being asked to."""
        if self.running:
            return RunState.RUNNING
        return RunState.STOPPED if self.record.process is None else RunState.DEAD

    def start(self, *, seconds: float | None = None) -> None:
        """Start it unless it runs, and wait until it is ready.

        Raises ComponentFailedError when it dies or is not ready in time (it is then stopped), PortTakenError
        when the port it is pinned to or had before is taken.
        """
        if not self.running:
            self.begin()
        self.wait_ready(seconds)

    def begin(self) -> None:
        """Choose its ports and start the process, without waiting for it."""
        self.choose_ports()
        self.run()

    def run(self) -> None:
        """Start the process on the chosen ports, without waiting for it."""
        self.started_at = time.monotonic()
        self.prepare()
        with signals_deferred():
            process = self.launch()
            self._process = process
            self.record.process = process.identity
            self.context.save()

    def choose_ports(self) -> None:
        """Keep the ports of the last run where they are free; a pinned port has to be free."""
        self.record.port = self._choose(self.port_variable, self.record.port)

    def _choose(self, variable: str, previous: int | None) -> int:
        taken = self.context.taken_ports
        pinned = pinned_port(self.context.settings.environment, variable) if variable else None
        if pinned is not None:
            require_free(pinned, variable)
            taken.add(pinned)
            return pinned
        taken.discard(previous or 0)
        return choose_free(previous, taken)

    def wait_ready(self, seconds: float | None = None) -> None:
        """Wait until ``probe`` has nothing to say. Raises ComponentFailedError as ``start`` does."""
        limit = self.context.settings.start_seconds if seconds is None else seconds
        deadline = time.monotonic() + limit
        missing: str | None = "does not run"
        while True:
            process = self.process
            if process is None or not process.is_alive():
                code = process.exit_code if process is not None else None
                ending = f" with status {code}" if code is not None else ""
                self.forget()
                raise ComponentFailedError(self.name, f"ended{ending} while starting", self.log_path)
            try:
                missing = self.probe()
            except OSError as error:
                missing = f"does not answer ({type(error).__name__})"
            if missing is None:
                break
            if time.monotonic() >= deadline:
                problem = f"was not ready after {limit:.0f} s: {missing}"
                error_to_raise = ComponentFailedError(self.name, problem, self.log_path)
                self.stop()
                raise error_to_raise
            time.sleep(POLL_SECONDS)
        self.settled()

    def request_stop(self) -> None:
        """Ask it to end, without waiting for that."""
        process = self.process
        if process is not None:
            process.send(self.stop_signal)

    def stop(self) -> None:
        """Ask it to end, wait ``stop_seconds``, then kill it. No error when it does not run."""
        self.request_stop()
        process = self.process
        if process is not None and not process.wait_gone(self.stop_seconds):
            process.kill()
        self.forget()

    def kill(self) -> None:
        """SIGKILL it with all its child processes, as a crash would; ``restart`` or ``start`` brings it back."""
        process = self.process
        if process is not None:
            process.kill()

    def restart(self, *, seconds: float | None = None) -> None:
        """Stop it if it runs, and start it on the same port with the same data."""
        port = self.record.port
        if self.running:
            self.stop()
        self.start(seconds=seconds)
        if port is not None and self.port != port:
            moved = self.port
            self.stop()
            raise StackError(f"{self.name} could not return to port {port}, which is taken (free was {moved})")

    def forget(self) -> None:
        """Record that it is not meant to run."""
        self.record.process = None
        self._process = None
        self.context.save()

    # ---------------------------------------------------------------------------------------------- status

    def status(self) -> ComponentStatus:
        """Return its present state. Asks the component itself, which takes a few seconds at most."""
        state = self.run_state
        endpoint = self.endpoint if self.record.port is not None else "-"
        if state is not RunState.RUNNING:
            health = "-" if state is RunState.STOPPED else f"died, see {self.log_path}"
            return ComponentStatus(self.name, state, endpoint, "-", health, None)
        return ComponentStatus(
            self.name,
            state,
            endpoint,
            guarded(self.version, "?"),
            guarded(self._health, "unreachable"),
            self.pid,
        )

    def _health(self) -> str:
        return self.probe() or self.healthy_word

    healthy_word = "ok"


def guarded(question: Callable[[], str], otherwise: str) -> str:
    """Return the answer, or ``otherwise`` when asking fails."""
    with contextlib.suppress(Exception):  # a status line never fails as a whole
        return question()
    return otherwise
