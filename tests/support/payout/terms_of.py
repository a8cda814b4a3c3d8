"""Terms by their kind, for tests that do alike with every kind."""

from libs.chain.quantities import BaseUnits
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    FixedTotal,
    PayeeRules,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)


def terms_of(
    kind: PayoutKind = PayoutKind.SNAPSHOT,
    *,
    total: int = 0,
    percentage_basis_points: int | None = None,
    action_id: int = 1,
    rules: PayeeRules = NO_RULES,
) -> PayoutTerms:
    """Terms of a kind: what of the figures is not of this kind is passed over."""
    pays: WhatIsPaid
    match kind:
        case PayoutKind.DIVIDEND:
            pays = Dividend(action_id)
        case PayoutKind.COUPON:
            pays = Coupon(action_id)
        case PayoutKind.REDEMPTION:
            pays = Redemption()
        case PayoutKind.SNAPSHOT if percentage_basis_points is not None:
            pays = ShareOfAvailable(percentage_basis_points)
        case PayoutKind.SNAPSHOT:
            pays = FixedTotal(BaseUnits(total))
    return PayoutTerms(pays, rules)
