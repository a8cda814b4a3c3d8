"""What is paid and by which rules, between the wire and the domain."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masspayout.distribution.v1 import distribution_service_pb2
from masspayout.payout.v1 import payout_service_pb2
from masspayout.type.v1 import amount_pb2, rules_pb2

from libs.errors import AppError, Code, Reason
from libs.grpc_kit.accounts import checksummed
from libs.grpc_kit.errors import as_app_error
from libs.grpc_kit.payout_terms import (
    action_fields,
    given_field,
    parse_action,
    parse_rules,
    parse_rules_in_base_units,
    rules_message,
)
from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind, UnsupportedRuleError

TOTAL = "total_amount_base_units"
FIRST, SECOND, THIRD = (f"0x{number:040x}" for number in (0xABCDEF, 0xBCDEFA, 0xCDEFAB))


def request(**fields: Any) -> payout_service_pb2.PreviewPayoutRequest:
    return payout_service_pb2.PreviewPayoutRequest(**fields)


def rate(holder: str, percentage: str) -> rules_pb2.WithholdingRate:
    return rules_pb2.WithholdingRate(holder=holder, percentage=percentage)


def given_by(message: payout_service_pb2.PreviewPayoutRequest) -> str:
    return given_field(message, TOTAL, has_total=bool(message.total_amount_base_units))


ONE_OF_EACH: dict[str, Any] = {
    TOTAL: "1",
    "percentage": "1",
    "dividend_id": 1,
    "coupon_id": 1,
    "redemption": True,
}


@pytest.mark.parametrize("field", ONE_OF_EACH)
def test_one_field_says_what_is_paid(field: str) -> None:
    assert given_by(request(**{field: ONE_OF_EACH[field]})) == field


def test_something_must_be_paid() -> None:
    with pytest.raises(AppError) as caught:
        given_by(request())
    assert (caught.value.reason, caught.value.field) == (Reason.REQUIRED_FIELD_MISSING, TOTAL)
    assert caught.value.message == f"one of {TOTAL}, percentage, dividend_id, coupon_id and redemption is required"


@pytest.mark.parametrize(("first", "second"), list(combinations(ONE_OF_EACH, 2)))
def test_only_one_thing_is_paid(first: str, second: str) -> None:
    with pytest.raises(AppError) as caught:
        given_by(request(**{name: ONE_OF_EACH[name] for name in (first, second)}))
    assert (caught.value.reason, caught.value.field) == (Reason.CONFLICTING_FIELDS, second)
    assert first in caught.value.message


@pytest.mark.parametrize(
    ("kind", "action_id"),
    [
        (PayoutKind.SNAPSHOT, 0),
        (PayoutKind.DIVIDEND, 1),
        (PayoutKind.COUPON, 2**63 - 1),
        (PayoutKind.REDEMPTION, 0),
    ],
)
def test_an_action_goes_there_and_back(kind: PayoutKind, action_id: int) -> None:
    fields = action_fields(kind, action_id)
    for message in (distribution_service_pb2.Distribution(**fields), payout_service_pb2.Payout(**fields)):
        assert parse_action(message) == (kind, action_id)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"dividend_id": -1}, Reason.INVALID_ACTION_ID, "dividend_id"),
        ({"coupon_id": -(2**63)}, Reason.INVALID_ACTION_ID, "coupon_id"),
        ({"dividend_id": 1, "coupon_id": 1}, Reason.CONFLICTING_FIELDS, "coupon_id"),
        ({"coupon_id": 1, "redemption": True}, Reason.CONFLICTING_FIELDS, "redemption"),
    ],
)
def test_a_wrong_action_is_refused(fields: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_action(payout_service_pb2.Payout(**fields))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_no_rules_are_an_unset_field() -> None:
    assert rules_message(NO_RULES) is None
    assert parse_rules(rules_pb2.PayeeRules()) == parse_rules_in_base_units(request().rules) == NO_RULES


def test_rules_are_read_and_shown_in_one_spelling() -> None:
    message = rules_pb2.PayeeRules(
        excluded_holders=[SECOND.upper().replace("0X", "0x"), FIRST],
        excluded_share=rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE,
        withholding_percentage="26.37",
        withholding_rates=[rate(checksummed(THIRD), "0.00")],
        minimum_amount=amount_pb2.AmountInput(base_units="250"),
    )
    rules = parse_rules_in_base_units(message)
    assert rules == PayeeRules(
        excluded=frozenset({FIRST, SECOND}),
        excluded_share=ExcludedShare.REDISTRIBUTE,
        withholding_basis_points=2_637,
        withholding_by_holder={THIRD: 0},
        minimum_base_units=250,
    )
    assert rules_message(rules) == rules_pb2.PayeeRules(
        excluded_holders=[checksummed(FIRST), checksummed(SECOND)],
        excluded_share=rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE,
        withholding_percentage="26.37",
        withholding_rates=[rate(checksummed(THIRD), "0")],
        minimum_amount=amount_pb2.AmountInput(base_units="250"),
    )
    assert parse_rules(message).minimum_base_units == 0, "who has no decimals does not read the minimum"


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
    assert parse_rules_in_base_units(rules_message(rules) or rules_pb2.PayeeRules()) == rules


@pytest.mark.parametrize(
    ("rules", "reason", "field"),
    [
        ({"excluded_holders": [FIRST, ""]}, Reason.REQUIRED_FIELD_MISSING, "rules.excluded_holders[1]"),
        ({"excluded_holders": ["0x12"]}, Reason.INVALID_ADDRESS, "rules.excluded_holders[0]"),
        ({"excluded_holders": ["0.0.12"]}, Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "rules.excluded_holders[0]"),
        (
            {"excluded_holders": [FIRST, SECOND, checksummed(FIRST)]},
            Reason.DUPLICATE_HOLDER,
            "rules.excluded_holders[2]",
        ),
        ({"excluded_holders": [FIRST] * 1_001}, Reason.TOO_MANY_HOLDERS, "rules.excluded_holders"),
        ({"excluded_share": 7}, Reason.RULE_NOT_SUPPORTED, "rules.excluded_share"),
        ({"withholding_percentage": "-1"}, Reason.INVALID_PERCENTAGE, "rules.withholding_percentage"),
        ({"withholding_percentage": "100.01"}, Reason.INVALID_PERCENTAGE, "rules.withholding_percentage"),
        ({"withholding_percentage": "0.000"}, Reason.INVALID_PERCENTAGE, "rules.withholding_percentage"),
        ({"withholding_percentage": "1,5"}, Reason.INVALID_PERCENTAGE, "rules.withholding_percentage"),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(SECOND, "")]},
            Reason.REQUIRED_FIELD_MISSING,
            "rules.withholding_rates[1].percentage",
        ),
        (
            {"withholding_rates": [rate(number, "1") for number in (FIRST, SECOND, THIRD)] + [rate("0x1", "2")]},
            Reason.INVALID_ADDRESS,
            "rules.withholding_rates[3].holder",
        ),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(SECOND, "12.345")]},
            Reason.INVALID_PERCENTAGE,
            "rules.withholding_rates[1].percentage",
        ),
        (
            {"withholding_rates": [rate(FIRST, "1"), rate(checksummed(FIRST), "2")]},
            Reason.DUPLICATE_HOLDER,
            "rules.withholding_rates[1].holder",
        ),
        ({"withholding_rates": [rate(FIRST, "1")] * 5_001}, Reason.TOO_MANY_HOLDERS, "rules.withholding_rates"),
        (
            {"excluded_holders": [SECOND], "withholding_rates": [rate(FIRST, "1"), rate(SECOND, "0")]},
            Reason.CONFLICTING_FIELDS,
            "rules.withholding_rates[1].holder",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(base_units="0")},
            Reason.AMOUNT_NOT_POSITIVE,
            "rules.minimum_amount.base_units",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(base_units="1.5")},
            Reason.INVALID_AMOUNT,
            "rules.minimum_amount.base_units",
        ),
        (
            {"minimum_amount": amount_pb2.AmountInput(decimal_amount="1")},
            Reason.REQUIRED_FIELD_MISSING,
            "rules.minimum_amount.base_units",
        ),
    ],
)
def test_wrong_rules_name_the_path(rules: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_rules_in_base_units(rules_pb2.PayeeRules(**rules))
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


def test_a_rule_that_the_contract_cannot_keep_is_told_with_its_path() -> None:
    error = as_app_error(UnsupportedRuleError("withholding_rates", "the asset computes"), "/method")
    assert (error.reason, error.code) == (Reason.RULE_NOT_SUPPORTED, Code.INVALID_ARGUMENT)
    assert (error.field, error.message) == ("rules.withholding_rates", "the asset computes")
