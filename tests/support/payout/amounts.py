"""What tests say of money and tokens in plain numbers, as the types of the domain (libs/chain/quantities.py)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from libs.payout_terms.terms import NO_RULES, PayeeRules
from payout_service.domain.payments import Tally
from payout_service.domain.plan import Entitlement, PlannedPayment, PlanTotals, plan_payments
from payout_service.domain.proof import FixedDue, PrincipalDue
from payout_service.domain.settlement import Execution, ExecutionKind


def money(amounts: Mapping[HolderAddress, int]) -> dict[HolderAddress, BaseUnits]:
    """Base units of the payment token by holder."""
    return {holder: BaseUnits(amount) for holder, amount in amounts.items()}


def tokens(balances: Iterable[tuple[HolderAddress, int]]) -> list[tuple[HolderAddress, TokenUnits]]:
    """Balances of the security token."""
    return [(holder, TokenUnits(balance)) for holder, balance in balances]


def tally(count: int, amount: int, moved: int = 0) -> Tally:
    """So many payments that are due so much together."""
    return Tally(count, amount_base_units=BaseUnits(amount), moved_base_units=BaseUnits(moved))


def entitlement(holder: HolderAddress, balance: int, amount: int, obstacle: str = "", **told: Any) -> Entitlement:
    """What the asset says that a holder is owed."""
    return Entitlement(holder, TokenUnits(balance), BaseUnits(amount), obstacle, **told)


def planned_payment(
    ordinal: int, holder: HolderAddress, balance: int, amount: int, **changes: Any
) -> PlannedPayment:
    """A row of a plan."""
    return replace(PlannedPayment(ordinal, holder, TokenUnits(balance), BaseUnits(amount)), **changes)


def execution_of(
    kind: ExecutionKind, reference_id: int, total: int, holders: tuple[HolderAddress, ...]
) -> Execution:
    """A call by addresses."""
    return Execution(kind, reference_id, BaseUnits(total), holders)


def fixed_due(amount: int) -> FixedDue:
    """What a frozen plan owes."""
    return FixedDue(BaseUnits(amount))


def principal_due(
    balance_before: int, principal: int, burned_tokens: int, per_token: Fraction | None = None
) -> PrincipalDue:
    """What a redemption owes."""
    return PrincipalDue(
        balance_before=TokenUnits(balance_before),
        principal_base_units=BaseUnits(principal),
        burned_tokens=TokenUnits(burned_tokens),
        per_token_base_units=per_token,
    )


def shares(
    first_ordinal: int,
    balances: Iterable[tuple[HolderAddress, int]],
    call_total: int,
    total_supply: int,
    rules: PayeeRules = NO_RULES,
) -> list[PlannedPayment]:
    """The rows of a snapshot payout."""
    return plan_payments(first_ordinal, tokens(balances), BaseUnits(call_total), TokenUnits(total_supply), rules)


def assert_identity(plan: PlanTotals, declared: int, *, paid: int, still_open: int, cancelled: int = 0) -> None:
    """Raises AccountingIdentityError where the parts do not make the declared total."""
    plan.assert_identity(
        declared_base_units=BaseUnits(declared),
        paid_base_units=BaseUnits(paid),
        open_base_units=BaseUnits(still_open),
        cancelled_base_units=BaseUnits(cancelled),
    )
