"""The port that stores the differences found between plan, ledger and chain."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from payout_service.domain.discrepancy import Discrepancy, Finding


class DiscrepancyRepository(Protocol):
    """Stores differences between plan, ledger and chain."""

    async def open_of(self, asset_id: UUID, payout_id: UUID | None) -> list[Discrepancy]:
        """Returns the open ones of a payout or (None) of the asset's contract as a whole, oldest first."""
        ...

    async def add(self, discrepancy: Discrepancy) -> bool:
        """Stores and publishes an open difference. Returns False when the same one is open already."""
        ...

    async def seen_again(self, discrepancy_id: UUID, finding: Finding, now: datetime) -> None:
        """Stores that an open difference still exists."""
        ...

    async def resolve(self, discrepancy_id: UUID, now: datetime) -> None:
        """Stores and publishes, once, that a difference does not exist any more."""
        ...

    async def open_count(self) -> int:
        """Returns the number of all open differences."""
        ...
