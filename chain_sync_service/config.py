"""Settings of chain_sync_service, from the environment with the prefix CHAIN_SYNC_SERVICE_."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class ChainSyncSettings(ServiceSettings):
    """The chain, and how it is followed. Defaults suit a Hedera JSON-RPC relay (hedera.md)."""

    model_config = SettingsConfigDict(env_prefix="CHAIN_SYNC_SERVICE_")

    rpc_url: SecretStr = Field(description="JSON-RPC endpoint of the node; may carry a key")
    chain_id: int = Field(ge=1, lt=2**63, description="EIP-155 id that the node must serve")
    start_block: int = Field(default=0, ge=0, description="first block whose logs are read for new assets")
    confirmations: int = Field(default=2, ge=0, le=10_000, description="newest blocks that are not read yet")
    window_blocks: int = Field(default=1000, ge=1, le=100_000, description="most blocks in a request for logs")
    window_logs: int = Field(default=20_000, ge=1, description="most logs in a window; more: smaller windows")
    position_event_blocks: int = Field(
        default=100, ge=1, description="blocks without a change after which the position is published anyway"
    )
    poll_seconds: float = Field(default=0.5, gt=0, description="wait before the head is looked at again")
    error_delay_seconds: float = Field(default=1.0, gt=0, description="wait before a failed token is tried again")
    lease_seconds: float = Field(default=10.0, gt=0, description="how long a token belongs to one worker")
    follow_workers: int = Field(default=2, ge=1, le=64, description="tokens moved on at once by one process")
    rpc_batch_size: int = Field(default=20, ge=1, le=1000, description="calls in an HTTP request; 1: no batches")
    rpc_timeout_seconds: float = Field(default=10.0, gt=0, description="longest wait for the node's answer")
