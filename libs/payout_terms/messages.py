"""Reads and writes the terms and rules of payouts in requests, resources and events of several services."""

import re
from collections.abc import Container, Sequence
from dataclasses import replace

from masspayout.type.v1 import amount_pb2, rules_pb2, terms_pb2

from libs.chain.amount import format_percentage, parse_base_units, parse_percentage, require_positive
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed, parse_evm_account
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

MAX_EXCLUDED_HOLDERS = 1_000
MAX_WITHHOLDING_RATES = 1_000
TERMS_FIELD = "terms"
RULES_FIELD = f"{TERMS_FIELD}.rules"

_ZERO_PERCENT = re.compile(r"0(\.0{1,2})?")
_SHARES = {
    rules_pb2.EXCLUDED_SHARE_UNSPECIFIED: ExcludedShare.KEEP,
    rules_pb2.EXCLUDED_SHARE_KEEP: ExcludedShare.KEEP,
    rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE: ExcludedShare.REDISTRIBUTE,
}


def terms_message(terms: PayoutTerms) -> terms_pb2.PayoutTerms:
    """The terms as requests, resources and events say them, amounts in base units."""
    message = terms_pb2.PayoutTerms(rules=_rules_message(terms.rules))
    match terms.pays:
        case FixedTotal(base_units):
            message.total_amount.base_units = str(base_units)
        case ShareOfAvailable(basis_points):
            message.percentage = format_percentage(basis_points)
        case Dividend(action_id):
            message.dividend_id = action_id
        case Coupon(action_id):
            message.coupon_id = action_id
        case Redemption():
            message.redemption.SetInParent()
    return message


def read_terms(message: terms_pb2.PayoutTerms) -> PayoutTerms:
    """The terms that another service of ours sends. Malformed ones are a defect of the sender: ValueError."""
    try:
        return parse_terms(message)
    except AppError as error:
        raise ValueError(f"no terms of a payout: {error.field}: {error}") from error


def parse_terms(message: terms_pb2.PayoutTerms) -> PayoutTerms:
    """Terms whose amounts are in base units. Raises AppError as `parse_pays` and `parse_rules`."""
    return PayoutTerms(parse_pays(message), parse_rules(message.rules))


def parse_pays(message: terms_pb2.PayoutTerms) -> WhatIsPaid:
    """What is paid; a total must be in base units.

    Raises AppError with the path of the field: REQUIRED_FIELD_MISSING when nothing is given or the total is in
    another unit, INVALID_PERCENTAGE, INVALID_ACTION_ID for an id below 1, INVALID_AMOUNT, AMOUNT_NOT_POSITIVE,
    AMOUNT_TOO_LARGE.
    """
    match message.WhichOneof("kind"):
        case "total_amount":
            return FixedTotal(_parse_total(message.total_amount))
        case "percentage":
            return ShareOfAvailable(parse_percentage(message.percentage, f"{TERMS_FIELD}.percentage"))
        case "dividend_id":
            return Dividend(_parse_action_id(message.dividend_id, f"{TERMS_FIELD}.dividend_id"))
        case "coupon_id":
            return Coupon(_parse_action_id(message.coupon_id, f"{TERMS_FIELD}.coupon_id"))
        case "redemption":
            return Redemption()
        case _:
            *kinds, last = (kind.name for kind in message.DESCRIPTOR.oneofs_by_name["kind"].fields)
            raise AppError(
                Reason.REQUIRED_FIELD_MISSING,
                f"one of {', '.join(kinds)} and {last} is required",
                field=TERMS_FIELD,
            )


def parse_rules(message: rules_pb2.PayeeRules) -> PayeeRules:
    """The rules; their minimum must be in base units.

    Raises AppError as `parse_rules_but_minimum`, and for the minimum REQUIRED_FIELD_MISSING when it is in another
    unit, INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_LARGE.
    """
    rules, minimum = parse_rules_but_minimum(message), message.minimum_amount
    if minimum.WhichOneof("amount") is None:
        return rules
    return replace(rules, minimum_base_units=_parse_base_units(minimum, f"{RULES_FIELD}.minimum_amount"))


def parse_rules_but_minimum(message: rules_pb2.PayeeRules) -> PayeeRules:
    """The rules without the minimum, which only who knows the token's decimals can read when it is in tokens.

    Raises AppError with the path of the field: TOO_MANY_HOLDERS, DUPLICATE_HOLDER, INVALID_PERCENTAGE,
    RULE_NOT_SUPPORTED for an unknown excluded_share, CONFLICTING_FIELDS for a holder that is excluded and has a
    rate, and those of `parse_evm_account`.
    """
    excluded = _parse_excluded(message.excluded_holders)
    percentage = message.withholding_percentage
    return PayeeRules(
        excluded=frozenset(excluded),
        excluded_share=_parse_share(message.excluded_share),
        withholding_basis_points=(
            _parse_rate(percentage, f"{RULES_FIELD}.withholding_percentage") if percentage else 0
        ),
        withholding_by_holder=_parse_rates(message.withholding_rates, excluded),
    )


def _rules_message(rules: PayeeRules) -> rules_pb2.PayeeRules | None:
    """Holders in the order of their addresses; None for no rules."""
    if rules == NO_RULES:
        return None
    rate, minimum = rules.withholding_basis_points, rules.minimum_base_units
    return rules_pb2.PayeeRules(
        excluded_holders=[checksummed(holder) for holder in sorted(rules.excluded)],
        excluded_share=f"EXCLUDED_SHARE_{rules.excluded_share.value}",
        withholding_percentage=format_percentage(rate) if rate else "",
        withholding_rates=[
            rules_pb2.WithholdingRate(holder=checksummed(holder), percentage=format_percentage(basis_points))
            for holder, basis_points in sorted(rules.withholding_by_holder.items())
        ],
        minimum_amount=amount_pb2.AmountInput(base_units=str(minimum)) if minimum else None,
    )


def _parse_total(total: amount_pb2.AmountInput) -> BaseUnits:
    field = f"{TERMS_FIELD}.total_amount"
    if total.WhichOneof("amount") is None:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, "the total has no amount", field=field)
    return _parse_base_units(total, field)


def _parse_base_units(amount: amount_pb2.AmountInput, field: str) -> BaseUnits:
    field = f"{field}.base_units"
    if amount.WhichOneof("amount") != "base_units":
        raise AppError(Reason.REQUIRED_FIELD_MISSING, "the amount is given in base units here", field=field)
    return BaseUnits(require_positive(parse_base_units(amount.base_units, field), field))


def _parse_action_id(action_id: int, field: str) -> int:
    if action_id < 1:
        raise AppError(Reason.INVALID_ACTION_ID, f"ids on an asset begin with 1, not {action_id}", field=field)
    return action_id


def _parse_share(share: rules_pb2.ExcludedShare) -> ExcludedShare:
    # proto3 enums are open: a number that only a newer protocol knows arrives as it is.
    if share not in _SHARES:
        raise AppError(
            Reason.RULE_NOT_SUPPORTED, f"{share} is no known share", field=f"{RULES_FIELD}.excluded_share"
        )
    return _SHARES[share]


def _parse_excluded(holders: Sequence[str]) -> set[HolderAddress]:
    field = f"{RULES_FIELD}.excluded_holders"
    _require_at_most(MAX_EXCLUDED_HOLDERS, len(holders), field)
    excluded: set[HolderAddress] = set()
    for index, text in enumerate(holders):
        excluded.add(_parse_new_holder(text, excluded, f"{field}[{index}]"))
    return excluded


def _parse_rates(
    rates: Sequence[rules_pb2.WithholdingRate], excluded: set[HolderAddress]
) -> dict[HolderAddress, int]:
    field = f"{RULES_FIELD}.withholding_rates"
    _require_at_most(MAX_WITHHOLDING_RATES, len(rates), field)
    by_holder: dict[HolderAddress, int] = {}
    for index, rate in enumerate(rates):
        holder_field = f"{field}[{index}].holder"
        holder = _parse_new_holder(rate.holder, by_holder, holder_field)
        if holder in excluded:
            raise AppError(
                Reason.CONFLICTING_FIELDS, f"{rate.holder} is excluded: nothing is withheld", field=holder_field
            )
        by_holder[holder] = _parse_rate(rate.percentage, f"{field}[{index}].percentage")
    return by_holder


def _require_at_most(most: int, count: int, field: str) -> None:
    if count > most:
        raise AppError(Reason.TOO_MANY_HOLDERS, f"at most {most} holders, not {count}", field=field)


def _parse_new_holder(text: str, known: Container[HolderAddress], field: str) -> HolderAddress:
    holder = HolderAddress(parse_evm_account(text, field).value)
    if holder in known:
        raise AppError(Reason.DUPLICATE_HOLDER, f"{text} is named twice", field=field)
    return holder


def _parse_rate(text: str, field: str) -> int:
    """Reads basis points. 0 is allowed: a holder may be exempt from what is withheld from others."""
    if not text:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, f"{field} is required", field=field)
    if _ZERO_PERCENT.fullmatch(text):
        return 0
    try:
        return parse_percentage(text, field)
    except AppError as error:
        message = f"{text[:20]!r} is not a percentage from 0 to 100 with at most two decimals"
        raise AppError(Reason.INVALID_PERCENTAGE, message, field=field) from error
