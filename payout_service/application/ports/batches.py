"""The port that stores batches of payments, from choosing their payees to settling them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome, Tally
from payout_service.domain.plan import PlannedPayment


class Batches(Protocol):
    """Stores batches and their payees."""

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """Returns payments that are owed and in no batch and that may share one call, in the order of the plan.

        Payees of a batch that reverted come back with a cap on the size of their next batch; only payments with
        the same cap and the same withholding rate are given together, at most as many as the cap allows, those
        without one first.
        """
        ...

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        """Stores a batch and puts its payees into it. Raises RuntimeError if one is not free any more."""
        ...

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        """Returns batches that are not settled, in the order of their numbers."""
        ...

    async def settled_batches(self, payout_id: UUID, *, after: int, limit: int) -> list[Batch]:
        """Returns batches that are SETTLED, behind a number, in the order of their numbers."""
        ...

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        """Returns the payees of a batch, in the order of the call."""
        ...

    async def in_flight_base_units(self, payout_id: UUID) -> BaseUnits:
        """Returns the sum that is due to all payees in batches that are not settled."""
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
        """Records in bulk what became of each payee of a batch. An outcome's amount replaces the planned one."""
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
        """Returns the payees of a reverted or voided batch to the plan, for batches of at most `batch_cap`.

        None leaves the caps as they are. What was no try counts for nobody. Returns what returned.
        """
        ...

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        """Makes the payees of a batch that paid nobody CANCELLED, with their payout. Returns what they were."""
        ...
