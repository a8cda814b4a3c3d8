"""The state of a distribution's payout, as payout_service reports it."""

from dataclasses import dataclass, fields
from uuid import UUID

from distribution_service.domain.states import PayoutState
from libs.chain.address import EvmAddress
from libs.payout_terms.terms import PayoutTerms


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a payout is. Raises ValueError for a negative figure.

    `paid_base_units` is proven paid so far, `cancelled_base_units` was given up by a cancel, and
    `deferred_base_units` is owed to holders whose payment is below the minimum. `excluded_base_units` and
    `withheld_base_units` stay in the lifecycle contract. A payment counts in at most one of the counts.

    It is stored by the names of its fields: one that is added later needs a default, for the rows of before.
    """

    holder_count: int
    paid_count: int
    failed_count: int
    zero_due_count: int
    waiting_count: int
    cancelled_count: int
    excluded_count: int
    deferred_count: int
    paid_base_units: int
    cancelled_base_units: int
    excluded_base_units: int
    withheld_base_units: int
    deferred_base_units: int
    batch_count: int
    final_batch_count: int

    def __post_init__(self) -> None:
        for figure in fields(self):
            if getattr(self, figure.name) < 0:
                raise ValueError(f"{figure.name} is negative")

    @property
    def done_count(self) -> int:
        """Holders that are paid, or that nothing is to be paid to."""
        return self.paid_count + self.zero_due_count + self.excluded_count

    @property
    def told_count(self) -> int:
        """Holders whose payment is in one of the counts; the others are yet to be sent, or are on their way."""
        return (
            self.done_count + self.failed_count + self.waiting_count + self.cancelled_count + self.deferred_count
        )

    @property
    def told_base_units(self) -> int:
        """What is paid, given up, deferred, withheld or kept back; the rest is yet to be paid, or is rounding."""
        return (
            self.paid_base_units
            + self.cancelled_base_units
            + self.excluded_base_units
            + self.withheld_base_units
            + self.deferred_base_units
        )


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """The whole state of a payout as of its `version`. The payout carries its distribution's id.

    `total_base_units` is 0 as long as the plan has not fixed it.
    """

    distribution_id: UUID
    asset_id: UUID
    version: int
    state: PayoutState
    terms: PayoutTerms
    total_base_units: int
    payment_token: EvmAddress
    has_plan: bool
    progress: Progress
    waiting_for: str
    failure_reason: str
