"""The port that stores sweeps."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from payout_service.domain.sweep import Sweep


class SweepRepository(Protocol):
    """Stores sweeps."""

    async def add(self, sweep: Sweep) -> None:
        """Stores a new sweep."""
        ...

    async def get(self, sweep_id: UUID) -> Sweep | None:
        """Returns a sweep without locking it."""
        ...

    async def lock(self, sweep_id: UUID) -> Sweep:
        """Returns a sweep, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, sweep: Sweep) -> None:
        """Stores a locked sweep."""
        ...

    async def sending(self, asset_id: UUID) -> list[Sweep]:
        """Returns sweeps of an asset that are not final, oldest first."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one due sweep that no other worker has claimed, until the lease ends."""
        ...

    async def schedule(self, sweep_id: UUID, at: datetime) -> None:
        """Ends the claim. The sweep is due again at this time."""
        ...

    async def wake(self, sweep_id: UUID, now: datetime) -> None:
        """Makes the sweep due now."""
        ...
