"""Fetches the npm package with the ATS's compiled contracts, and reads what deploying them needs.

Only the package itself comes, by `npm pack`: what it depends on serves its own scripts, which are not run.
npm's settings say where from; the hash of each release is pinned here, so that it is the same from everywhere.

    .venv/bin/python -m deploy.ats.package          every release of RELEASES (`make test-ats` does it first)
    .venv/bin/python -m deploy.ats.package 2.0.0    one of them

A release that is there already is not fetched again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_typing import HexStr

from deploy.devnet.artifacts import REPOSITORY_ROOT, Abi
from deploy.setup.bootstrap import NODE_WHEEL, node, node_environment

PACKAGE: Final = "@hashgraph/asset-tokenization-contracts"
# Version of the package to the SHA-512 of its archive, as npm tells it.
RELEASES: Final = {
    "2.0.0": "QnbrLYQKVacNA9TIua1vPrezlu4NHX2iabWmT9U8vBkjp3kfbskHqOk+5lbRgM1tDjqaFpbXSSihNLONMAW6mA==",
    "8.0.0": "OGxFWfb0FTaQtRSqETDGBPdxakYt0L/L2A5OgVlBtBCqs/Pz74NTLpqzPw/QOnOnhWiLLo9wYCKNze7sz5B8iQ==",
}
DEFAULT_FOLDER: Final = REPOSITORY_ROOT / ".build" / "ats"
FETCH_SECONDS: Final = 300
# What is kept of the package: its compiled contracts, and the scripts that list a configuration's facets.
KEPT: Final = ("package/artifacts/", "package/build/scripts/domain/")


class PackageError(Exception):
    """The package cannot be had, is another than the pinned one, or lacks what was asked of it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract whose bytecode may still miss the addresses of libraries.

    `links` names for each library (its artifact's name) the byte offsets at which its address belongs.
    """

    name: str
    abi: Abi
    bytecode: HexStr
    links: Mapping[str, tuple[int, ...]]


def fetch(version: str, folder: Path = DEFAULT_FOLDER) -> Path:
    """Make sure that a release of the package lies unpacked in `folder`; return its root.

    Raises PackageError for a version that is not pinned, when npm fails or takes longer than FETCH_SECONDS, and
    when it brings other bytes than the pinned.
    """
    if version not in RELEASES:
        raise PackageError(f"{PACKAGE} {version} is not pinned; there are {', '.join(RELEASES)}")
    root = folder / version
    if root.is_dir():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = _download(version, Path(scratch))
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode("ascii")
        if found != RELEASES[version]:
            raise PackageError(f"{PACKAGE} {version} has the hash sha512-{found}, not the pinned one")
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.name.startswith(KEPT)]
            tar.extractall(scratch, members, filter="data")
        # In one step, so that an interrupted run leaves nothing that looks complete.
        shutil.move(Path(scratch) / "package", root)
    return root


def load_artifact(root: Path, name: str) -> Artifact:
    """Read the contract of this name. Raises PackageError if there is not exactly one."""
    paths = list((root / "artifacts").rglob(f"{name}.sol/{name}.json"))
    if len(paths) != 1:
        raise PackageError(f"{len(paths)} artifacts are named {name}")
    raw: dict[str, Any] = json.loads(paths[0].read_text(encoding="utf-8"))
    links = {
        library: tuple(place["start"] for place in places)
        for libraries in raw["linkReferences"].values()
        for library, places in libraries.items()
    }
    return Artifact(name, raw["abi"], HexStr(raw["bytecode"]), links)


def configuration_facets(root: Path, product: str) -> tuple[str, ...]:
    """The facets of which the package composes a product (`equity`, `bond`, ...), in its order.

    They stand in the script that registers them, as the one list of facets' names. Raises PackageError if the
    script has no such list.
    """
    script = root / "build" / "scripts" / "domain" / product / "createConfiguration.js"
    found = re.search(
        r"^const \w+_FACETS = \[(.*?)^\];", script.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise PackageError(f"{script} lists no facets")
    return tuple(re.findall(r'^\s*"(\w+)",', found[1], re.MULTILINE))


def _download(version: str, folder: Path) -> Path:
    npm = NODE_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [*node(), npm, "pack", f"{PACKAGE}@{version}", "--pack-destination", folder, "--ignore-scripts"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=node_environment(),
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PackageError(f"npm pack took more than {FETCH_SECONDS} s") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise PackageError(f"npm pack {PACKAGE}@{version} failed:\n{done.stderr}")
    return archives[0]


if __name__ == "__main__":
    try:
        for asked in sys.argv[1:] or RELEASES:
            fetch(asked)
    except PackageError as error:
        sys.exit(str(error))
