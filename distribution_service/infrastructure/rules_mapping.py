"""PayeeRules as the column `distributions.rules` holds them, and back."""

from collections.abc import Mapping
from typing import Any

from libs.payout_terms import ExcludedShare, PayeeRules


def rules_to_json(rules: PayeeRules) -> dict[str, Any]:
    """The rules that are set; no rules are `{}`. Rates are basis points, the minimum is base units."""
    every_rule = {
        "excluded": sorted(rules.excluded),
        "excluded_share": "" if rules.excluded_share is ExcludedShare.KEEP else rules.excluded_share.value,
        "withholding_basis_points": rules.withholding_basis_points,
        "withholding_by_holder": dict(rules.withholding_by_holder),
        "minimum_base_units": rules.minimum_base_units,
    }
    return {name: value for name, value in every_rule.items() if value}


def rules_from_json(stored: Mapping[str, Any]) -> PayeeRules:
    """The rules that `rules_to_json` made this of. Raises TypeError for a rule that is unknown."""
    rules = dict(stored)
    if "excluded" in rules:
        rules["excluded"] = frozenset(rules["excluded"])
    if "excluded_share" in rules:
        rules["excluded_share"] = ExcludedShare(rules["excluded_share"])
    return PayeeRules(**rules)
