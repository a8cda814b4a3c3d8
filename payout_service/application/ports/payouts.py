"""The port that stores payouts."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import SnapshotId
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.payout import Payout


class PayoutRepository(Protocol):
    """Stores payouts."""

    async def add(self, payout: Payout) -> bool:
        """Stores a new payout and publishes it. Returns False when its distribution has one already."""
        ...

    async def get(self, payout_id: UUID) -> Payout | None:
        """Returns a payout without locking it."""
        ...

    async def lock(self, payout_id: UUID) -> Payout:
        """Returns a payout, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, payout: Payout) -> None:
        """Stores a locked payout; publishes it when its version rose."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one due payout that no other worker has claimed, until the lease ends."""
        ...

    async def schedule(self, payout_id: UUID, at: datetime) -> None:
        """Ends the claim. The payout is due again at this time."""
        ...

    async def wake(self, payout_id: UUID, now: datetime) -> None:
        """Makes the payout due now."""
        ...

    async def waiting_for_snapshot(self, asset_id: UUID) -> list[Payout]:
        """Returns an asset's payouts of kind SNAPSHOT that have no snapshot and are not given up, oldest first."""
        ...

    async def with_snapshot(self, asset_id: UUID, snapshot_id: SnapshotId) -> Payout | None:
        """Returns the payout of kind SNAPSHOT that is paid from this snapshot of the asset."""
        ...

    async def of_action(self, asset_id: UUID, kind: PayoutKind, action_id: int) -> list[Payout]:
        """Returns an asset's payouts for one dividend or coupon, or its redemptions (id 0), oldest first."""
        ...

    async def claim_reconciliation(self, now: datetime, next_time: datetime) -> UUID | None:
        """Claims one payout with a plan whose comparison with the chain is due.

        It is due again at `next_time`; one that has not changed for long later, see `reconciliation_rest`.
        """
        ...
