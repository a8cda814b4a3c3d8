"""Terms as the columns of a table hold them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.payout_terms.stored import rules_from_json, rules_to_json, terms_from_row, terms_to_columns
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)

_RULES = PayeeRules(
    excluded=frozenset({HolderAddress("0xb"), HolderAddress("0xa")}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=1_500,
    withholding_by_holder={HolderAddress("0xc"): 0, HolderAddress("0xd"): 10_000},
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
        PayeeRules(excluded=frozenset({HolderAddress("0xa")})),
        PayeeRules(withholding_basis_points=1),
        PayeeRules(withholding_by_holder={HolderAddress("0xa"): 0}),
        PayeeRules(minimum_base_units=1),
    ],
)
def test_rules_are_read_as_they_were_stored(rules: PayeeRules) -> None:
    assert rules_from_json(json.loads(json.dumps(rules_to_json(rules)))) == rules


def test_a_rule_that_is_unknown_is_not_passed_over() -> None:
    with pytest.raises(TypeError):
        rules_from_json({"minimum": 5})


@pytest.mark.parametrize(
    ("pays", "columns"),
    [
        (FixedTotal(BaseUnits(2**256 - 1)), ("SNAPSHOT", 0, None)),
        (ShareOfAvailable(10_000), ("SNAPSHOT", 0, 10_000)),
        (Dividend(7), ("DIVIDEND", 7, None)),
        (Coupon(8), ("COUPON", 8, None)),
        (Redemption(), ("REDEMPTION", 0, None)),
    ],
)
def test_terms_are_read_as_they_were_stored(pays: WhatIsPaid, columns: tuple[object, ...]) -> None:
    terms = PayoutTerms(pays, _RULES)
    stored = terms_to_columns(terms)
    assert (stored["kind"], stored["action_id"], stored["percentage_basis_points"]) == columns
    # The total of all but a fixed one is what a plan has made of it.
    assert terms_from_row(SimpleNamespace(total_base_units=terms.total_base_units or 55, **stored)) == terms


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "SPLIT"},
        {"kind": "DIVIDEND"},
        {"total_base_units": 0},
        {"percentage_basis_points": 0},
        {"percentage_basis_points": 10_001},
    ],
)
def test_a_row_that_no_terms_can_be_is_not_read(wrong: dict[str, Any]) -> None:
    columns = terms_to_columns(PayoutTerms(FixedTotal(BaseUnits(1)))) | {"total_base_units": 1}
    assert terms_from_row(SimpleNamespace(**columns)) == PayoutTerms(FixedTotal(BaseUnits(1)))
    with pytest.raises(ValueError):
        terms_from_row(SimpleNamespace(**(columns | wrong)))
