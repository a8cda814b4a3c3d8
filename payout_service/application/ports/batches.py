"""Batches of payments, from the payees that may share a call to what became of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome, Tally
from payout_service.domain.plan import PlannedPayment


class Batches(Protocol):
    """Batches and their payees."""

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """Payments that are owed and in no batch, in the order of the ordinals, that may share one call.

        Payees of a batch that reverted come back with a cap on the size of their next batch; only payments with
        the same cap and the same withholding rate are given together, at most as many as the cap allows, those
        without one first.
        """
        ...

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        """Stores a batch and puts its payees into it. Raises RuntimeError if one is not free any more."""
        ...

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        """Batches that are not settled, in the order of their numbers."""
        ...

    async def settled_batches(self, payout_id: UUID, *, after: int, limit: int) -> list[Batch]:
        """Batches that are SETTLED, behind a number, in the order of their numbers."""
        ...

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        """Payees of a batch, in the order of the call."""
        ...

    async def in_flight_base_units(self, payout_id: UUID) -> BaseUnits:
        """What the payments in batches that are not settled are due together."""
        ...

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        """Records what became of each payee of a batch, in bulk; an outcome's amount replaces the planned one."""
        ...

    async def return_to_plan(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        *,
        batch_cap: int | None,
        now: datetime,
        was_a_try: bool,
    ) -> Tally:
        """The batch reverted or was voided: its payees are owed again, in batches of at most `batch_cap`.

        None leaves the caps as they are. What was no try counts for nobody. Returns what returned.
        """
        ...

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        """The batch paid nobody and its payout is cancelled: its payees are CANCELLED. Returns what was."""
        ...
