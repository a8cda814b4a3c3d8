"""What a payout pays and by which rules, as requests, resources and events of more than one service say it."""

import re
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Protocol, TypedDict

from masspayout.type.v1 import amount_pb2, rules_pb2

from libs.chain.amount import format_percentage, parse_base_units, parse_percentage, require_positive
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed, parse_evm_account
from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind

MAX_EXCLUDED_HOLDERS = 1_000
MAX_WITHHOLDING_RATES = 1_000
# Path of the rules in every request.
RULES_FIELD = "rules"
MINIMUM_FIELD = f"{RULES_FIELD}.minimum_amount"

_ZERO_PERCENT = re.compile(r"0(\.0{1,2})?")
_SHARES = {
    rules_pb2.EXCLUDED_SHARE_UNSPECIFIED: ExcludedShare.KEEP,
    rules_pb2.EXCLUDED_SHARE_KEEP: ExcludedShare.KEEP,
    rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE: ExcludedShare.REDISTRIBUTE,
}


class SaysAction(Protocol):
    """A message that names a dividend, a coupon or a redemption; none of them for a total or a percentage."""

    @property
    def dividend_id(self) -> int:
        """Id of the dividend on the asset; 0 for none."""
        ...

    @property
    def coupon_id(self) -> int:
        """Id of the coupon on the asset; 0 for none."""
        ...

    @property
    def redemption(self) -> bool:
        """True if the bond is redeemed."""
        ...


class SaysTerms(SaysAction, Protocol):
    """A request that may name a percentage instead. How it names a total differs from request to request."""

    @property
    def percentage(self) -> str:
        """A percentage of the available money; empty for none."""
        ...


class ActionFields(TypedDict):
    """The fields of a resource that say which action of the asset is paid."""

    dividend_id: int
    coupon_id: int
    redemption: bool


def given_field(request: SaysTerms, total_field: str, *, has_total: bool) -> str:
    """The name of the one field that says what is paid; `total_field` is that of a total.

    Raises AppError REQUIRED_FIELD_MISSING when none is given, CONFLICTING_FIELDS when several are.
    """
    is_given = {total_field: has_total, "percentage": bool(request.percentage)} | _given_actions(request)
    given = [name for name, is_there in is_given.items() if is_there]
    if not given:
        *names, last = is_given
        raise AppError(
            Reason.REQUIRED_FIELD_MISSING, f"one of {', '.join(names)} and {last} is required", field=total_field
        )
    return _only(given)


def parse_action(message: SaysAction) -> tuple[PayoutKind, int]:
    """The kind of the payout, and the id of the dividend or coupon, else 0.

    Raises AppError INVALID_ACTION_ID for an id below 1, CONFLICTING_FIELDS when more than one is named.
    """
    given = [name for name, is_there in _given_actions(message).items() if is_there]
    match _only(given) if given else None:
        case "dividend_id":
            return PayoutKind.DIVIDEND, _action_id(message.dividend_id, "dividend_id")
        case "coupon_id":
            return PayoutKind.COUPON, _action_id(message.coupon_id, "coupon_id")
        case "redemption":
            return PayoutKind.REDEMPTION, 0
        case _:
            return PayoutKind.SNAPSHOT, 0


def action_fields(kind: PayoutKind, action_id: int) -> ActionFields:
    """The way back of `parse_action`."""
    return ActionFields(
        dividend_id=action_id if kind is PayoutKind.DIVIDEND else 0,
        coupon_id=action_id if kind is PayoutKind.COUPON else 0,
        redemption=kind is PayoutKind.REDEMPTION,
    )


def parse_rules(message: rules_pb2.PayeeRules) -> PayeeRules:
    """The rules without the minimum, which only who knows the token's decimals can read.

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


def parse_rules_in_base_units(message: rules_pb2.PayeeRules) -> PayeeRules:
    """The rules as our services tell them each other: the minimum in base units.

    Raises AppError as `parse_rules`, and for the minimum REQUIRED_FIELD_MISSING when it is in another unit,
    INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_LARGE.
    """
    rules = parse_rules(message)
    field = f"{MINIMUM_FIELD}.base_units"
    match message.minimum_amount.WhichOneof("amount"):
        case None:
            return rules
        case "base_units":
            text = message.minimum_amount.base_units
            return replace(rules, minimum_base_units=require_positive(parse_base_units(text, field), field))
        case _:
            raise AppError(Reason.REQUIRED_FIELD_MISSING, "the minimum is given in base units here", field=field)


def rules_message(rules: PayeeRules) -> rules_pb2.PayeeRules | None:
    """The rules as resources and events show them, holders in the order of their addresses; None for no rules."""
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


def _given_actions(message: SaysAction) -> dict[str, bool]:
    return {
        "dividend_id": message.dividend_id != 0,
        "coupon_id": message.coupon_id != 0,
        "redemption": message.redemption,
    }


def _only(given: Sequence[str]) -> str:
    if len(given) > 1:
        raise AppError(Reason.CONFLICTING_FIELDS, f"give {given[0]} or {given[1]}, not both", field=given[1])
    return given[0]


def _action_id(action_id: int, field: str) -> int:
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


def _parse_excluded(holders: Sequence[str]) -> set[str]:
    field = f"{RULES_FIELD}.excluded_holders"
    _require_at_most(MAX_EXCLUDED_HOLDERS, len(holders), field)
    excluded: set[str] = set()
    for index, text in enumerate(holders):
        excluded.add(_parse_new_holder(text, excluded, f"{field}[{index}]"))
    return excluded


def _parse_rates(rates: Sequence[rules_pb2.WithholdingRate], excluded: set[str]) -> dict[str, int]:
    field = f"{RULES_FIELD}.withholding_rates"
    _require_at_most(MAX_WITHHOLDING_RATES, len(rates), field)
    by_holder: dict[str, int] = {}
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


def _parse_new_holder(text: str, known: Container[str], field: str) -> str:
    holder = parse_evm_account(text, field).value
    if holder in known:
        raise AppError(Reason.DUPLICATE_HOLDER, f"{text} is named twice", field=field)
    return holder


def _parse_rate(text: str, field: str) -> int:
    """Basis points, 0 included: a holder may be spared what is withheld from the others."""
    if not text:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, f"{field} is required", field=field)
    if _ZERO_PERCENT.fullmatch(text):
        return 0
    try:
        return parse_percentage(text, field)
    except AppError as error:
        message = f"{text[:20]!r} is not a percentage from 0 to 100 with at most two decimals"
        raise AppError(Reason.INVALID_PERCENTAGE, message, field=field) from error
