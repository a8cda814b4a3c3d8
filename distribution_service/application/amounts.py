"""What both creating and previewing do first: know the asset, and read the amount in its payment token."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from distribution_service.application.ports import UnitOfWork
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from libs.chain.amount import parse_base_units, parse_decimal_amount, require_positive
from libs.errors import AppError, Reason

BASE_UNITS_FIELD = "total_amount.base_units"
DECIMAL_AMOUNT_FIELD = "total_amount.decimal_amount"


@dataclass(frozen=True, slots=True)
class BaseUnitsText:
    """An amount as a caller wrote it, in base units."""

    text: str


@dataclass(frozen=True, slots=True)
class DecimalAmountText:
    """An amount as a caller wrote it, in whole tokens."""

    text: str


AmountText: TypeAlias = BaseUnitsText | DecimalAmountText


async def payable_asset(uow: UnitOfWork, asset_id: UUID) -> KnownAsset:
    """The asset. Raises AppError ASSET_NOT_YET_KNOWN: its announcement may still be on its way here."""
    asset = await uow.assets.find(asset_id)
    if asset is None or not asset.can_be_paid:
        raise AppError(
            Reason.ASSET_NOT_YET_KNOWN,
            f"asset {asset_id} is not known here as active; try again when asset_service shows it as ACTIVE",
            field="asset",
        )
    return asset


def check_amount_text(amount: AmountText) -> None:
    """Refuses what is wrong in base units whatever the token is. Raises AppError as `amount_of_token` does."""
    if isinstance(amount, BaseUnitsText):
        require_positive(parse_base_units(amount.text, BASE_UNITS_FIELD), BASE_UNITS_FIELD)


def amount_of_token(amount: AmountText, token: PaymentToken) -> int:
    """The amount in base units of the token.

    Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_MANY_DECIMALS or AMOUNT_TOO_LARGE, naming
    the field that the caller wrote it in.
    """
    match amount:
        case BaseUnitsText(text):
            return require_positive(parse_base_units(text, BASE_UNITS_FIELD), BASE_UNITS_FIELD)
        case DecimalAmountText(text):
            amount_base_units = parse_decimal_amount(text, token.decimals, DECIMAL_AMOUNT_FIELD)
            return require_positive(amount_base_units, DECIMAL_AMOUNT_FIELD)
