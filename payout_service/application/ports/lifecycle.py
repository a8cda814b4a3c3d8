"""Lifecycle contracts, by asset."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.address import EvmAddress
from payout_service.domain.lifecycle import LifecycleContract


class LifecycleRepository(Protocol):
    """Lifecycle contracts, by asset."""

    async def add(self, contract: LifecycleContract) -> bool:
        """Stores a new contract and publishes it; False when the asset has one already."""
        ...

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        """An asset's contract as it is."""
        ...

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        """An asset's contract, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, contract: LifecycleContract) -> None:
        """Stores a locked contract; publishes it when its version rose."""
        ...

    async def with_address(self, address: EvmAddress) -> list[LifecycleContract]:
        """Those whose contract, or whose token, has this address."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one contract that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, asset_id: UUID, at: datetime) -> None:
        """Ends the claim; the contract is due again at this time."""
        ...

    async def wake(self, asset_id: UUID, now: datetime) -> None:
        """The contract is due now."""
        ...
