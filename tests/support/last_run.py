"""Reports how long a test run took, by test, folder and worker, and writes `.run/last-test.json`."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / ".run" / "last-test.json"
_SLOWEST = 20
# As pytest sorts its reports; what is not here (warnings, deselected) is no outcome of a test.
_OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
_GIT_SECONDS = 10


class LastRun:
    """Listens to the reports of one run, in the process that receives them all: xdist's controller."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._began = time.monotonic()
        # Set-up, call and teardown of a test are reported one by one.
        self._tests: dict[str, float] = defaultdict(float)
        self._workers: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds the duration of one phase of a test."""
        self._tests[report.nodeid] += report.duration
        self._workers[getattr(report, "worker_id", "one process")] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the report and writes the file."""
        if not self._tests:
            return
        seconds = time.monotonic() - self._began
        terminalreporter.section("time")
        for line in lines(self._tests, self._workers):
            terminalreporter.write_line(line)
        counts = {kind: len(terminalreporter.getreports(kind)) for kind in _OUTCOMES}
        write(self._file, {**commit(), **counts, "seconds": round(seconds, 1), "folders": rounded(self._tests)})


def folders(tests: Mapping[str, float]) -> list[tuple[str, float, int]]:
    """Returns seconds and number of tests by folder, the longest first."""
    seconds: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for test, taken in tests.items():
        folder = test.partition("::")[0].rpartition("/")[0]
        seconds[folder] += taken  # type: ignore[assignment] # a Counter of floats
        numbers[folder] += 1
    return [(folder, taken, numbers[folder]) for folder, taken in seconds.most_common()]


def rounded(tests: Mapping[str, float]) -> dict[str, float]:
    """Returns rounded seconds by folder."""
    return {folder: round(seconds, 1) for folder, seconds, _ in folders(tests)}


def lines(tests: Mapping[str, float], workers: Mapping[str, float]) -> Iterable[str]:
    """Returns the lines to print."""
    slowest = sorted(tests.items(), key=lambda each: -each[1])[:_SLOWEST]
    yield from (f"{seconds:8.2f} s  {test}" for test, seconds in slowest)
    yield ""
    yield from (f"{seconds:8.1f} s  {folder} ({number})" for folder, seconds, number in folders(tests))
    yield ""
    yield from (f"{seconds:8.1f} s  {worker}" for worker, seconds in sorted(workers.items()))


def commit() -> dict[str, object]:
    """Returns the commit and whether the working tree differs from it; None where git has no answer."""
    head = _git(["rev-parse", "HEAD"])
    status = _git(["status", "--porcelain"])
    return {"commit": head, "changed": None if status is None else bool(status)}


def write(file: Path, told: Mapping[str, object]) -> None:
    """Replaces the file's content with this."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)


def _git(arguments: Sequence[str]) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
