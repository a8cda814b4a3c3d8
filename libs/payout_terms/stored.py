"""Converts terms to the columns of a table and back. Both services that store terms have the same columns."""

from collections.abc import Mapping
from typing import Any

from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)


def terms_to_columns(terms: PayoutTerms) -> dict[str, object]:
    """The columns that never change. The total has a column too, but a payout's plan may fix it."""
    return {
        "kind": terms.kind.value,
        "action_id": terms.action_id,
        "percentage_basis_points": terms.percentage_basis_points,
        "rules": rules_to_json(terms.rules),
    }


def terms_from_row(row: Any) -> PayoutTerms:
    """The terms that a row holds in the columns of `terms_to_columns` and in `total_base_units`.

    Raises ValueError for what no terms can be, TypeError for a rule that is unknown.
    """
    return PayoutTerms(_what_is_paid(row), rules_from_json(row.rules))


def _what_is_paid(row: Any) -> WhatIsPaid:
    match PayoutKind(row.kind):
        case PayoutKind.DIVIDEND:
            return Dividend(row.action_id)
        case PayoutKind.COUPON:
            return Coupon(row.action_id)
        case PayoutKind.REDEMPTION:
            return Redemption()
        case PayoutKind.SNAPSHOT if row.percentage_basis_points is not None:
            return ShareOfAvailable(row.percentage_basis_points)
        case PayoutKind.SNAPSHOT:
            return FixedTotal(row.total_base_units)


def rules_to_json(rules: PayeeRules) -> dict[str, Any]:
    """The rules as the columns `rules` hold them; amounts in base units, rates in basis points.

    What is as in NO_RULES is left out, so that no rules are `{}`.
    """
    every_rule: dict[str, tuple[Any, bool]] = {
        "excluded": (sorted(rules.excluded), bool(rules.excluded)),
        "excluded_share": (rules.excluded_share.value, rules.excluded_share is not NO_RULES.excluded_share),
        "withholding_basis_points": (rules.withholding_basis_points, bool(rules.withholding_basis_points)),
        "withholding_by_holder": (dict(rules.withholding_by_holder), bool(rules.withholding_by_holder)),
        "minimum_base_units": (rules.minimum_base_units, bool(rules.minimum_base_units)),
    }
    return {name: value for name, (value, is_set) in every_rule.items() if is_set}


def rules_from_json(stored: Mapping[str, Any]) -> PayeeRules:
    """The rules that `rules_to_json` made this of. Raises TypeError for a rule that is unknown."""
    values = dict(stored)
    if "excluded" in values:
        values["excluded"] = frozenset(values["excluded"])
    if "excluded_share" in values:
        values["excluded_share"] = ExcludedShare(values["excluded_share"])
    return PayeeRules(**values)
