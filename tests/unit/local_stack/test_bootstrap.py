"""Set-up: what it finds missing, when a step is repeated, and what a failure leaves."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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


class Version(NamedTuple):
    """What sys.version_info is compared as."""

    major: int
    minor: int


class Usage(NamedTuple):
    """What shutil.disk_usage answers."""

    free: int


def test_nothing_is_missing_here() -> None:
    assert bootstrap.missing_prerequisites() == []


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", Version(3, 10))
    (problem,) = bootstrap.missing_prerequisites()
    assert problem.startswith("Python 3.11 or newer is needed, and ")
    assert "\n" not in problem


def test_an_unknown_platform_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    (problem,) = bootstrap.missing_prerequisites()
    assert f"{sys.platform} on riscv64 is not supported" in problem


def test_a_python_without_venv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    (problem,) = bootstrap.missing_prerequisites()
    assert problem.startswith("Python's module ensurepip is missing")
    assert "apt install python3-venv" in problem


def test_too_little_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100_000_000))
    (problem,) = bootstrap.missing_prerequisites()
    assert "2 GB of free disk space are needed" in problem
    assert "there are 0.1 GB" in problem


def test_a_step_runs_once_until_its_input_or_output_changes(build: Path) -> None:
    output = build / "output"
    runs = []

    def step(digest: str) -> None:
        def action() -> None:
            runs.append(digest)
            output.touch()

        bootstrap._step("some step", digest, [output], action)

    step("one")
    step("one")
    step("two")
    output.unlink()
    step("two")
    assert runs == ["one", "two", "two"]


def test_a_failed_or_interrupted_step_is_repeated(build: Path) -> None:
    output = build / "output"
    output.touch()
    bootstrap._step("some step", "one", [output], lambda: None)
    for error in (bootstrap.StepFailedError("no"), KeyboardInterrupt()):

        def action(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            bootstrap._step("some step", "two", [output], action)
        assert list((build / "stamps").iterdir()) == []


def test_a_step_that_does_not_make_its_output_fails(build: Path) -> None:
    with pytest.raises(bootstrap.StepFailedError, match="output was not made"):
        bootstrap._step("some step", "one", [build / "output"], lambda: None)


def test_a_digest_knows_names_contents_and_absence(build: Path) -> None:
    file, other = build / "file", build / "other"
    digests = [bootstrap._digest([file])]
    file.write_text("a", encoding="ascii")
    digests.append(bootstrap._digest([file]))
    file.rename(other)
    digests.append(bootstrap._digest([other]))
    digests.append(bootstrap._digest([other], "more"))
    assert len(set(digests)) == 4
    assert bootstrap._digest([other]) == digests[2]


@pytest.mark.parametrize(
    ("configuration", "environment", "expected"),
    [
        ("", {}, {}),
        ("global.index-url='https://one/simple'", {}, {"UV_DEFAULT_INDEX": "https://one/simple"}),
        ("global.index-url='https://one'\n:env:.index-url='https://two'", {}, {"UV_DEFAULT_INDEX": "https://two"}),
        (":env:.index-url='https://two'\nglobal.index-url='https://one'", {}, {"UV_DEFAULT_INDEX": "https://two"}),
        ("global.index-url='https://one'", {"UV_DEFAULT_INDEX": "https://uv"}, {"UV_DEFAULT_INDEX": "https://uv"}),
        (
            "global.extra-index-url='https://a https://b'",
            {},
            {"UV_INDEX": "https://a https://b", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
    ],
)
def test_uv_is_told_where_pip_gets_packages_from(
    monkeypatch: pytest.MonkeyPatch, configuration: str, environment: dict[str, str], expected: dict[str, str]
) -> None:
    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, configuration, "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "environ", environment)
    assert bootstrap.uv_environment() == expected


def test_no_package_registry_is_named_in_the_files() -> None:
    root = Path(bootstrap.__file__).resolve().parents[2]
    files = [
        root / name for name in ("requirements.lock", "package-lock.json", "package.json", ".npmrc", "Makefile")
    ]
    files += (root / "deploy" / "setup").glob("*.*")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not any(host in text for host in ("pypi.org", "pythonhosted", "registry.npmjs"))
