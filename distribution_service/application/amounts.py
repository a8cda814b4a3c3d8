"""What both creating and previewing do first: know the asset, and read what to pay in its payment token."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from distribution_service.application.ports import UnitOfWork
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.terms import FixedTotal, ShareOfAvailable, Terms
from libs.chain.amount import parse_base_units, parse_decimal_amount, parse_percentage, require_positive
from libs.errors import AppError, Reason

BASE_UNITS_FIELD = "total_amount.base_units"
DECIMAL_AMOUNT_FIELD = "total_amount.decimal_amount"
PERCENTAGE_FIELD = "percentage"


@dataclass(frozen=True, slots=True)
class BaseUnitsText:
    """An amount as a caller wrote it, in base units."""

    text: str


@dataclass(frozen=True, slots=True)
class DecimalAmountText:
    """An amount as a caller wrote it, in whole tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class PercentageText:
    """A percentage of the available money as a caller wrote it."""

    text: str


AmountText: TypeAlias = BaseUnitsText | DecimalAmountText | PercentageText


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
    """Refuses what is wrong whatever the token is. Raises AppError as `terms_in_token` does."""
    if not isinstance(amount, DecimalAmountText):
        _terms_of_any_token(amount)


def terms_in_token(amount: AmountText, token: PaymentToken) -> Terms:
    """What was written, in base units of the token or as a share.

    Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_MANY_DECIMALS, AMOUNT_TOO_LARGE or
    INVALID_PERCENTAGE, naming the field that the caller wrote it in.
    """
    if isinstance(amount, DecimalAmountText):
        amount_base_units = parse_decimal_amount(amount.text, token.decimals, DECIMAL_AMOUNT_FIELD)
        return FixedTotal(require_positive(amount_base_units, DECIMAL_AMOUNT_FIELD))
    return _terms_of_any_token(amount)


def _terms_of_any_token(amount: BaseUnitsText | PercentageText) -> Terms:
    match amount:
        case BaseUnitsText(text):
            return FixedTotal(require_positive(parse_base_units(text, BASE_UNITS_FIELD), BASE_UNITS_FIELD))
        case PercentageText(text):
            return ShareOfAvailable(parse_percentage(text, PERCENTAGE_FIELD))
