"""`make check`: runs every static check. Prints one line for a check that passes, the output of one that fails.

.venv/bin/python -m deploy.setup.check PACKAGE...
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.setup.bootstrap import REPOSITORY, node_environment

CHECK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its command line."""

    title: str
    command: tuple[str, ...]


def checks(packages: Sequence[str]) -> list[Check]:
    """Return all checks in order: the quick ones first."""
    scripts = Path(sysconfig.get_path("scripts"))
    ruff = str(scripts / "ruff")
    buf = str(REPOSITORY / "node_modules" / ".bin" / "buf")
    return [
        Check("ruff check", (ruff, "check", "--quiet", *packages)),
        Check("ruff format", (ruff, "format", "--check", "--quiet", "--diff", *packages)),
        Check("buf lint", (buf, "lint")),
        Check("import rules", (str(scripts / "lint-imports"), "--no-logo")),
        Check("mypy --strict", (str(scripts / "mypy"), "--strict", "--no-error-summary", *packages)),
    ]


def main(packages: Sequence[str]) -> int:
    """Run every check, even after one has failed. Return 1 if any failed."""
    failed = False
    for check in checks(packages):
        began = time.monotonic()
        status, output = _run(check)
        if status == 0:
            print(f"  {check.title:<20}{time.monotonic() - began:6.1f} s", flush=True)
        else:
            failed = True
            print(f"  {check.title:<20}failed\n{output.rstrip()}", flush=True)
    return 1 if failed else 0


def _run(check: Check) -> tuple[int, str]:
    try:
        result = subprocess.run(
            check.command,
            cwd=REPOSITORY,
            env={**node_environment(), "BUF_CACHE_DIR": str(REPOSITORY / ".build" / "buf")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"took more than {CHECK_SECONDS:.0f} s"
    return result.returncode, result.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
