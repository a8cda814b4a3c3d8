"""Reads the terms of payouts that other services of ours send. Malformed terms are a defect of the sender."""

from masspayout.type.v1 import rules_pb2

from libs.chain.amount import parse_percentage
from libs.errors import AppError
from libs.grpc_kit.payout_terms import SaysAction, parse_action, parse_rules_in_base_units
from libs.payout_terms import PayeeRules, PayoutKind


def percentage_basis_points(text: str) -> int:
    """A percentage, in hundredths of a percent. Raises ValueError, also for an empty text."""
    try:
        return parse_percentage(text, "percentage")
    except AppError as error:
        raise ValueError(f"{text!r} is not a percentage") from error


def payout_action(message: SaysAction) -> tuple[PayoutKind, int]:
    """The kind of a payout, and the dividend's or coupon's id. Raises ValueError."""
    try:
        return parse_action(message)
    except AppError as error:
        raise ValueError(f"no kind of payout: {error}") from error


def payee_rules(message: rules_pb2.PayeeRules) -> PayeeRules:
    """Rules with their minimum in base units. Raises ValueError."""
    try:
        return parse_rules_in_base_units(message)
    except AppError as error:
        raise ValueError(f"no rules: {error}") from error
