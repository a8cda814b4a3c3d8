"""The programs that set-up runs: ended in time, tried again."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from deploy.setup import bootstrap


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of this test's own."""
    monkeypatch.setattr(bootstrap, "REPOSITORY", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "setup.log")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(bootstrap, "RETRY_SECONDS", 0)
    (tmp_path / "stamps").mkdir()
    return tmp_path


def test_a_program_that_takes_too_long_is_ended_with_its_children(build: Path) -> None:
    # By its argument: stacks of other tests may run as children of this process too.
    marker = str(build / "sleeper")
    sleep = "import sys, time; open(sys.argv[1], 'w'); time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}, {marker!r}])"
    with pytest.raises(bootstrap.StepFailedError, match=r"sleeper took more than 4 s"):
        bootstrap.run("sleeper", [sys.executable, "-c", script], 4.0)
    assert Path(marker).exists()
    # Killed, it may still be seen for a moment; alive, it would sleep for a minute.
    _, alive = psutil.wait_procs(
        [process for process in psutil.process_iter() if marker in _arguments(process)], timeout=10
    )
    assert not alive


def _arguments(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_step_on_the_network_is_tried_again_and_then_given_up(build: Path) -> None:
    counter = build / "counter"
    script = f"open({str(counter)!r}, 'a').write('x'); raise SystemExit(len(open({str(counter)!r}).read()) < 3)"
    bootstrap.run_with_retries("flaky", [sys.executable, "-c", script], 10)
    assert counter.read_text(encoding="ascii") == "xxx"
    with pytest.raises(bootstrap.StepFailedError, match="hopeless failed with status 1"):
        bootstrap.run_with_retries("hopeless", [sys.executable, "-c", "print('why'); raise SystemExit(1)"], 10)
    assert bootstrap._log_tail().count("  | why") == bootstrap.ATTEMPTS
