"""What the use cases need from outside. Each method lists the errors it raises.

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
    """Another asset, not failed, has the same token."""

    def __init__(self, asset_id: UUID) -> None:
        super().__init__(asset_id)
        self.asset_id = asset_id


class LifecycleContractInUseError(Exception):
    """Another asset, not failed, has the same lifecycle contract."""

    def __init__(self, asset_id: UUID) -> None:
        super().__init__(asset_id)
        self.asset_id = asset_id


class Assets(Protocol):
    """The assets, within a unit of work. What an asset's last verb recorded goes into the outbox with it."""

    async def add(self, asset: Asset) -> None:
        """Adds a new asset. Raises TokenAlreadyImportedError or LifecycleContractInUseError."""
        ...

    async def get(self, asset_id: UUID) -> Asset | None:
        """The asset, unlocked."""
        ...

    async def lock(self, asset_id: UUID) -> Asset | None:
        """The asset, locked until the end of the unit of work."""
        ...

    async def save(self, asset: Asset) -> None:
        """Writes a locked asset. Raises LifecycleContractInUseError, after which the asset is as before."""
        ...


class UnitOfWork(RecordingTransaction, Protocol):
    """One transaction: what is not committed did not happen."""

    # Read-only, so that an implementation may declare a narrower type.
    @property
    def assets(self) -> Assets:
        """The assets in this transaction."""
        ...

    @property
    def registers(self) -> Registers:
        """The registers in this transaction."""
        ...

    @property
    def discrepancies(self) -> Discrepancies:
        """The differences between registers and chain in this transaction."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


@dataclass(frozen=True, slots=True)
class TokenDescription:
    """A security token at a block, and how many holders it tells of there."""

    token: SecurityToken
    holder_count: int
    block_number: int


class TokenDescriber(Protocol):
    """chain_sync_service: describes tokens."""

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
    """payout_service: tells what must hold before an asset can be paid."""

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
    """What assets can be filtered by; the value is the field's name in a filter."""

    STATE = "state"
    SECURITY_TYPE = "security_type"
    SYNC_STATE = "sync_state"
    PAUSE_STATE = "pause_state"
    SYMBOL = "symbol"
    ISIN = "isin"
    TOKEN = "token.evm_address"


@dataclass(frozen=True, slots=True)
class AssetTerm:
    """A comparison in a filter: the field has this value. An address is in lower case."""

    field: AssetField
    value: str


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token before or after its import; `asset_id` is the asset that it is imported as."""

    description: TokenDescription
    asset_id: UUID | None


class AssetReader(Protocol):
    """Reads for answers; each from one snapshot of the database."""

    async def asset(self, asset_id: UUID) -> AssetView | None:
        """One asset."""
        ...

    async def assets(self, terms: Sequence[AssetTerm], after_list_position: int, limit: int) -> list[AssetView]:
        """At most `limit` assets behind a position for which all terms hold, oldest first."""
        ...

    async def asset_of_token(self, chain_id: int, token: EvmAddress) -> UUID | None:
        """The asset, not failed, that a token is imported as."""
        ...
