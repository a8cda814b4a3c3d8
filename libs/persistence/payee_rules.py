"""PayeeRules as JSON and back. What is as in NO_RULES is left out, so that no rules are `{}`."""

from collections.abc import Mapping
from typing import Any

from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules


def rules_to_json(rules: PayeeRules) -> dict[str, Any]:
    """The rules as the columns `rules` hold them; amounts in base units, rates in basis points."""
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
