"""Checks terms as a caller wrote them, and converts them to the payment token, for creating and previewing."""

from dataclasses import dataclass, replace
from uuid import UUID

from distribution_service.application.ports import UnitOfWork
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from libs.chain.amount import parse_decimal_amount, require_positive
from libs.chain.quantities import BaseUnits
from libs.errors import asset_not_yet_known
from libs.payout_terms.terms import NO_RULES, FixedTotal, PayeeRules, PayoutTerms, WhatIsPaid


@dataclass(frozen=True, slots=True)
class DecimalAmount:
    """An amount as a caller wrote it, in whole tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class WrittenTerms:
    """Terms as a caller wrote them. A minimum in whole tokens stands beside the rules, which have none then."""

    pays: WhatIsPaid | DecimalAmount
    rules: PayeeRules = NO_RULES
    minimum: DecimalAmount | None = None

    def in_token(self, token: PaymentToken) -> PayoutTerms:
        """The terms, all amounts in base units of the token.

        Raises AppError INVALID_AMOUNT, AMOUNT_NOT_POSITIVE, AMOUNT_TOO_MANY_DECIMALS or AMOUNT_TOO_LARGE, naming
        the field that the caller wrote it in.
        """
        pays, rules = self.pays, self.rules
        if isinstance(pays, DecimalAmount):
            pays = FixedTotal(_base_units(pays, token, "terms.total_amount.decimal_amount"))
        if self.minimum:
            minimum = _base_units(self.minimum, token, "terms.rules.minimum_amount.decimal_amount")
            rules = replace(rules, minimum_base_units=minimum)
        return PayoutTerms(pays, rules)


async def payable_asset(uow: UnitOfWork, asset_id: UUID) -> KnownAsset:
    """The asset. Raises AppError ASSET_NOT_YET_KNOWN: its announcement may still be on its way here."""
    asset = await uow.assets.find(asset_id)
    if asset is None or not asset.can_be_paid:
        raise asset_not_yet_known(
            f"asset {asset_id} is not known here as active; try again when asset_service shows it as ACTIVE"
        )
    return asset


def _base_units(amount: DecimalAmount, token: PaymentToken, field: str) -> BaseUnits:
    return BaseUnits(require_positive(parse_decimal_amount(amount.text, token.decimals, field), field))
