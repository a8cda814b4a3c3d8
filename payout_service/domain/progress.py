"""How far the payments of a payout are."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Self

from libs.chain.quantities import BaseUnits
from payout_service.domain.payments import PaymentState, Tallies, Tally, tally_of


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the payments are. Only what is proven counts as paid; disputed payments count as failed."""

    _: KW_ONLY
    paid_count: int = 0
    failed_count: int = 0
    waiting_count: int = 0
    cancelled_count: int = 0
    paid_base_units: BaseUnits = BaseUnits(0)
    cancelled_base_units: BaseUnits = BaseUnits(0)
    batch_count: int = 0
    final_batch_count: int = 0
    deferred_count: int = 0
    deferred_base_units: BaseUnits = BaseUnits(0)

    def moved(self, entered: Tallies, left: Tallies) -> Self:
        """After payments entered some states and left others."""

        def change(*states: PaymentState) -> Tally:
            plus, minus = tally_of(entered, *states), tally_of(left, *states)
            amount = BaseUnits(plus.amount_base_units - minus.amount_base_units)
            return Tally(plus.count - minus.count, amount_base_units=amount)

        paid, cancelled = change(PaymentState.PAID), change(PaymentState.CANCELLED)
        deferred = change(PaymentState.DEFERRED)
        return replace(
            self,
            paid_count=self.paid_count + paid.count,
            failed_count=self.failed_count + change(PaymentState.FAILED, PaymentState.DISPUTED).count,
            waiting_count=self.waiting_count + change(PaymentState.WAITING).count,
            cancelled_count=self.cancelled_count + cancelled.count,
            paid_base_units=BaseUnits(self.paid_base_units + paid.amount_base_units),
            cancelled_base_units=BaseUnits(self.cancelled_base_units + cancelled.amount_base_units),
            deferred_count=self.deferred_count + deferred.count,
            deferred_base_units=BaseUnits(self.deferred_base_units + deferred.amount_base_units),
        )
