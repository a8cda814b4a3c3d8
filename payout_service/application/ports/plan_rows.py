"""The port that stores the rows of plans: who is owed what, and what the ledger says of each payment."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from payout_service.domain.payments import FailureReason, PaymentState, Tallies, Tally
from payout_service.domain.plan import Entitlement, PlannedPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedState:
    """The state of a payment in the ledger."""

    ordinal: int
    holder: HolderAddress
    amount_base_units: BaseUnits
    state: PaymentState
    batch_number: int | None
    transaction_hash: str
    # Base units of the security token.
    balance: TokenUnits


@dataclass(frozen=True, slots=True)
class DisputedPayment:
    """A payment in dispute, and the transaction that it is about.

    `batch_number` is None where an execution that is no batch of ours is in dispute. `moved_base_units` is what of
    the amount has moved to the payee as far as was seen.
    """

    planned: PlannedPayment
    batch_number: int | None
    transaction_hash: str
    reason: FailureReason
    detail: str
    moved_base_units: BaseUnits

    @property
    def tally(self) -> Tally:
        """The tally of this payment alone."""
        return Tally(1, amount_base_units=self.planned.amount_base_units, moved_base_units=self.moved_base_units)


class PlanRows(Protocol):
    """Stores the rows of plans."""

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        """Stores rows of a plan in bulk, each in its `first_state`."""
        ...

    def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        """Yields the whole plan in order."""
        ...

    async def drop_rows(self, payout_id: UUID, from_ordinal: int) -> None:
        """Deletes the rows of a redemption's round that was never frozen."""
        ...

    async def planned_holders(
        self, payout_id: UUID, round_number: int, holders: Sequence[HolderAddress]
    ) -> set[HolderAddress]:
        """Returns those of the holders that have a row in this round of the plan."""
        ...

    async def open_holders(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> set[HolderAddress]:
        """Returns those of the holders that have a payment in an open state (OPEN_STATES)."""
        ...

    async def reprice(self, payout_id: UUID, entitlements: Sequence[Entitlement], now: datetime) -> BaseUnits:
        """Changes balances and amounts of a redemption's PLANNED payments, by holder.

        Returns by how many base units their sum rose.
        """
        ...

    async def tallies(self, payout_id: UUID) -> Tallies:
        """Returns the tallies of all payments by state."""
        ...

    async def disputed(self, payout_id: UUID, *, after: int, limit: int) -> list[DisputedPayment]:
        """Returns DISPUTED payments behind a place (from 1), in the order of the plan."""
        ...

    async def of_state(
        self, payout_id: UUID, state: PaymentState, *, after: int, limit: int
    ) -> list[PlannedPayment]:
        """Returns payments in a state, such as DEFERRED, behind a place (from 1), in the order of the plan."""
        ...

    async def recorded_payments(self, payout_id: UUID, *, after: int, limit: int) -> list[RecordedState]:
        """Returns the ledger's payments behind a place (from 1), in the order of the plan."""
        ...
