"""The port to the artifact that says which contracts to deploy for an asset."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from libs.chain.address import EvmAddress
from payout_service.domain.transaction import ContractCall


class LifecycleArtifact(Protocol):
    """The contracts to create for an asset, in their order. One of them is the lifecycle contract itself."""

    @property
    def is_devnet_only(self) -> bool:
        """True if it may be deployed only on the embedded chain."""
        ...

    @property
    def creation_names(self) -> Sequence[str]:
        """The names of the creations, in their order."""
        ...

    @property
    def contract_name(self) -> str:
        """The name of the creation that is the lifecycle contract."""
        ...

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        """Returns the transaction for a creation, given the addresses of those before it."""
        ...
