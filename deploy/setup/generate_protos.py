"""Generates the protocol code from protos/: `wire` with grpcio-tools, `typed` with betterproto2.

    .venv/bin/python deploy/setup/generate_protos.py [--protos DIR] [--out DIR]

Both are generated into a scratch folder and take the place of the old ones when all of it has succeeded, so
what is stale disappears and a failure changes nothing. The same protos give the same files.

Definitions that are vendored under protos/google (google/rpc ...) get no wire classes of ours: those come with
googleapis-common-protos, and a second registration of the same names would be refused.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROTOC_SECONDS = 120.0
PLUGIN = "protoc-gen-python_betterproto2"


class GenerationError(Exception):
    """protoc failed; the message is its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script. Return the process's exit status."""
    parser = argparse.ArgumentParser(description="Generate the protocol code from protos/.")
    parser.add_argument("--protos", type=Path, default=REPOSITORY / "protos", help="folder of the definitions")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "libs" / "protogen", help="where to generate")
    options = parser.parse_args(arguments)
    try:
        changed = generate(options.protos, options.out)
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"generated {', '.join(changed)}" if changed else "nothing has changed")
    return 0


def generate(protos: Path, out: Path) -> list[str]:
    """Generate ``out/wire`` and ``out/typed``. Return the names of those that have changed.

    Raises GenerationError, after which ``out`` is as it was.
    """
    sources = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    if not sources:
        raise GenerationError(f"{protos} has no .proto files")
    ours = [source for source in sources if not source.startswith("google/")]
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".generating-", dir=out))
    try:
        wire, typed = scratch / "wire", scratch / "typed"
        wire.mkdir()
        typed.mkdir()
        _protoc(protos, ours, [f"--python_out={wire}", f"--pyi_out={wire}", f"--grpc_python_out={wire}"])
        plugin = Path(sysconfig.get_path("scripts")) / PLUGIN
        if not plugin.exists():
            raise GenerationError(f"{plugin} is not there: run `make setup`")
        _protoc(protos, sources, [f"--plugin={PLUGIN}={plugin}", f"--python_betterproto2_out={typed}"])
        for folder in [typed, *(path for path in typed.rglob("*") if path.is_dir())]:
            (folder / "__init__.py").touch()
        return [new.name for new in (wire, typed) if _replace(out / new.name, new, scratch)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _protoc(protos: Path, sources: Sequence[str], outputs: Sequence[str]) -> None:
    # betterproto2 formats its output with the ruff that it finds on the path.
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}", *outputs, *sources]
    try:
        result = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROTOC_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GenerationError(f"protoc took more than {PROTOC_SECONDS:.0f} s") from None
    if result.returncode != 0:
        raise GenerationError((result.stdout + result.stderr).strip() or f"protoc: status {result.returncode}")


def _replace(old: Path, new: Path, scratch: Path) -> bool:
    """Put ``new`` where ``old`` is. Return False, and touch nothing, when they are the same."""
    if old.is_dir() and _contents(old) == _contents(new):
        same = all(filecmp.cmp(old / name, new / name, shallow=False) for name in _contents(new))
        if same:
            return False
    if old.exists():
        old.rename(scratch / f"old-{old.name}")
    new.rename(old)
    return True


def _contents(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if "__pycache__" not in path.parts)


if __name__ == "__main__":
    sys.exit(main())
