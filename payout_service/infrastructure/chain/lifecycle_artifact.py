"""Loads the artifact that lists the contracts to create for an asset, in their order and with their arguments.

The file is JSON: `name`, `devnet_only`, `contract` (the creation that is the lifecycle contract) and `creations`,
each with `name`, `abi`, `bytecode` and `constructor_arguments`. An argument is a literal, or one of `${operator}`,
`${<name of an earlier creation>}` and `${initialize_call}`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from libs.chain.address import EvmAddress
from libs.config import SettingsError
from libs.evm import interfaces
from payout_service.domain.transaction import ContractCall


class _Creation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    abi: list[dict[str, Any]]
    bytecode: str = Field(pattern=r"^0x([0-9a-fA-F]{2})+$")
    constructor_arguments: list[str]

    def constructor_types(self) -> list[str]:
        """ABI types of the constructor's arguments."""
        constructor = next((entry for entry in self.abi if entry.get("type") == "constructor"), None)
        return [each.get("type", "") for each in constructor.get("inputs", [])] if constructor else []


class _ArtifactFile(BaseModel):
    name: str
    devnet_only: bool
    contract: str
    creations: list[_Creation] = Field(min_length=1)


class JsonLifecycleArtifact:
    """Implements the port `LifecycleArtifact`."""

    def __init__(self, content: _ArtifactFile) -> None:
        self._content = content
        self._by_name = {creation.name: creation for creation in content.creations}

    @property
    def is_devnet_only(self) -> bool:
        return self._content.devnet_only

    @property
    def creation_names(self) -> Sequence[str]:
        return [creation.name for creation in self._content.creations]

    @property
    def contract_name(self) -> str:
        return self._content.contract

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        creation = self._by_name[name]
        roles = [(role, [operator.value]) for role in interfaces.ALL_LIFECYCLE_ROLES]
        values: dict[str, object] = {
            "${operator}": operator.value,
            "${initialize_call}": interfaces.INITIALIZE.encode(token.value, payment_token.value, roles),
            **{"${" + each + "}": address.value for each, address in created.items()},
        }
        arguments = [values.get(argument, argument) for argument in creation.constructor_arguments]
        return ContractCall(
            None, bytes.fromhex(creation.bytecode[2:]) + encode(creation.constructor_types(), arguments)
        )


def load_artifact(path: Path) -> JsonLifecycleArtifact:
    """Loads and checks the artifact. Raises SettingsError that names the setting and the problem."""
    setting = "PAYOUT_SERVICE_LIFECYCLE_ARTIFACT"
    try:
        content = _ArtifactFile.model_validate(json.loads(path.read_text()))
    except OSError as error:
        raise SettingsError(f"{setting}: {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{setting}: {path}: {place}: {first['msg']}") from None
    except ValueError:
        raise SettingsError(f"{setting}: {path} is not JSON") from None
    _check_references(content, setting)
    artifact = JsonLifecycleArtifact(content)
    _check_arguments(artifact, setting)
    return artifact


def _check_arguments(artifact: JsonLifecycleArtifact, setting: str) -> None:
    """Builds every creation once, with a made-up address for contracts that do not exist yet."""
    address = EvmAddress("0x" + "11" * 20)
    created = dict.fromkeys(artifact.creation_names, address)
    for name in artifact.creation_names:
        try:
            artifact.creation(name, address, address, address, created)
        # The encoder has an error class for each ABI type, and Python's own for what is no type at all.
        except Exception as error:
            what = f"creation {name}: the arguments do not fit its constructor"
            raise SettingsError(f"{setting}: {what} ({type(error).__name__})") from None


def _check_references(content: _ArtifactFile, setting: str) -> None:
    known = {"${operator}", "${initialize_call}"}
    for creation in content.creations:
        if "${" + creation.name + "}" in known:
            raise SettingsError(f"{setting}: the name {creation.name} is taken twice")
        unknown = [
            argument
            for argument in creation.constructor_arguments
            if argument.startswith("${") and argument not in known
        ]
        if unknown:
            raise SettingsError(f"{setting}: creation {creation.name} uses {unknown[0]} before it exists")
        if len(creation.constructor_arguments) != len(creation.constructor_types()):
            raise SettingsError(f"{setting}: creation {creation.name} has a wrong number of arguments")
        known.add("${" + creation.name + "}")
    if content.contract not in {creation.name for creation in content.creations}:
        raise SettingsError(f"{setting}: contract {content.contract!r} is no creation")
