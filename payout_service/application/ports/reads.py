"""The port that reads payouts, batches, payments, sweeps and discrepancies for answers, page by page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, Nonce, TokenUnits, Wei
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.payments import BatchState, PaymentState
from payout_service.domain.payout import Payout
from payout_service.domain.sweep import Sweep


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a transaction: its signed bytes' hash and fees."""

    transaction_hash: str
    max_fee_per_gas_wei: Wei
    is_no_op: bool
    create_time: datetime
    last_broadcast_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch with the figures of its transaction."""

    number: int
    state: BatchState
    holder_count: int
    amount_base_units: BaseUnits
    transaction_hash: str
    nonce: Nonce | None
    gas_limit: int
    gas_used: int
    block_number: BlockNumber
    signer: str
    # Why the transaction is not getting on; empty when it is.
    problem: str
    # Oldest first.
    attempts: tuple[AttemptView, ...]
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment with the transaction that paid it or is to pay it. `amount_base_units` is net."""

    ordinal: int
    holder: HolderAddress
    balance: TokenUnits
    amount_base_units: BaseUnits
    state: PaymentState
    reason: str
    detail: str
    tries: int
    # Set while it is WAITING.
    retry_time: datetime | None
    batch_number: int | None
    transaction_hash: str
    update_time: datetime
    withheld_base_units: BaseUnits
    # Share of an excluded holder that stays in the contract.
    excluded_base_units: BaseUnits
    withholding_basis_points: int
    # Of a redemption, from 1.
    round_number: int

    @property
    def gross_base_units(self) -> BaseUnits:
        """The amount before anything is withheld or excluded."""
        return BaseUnits(self.amount_base_units + self.withheld_base_units + self.excluded_base_units)


class PayoutReads(Protocol):
    """Reads payouts, batches, payments, sweeps and discrepancies."""

    async def payout(self, payout_id: UUID, field: str) -> Payout:
        """Returns one payout. Raises AppError PAYOUT_NOT_FOUND naming `field`."""
        ...

    async def payouts(self, asset_id: UUID | None, *, after: int, limit: int) -> list[tuple[int, Payout]]:
        """Returns payouts behind a position, oldest first, with their positions."""
        ...

    async def batches(self, payout_id: UUID, *, after: int, limit: int) -> list[BatchView]:
        """Returns batches behind a number."""
        ...

    async def payments(self, payout_id: UUID, *, after: int, limit: int) -> Sequence[PaymentView]:
        """Returns payments whose place (from 1) is behind `after`, in the order of the plan."""
        ...

    def export_payments(self, payout_id: UUID, *, after: int, last: int) -> AsyncIterator[Sequence[PaymentView]]:
        """Yields payments behind one place (from 1) up to another, page by page in the order of the plan.

        Between two pages no connection is held, so a slow reader costs the database nothing.
        """
        ...

    async def sweep(self, sweep_id: UUID, field: str) -> Sweep:
        """Returns one sweep. Raises AppError SWEEP_NOT_FOUND naming `field`."""
        ...

    async def sweeps(self, asset_id: UUID | None, *, after: int, limit: int) -> list[tuple[int, Sweep]]:
        """Returns sweeps behind a position, oldest first, with their positions."""
        ...

    async def discrepancies(
        self, payout_id: UUID | None, *, include_resolved: bool, after: int, limit: int
    ) -> list[tuple[int, Discrepancy]]:
        """Returns discrepancies behind a position, oldest first, with their positions."""
        ...
