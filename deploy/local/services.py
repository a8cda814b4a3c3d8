"""The names, ports and commands of the four services, for the launcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """How one service is started and found.

    ``peers`` maps the end of a setting's name to the service whose address it holds; ``command`` replaces
    ``python -m <name>`` (for tests).
    """

    name: str
    schema: str
    grpc_service: str
    peers: Mapping[str, str] = field(default_factory=dict)
    reads_chain: bool = False
    signs: bool = False
    command: tuple[str, ...] | None = None

    @property
    def environment_prefix(self) -> str:
        """The prefix of the names of its settings."""
        return f"{self.name.upper()}_"

    @property
    def port_variable(self) -> str:
        """The variable that pins its port."""
        return f"MASSPAYOUT_{self.schema.upper()}_PORT"

    @property
    def health_names(self) -> tuple[str, ...]:
        """The names for which grpc.health.v1 must answer SERVING."""
        return ("", self.grpc_service)


ASSET = ServiceSpec(
    name="asset_service",
    schema="asset",
    grpc_service="masspayout.asset.v1.AssetService",
    peers={"PAYOUT_ADDRESS": "payout_service", "CHAIN_SYNC_ADDRESS": "chain_sync_service"},
)
DISTRIBUTION = ServiceSpec(
    name="distribution_service",
    schema="distribution",
    grpc_service="masspayout.distribution.v1.DistributionService",
    peers={"PAYOUT_ADDRESS": "payout_service"},
)
PAYOUT = ServiceSpec(
    name="payout_service",
    schema="payout",
    grpc_service="masspayout.payout.v1.PayoutService",
    peers={"CHAIN_SYNC_ADDRESS": "chain_sync_service"},
    reads_chain=True,
    signs=True,
)
CHAIN_SYNC = ServiceSpec(
    name="chain_sync_service",
    schema="chain_sync",
    grpc_service="masspayout.chain_sync.v1.ChainSyncService",
    reads_chain=True,
)
SERVICES: tuple[ServiceSpec, ...] = (ASSET, DISTRIBUTION, PAYOUT, CHAIN_SYNC)
