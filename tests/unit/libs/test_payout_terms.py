"""What is paid and by which rules: the values, and between the wire and the domain."""

from itertools import combinations
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from masspayout.distribution.v1 import distribution_service_pb2
from masspayout.type.v1 import amount_pb2, rules_pb2, terms_pb2

from libs.chain.amount import percentage_of
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from libs.payout_terms.messages import (
    parse_rules,
    parse_rules_but_minimum,
    parse_terms,
    read_terms,
    terms_message,
)
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

FIRST, SECOND, THIRD = (f"0x{number:040x}" for number in (0xABCDEF, 0xBCDEFA, 0xCDEFAB))
LARGEST = 2**256 - 1


def rate(holder: str, percentage: str) -> rules_pb2.WithholdingRate:
    return rules_pb2.WithholdingRate(holder=holder, percentage=percentage)


def shown(rules: PayeeRules) -> rules_pb2.PayeeRules:
    return terms_message(PayoutTerms(Redemption(), rules)).rules


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("total", [0, -1])
def test_a_total_is_positive(total: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        FixedTotal(BaseUnits(total))


def test_a_total_fits_into_256_bits() -> None:
    assert FixedTotal(BaseUnits(LARGEST)).base_units == LARGEST
    with pytest.raises(ValueError, match="256 bits"):
        FixedTotal(BaseUnits(LARGEST + 1))


@pytest.mark.parametrize("basis_points", [0, -1, 10_001])
def test_a_share_is_more_than_nothing_and_at_most_the_whole(basis_points: int) -> None:
    with pytest.raises(ValueError, match="whole"):
        ShareOfAvailable(basis_points)


@given(st.integers(1, 10_000))
def test_the_least_money_that_a_share_can_be_paid_of(basis_points: int) -> None:
    least = ShareOfAvailable(basis_points).least_available_base_units
    assert percentage_of(BaseUnits(least), basis_points) >= 1
    assert percentage_of(BaseUnits(least - 1), basis_points) == 0


@pytest.mark.parametrize("action", [Dividend, Coupon])
@pytest.mark.parametrize("action_id", [0, -1])
def test_ids_on_an_asset_begin_with_one(action: type[Dividend] | type[Coupon], action_id: int) -> None:
    with pytest.raises(ValueError, match="begin with 1"):
        action(action_id)


@pytest.mark.parametrize(
    "rules",
    [
        {"withholding_basis_points": -1},
        {"withholding_basis_points": 10_001},
        {"withholding_by_holder": {FIRST: 0, SECOND: 10_001}},
        {"withholding_by_holder": {FIRST: -1}},
        {"minimum_base_units": -1},
        {"minimum_base_units": LARGEST + 1},
    ],
)
def test_rules_have_bounds(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"withheld|minimum"):
        PayeeRules(**rules)


@pytest.mark.parametrize(
    ("pays", "kind", "figures"),
    [
        (FixedTotal(BaseUnits(5)), PayoutKind.SNAPSHOT, (5, None, 0)),
        (ShareOfAvailable(1), PayoutKind.SNAPSHOT, (0, 1, 0)),
        (Dividend(3), PayoutKind.DIVIDEND, (0, None, 3)),
        (Coupon(4), PayoutKind.COUPON, (0, None, 4)),
        (Redemption(), PayoutKind.REDEMPTION, (0, None, 0)),
    ],
)
def test_terms_have_a_kind(pays: WhatIsPaid, kind: PayoutKind, figures: tuple[int, int | None, int]) -> None:
    terms = PayoutTerms(pays)
    assert terms.kind is kind
    assert (terms.total_base_units, terms.percentage_basis_points, terms.action_id) == figures


# ------------------------------------------------------------------------------------------------ what is paid

ONE_OF_EACH: dict[str, Any] = {
    "total_amount": {"base_units": "1"},
    "percentage": "1",
    "dividend_id": 1,
    "coupon_id": 1,
    "redemption": {},
}


@pytest.mark.parametrize(
    ("field", "pays"),
    [
        ("total_amount", FixedTotal(BaseUnits(1))),
        ("percentage", ShareOfAvailable(100)),
        ("dividend_id", Dividend(1)),
        ("coupon_id", Coupon(1)),
        ("redemption", Redemption()),
    ],
)
def test_one_field_says_what_is_paid(field: str, pays: WhatIsPaid) -> None:
    assert parse_terms(terms_pb2.PayoutTerms(**{field: ONE_OF_EACH[field]})) == PayoutTerms(pays)


@pytest.mark.parametrize("rules", [None, {"withholding_percentage": "5"}])
def test_something_must_be_paid(rules: dict[str, Any] | None) -> None:
    with pytest.raises(AppError) as caught:
        parse_terms(terms_pb2.PayoutTerms(rules=rules))
    assert (caught.value.reason, caught.value.field) == (Reason.REQUIRED_FIELD_MISSING, "terms")
    kinds = "total_amount, percentage, dividend_id, coupon_id and redemption"
    assert caught.value.message == f"one of {kinds} is required"


@pytest.mark.parametrize(("first", "second"), list(combinations(ONE_OF_EACH, 2)))
def test_only_one_thing_is_paid(first: str, second: str) -> None:
    """A message cannot carry two kinds: the last one that was set is in it. JSON that names two is refused."""
    message = terms_pb2.PayoutTerms(**{first: ONE_OF_EACH[first]})
    message.MergeFrom(terms_pb2.PayoutTerms(**{second: ONE_OF_EACH[second]}))
    assert message == terms_pb2.PayoutTerms(**{second: ONE_OF_EACH[second]})

    request = {"terms": {name: ONE_OF_EACH[name] for name in (first, second)}}
    with pytest.raises(json_format.ParseError, match='multiple "kind" oneof fields'):
        json_format.ParseDict(request, distribution_service_pb2.CreateDistributionRequest())


def test_a_redemption_in_json_is_an_empty_object() -> None:
    message = json_format.ParseDict({"redemption": {}}, terms_pb2.PayoutTerms())
    assert parse_terms(message) == PayoutTerms(Redemption())
    assert json_format.MessageToDict(message) == {"redemption": {}}


@pytest.mark.parametrize(
    "pays",
    [
        *(FixedTotal(BaseUnits(each)) for each in (1, LARGEST)),
        *(ShareOfAvailable(each) for each in (1, 1_250, 10_000)),
        *(action(each) for action in (Dividend, Coupon) for each in (1, 2**63 - 1)),
        Redemption(),
    ],
)
def test_what_is_paid_goes_there_and_back(pays: WhatIsPaid) -> None:
    terms = PayoutTerms(pays, PayeeRules(excluded=frozenset({HolderAddress(FIRST)})))
    assert parse_terms(terms_message(terms)) == read_terms(terms_message(terms)) == terms


@pytest.mark.parametrize(
    ("terms", "reason", "field"),
    [
        ({"total_amount": {}}, Reason.REQUIRED_FIELD_MISSING, "terms.total_amount"),
        (
            {"total_amount": {"decimal_amount": "1"}},
            Reason.REQUIRED_FIELD_MISSING,
            "terms.total_amount.base_units",
        ),
        ({"total_amount": {"base_units": ""}}, Reason.INVALID_AMOUNT, "terms.total_amount.base_units"),
        ({"total_amount": {"base_units": "0"}}, Reason.AMOUNT_NOT_POSITIVE, "terms.total_amount.base_units"),
        (
            {"total_amount": {"base_units": str(LARGEST + 1)}},
            Reason.AMOUNT_TOO_LARGE,
            "terms.total_amount.base_units",
        ),
        # What is set and empty is wrong, not absent.
        ({"percentage": ""}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "100.01"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"dividend_id": 0}, Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        ({"dividend_id": -1}, Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        ({"coupon_id": 0}, Reason.INVALID_ACTION_ID, "terms.coupon_id"),
        ({"coupon_id": -(2**63)}, Reason.INVALID_ACTION_ID, "terms.coupon_id"),
    ],
)
def test_wrong_terms_name_the_path(terms: dict[str, Any], reason: Reason, field: str) -> None:
    message = terms_pb2.PayoutTerms(**terms)
    with pytest.raises(AppError) as caught:
        parse_terms(message)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    with pytest.raises(ValueError, match=f"no terms of a payout: {field}: "):
        read_terms(message)


# ------------------------------------------------------------------------------------------------ rules


def test_no_rules_are_an_unset_field() -> None:
    assert not terms_message(PayoutTerms(Redemption())).HasField("rules")
    assert parse_rules(rules_pb2.PayeeRules()) == parse_terms(terms_pb2.PayoutTerms(coupon_id=1)).rules == NO_RULES


def test_rules_are_read_and_shown_in_one_spelling() -> None:
    message = rules_pb2.PayeeRules(
        excluded_holders=[SECOND.upper().replace("0X", "0x"), FIRST],
        excluded_share=rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE,
        withholding_percentage="26.37",
        withholding_rates=[rate(checksummed(THIRD), "0.00")],
        minimum_amount=amount_pb2.AmountInput(base_units="250"),
    )
    rules = parse_rules(message)
    assert rules == PayeeRules(
        excluded=frozenset({HolderAddress(FIRST), HolderAddress(SECOND)}),
        excluded_share=ExcludedShare.REDISTRIBUTE,
        withholding_basis_points=2_637,
        withholding_by_holder={HolderAddress(THIRD): 0},
        minimum_base_units=250,
    )
    assert shown(rules) == rules_pb2.PayeeRules(
        excluded_holders=[checksummed(FIRST), checksummed(SECOND)],
        excluded_share=rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE,
        withholding_percentage="26.37",
        withholding_rates=[rate(checksummed(THIRD), "0")],
        minimum_amount=amount_pb2.AmountInput(base_units="250"),
    )
    assert parse_rules_but_minimum(message).minimum_base_units == 0, "who has no decimals reads none"


@given(
    st.builds(
        PayeeRules,
        excluded=st.frozensets(st.sampled_from([f"0x{number:040x}" for number in range(1, 6)])),
        excluded_share=st.sampled_from(ExcludedShare),
        withholding_basis_points=st.integers(0, 10_000),
        withholding_by_holder=st.dictionaries(
            st.sampled_from([f"0x{number:040x}" for number in range(6, 12)]), st.integers(0, 10_000)
        ),
        minimum_base_units=st.integers(0, 2**256 - 1),
    )
)
def test_rules_go_there_and_back(rules: PayeeRules) -> None:
    assert parse_rules(shown(rules)) == rules


@pytest.mark.parametrize(
    ("rules", "reason", "field"),
    [
        ({"excluded_holders": [FIRST, ""]}, Reason.REQUIRED_FIELD_MISSING, "terms.rules.excluded_holders[1]"),
        ({"excluded_holders": ["0x12"]}, Reason.INVALID_ADDRESS, "terms.rules.excluded_holders[0]"),
        ({"excluded_holders": ["0.0.12"]}, Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "terms.rules.excluded_holders[0]"),
        (
            {"excluded_holders": [FIRST, SECOND, checksummed(FIRST)]},
            Reason.DUPLICATE_HOLDER,
            "terms.rules.excluded_holders[2]",
        ),
        ({"excluded_holders": [FIRST] * 1_001}, Reason.TOO_MANY_HOLDERS, "terms.rules.excluded_holders"),
        ({"excluded_share": 7}, Reason.RULE_NOT_SUPPORTED, "terms.rules.excluded_share"),
        ({"withholding_percentage": "-1"}, Reason.INVALID_PERCENTAGE, "terms.rules.withholding_percentage"),
        ({"withholding_percentage": "100.01"}, Reason.INVALID_PERCENTAGE, "terms.rules.withholding_percentage"),
        ({"withholding_percentage": "0.000"}, Reason.INVALID_PERCENTAGE, "terms.rules.withholding_percentage"),
        ({"withholding_percentage": "1,5"}, Reason.INVALID_PERCENTAGE, "terms.rules.withholding_percentage"),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(SECOND, "")]},
            Reason.REQUIRED_FIELD_MISSING,
            "terms.rules.withholding_rates[1].percentage",
        ),
        (
            {"withholding_rates": [rate(number, "1") for number in (FIRST, SECOND, THIRD)] + [rate("0x1", "2")]},
            Reason.INVALID_ADDRESS,
            "terms.rules.withholding_rates[3].holder",
        ),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(SECOND, "12.345")]},
            Reason.INVALID_PERCENTAGE,
            "terms.rules.withholding_rates[1].percentage",
        ),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(checksummed(FIRST), "2")]},
            Reason.DUPLICATE_HOLDER,
            "terms.rules.withholding_rates[1].holder",
        ),
        (
            {"withholding_rates": [rate(FIRST, "1")] * 5_001},
            Reason.TOO_MANY_HOLDERS,
            "terms.rules.withholding_rates",
        ),
        (
            {"excluded_holders": [SECOND], "withholding_rates": [rate(FIRST, "1"), rate(SECOND, "0")]},
            Reason.CONFLICTING_FIELDS,
            "terms.rules.withholding_rates[1].holder",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(base_units="0")},
            Reason.AMOUNT_NOT_POSITIVE,
            "terms.rules.minimum_amount.base_units",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(base_units="1.5")},
            Reason.INVALID_AMOUNT,
            "terms.rules.minimum_amount.base_units",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(decimal_amount="1")},
            Reason.REQUIRED_FIELD_MISSING,
            "terms.rules.minimum_amount.base_units",
        ),
    ],
)
def test_wrong_rules_name_the_path(rules: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_rules(rules_pb2.PayeeRules(**rules))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_as_many_holders_as_are_allowed() -> None:
    holders = [f"0x{number:040x}" for number in range(1, 2_001)]
    rules = parse_rules(
        rules_pb2.PayeeRules(
            excluded_holders=holders[:1_000],
            withholding_percentage="100",
            withholding_rates=[rate(holder, "100.00") for holder in holders[1_000:]],
        )
    )
    assert (len(rules.excluded), len(rules.withholding_by_holder)) == (1_000, 1_000)
    assert {rules.withholding_basis_points, *rules.withholding_by_holder.values()} == {10_000}
