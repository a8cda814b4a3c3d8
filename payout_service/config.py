"""Settings of payout_service, environment prefix PAYOUT_SERVICE_."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class PayoutSettings(ServiceSettings):
    """See ServiceSettings for what all services have."""

    model_config = SettingsConfigDict(env_prefix="PAYOUT_SERVICE_")

    rpc_url: SecretStr = Field(description="JSON-RPC of the chain; may carry a key")
    rpc_timeout_seconds: float = Field(default=10.0, gt=0, description="longest wait for one request")
    rpc_batch_size: int = Field(default=100, ge=1, le=1000, description="calls in one request; 1: no batches")
    chain_id: int = Field(gt=0, description="EIP-155 id that the node must tell")
    confirmations: int = Field(default=2, ge=0, description="blocks on top before a receipt is final")
    signer_keystore_file: Path | None = Field(default=None, description="encrypted keystore (v3) of the signer")
    signer_password_file: Path | None = Field(default=None, description="file with the keystore's password")
    signer_key_file: Path | None = Field(default=None, description="file with a raw key; embedded chain only")
    devnet_genesis_hash: str = Field(default="", description="block 0 of the embedded chain, by its launcher")
    lifecycle_artifact: Path | None = Field(default=None, description="what to deploy for an asset, JSON")
    max_batch_gas: int = Field(default=15_000_000, ge=100_000, description="gas cap of a batch")
    max_transaction_gas: int = Field(default=15_000_000, ge=100_000, description="gas cap of other transactions")
    max_batch_calldata_bytes: int = Field(default=120_000, ge=1_000, description="cap of one call's data")
    max_batch_payees: int = Field(default=1_000, ge=1, le=10_000, description="cap of payees in one call")
    max_in_flight_transactions: int = Field(default=4, ge=1, le=64, description="nonces open at once")
    min_gas_money_wei: int = Field(default=10**17, ge=0, description="native currency the signer must hold")
    max_fee_per_gas_wei: int = Field(default=10**13, gt=0, description="never offer more than this per gas")
    lease_seconds: float = Field(default=20.0, gt=0, description="how long a claim outlives its claimer")
    rebroadcast_seconds: float = Field(default=10.0, gt=0, description="wait before the same bytes are sent again")
    poll_seconds: float = Field(default=0.5, gt=0, description="wait between looks at the chain")
    failpoints: str = Field(default="", description="for tests; see libs/failpoints.py")
