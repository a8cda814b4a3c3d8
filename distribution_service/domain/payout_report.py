"""What payout_service tells about the payout of a distribution."""

from dataclasses import dataclass, fields
from uuid import UUID

from distribution_service.domain.states import PayoutState
from libs.chain.address import EvmAddress


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a payout is. `paid_base_units` is proven paid so far. Raises ValueError for a negative figure."""

    holder_count: int
    paid_count: int
    failed_count: int
    zero_due_count: int
    paid_base_units: int
    batch_count: int
    final_batch_count: int

    def __post_init__(self) -> None:
        for figure in fields(self):
            if getattr(self, figure.name) < 0:
                raise ValueError(f"{figure.name} is negative")


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """The whole state of a payout as of its `version`. The payout carries its distribution's id."""

    distribution_id: UUID
    asset_id: UUID
    version: int
    state: PayoutState
    total_base_units: int
    payment_token: EvmAddress
    progress: Progress
    waiting_for: str
    failure_reason: str
