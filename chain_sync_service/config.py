"""Settings of chain_sync_service, from the environment with the prefix CHAIN_SYNC_SERVICE_."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class ChainSyncSettings(ServiceSettings):
    """The settings of the chain and of how it is followed.

    Defaults suit Hedera's relay and mirror node (docs/facts-hedera.md).
    """

    model_config = SettingsConfigDict(env_prefix="CHAIN_SYNC_SERVICE_")

    source: Literal["evm", "mirror"] = Field(
        default="evm",
        description="where the chain is read: evm (JSON-RPC, RPC_URL) or mirror (Hedera Mirror Node, MIRROR_URL)",
    )
    rpc_url: SecretStr = Field(
        default=SecretStr(""), description="JSON-RPC endpoint of the node, for source evm; may carry a key"
    )
    mirror_url: SecretStr = Field(
        default=SecretStr(""), description="base URL of the mirror node, without /api/v1, for source mirror"
    )
    chain_id: int = Field(ge=1, lt=2**63, description="EIP-155 id that the node must serve")
    start_block: int = Field(default=0, ge=0, description="first block whose logs are read for new assets")
    holder_source: Literal["logs", "list"] = Field(
        default="logs",
        description="where the holders of a new asset come from: logs (transfers since START_BLOCK) or list (the "
        "token's own list at one block; earlier logs are not read)",
    )
    confirmations: int = Field(
        default=2, ge=0, le=10_000, description="newest blocks that are not read yet; 0 on Hedera"
    )
    window_blocks: int = Field(default=1000, ge=1, le=100_000, description="most blocks in a request for logs")
    window_logs: int = Field(default=20_000, ge=1, description="most logs in a window; more: smaller windows")
    group_size: int = Field(default=200, ge=1, le=1000, description="most assets read by the same requests")
    list_page: int = Field(default=500, ge=1, le=10_000, description="holders in a page of the token's list")
    read_page: int = Field(
        default=1000, ge=1, le=1000, description="holdings read and told in one step; a call or five for each"
    )
    position_event_blocks: int = Field(
        default=100,
        ge=1,
        description="blocks without a change after which holdings are compared with the supply, and the position "
        "is published",
    )
    ghost_patience_seconds: float = Field(
        default=120.0,
        gt=0,
        description="how long a log whose transaction does not resolve holds its asset up before it is kept as "
        "unknown",
    )
    poll_seconds: float = Field(default=0.25, gt=0, description="wait before the head is looked at again")
    error_delay_seconds: float = Field(default=1.0, gt=0, description="wait before a failed asset is tried again")
    lease_seconds: float = Field(default=10.0, gt=0, description="how long an asset belongs to one worker")
    follow_workers: int = Field(default=2, ge=1, le=64, description="groups moved on at once by one process")
    max_watches: int = Field(default=100, ge=1, description="streams of WatchSyncStatus that one process serves")
    rpc_batch_size: int = Field(default=100, ge=1, le=1000, description="calls in an HTTP request; 1: no batches")
    rpc_timeout_seconds: float = Field(default=10.0, gt=0, description="longest wait for the source's answer")
    relay_pacing: bool = Field(
        default=False,
        description="true keeps to the request limits of Hedera's JSON-RPC relay: 100, 800 and 1,600 calls a "
        "minute by kind of method",
    )
    mirror_requests_per_minute: int = Field(
        default=1_800, ge=2, description="most requests a minute to the mirror node"
    )

    @model_validator(mode="after")
    def _source_has_its_url(self) -> Self:
        name = "mirror_url" if self.source == "mirror" else "rpc_url"
        if not getattr(self, name).get_secret_value():
            raise ValueError(f"CHAIN_SYNC_SERVICE_{name.upper()} is required for source {self.source}")
        return self
