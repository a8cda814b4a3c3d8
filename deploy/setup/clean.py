"""`make clean`: stops the local stack, deletes its data and all generated files (not .venv and node_modules).

Standard library only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STOP_SECONDS = 180
MADE = (
    ".run",
    ".build",
    "libs/protogen/wire",
    "libs/protogen/typed",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
    ".hypothesis",
)


def main() -> int:
    """Clean up. Return 1 when the stack could not be stopped, in which case nothing is deleted."""
    python = REPOSITORY / ".venv" / "bin" / "python"
    if (REPOSITORY / ".run").is_dir() and python.exists():
        command = [str(python), "-m", "deploy.local", "destroy", "--shared"]
        if subprocess.run(command, cwd=REPOSITORY, timeout=STOP_SECONDS, check=False).returncode != 0:
            print("clean: the local stack could not be stopped, so nothing was deleted", file=sys.stderr)
            return 1
    for name in MADE:
        shutil.rmtree(REPOSITORY / name, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
