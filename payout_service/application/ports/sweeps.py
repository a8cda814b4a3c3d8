"""Sweeps, as the use cases need them stored."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from payout_service.domain.sweep import Sweep


class SweepRepository(Protocol):
    """Sweeps."""

    async def add(self, sweep: Sweep) -> None:
        """Stores a new sweep."""
        ...

    async def get(self, sweep_id: UUID) -> Sweep | None:
        """A sweep as it is."""
        ...

    async def lock(self, sweep_id: UUID) -> Sweep:
        """A sweep, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, sweep: Sweep) -> None:
        """Stores a locked sweep."""
        ...

    async def sending(self, asset_id: UUID) -> list[Sweep]:
        """Sweeps of an asset that are not final, oldest first."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one sweep that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, sweep_id: UUID, at: datetime) -> None:
        """Ends the claim; the sweep is due again at this time."""
        ...

    async def wake(self, sweep_id: UUID, now: datetime) -> None:
        """The sweep is due now."""
        ...
