"""How the tests are shared out between two workers: one stack a folder, the long ones first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.simulation.known_seeds import FIRST_SEED, fresh_base
from tests.support.last_run import LastRun

# How long an example takes says something about the machine, not about the code.
settings.register_profile("masspayout", deadline=None)
settings.load_profile("masspayout")

# Tests start processes while gRPC's threads run. Its fork handlers, read when grpc is imported, crash such a
# child now and then before it becomes what it shall be.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

_ROOT = Path(__file__).parent
# Each has a stack of its own.
_ALONE = ("system/test_register_random.py", "system/test_crashes.py")
# Longest first, so that neither worker waits for the other at the end.
_ORDER = (
    *reversed(_ALONE),
    "system",
    "integration/chain_sync_service",
    "integration/asset_service",
    "integration/local_stack",
    "integration",
    "unit/payout_service/test_simulation.py",
)
_PIECES = "test_every_invariant_holds["


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the simulation's new seeds (the workers inherit the choice), and has the run's times told."""
    os.environ.setdefault(FIRST_SEED, str(fresh_base()))
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(LastRun())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells which new seeds the simulation has run."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    if any("payout_service/test_simulation.py::test_every_invariant_holds" in each.nodeid for each in reports):
        first = os.environ[FIRST_SEED]
        terminalreporter.write_line(f"simulation: new seeds from {first} on; again with {FIRST_SEED}={first}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long folders first; xdist gives them out in this order."""
    items.sort(key=lambda item: _rank(_place(item.nodeid)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Puts each folder that has a stack of its own onto one worker.

    xdist's own groups (`--dist loadgroup`) are lost with pytest 9.2: it does not read the name they are put into.
    """
    return _ByStack(config, log)


class _ByStack(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        place = _place(nodeid)
        if nodeid.partition("::")[2].startswith(_PIECES):
            # Pieces of the simulation need nothing of each other, and take a minute together.
            return nodeid
        is_alone = place.startswith("unit/") or place in _ALONE
        return place if is_alone else str(Path(place).parent)


def _place(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix(f"{_ROOT.name}/")


def _rank(place: str) -> int:
    return next((rank for rank, start in enumerate(_ORDER) if place.startswith(start)), len(_ORDER))
