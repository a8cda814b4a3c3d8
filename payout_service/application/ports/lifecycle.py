"""The port that stores the lifecycle contracts, one per asset."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.address import EvmAddress
from payout_service.domain.lifecycle import LifecycleContract


class LifecycleRepository(Protocol):
    """Stores lifecycle contracts, one per asset."""

    async def add(self, contract: LifecycleContract) -> bool:
        """Stores a new contract and publishes it. Returns False when the asset has one already."""
        ...

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        """Returns an asset's contract without locking it."""
        ...

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        """Returns an asset's contract, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, contract: LifecycleContract) -> None:
        """Stores a locked contract; publishes it when its version rose."""
        ...

    async def with_address(self, address: EvmAddress) -> list[LifecycleContract]:
        """Returns the contracts of assets whose lifecycle contract or token has this address."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one due contract that no other worker has claimed, until the lease ends."""
        ...

    async def schedule(self, asset_id: UUID, at: datetime) -> None:
        """Ends the claim. The contract is due again at this time."""
        ...

    async def wake(self, asset_id: UUID, now: datetime) -> None:
        """Makes the contract due now."""
        ...
