"""Reads names, addresses and amounts in requests of PayoutService."""

import re
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.amount import parse_base_units, require_positive
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import parse_resource_name, require
from payout_service.application.life.control_payout import MAX_HOLDERS
from payout_service.application.sending.chain_identity import WrongChainError

_Answer = TypeVar("_Answer")
# Rounds above the first are named: a payment has one name.
_PAYMENT_NAME = re.compile(r"(?P<payout>.+)/payments/(?P<payee>[^-]+)(?:-(?P<round>[2-9]|[1-9][0-9]{1,8}))?")
_PAYMENT_FORM = "payouts/<uuid>/payments/<evm address>[-<round>]"


def parse_amount(text: str, field: str) -> BaseUnits:
    """Returns base units above zero. Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_LARGE."""
    return BaseUnits(require_positive(parse_base_units(text, field), field))


def parse_holders(holders: Sequence[str]) -> tuple[HolderAddress, ...]:
    """Returns the EVM addresses of holders in lower case, each once.

    Raises AppError TOO_MANY_HOLDERS, or of the first that is wrong REQUIRED_FIELD_MISSING, INVALID_ADDRESS,
    HEDERA_ID_NEEDS_MIRROR_NODE.
    """
    if len(holders) > MAX_HOLDERS:
        raise AppError(Reason.TOO_MANY_HOLDERS, f"at most {MAX_HOLDERS} holders in one call", field="holders")
    parsed = [
        HolderAddress(parse_evm_account(text, f"holders[{index}]").value) for index, text in enumerate(holders)
    ]
    return tuple(dict.fromkeys(parsed))


def parse_treasury_name(name: str) -> UUID:
    """Returns the asset's id from `assets/{asset_id}/treasury`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME.
    """
    asset, separator, rest = require(name, "name").rpartition("/")
    if not separator or rest != "treasury":
        raise _bad_name(name, "assets/<uuid>/treasury")
    return parse_resource_name(asset, "assets", "name")


def parse_payment_name(name: str) -> tuple[UUID, EvmAddress, int]:
    """Returns payout, payee and round from `payouts/{distribution_id}/payments/{evm_address}[-{round}]`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME.
    """
    match = _PAYMENT_NAME.fullmatch(require(name, "name"))
    try:
        if match:
            payout_id = parse_resource_name(match["payout"], "payouts", "name")
            return payout_id, parse_evm_account(match["payee"], "name"), int(match["round"] or 1)
    except AppError as error:
        raise _bad_name(name, _PAYMENT_FORM) from error
    raise _bad_name(name, _PAYMENT_FORM)


def parse_signer_name(name: str) -> EvmAddress:
    """Returns the address from `signers/{evm_address}`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME, INVALID_ADDRESS.
    """
    collection, _, address = require(name, "name").partition("/")
    if collection != "signers":
        raise _bad_name(name, "signers/<evm address>")
    return parse_evm_account(address, "name")


async def on_our_chain(answer: Awaitable[_Answer]) -> _Answer:
    """Returns the awaited answer. Raises AppError CHAIN_UNAVAILABLE when the node is on another chain."""
    try:
        return await answer
    except WrongChainError as error:
        raise AppError(Reason.CHAIN_UNAVAILABLE, str(error)) from error


def _bad_name(name: str, form: str) -> AppError:
    return AppError(Reason.INVALID_RESOURCE_NAME, f"{name!r} is not of the form {form}", field="name")
