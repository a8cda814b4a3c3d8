"""Payments that are in no batch: held back, waiting, failed, deferred, given up."""

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
    """Payments that are in no batch."""

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        """PLANNED payments become WAITING or FAILED without having been sent; it counts as a try."""
        ...

    async def conclude(
        self, payout_id: UUID, state: PaymentState, outcomes: Sequence[PaymentOutcome], now: datetime
    ) -> Tallies:
        """Payments in this state become what the outcomes say, by holder, without a batch of their own.

        Their amounts become the outcomes' amounts. Returns what they were due before, and what of it has moved
        (of DISPUTED), by their new state.
        """
        ...

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        """WAITING payments whose time has come, in the order of the ordinals."""
        ...

    async def next_retry_time(self, payout_id: UUID) -> datetime | None:
        """When the next WAITING payment is due; None when there is none."""
        ...

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """WAITING payments go back into the plan. Returns what went."""
        ...

    async def release_deferred(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """DEFERRED payments go back into the plan. Returns what went."""
        ...

    async def retry(self, payout_id: UUID, holders: Sequence[HolderAddress] | None, now: datetime) -> Tallies:
        """FAILED (for a reason that can pass) and WAITING payments go back into the plan, their tries forgotten.

        `holders` None: all of them; DEFERRED ones only where their holder is named. Returns how many left each
        state.
        """
        ...

    async def not_retriable(self, payout_id: UUID, holders: Sequence[HolderAddress]) -> list[HolderAddress]:
        """Those of the holders that `retry` would not touch, in the order given."""
        ...

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        """PLANNED, WAITING, FAILED and DEFERRED payments become CANCELLED. Returns how many left each state."""
        ...

    async def deferrals_due(self, asset_id: UUID, limit: int) -> list[DeferredPayment]:
        """DEFERRED payments whose holder's deferrals reach their payout's minimum, of `limit` holders at most.

        Deferrals count together over the asset's payouts in a state of RELEASING_STATES. All due payments of a
        holder are given together, by holder.
        """
        ...
