"""The port that stores how much money is promised to payouts and sweeps."""

from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits, BlockNumber
from payout_service.domain.treasury import TreasuryKey


class TreasuryRepository(Protocol):
    """Stores money promised to payouts and sweeps.

    `version` rises with every change of a treasury's commitments.
    """

    async def version(self, key: TreasuryKey) -> int:
        """Returns the present version, 0 before the first commitment."""
        ...

    async def lock(self, key: TreasuryKey) -> int:
        """Locks the treasury's row until the end of the transaction and returns its version."""
        ...

    async def committed(self, key: TreasuryKey) -> BaseUnits:
        """Returns the base units promised to payouts and sweeps and not proven paid."""
        ...

    async def committed_to(self, key: TreasuryKey, owner_id: UUID) -> BaseUnits:
        """Returns the base units that are promised to one payout or sweep."""
        ...

    async def commitments(self, key: TreasuryKey, limit: int) -> list[tuple[UUID, BaseUnits]]:
        """Returns owners and what is promised to them (above zero), largest first."""
        ...

    async def commit(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        """Promises money to a payout or sweep that has none promised yet. Call it under the lock."""
        ...

    async def add(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        """Promises more to a payout that had something promised before. Call it under the lock."""
        ...

    async def reduce(self, key: TreasuryKey, owner_id: UUID, amount_base_units: BaseUnits) -> None:
        """Reduces a promise by what was paid or given up.

        Call it under the lock. Raises RuntimeError below zero.
        """
        ...

    async def settled_block(self, key: TreasuryKey) -> BlockNumber:
        """Returns the highest block whose payments are settled or balances followed; 0 for none.

        A balance from before it is too high, a list of live holders out of date.
        """
        ...

    async def raise_settled_block(self, key: TreasuryKey, block_number: BlockNumber) -> None:
        """Records that payments of this block are being settled, or its balances followed.

        Never goes back. Call it under the lock.
        """
        ...

    async def checked_block(self, key: TreasuryKey) -> BlockNumber | None:
        """Returns the block up to which outgoing money was compared with the journal; None before the first."""
        ...

    async def set_checked_block(self, key: TreasuryKey, block_number: BlockNumber) -> None:
        """Stores the block up to which outgoing money was compared with the journal."""
        ...
