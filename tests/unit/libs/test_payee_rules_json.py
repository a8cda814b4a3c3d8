"""Rules per payee as the column payout.rules holds them."""

import json

import pytest

from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules
from libs.persistence.payee_rules import rules_from_json, rules_to_json

_RULES = PayeeRules(
    excluded=frozenset({"0xb", "0xa"}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=1_500,
    withholding_by_holder={"0xc": 0, "0xd": 10_000},
    minimum_base_units=2**256 - 1,
)


def test_no_rules_are_an_empty_object() -> None:
    assert rules_to_json(NO_RULES) == {}
    assert rules_from_json({}) == NO_RULES


def test_rules_are_stored_by_their_names() -> None:
    assert rules_to_json(_RULES) == {
        "excluded": ["0xa", "0xb"],
        "excluded_share": "REDISTRIBUTE",
        "withholding_basis_points": 1_500,
        "withholding_by_holder": {"0xc": 0, "0xd": 10_000},
        "minimum_base_units": 2**256 - 1,
    }


@pytest.mark.parametrize(
    "rules",
    [
        _RULES,
        PayeeRules(excluded=frozenset({"0xa"})),
        PayeeRules(withholding_basis_points=1),
        PayeeRules(withholding_by_holder={"0xa": 0}),
        PayeeRules(minimum_base_units=1),
    ],
)
def test_rules_are_read_as_they_were_stored(rules: PayeeRules) -> None:
    assert rules_from_json(json.loads(json.dumps(rules_to_json(rules)))) == rules


def test_a_rule_that_is_unknown_is_not_passed_over() -> None:
    with pytest.raises(TypeError):
        rules_from_json({"minimum": 5})
