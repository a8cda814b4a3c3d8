"""The settings of payout_service, from environment variables with the prefix PAYOUT_SERVICE_."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class Rail(StrEnum):
    """The ways to send transactions: an EVM node, or Hedera's relay."""

    EVM = "evm"
    HEDERA_RELAY = "hedera_relay"


# Hedera is final at once, a relay keeps no pool (docs/facts-hedera.md#relay-nonces); not what is set explicitly.
# A page of the plan is one call of a contract per holder, of which the relay allows 100 a minute: half a minute.
_HEDERA_RELAY_DEFAULTS = {
    "confirmations": 0,
    "max_in_flight_transactions": 1,
    "rpc_batch_size": 1,
    "plan_page_size": 50,
    "lease_seconds": 120.0,
}


class PayoutSettings(ServiceSettings):
    """The settings of payout_service. See ServiceSettings for those that all services have."""

    model_config = SettingsConfigDict(env_prefix="PAYOUT_SERVICE_")

    # Text, since the settings page (deploy/docs) knows no enums; `through_relay` for the code.
    rail: str = Field(
        default=Rail.EVM.value,
        pattern=f"^({'|'.join(Rail)})$",
        description="evm: any EVM node; hedera_relay: Hedera's JSON-RPC relay, which changes the defaults of "
        "confirmations to 0, of transactions in flight and of calls in one request to 1, of holders in a page of "
        "the plan to 50 and of leases to 120 s, and paces requests",
    )
    rpc_url: SecretStr = Field(description="JSON-RPC of the chain; may carry a key")
    rpc_timeout_seconds: float = Field(default=10.0, gt=0, description="longest wait for one request")
    rpc_batch_size: int = Field(default=100, ge=1, le=1000, description="calls in one request; 1: no batches")
    relay_tier_1_per_minute: int = Field(
        default=100,
        ge=10,
        description="most calls a minute of each method of the relay's tier 1 (calls of contracts, transactions); "
        "share it out if several processes have one address",
    )
    relay_tier_2_per_minute: int = Field(default=800, ge=10, description="the same for tier 2 (most methods)")
    relay_tier_3_per_minute: int = Field(default=1_600, ge=10, description="the same for tier 3 (net, web3)")
    relay_longest_wait_seconds: float = Field(
        default=60.0, gt=0, description="longest wait for a relay's limit before a request is given up unsent"
    )
    chain_identity_seconds: float = Field(
        default=2.0, ge=0, description="how long the node's chain id and genesis hash are not asked for again"
    )
    legacy_transactions: bool = Field(
        default=False, description="sign legacy (type 0) transactions also where blocks have a base fee"
    )
    chain_sync_address: str = Field(
        default="",
        description="host:port of chain_sync_service, which is asked for old executions that the node refuses to "
        "tell; empty: only the node is asked",
    )
    chain_id: int = Field(gt=0, description="EIP-155 id that the node must tell")
    confirmations: int = Field(default=2, ge=0, description="blocks on top before a receipt is final")
    signer_keystore_file: str = Field(
        default="", description="encrypted keystores (v3) of the signers, files separated by commas"
    )
    signer_password_file: str = Field(
        default="", description="file with the password of all keystores, or as many files as there are keystores"
    )
    signer_key_file: str = Field(
        default="", description="files with raw keys, separated by commas; embedded chain only"
    )
    devnet_genesis_hash: str = Field(default="", description="block 0 of the embedded chain, by its launcher")
    lifecycle_artifact: Path | None = Field(default=None, description="what to deploy for an asset, JSON")
    max_batch_gas: int = Field(default=15_000_000, ge=100_000, description="gas cap of a batch")
    max_transaction_gas: int = Field(default=15_000_000, ge=100_000, description="gas cap of other transactions")
    max_batch_calldata_bytes: int = Field(default=120_000, ge=1_000, description="cap of one call's data")
    max_batch_payees: int = Field(default=1_000, ge=1, le=10_000, description="cap of payees in one call")
    max_batch_child_records: int = Field(
        default=50,
        ge=1,
        description="cap of child records in one call, where the payment token is one of Hedera's",
    )
    child_records_per_payee: int = Field(default=2, ge=1, description="child records that paying one payee makes")
    max_in_flight_transactions: int = Field(default=4, ge=1, le=64, description="nonces open at once, per signer")
    min_gas_money_wei: int = Field(default=10**17, ge=0, description="native currency the signer must hold")
    max_fee_per_gas_wei: int = Field(default=10**13, gt=0, description="never offer more than this per gas")
    plan_page_size: int = Field(
        default=500, ge=1, le=1000, description="holders that are read from the chain and stored at once"
    )
    lease_seconds: float = Field(default=20.0, gt=0, description="how long a claim outlives its claimer")
    rebroadcast_seconds: float = Field(default=10.0, gt=0, description="wait before the same bytes are sent again")
    replace_after_seconds: float = Field(
        default=30.0, gt=0, description="wait without a receipt before the fee of a transaction is raised"
    )
    max_attempts: int = Field(default=16, ge=1, le=64, description="sets of signed bytes for one nonce at most")
    stale_batch_seconds: float = Field(
        default=60.0,
        gt=0,
        description="a batch that waited so long for its signature is made anew, with all checks",
    )
    max_payment_tries: int = Field(
        default=5, ge=1, le=100, description="batches of a payee before an operator decides"
    )
    retry_first_seconds: float = Field(
        default=30.0, gt=0, description="wait before a payee is tried again; doubles"
    )
    retry_longest_seconds: float = Field(default=3600.0, gt=0, description="longest wait before the next try")
    reconcile_seconds: float = Field(
        default=300.0, gt=0, description="wait between two comparisons of a payout with the chain"
    )
    poll_seconds: float = Field(default=0.5, gt=0, description="wait between looks at the chain")
    failpoints: str = Field(default="", description="for tests; see libs/failpoints.py")

    @property
    def through_relay(self) -> bool:
        """True if the rail is Hedera's relay."""
        return self.rail == Rail.HEDERA_RELAY

    @model_validator(mode="after")
    def _take_defaults_of_the_rail(self) -> Self:
        if self.through_relay:
            for name, value in _HEDERA_RELAY_DEFAULTS.items():
                if name not in self.model_fields_set:
                    setattr(self, name, value)
        return self
