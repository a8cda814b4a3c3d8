"""The ports of the use cases about assets: repositories, other services, readers. Each method lists its errors.

Every method may also raise AppError DATABASE_UNAVAILABLE's cause or, for peers, PEER_UNAVAILABLE.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from asset_service.application.register_ports import Discrepancies, Registers
from asset_service.domain.asset import Asset, PaymentToken, SecurityToken
from asset_service.domain.readiness import ReadinessCondition
from asset_service.domain.register import Register
from libs.chain.address import EvmAddress, HederaId
from libs.unit_of_work import RecordingTransaction

# An account as a caller wrote it; only chain_sync_service can resolve a Hedera id.
Account = EvmAddress | HederaId


class TokenAlreadyImportedError(Exception):
    """Another asset that has not failed has the same token."""

    def __init__(self, asset_id: UUID) -> None:
        super().__init__(asset_id)
        self.asset_id = asset_id


class LifecycleContractInUseError(Exception):
    """Another asset that has not failed has the same lifecycle contract."""

    def __init__(self, asset_id: UUID) -> None:
        super().__init__(asset_id)
        self.asset_id = asset_id


class Assets(Protocol):
    """Stores assets within a unit of work. The events of an asset's last verb go into the outbox with it."""

    async def add(self, asset: Asset) -> None:
        """Adds a new asset. Raises TokenAlreadyImportedError or LifecycleContractInUseError."""
        ...

    async def get(self, asset_id: UUID) -> Asset | None:
        """Returns the asset without locking it."""
        ...

    async def lock(self, asset_id: UUID) -> Asset | None:
        """Returns the asset, locked until the end of the unit of work."""
        ...

    async def save(self, asset: Asset) -> None:
        """Writes a locked asset. Raises LifecycleContractInUseError, after which the asset is as before."""
        ...


class UnitOfWork(RecordingTransaction, Protocol):
    """One database transaction. Without a commit, nothing of it takes effect."""

    # Read-only, so that an implementation may declare a narrower type.
    @property
    def assets(self) -> Assets:
        """The repository of assets in this transaction."""
        ...

    @property
    def registers(self) -> Registers:
        """The repository of registers in this transaction."""
        ...

    @property
    def discrepancies(self) -> Discrepancies:
        """The repository of differences between registers and the chain in this transaction."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


@dataclass(frozen=True, slots=True)
class TokenDescription:
    """A security token as it is at a block, and the number of holders that it reports there."""

    token: SecurityToken
    holder_count: int
    block_number: int


class TokenDescriber(Protocol):
    """Describes tokens, as chain_sync_service does."""

    async def describe_token(self, token: Account) -> TokenDescription:
        """Raises AppError, naming `token`: HEDERA_ID_NEEDS_MIRROR_NODE, NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN,
        CHAIN_UNAVAILABLE.
        """
        ...

    async def describe_payment_token(self, payment_token: Account) -> PaymentToken:
        """Raises AppError, naming `payment_token`: HEDERA_ID_NEEDS_MIRROR_NODE, NOT_A_CONTRACT,
        NOT_A_PAYMENT_TOKEN, CHAIN_UNAVAILABLE.
        """
        ...


class ReadinessChecker(Protocol):
    """Checks what the chain must meet before an asset can be paid, as payout_service does."""

    async def check_readiness(
        self, token: EvmAddress, payment_token: EvmAddress, lifecycle_contract: EvmAddress | None
    ) -> tuple[ReadinessCondition, ...]:
        """Raises AppError: LIFECYCLE_ARTIFACT_NOT_CONFIGURED, LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY,
        CHAIN_UNAVAILABLE.
        """
        ...


@dataclass(frozen=True, slots=True)
class AssetView:
    """An asset with its register, as of one moment. `list_position` orders assets by age."""

    asset: Asset
    register: Register
    list_position: int


class AssetField(StrEnum):
    """The fields by which assets can be filtered. The value is the field's name in a filter."""

    STATE = "state"
    SECURITY_TYPE = "security_type"
    SYNC_STATE = "sync_state"
    PAUSE_STATE = "pause_state"
    SYMBOL = "symbol"
    ISIN = "isin"
    TOKEN = "token.evm_address"


@dataclass(frozen=True, slots=True)
class AssetTerm:
    """One comparison of a filter: the field has this value. An address is in lower case."""

    field: AssetField
    value: str


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token before or after its import. `asset_id` names the asset that it was imported as."""

    description: TokenDescription
    asset_id: UUID | None


class AssetReader(Protocol):
    """Reads assets for answers. Each answer comes from one snapshot of the database."""

    async def asset(self, asset_id: UUID) -> AssetView | None:
        """Returns one asset."""
        ...

    async def assets(self, terms: Sequence[AssetTerm], after_list_position: int, limit: int) -> list[AssetView]:
        """Returns at most `limit` assets behind a position that match all terms, oldest first."""
        ...

    async def asset_of_token(self, chain_id: int, token: EvmAddress) -> UUID | None:
        """Returns the asset that a token was imported as, unless it has failed."""
        ...
