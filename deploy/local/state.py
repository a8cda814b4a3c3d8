"""Stores what the launcher must remember between two runs, in the stack's base folder.

``state.json`` has processes and ports, ``secrets.json`` passwords; both are private (mode 0600).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.database import SCHEMAS, new_passwords
from deploy.local.errors import StackError
from deploy.local.files import make_private_folder, write_private
from deploy.local.processes import ProcessIdentity

FORMAT = 1


@dataclass(slots=True)
class ComponentRecord:
    """A component's ports and, while it is meant to run, its process."""

    port: int | None = None
    monitor_port: int | None = None
    process: ProcessIdentity | None = None


@dataclass(slots=True)
class Genesis:
    """The content of the embedded chain's first block, and its hash once it is known."""

    timestamp: int
    base_fee_wei: int
    hash: str | None = None


@dataclass(slots=True)
class StackState:
    """The content of ``state.json``."""

    components: dict[str, ComponentRecord] = field(default_factory=dict)
    genesis: Genesis | None = None
    signer_address: str | None = None
    postgres_home: str | None = None

    def component(self, name: str) -> ComponentRecord:
        """Return a component's record. It is made when there is none."""
        return self.components.setdefault(name, ComponentRecord())


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """The content of ``secrets.json``."""

    postgres_superuser: str = field(repr=False)
    nats: str = field(repr=False)
    roles: dict[str, str] = field(repr=False)


class StateFolder:
    """Reads and writes the files of one stack's base folder."""

    def __init__(self, base_dir: Path) -> None:
        self.base_dir = base_dir
        self.state_path = base_dir / "state.json"
        self.secrets_path = base_dir / "secrets.json"
        self.lock_path = base_dir / "lock"
        self.logs = base_dir / "logs"

    def create(self) -> None:
        """Make the base folder."""
        make_private_folder(self.base_dir)
        make_private_folder(self.logs)

    def load(self) -> StackState:
        """Return the recorded state, empty when there is none. Raises StackError when it cannot be read."""
        document = self._read(self.state_path)
        if document is None:
            return StackState()
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            components = {
                name: ComponentRecord(
                    port=record["port"],
                    monitor_port=record["monitor_port"],
                    process=ProcessIdentity(**record["process"]) if record["process"] else None,
                )
                for name, record in document["components"].items()
            }
            genesis = Genesis(**document["genesis"]) if document["genesis"] else None
            return StackState(components, genesis, document["signer_address"], document["postgres_home"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StackError(f"{self.state_path} is not a state file of this version ({error!r})") from None

    def save(self, state: StackState) -> None:
        """Record the state, atomically."""
        write_private(self.state_path, json.dumps({"format": FORMAT, **asdict(state)}, indent=1) + "\n")

    def secrets(self) -> StackSecrets:
        """Return the stack's passwords. They are made when first asked for."""
        document = self._read(self.secrets_path)
        if document is None:
            self.create()
            document = {
                "postgres_superuser": secrets.token_urlsafe(24),
                "nats": secrets.token_urlsafe(24),
                "roles": new_passwords(SCHEMAS),
            }
            write_private(self.secrets_path, json.dumps(document, indent=1) + "\n")
        try:
            return StackSecrets(document["postgres_superuser"], document["nats"], dict(document["roles"]))
        except (KeyError, TypeError, ValueError):
            raise StackError(f"{self.secrets_path} is damaged") from None

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            document = json.loads(text)
        except ValueError:
            raise StackError(f"{path} is damaged: it is not JSON") from None
        if not isinstance(document, dict):
            raise StackError(f"{path} is damaged: it is not a JSON object")
        return document
