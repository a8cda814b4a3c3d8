"""Computes the plan of a payout, what each holder is owed, and checks that the parts add up to the total."""

import hashlib
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from fractions import Fraction

from libs.chain.amount import WHOLE_BASIS_POINTS, pro_rata_floor
from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from libs.payout_terms.terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind
from payout_service.domain.payee_rules import withholding_of
from payout_service.domain.payments import PaymentState


class AccountingIdentityError(Exception):
    """The parts of a payout do not add up to its declared total. No money is moved then."""


class Treatment(StrEnum):
    """How the rules treat a payee."""

    PAY = "PAY"
    # Left out; its share stays in the contract or is spread.
    EXCLUDE = "EXCLUDE"
    # Due less than the minimum: its money stays committed until its deferrals reach it.
    DEFER = "DEFER"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What the asset says that a holder is owed. The balance is in base units of the security token.

    `obstacle`: why a redemption must not be sent for the holder, empty when it may: some tokens are not free.
    Version 7 of the asset would redeem the others and drop the holder from its list; version 8 would pay for all
    (`is_overpaid`) and redeem the free ones only, so that each call would pay for the others again.

    `per_token_base_units`: of a redemption the worth of one token before any rounding, as the asset's fraction
    tells it; None where the holder has none. It adds to what is owed, and tells no two entitlements apart.
    """

    holder: HolderAddress
    balance: TokenUnits
    amount_base_units: BaseUnits
    obstacle: str = ""
    is_overpaid: bool = False
    per_token_base_units: Fraction | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """One row of a plan. `ordinal` is its place, from 0; `amount_base_units` is what is paid (net).

    `tries` counts the batches that it was in since the plan or an operator's retry; it is no part of the plan.
    """

    ordinal: int
    holder: HolderAddress
    balance: TokenUnits
    amount_base_units: BaseUnits
    _: KW_ONLY
    tries: int = 0
    withheld_base_units: BaseUnits = BaseUnits(0)
    # Share of an excluded holder that stays in the contract.
    excluded_base_units: BaseUnits = BaseUnits(0)
    withholding_basis_points: int = 0
    treatment: Treatment = Treatment.PAY
    # Of a redemption, from 1.
    round_number: int = 1

    @property
    def gross_base_units(self) -> BaseUnits:
        """The amount before anything is withheld or excluded."""
        return BaseUnits(self.amount_base_units + self.withheld_base_units + self.excluded_base_units)

    @property
    def first_state(self) -> PaymentState:
        """The state in which the payment is stored."""
        if self.treatment is Treatment.EXCLUDE:
            return PaymentState.EXCLUDED
        if self.amount_base_units == 0:
            return PaymentState.ZERO_DUE
        return PaymentState.DEFERRED if self.treatment is Treatment.DEFER else PaymentState.PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """The sums of the frozen plan, in base units of the payment token.

    declared = payable + rounding_dust + frozen_share + excluded + withheld; deferred is a part of payable. The
    frozen share is what the contract withholds because it divides by the total supply, while frozen tokens count
    in nobody's free balance (docs/contract-surprises.md#10).
    """

    holder_count: int
    zero_due_count: int
    payable_base_units: BaseUnits
    rounding_dust_base_units: BaseUnits
    frozen_share_base_units: BaseUnits
    plan_hash: str
    excluded_count: int = 0
    excluded_base_units: BaseUnits = BaseUnits(0)
    withheld_base_units: BaseUnits = BaseUnits(0)
    deferred_count: int = 0
    deferred_base_units: BaseUnits = BaseUnits(0)

    def assert_identity(
        self,
        *,
        declared_base_units: BaseUnits,
        paid_base_units: BaseUnits,
        open_base_units: BaseUnits,
        cancelled_base_units: BaseUnits = BaseUnits(0),
    ) -> None:
        """Checks that paid + dust + frozen share + excluded + withheld + open + cancelled = declared.

        What is deferred is open. Raises AccountingIdentityError.
        """
        left = (
            self.rounding_dust_base_units
            + self.frozen_share_base_units
            + self.excluded_base_units
            + self.withheld_base_units
        )
        parts = paid_base_units + left + open_base_units + cancelled_base_units
        if parts != declared_base_units:
            raise AccountingIdentityError(
                f"paid {paid_base_units} + dust {self.rounding_dust_base_units} "
                f"+ frozen share {self.frozen_share_base_units} + excluded {self.excluded_base_units} "
                f"+ withheld {self.withheld_base_units} + open {open_base_units} "
                f"+ cancelled {cancelled_base_units} = {parts}, declared {declared_base_units}"
            )


def plan_payments(
    first_ordinal: int,
    balances: Iterable[tuple[HolderAddress, TokenUnits]],
    call_total_base_units: BaseUnits,
    total_supply: TokenUnits,
    rules: PayeeRules = NO_RULES,
) -> list[PlannedPayment]:
    """Returns the rows of a snapshot payout in order. Amounts are rounded down as the contract will do.

    `call_total_base_units` is what is split: the declared total, or with REDISTRIBUTE the spread one. A payee with
    a withholding rate is paid by a call with the net total of that rate.
    """
    rows: list[PlannedPayment] = []
    for ordinal, (holder, balance) in enumerate(balances, first_ordinal):
        gross = pro_rata_floor(call_total_base_units, balance=balance, supply=total_supply)
        if holder in rules.excluded:
            kept = gross if rules.excluded_share is ExcludedShare.KEEP else BaseUnits(0)
            rows.append(_excluded(ordinal, holder, balance, kept))
            continue
        rate = withholding_of(rules, holder)
        net = pro_rata_floor(net_total(call_total_base_units, rate), balance=balance, supply=total_supply)
        rows.append(
            PlannedPayment(
                ordinal=ordinal,
                holder=holder,
                balance=balance,
                amount_base_units=net,
                withheld_base_units=BaseUnits(gross - net),
                withholding_basis_points=rate,
                treatment=_treatment(net, rules),
            )
        )
    return rows


def plan_entitlements(
    first_ordinal: int, entitlements: Iterable[Entitlement], rules: PayeeRules = NO_RULES, *, round_number: int = 1
) -> list[PlannedPayment]:
    """Returns the rows of a dividend, coupon or redemption, with the amounts that the asset computes."""
    return [
        _excluded(ordinal, each.holder, each.balance, each.amount_base_units)
        if each.holder in rules.excluded
        else PlannedPayment(
            ordinal=ordinal,
            holder=each.holder,
            balance=each.balance,
            amount_base_units=each.amount_base_units,
            treatment=_treatment(each.amount_base_units, rules),
            round_number=round_number,
        )
        for ordinal, each in enumerate(entitlements, first_ordinal)
    ]


def _excluded(
    ordinal: int, holder: HolderAddress, balance: TokenUnits, kept_base_units: BaseUnits
) -> PlannedPayment:
    return PlannedPayment(
        ordinal, holder, balance, BaseUnits(0), excluded_base_units=kept_base_units, treatment=Treatment.EXCLUDE
    )


def _treatment(amount_base_units: BaseUnits, rules: PayeeRules) -> Treatment:
    return Treatment.DEFER if 0 < amount_base_units < rules.minimum_base_units else Treatment.PAY


def spread_total(
    total_base_units: BaseUnits, *, total_supply: TokenUnits, excluded_balance: TokenUnits
) -> BaseUnits:
    """Returns the total to call with so that others get the excluded share (docs/adr/0014-rules-per-payee.md).

    floor(total x supply / (supply - excluded)); what the others get together stays within the total. Raises
    ValueError when nobody else holds anything.
    """
    if not 0 <= excluded_balance < total_supply:
        raise ValueError(f"{excluded_balance} of {total_supply} cannot be excluded")
    return BaseUnits(total_base_units * total_supply // (total_supply - excluded_balance))


def net_total(total_base_units: BaseUnits, withholding_basis_points: int) -> BaseUnits:
    """Returns the total to call with for payees from whom this share is withheld, rounded down."""
    return BaseUnits(total_base_units * (WHOLE_BASIS_POINTS - withholding_basis_points) // WHOLE_BASIS_POINTS)


class PlanSum:
    """Adds up a plan row by row, in order, so that a plan of any size need not be held in memory.

    Of a snapshot payout `declared_base_units` is split, and `call_total_base_units` is what the contract is called
    with (None: the same). Of the other kinds the rows make the total: both are None.
    """

    def __init__(
        self,
        kind: PayoutKind,
        declared_base_units: BaseUnits | None,
        total_supply: TokenUnits,
        *,
        call_total_base_units: BaseUnits | None = None,
    ) -> None:
        if (declared_base_units is None) == (kind is PayoutKind.SNAPSHOT):
            raise ValueError(f"a plan of kind {kind} with the declared total {declared_base_units}")
        self._kind = kind
        self._declared = declared_base_units
        self._call_total = call_total_base_units if call_total_base_units is not None else declared_base_units
        self._supply = total_supply
        head = f"{declared_base_units}/{total_supply}\n" if kind is PayoutKind.SNAPSHOT else f"{kind.value}\n"
        self._digest = hashlib.sha256(head.encode())
        self._count = self._zero_due = self._balance_sum = self._payable = 0
        self._excluded_count = self._excluded = self._withheld = 0
        self._deferred_count = self._deferred = 0

    def add(self, payment: PlannedPayment) -> None:
        """Adds the next row. Raises AccountingIdentityError when an ordinal is missing or doubled."""
        if payment.ordinal != self._count:
            raise AccountingIdentityError(f"ordinal {payment.ordinal} stands where {self._count} belongs")
        self._digest.update(self._hashed(payment).encode())
        self._count += 1
        self._zero_due += payment.first_state is PaymentState.ZERO_DUE
        self._balance_sum += payment.balance
        self._payable += payment.amount_base_units
        self._withheld += payment.withheld_base_units
        self._excluded += payment.excluded_base_units
        self._excluded_count += payment.treatment is Treatment.EXCLUDE
        if payment.first_state is PaymentState.DEFERRED:
            self._deferred_count += 1
            self._deferred += payment.amount_base_units

    def totals(self) -> PlanTotals:
        """Returns the sums. Raises AccountingIdentityError when the parts exceed the whole."""
        frozen_share, dust = self._frozen_share_and_dust()
        return PlanTotals(
            holder_count=self._count,
            zero_due_count=self._zero_due,
            payable_base_units=BaseUnits(self._payable),
            rounding_dust_base_units=dust,
            frozen_share_base_units=frozen_share,
            plan_hash=self._digest.hexdigest(),
            excluded_count=self._excluded_count,
            excluded_base_units=BaseUnits(self._excluded),
            withheld_base_units=BaseUnits(self._withheld),
            deferred_count=self._deferred_count,
            deferred_base_units=BaseUnits(self._deferred),
        )

    def _hashed(self, payment: PlannedPayment) -> str:
        """Returns the part of a row that never changes.

        For a redemption, it is fixed who is paid but not how much.
        """
        if self._kind is PayoutKind.REDEMPTION:
            return f"{payment.ordinal},{payment.holder},{payment.round_number}\n"
        row = f"{payment.ordinal},{payment.holder},{payment.balance},{payment.amount_base_units}"
        if payment.treatment is not Treatment.PAY or payment.withholding_basis_points:
            row += f",{payment.treatment.value},{payment.gross_base_units},{payment.withholding_basis_points}"
        return row + "\n"

    def _frozen_share_and_dust(self) -> tuple[BaseUnits, BaseUnits]:
        if self._declared is None or self._call_total is None:
            return BaseUnits(0), BaseUnits(0)
        if self._balance_sum > self._supply:
            raise AccountingIdentityError(
                f"balances sum to {self._balance_sum}, more than the supply {self._supply}"
            )
        frozen_share = pro_rata_floor(
            self._call_total, balance=TokenUnits(self._supply - self._balance_sum), supply=self._supply
        )
        parts = self._payable + self._withheld + self._excluded
        dust = BaseUnits(self._declared - parts - frozen_share)
        if dust < 0:
            raise AccountingIdentityError(f"payments of {parts} exceed the total {self._declared}")
        return frozen_share, dust
