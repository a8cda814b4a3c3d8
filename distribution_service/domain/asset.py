"""Assets as this service knows them: a local copy of what asset_service announced."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from distribution_service.domain.payment_token import PaymentToken
from libs.chain.address import EvmAddress


class AssetState(StrEnum):
    """State of an asset at asset_service."""

    IMPORTING = "IMPORTING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """An asset as of the `version` that asset_service announced last."""

    asset_id: UUID
    version: int
    chain_id: int
    payment_token: PaymentToken
    lifecycle_contract: EvmAddress | None
    state: AssetState

    @property
    def can_be_paid(self) -> bool:
        """True when distributions of the asset may be created."""
        return self.state is AssetState.ACTIVE
