"""What to deploy for an asset."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from libs.chain.address import EvmAddress
from payout_service.domain.transaction import ContractCall


class LifecycleArtifact(Protocol):
    """What to deploy for an asset: an ordered list of creations, one of them the contract itself."""

    @property
    def is_devnet_only(self) -> bool:
        """True if it may be deployed only on the embedded chain."""
        ...

    @property
    def creation_names(self) -> Sequence[str]:
        """Names of the creations in their order."""
        ...

    @property
    def contract_name(self) -> str:
        """Name of the creation that is the lifecycle contract."""
        ...

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        """The transaction that makes a creation, given the addresses of those before it."""
        ...
