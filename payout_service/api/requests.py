"""What the requests of PayoutService say: names, addresses, amounts."""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.amount import parse_base_units, parse_percentage, require_positive
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import parse_resource_name, require
from payout_service.application.chain_identity import WrongChainError
from payout_service.application.control_payout import MAX_HOLDERS

_Answer = TypeVar("_Answer")


class AmountOrPercentage(Protocol):
    """A request that says how much by one of two fields."""

    @property
    def total_amount_base_units(self) -> str:
        """Base units, a decimal integer."""
        ...

    @property
    def percentage(self) -> str:
        """A percentage of the available money."""
        ...


def parse_amount_or_percentage(request: AmountOrPercentage) -> tuple[int | None, int | None]:
    """Base units or basis points: one of the two.

    Raises AppError REQUIRED_FIELD_MISSING, CONFLICTING_FIELDS, INVALID_PERCENTAGE, or as `parse_amount`.
    """
    field = "total_amount_base_units"
    if not request.percentage:
        return parse_amount(require(request.total_amount_base_units, field), field), None
    if request.total_amount_base_units:
        raise AppError(Reason.CONFLICTING_FIELDS, "give a total or a percentage, not both", field="percentage")
    return None, parse_percentage(request.percentage, "percentage")


def parse_amount(text: str, field: str) -> int:
    """Base units above zero. Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_LARGE."""
    return require_positive(parse_base_units(text, field), field)


def parse_holders(holders: Sequence[str]) -> tuple[str, ...]:
    """EVM addresses of holders in lower case, each once.

    Raises AppError TOO_MANY_HOLDERS, or of the first that is wrong REQUIRED_FIELD_MISSING, INVALID_ADDRESS,
    HEDERA_ID_NEEDS_MIRROR_NODE.
    """
    if len(holders) > MAX_HOLDERS:
        raise AppError(Reason.TOO_MANY_HOLDERS, f"at most {MAX_HOLDERS} holders in one call", field="holders")
    parsed = [parse_evm_account(text, f"holders[{index}]").value for index, text in enumerate(holders)]
    return tuple(dict.fromkeys(parsed))


def parse_treasury_name(name: str) -> UUID:
    """The asset's id in `assets/{asset_id}/treasury`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME.
    """
    asset, separator, rest = require(name, "name").rpartition("/")
    if not separator or rest != "treasury":
        raise _bad_name(name, "assets/<uuid>/treasury")
    return parse_resource_name(asset, "assets", "name")


def parse_payment_name(name: str) -> tuple[UUID, EvmAddress]:
    """Payout and payee in `payouts/{distribution_id}/payments/{evm_address}`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME.
    """
    payout, separator, payee = require(name, "name").partition("/payments/")
    try:
        if separator:
            return parse_resource_name(payout, "payouts", "name"), parse_evm_account(payee, "name")
    except AppError as error:
        raise _bad_name(name, "payouts/<uuid>/payments/<evm address>") from error
    raise _bad_name(name, "payouts/<uuid>/payments/<evm address>")


def parse_signer_name(name: str) -> EvmAddress:
    """The address in `signers/{evm_address}`.

    Raises AppError REQUIRED_FIELD_MISSING, INVALID_RESOURCE_NAME, INVALID_ADDRESS.
    """
    collection, _, address = require(name, "name").partition("/")
    if collection != "signers":
        raise _bad_name(name, "signers/<evm address>")
    return parse_evm_account(address, "name")


async def on_our_chain(answer: Awaitable[_Answer]) -> _Answer:
    """The answer. Raises AppError CHAIN_UNAVAILABLE when the node is on another chain."""
    try:
        return await answer
    except WrongChainError as error:
        raise AppError(Reason.CHAIN_UNAVAILABLE, str(error)) from error


def _bad_name(name: str, form: str) -> AppError:
    return AppError(Reason.INVALID_RESOURCE_NAME, f"{name!r} is not of the form {form}", field="name")
