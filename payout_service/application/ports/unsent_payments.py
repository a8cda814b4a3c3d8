"""The port that stores payments in no batch: held back, waiting, failed, deferred, given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits, HolderAddress
from payout_service.domain.payments import PaymentOutcome, PaymentState, Tallies, Tally


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment that waits for another try."""

    ordinal: int
    holder: HolderAddress
    amount_base_units: BaseUnits
    is_unfunded: bool


@dataclass(frozen=True, slots=True)
class DeferredPayment:
    """A deferred payment that has come due."""

    payout_id: UUID
    ordinal: int


class UnsentPayments(Protocol):
    """Stores payments that are in no batch."""

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        """Makes PLANNED payments WAITING or FAILED although they were not sent. It counts as a try."""
        ...

    async def conclude(
        self, payout_id: UUID, state: PaymentState, outcomes: Sequence[PaymentOutcome], now: datetime
    ) -> Tallies:
        """Writes the outcomes of payments in this state, by holder, without a batch of their own.

        Their amounts become the outcomes' amounts. Returns what they were due before, and what of it has moved
        (of DISPUTED), by their new state.
        """
        ...

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        """Returns WAITING payments whose time has come, in the order of the plan."""
        ...

    async def next_retry_time(self, payout_id: UUID) -> datetime | None:
        """Returns when the next WAITING payment is due; None when there is none."""
        ...

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """Puts WAITING payments back into the plan. Returns their tally."""
        ...

    async def release_deferred(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """Puts DEFERRED payments back into the plan. Returns their tally."""
        ...

    async def retry(self, payout_id: UUID, holders: Sequence[HolderAddress] | None, now: datetime) -> Tallies:
        """Puts FAILED (if the reason can pass) and WAITING payments back into the plan, and resets their tries.

        `holders` None: all of them; DEFERRED ones only where their holder is named. Returns how many left each
        state.
        """
        ...

    async def not_retriable(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> list[HolderAddress]:
        """Returns those of the holders that `retry` would not change, in the order given."""
        ...

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        """Makes PLANNED, WAITING, FAILED and DEFERRED payments CANCELLED. Returns how many left each state."""
        ...

    async def deferrals_due(self, asset_id: UUID, limit: int) -> list[DeferredPayment]:
        """Returns DEFERRED payments of at most `limit` holders whose deferrals reach the payout's minimum.

        Deferrals count together over the asset's payouts in a state of RELEASING_STATES. All due payments of a
        holder are given together, by holder.
        """
        ...
