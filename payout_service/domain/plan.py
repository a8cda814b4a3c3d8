"""The frozen plan: what each holder is owed, and the proof that the parts make the whole."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from libs.chain.amount import pro_rata_floor


class AccountingIdentityError(Exception):
    """The parts of a payout do not make its declared total. Money is never moved on such books."""


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """One row of a plan. `ordinal` is the holder's place in the snapshot's list, from 0.

    `tries` counts the batches that it was in since the plan or an operator's retry; it is no part of the plan.
    """

    ordinal: int
    holder: str
    balance: int
    amount_base_units: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """The frozen plan's sums, base units of the payment token.

    declared = payable + rounding_dust + frozen_share. The frozen share is what the contract withholds because
    it divides by the total supply, while frozen tokens count in nobody's free balance (contracts.md, 3.10).
    """

    holder_count: int
    zero_due_count: int
    payable_base_units: int
    rounding_dust_base_units: int
    frozen_share_base_units: int
    plan_hash: str

    def assert_identity(
        self,
        *,
        declared_base_units: int,
        paid_base_units: int,
        open_base_units: int,
        cancelled_base_units: int = 0,
    ) -> None:
        """Paid + dust + frozen share + open + cancelled = declared. Raises AccountingIdentityError."""
        left = self.rounding_dust_base_units + self.frozen_share_base_units
        parts = paid_base_units + left + open_base_units + cancelled_base_units
        if parts != declared_base_units:
            raise AccountingIdentityError(
                f"paid {paid_base_units} + dust {self.rounding_dust_base_units} "
                f"+ frozen share {self.frozen_share_base_units} + open {open_base_units} "
                f"+ cancelled {cancelled_base_units} = {parts}, declared {declared_base_units}"
            )


def plan_payments(
    first_ordinal: int, balances: Iterable[tuple[str, int]], total_base_units: int, total_supply: int
) -> list[PlannedPayment]:
    """Rows for holders in the snapshot's order; amounts as the contract will compute them (rounded down)."""
    return [
        PlannedPayment(
            ordinal=first_ordinal + index,
            holder=holder,
            balance=balance,
            amount_base_units=pro_rata_floor(total_base_units, balance, total_supply),
        )
        for index, (holder, balance) in enumerate(balances)
    ]


class PlanSum:
    """Sums and hashes a whole plan, row by row in the order of the ordinals."""

    def __init__(self, total_base_units: int, total_supply: int) -> None:
        self._total = total_base_units
        self._supply = total_supply
        self._digest = hashlib.sha256(f"{total_base_units}/{total_supply}\n".encode())
        self._count = self._zero_due = self._balance_sum = self._payable = 0

    def add(self, payment: PlannedPayment) -> None:
        """The next row. Raises AccountingIdentityError when an ordinal is missing or doubled."""
        if payment.ordinal != self._count:
            raise AccountingIdentityError(f"ordinal {payment.ordinal} stands where {self._count} belongs")
        row = f"{payment.ordinal},{payment.holder},{payment.balance},{payment.amount_base_units}\n"
        self._digest.update(row.encode())
        self._count += 1
        self._zero_due += payment.amount_base_units == 0
        self._balance_sum += payment.balance
        self._payable += payment.amount_base_units

    def totals(self) -> PlanTotals:
        """The sums. Raises AccountingIdentityError when the parts exceed the whole."""
        if self._balance_sum > self._supply:
            raise AccountingIdentityError(
                f"balances sum to {self._balance_sum}, more than the supply {self._supply}"
            )
        frozen_share = pro_rata_floor(self._total, self._supply - self._balance_sum, self._supply)
        dust = self._total - self._payable - frozen_share
        if dust < 0:
            raise AccountingIdentityError(f"payments of {self._payable} exceed the total {self._total}")
        return PlanTotals(self._count, self._zero_due, self._payable, dust, frozen_share, self._digest.hexdigest())
