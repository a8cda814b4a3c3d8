"""What both creating and previewing do first: know the asset, and read what was written in its payment token."""

from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from distribution_service.application.ports import UnitOfWork
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.terms import (
    Coupon,
    Dividend,
    FixedTotal,
    Redemption,
    ShareOfAvailable,
    Terms,
    kind_of,
)
from libs.chain.amount import parse_base_units, parse_decimal_amount, parse_percentage, require_positive
from libs.errors import AppError, Reason
from libs.payout_terms import NO_RULES, PayeeRules

TOTAL_FIELD = "total_amount"
PERCENTAGE_FIELD = "percentage"
MINIMUM_FIELD = "rules.minimum_amount"


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


AmountText: TypeAlias = BaseUnitsText | DecimalAmountText


@dataclass(frozen=True, slots=True)
class WrittenTerms:
    """What a caller wants to be paid, before the payment token is known; the rules are without the minimum."""

    pays: AmountText | PercentageText | Dividend | Coupon | Redemption
    rules: PayeeRules = NO_RULES
    minimum: AmountText | None = None


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


def check_written(written: WrittenTerms) -> None:
    """Refuses what is wrong whatever the token is. Raises as `terms_in_token`."""
    if not isinstance(written.pays, DecimalAmountText):
        written.rules.refuse_for(kind_of(_terms_of_any_token(written.pays)))
    if isinstance(written.minimum, BaseUnitsText):
        _base_units(written.minimum, MINIMUM_FIELD)


def terms_in_token(written: WrittenTerms, token: PaymentToken) -> tuple[Terms, PayeeRules]:
    """What was written, in base units of the token or as a share, and the rules with their minimum.

    Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_MANY_DECIMALS, AMOUNT_TOO_LARGE or
    INVALID_PERCENTAGE, naming the field that the caller wrote it in, and UnsupportedRuleError.
    """
    if isinstance(written.pays, DecimalAmountText):
        terms: Terms = FixedTotal(_in_token(written.pays, token, TOTAL_FIELD))
    else:
        terms = _terms_of_any_token(written.pays)
    rules = written.rules
    if written.minimum:
        rules = replace(rules, minimum_base_units=_in_token(written.minimum, token, MINIMUM_FIELD))
    rules.refuse_for(kind_of(terms))
    return terms, rules


def _terms_of_any_token(pays: BaseUnitsText | PercentageText | Dividend | Coupon | Redemption) -> Terms:
    match pays:
        case BaseUnitsText():
            return FixedTotal(_base_units(pays, TOTAL_FIELD))
        case PercentageText(text):
            return ShareOfAvailable(parse_percentage(text, PERCENTAGE_FIELD))
        case action:
            return action


def _in_token(amount: AmountText, token: PaymentToken, field: str) -> int:
    if isinstance(amount, BaseUnitsText):
        return _base_units(amount, field)
    field = f"{field}.decimal_amount"
    return require_positive(parse_decimal_amount(amount.text, token.decimals, field), field)


def _base_units(amount: BaseUnitsText, field: str) -> int:
    field = f"{field}.base_units"
    return require_positive(parse_base_units(amount.text, field), field)
