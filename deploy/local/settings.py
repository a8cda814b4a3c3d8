"""The settings of a stack, given by the environment, a test or the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.errors import SettingError
from deploy.local.services import SERVICES, ServiceSpec

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASE_URL_VARIABLE = "MASSPAYOUT_DATABASE_URL"
NATS_URL_VARIABLE = "MASSPAYOUT_NATS_URL"
RPC_URL_VARIABLE = "MASSPAYOUT_RPC_URL"
POSTGRES_PORT_VARIABLE = "MASSPAYOUT_POSTGRES_PORT"
NATS_PORT_VARIABLE = "MASSPAYOUT_NATS_PORT"
ANVIL_PORT_VARIABLE = "MASSPAYOUT_ANVIL_PORT"
DEVNET_CHAIN_ID = 298
CONFIRMATIONS = 2

POSTGRES = "postgres"
NATS = "nats"
ANVIL = "anvil"
INFRASTRUCTURE = (POSTGRES, NATS, ANVIL)


class Mining(StrEnum):
    """When the embedded chain makes blocks."""

    INTERVAL = "interval"
    """every ``block_time_seconds``, also an empty one"""
    AUTOMINE = "automine"
    """at once for every transaction, none while idle"""
    MANUAL = "manual"
    """only when asked to (``evm_mine``, ``anvil_mine``)"""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """The settings of one stack; stacks with different ``base_dir`` run beside each other.

    ``environment`` is where URLs, pinned ports and services' settings are read from, and what the
    processes inherit; ``service_environment`` adds settings per service and wins over it. ``infrastructure``
    limits what is embedded (a part whose URL is given is never embedded).
    """

    base_dir: Path = REPOSITORY / ".run"
    repository: Path = REPOSITORY
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    infrastructure: tuple[str, ...] = INFRASTRUCTURE
    services: tuple[ServiceSpec, ...] = SERVICES
    service_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    database_name: str = "masspayout"
    role_prefix: str = "masspayout"
    fsync: bool = True
    mining: Mining = Mining.INTERVAL
    block_time_seconds: int = 1
    chain_state_seconds: int = 5
    """how often anvil saves its chain: what a kill -9 of it may lose"""
    start_seconds: float = 60.0
    drain_seconds: float = 15.0
    lock_seconds: float = 120.0

    def __post_init__(self) -> None:
        unknown = set(self.infrastructure) - set(INFRASTRUCTURE)
        if unknown:
            raise SettingError("infrastructure", f"unknown parts {sorted(unknown)}")
        for variable, schemes in (
            (DATABASE_URL_VARIABLE, ("postgresql", "postgres")),
            (NATS_URL_VARIABLE, ("nats", "tls")),
            (RPC_URL_VARIABLE, ("http", "https")),
        ):
            url = self.environment.get(variable)
            if url and (urlsplit(url).scheme not in schemes or not urlsplit(url).hostname):
                raise SettingError(variable, f"expected {schemes[0]}://host..., (the value is not shown)")

    @property
    def external_database_url(self) -> str | None:
        """The administrator's URL of a database server that is not ours."""
        return self.environment.get(DATABASE_URL_VARIABLE) or None

    @property
    def external_nats_url(self) -> str | None:
        """The URL of a NATS server that is not ours."""
        return self.environment.get(NATS_URL_VARIABLE) or None

    @property
    def external_rpc_url(self) -> str | None:
        """The URL of an EVM node that is not ours."""
        return self.environment.get(RPC_URL_VARIABLE) or None

    def embeds(self, part: str) -> bool:
        """Return whether this stack runs the part itself."""
        external = {
            POSTGRES: self.external_database_url,
            NATS: self.external_nats_url,
            ANVIL: self.external_rpc_url,
        }[part]
        return part in self.infrastructure and external is None

    def command(self, service: ServiceSpec) -> tuple[str, ...]:
        """Return the command line of a service."""
        return service.command or (sys.executable, "-m", service.name)

    def process_environment(self) -> dict[str, str]:
        """Return the inherited environment without anything that belongs to one service or to the launcher."""
        prefixes = ("MASSPAYOUT_", *(service.environment_prefix for service in SERVICES))
        return {key: value for key, value in self.environment.items() if not key.startswith(prefixes)}
