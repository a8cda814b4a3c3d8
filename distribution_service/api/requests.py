"""Reads what is particular to this service's requests."""

from datetime import datetime
from uuid import UUID

from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.type.v1 import amount_pb2

from distribution_service.application.ports import ListPosition
from distribution_service.application.written_terms import (
    PERCENTAGE_FIELD,
    TOTAL_FIELD,
    AmountText,
    BaseUnitsText,
    DecimalAmountText,
    PercentageText,
    WrittenTerms,
)
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.terms import Coupon, Dividend, Redemption
from libs.errors import AppError, Reason
from libs.grpc_kit.payout_terms import given_field, parse_action, parse_rules
from libs.payout_terms import PayoutKind


def parse_terms(request: pb.CreateDistributionRequest | pb.PreviewDistributionRequest) -> WrittenTerms:
    """What shall be paid, as it was written.

    Raises AppError REQUIRED_FIELD_MISSING when nothing was, CONFLICTING_FIELDS when several things were,
    INVALID_ACTION_ID, and those of `parse_rules`.
    """
    return WrittenTerms(
        pays=_parse_pays(request),
        rules=parse_rules(request.rules),
        minimum=_amount_text(request.rules.minimum_amount),
    )


def _parse_pays(
    request: pb.CreateDistributionRequest | pb.PreviewDistributionRequest,
) -> AmountText | PercentageText | Dividend | Coupon | Redemption:
    total = _amount_text(request.total_amount)
    given = given_field(request, TOTAL_FIELD, has_total=total is not None)
    if total is not None:
        return total
    if given == PERCENTAGE_FIELD:
        return PercentageText(request.percentage)
    match parse_action(request):
        case PayoutKind.DIVIDEND, action_id:
            return Dividend(action_id)
        case PayoutKind.COUPON, action_id:
            return Coupon(action_id)
        case _:
            return Redemption()


def _amount_text(amount: amount_pb2.AmountInput) -> AmountText | None:
    match amount.WhichOneof("amount"):
        case "base_units":
            return BaseUnitsText(amount.base_units)
        case "decimal_amount":
            return DecimalAmountText(amount.decimal_amount)
        case _:
            return None


def list_scope(asset_id: UUID | None) -> str:
    """What a page token of ListDistributions is bound to: the method and its filter."""
    return f"ListDistributions/{asset_id or ''}"


def position_key(distribution: Distribution) -> str:
    """Where the page that ends with this distribution ends, for a page token."""
    return f"{distribution.create_time.isoformat()} {distribution.distribution_id}"


def parse_position(key: str) -> ListPosition:
    """The place that a page token names. Raises AppError INVALID_PAGE_TOKEN."""
    time_text, _, id_text = key.partition(" ")
    try:
        create_time, distribution_id = datetime.fromisoformat(time_text), UUID(id_text)
    except ValueError:
        raise _bad_token() from None
    if create_time.tzinfo is None:
        raise _bad_token()
    return ListPosition(create_time, distribution_id)


def _bad_token() -> AppError:
    return AppError(
        Reason.INVALID_PAGE_TOKEN, "page_token is not one that this list has given", field="page_token"
    )
