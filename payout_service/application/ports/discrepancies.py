"""Differences between plan, ledger and chain."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from payout_service.domain.discrepancy import Discrepancy, Finding


class DiscrepancyRepository(Protocol):
    """Differences between plan, ledger and chain."""

    async def open_of(self, asset_id: UUID, payout_id: UUID | None) -> list[Discrepancy]:
        """Open ones of a payout, or (None) of the asset's contract as a whole, oldest first."""
        ...

    async def add(self, discrepancy: Discrepancy) -> bool:
        """Stores and publishes an open one; False when the same difference is open already."""
        ...

    async def seen_again(self, discrepancy_id: UUID, finding: Finding, now: datetime) -> None:
        """It is still there."""
        ...

    async def resolve(self, discrepancy_id: UUID, now: datetime) -> None:
        """It is not found any more; published once."""
        ...

    async def open_count(self) -> int:
        """All that are open."""
        ...
