"""What payout_service tells about the payout of a distribution."""

from dataclasses import dataclass, fields
from uuid import UUID

from distribution_service.domain.states import PayoutState
from libs.chain.address import EvmAddress


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a payout is. Raises ValueError for a negative figure.

    `paid_base_units` is proven paid so far, `cancelled_base_units` was given up by a cancel. A payment counts in
    at most one of the counts.
    """

    holder_count: int
    paid_count: int
    failed_count: int
    zero_due_count: int
    waiting_count: int
    cancelled_count: int
    paid_base_units: int
    cancelled_base_units: int
    batch_count: int
    final_batch_count: int

    def __post_init__(self) -> None:
        for figure in fields(self):
            if getattr(self, figure.name) < 0:
                raise ValueError(f"{figure.name} is negative")

    @property
    def told_count(self) -> int:
        """Holders whose payment is in one of the counts; the others are yet to be sent, or are on their way."""
        return (
            self.paid_count + self.failed_count + self.zero_due_count + self.waiting_count + self.cancelled_count
        )


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """The whole state of a payout as of its `version`. The payout carries its distribution's id.

    `total_base_units` is 0 as long as the plan has not fixed the total of a percentage.
    """

    distribution_id: UUID
    asset_id: UUID
    version: int
    state: PayoutState
    total_base_units: int
    percentage_basis_points: int | None
    payment_token: EvmAddress
    has_plan: bool
    progress: Progress
    waiting_for: str
    failure_reason: str
