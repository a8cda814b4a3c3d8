"""What is told of a run of the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.last_run import LastRun, folders, lines

_TESTS = {"tests/a/test_x.py::one": 1.0, "tests/b/test_y.py::two[a/b]": 5.0, "tests/a/test_z.py::three": 2.5}


class Terminal:
    """pytest's terminal reporter, as far as it is used here."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)

    def getreports(self, kind: str) -> list[object]:
        return [object()] * {"passed": 2, "failed": 1}.get(kind, 0)


def test_folders_come_longest_first() -> None:
    assert folders(_TESTS) == [("tests/b", 5.0, 1), ("tests/a", 3.5, 2)]


def test_the_slowest_twenty_the_folders_and_the_workers() -> None:
    tests = {f"tests/a/test_x.py::test_{number}": float(number) for number in range(30)}
    told = list(lines(tests, {"gw1": 2.0, "gw0": 1.0}))
    assert [line.rpartition("_")[2] for line in told[:20]] == [str(number) for number in range(29, 9, -1)]
    assert [line.split() for line in told[20:]] == [
        [],
        ["435.0", "s", "tests/a", "(30)"],
        [],
        ["1.0", "s", "gw0"],
        ["2.0", "s", "gw1"],
    ]


def test_a_run_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.last_run.commit", lambda: {"commit": "abc", "changed": False})
    run, terminal = LastRun(tmp_path / ".run" / "last-test.json"), Terminal()
    for test, seconds in [*_TESTS.items(), ("tests/a/test_x.py::one", 0.5)]:
        run.pytest_runtest_logreport(_report(test, seconds))
    run.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    told = json.loads((tmp_path / ".run" / "last-test.json").read_text(encoding="utf-8"))
    assert told.pop("seconds") >= 0
    assert told == {
        "commit": "abc",
        "changed": False,
        "passed": 2,
        "failed": 1,
        "error": 0,
        "skipped": 0,
        "xfailed": 0,
        "xpassed": 0,
        "folders": {"tests/b": 5.0, "tests/a": 4.0},
    }
    assert terminal.lines[0] == "time"
    assert "    5.00 s  tests/b/test_y.py::two[a/b]" in terminal.lines


def test_a_run_without_tests_leaves_the_last_one(tmp_path: Path) -> None:
    LastRun(tmp_path / "file").pytest_terminal_summary(Terminal())  # type: ignore[arg-type]
    assert not (tmp_path / "file").exists()


def _report(test: str, seconds: float) -> pytest.TestReport:
    return pytest.TestReport(
        test, ("", None, ""), {}, outcome="passed", longrepr=None, when="call", duration=seconds
    )
