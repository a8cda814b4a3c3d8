"""Reads what other services of ours send. What is malformed is a defect of the sender: ValueError."""

import re
from uuid import UUID

from masspayout.type.v1 import rules_pb2

from libs.chain.address import EvmAddress
from libs.chain.amount import parse_percentage
from libs.errors import AppError
from libs.grpc_kit.payout_terms import SaysAction, parse_action, parse_rules_in_base_units
from libs.payout_terms import PayeeRules, PayoutKind

_BASE_UNITS = re.compile(r"0|[1-9]\d{0,77}", re.ASCII)


def base_units(text: str) -> int:
    """An amount in base units. Raises ValueError, also for an empty text: no amount is not zero."""
    if not _BASE_UNITS.fullmatch(text):
        raise ValueError(f"{text!r} is not an amount in base units")
    return int(text)


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


def evm_address(text: str) -> EvmAddress:
    """An EVM address in any spelling. Raises ValueError."""
    return EvmAddress(text.lower())


def resource_id(name: str, collection: str) -> UUID:
    """The id in `collection/{uuid}`. Raises ValueError."""
    prefix, _, identifier = name.partition("/")
    if prefix != collection:
        raise ValueError(f"{name!r} is not of the form {collection}/<uuid>")
    return UUID(identifier)
