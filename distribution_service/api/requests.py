"""Reads what is particular to this service's requests."""

from datetime import datetime
from uuid import UUID

from masspayout.distribution.v1 import distribution_service_pb2 as pb

from distribution_service.application.amounts import (
    PERCENTAGE_FIELD,
    AmountText,
    BaseUnitsText,
    DecimalAmountText,
    PercentageText,
)
from distribution_service.application.ports import ListPosition
from distribution_service.domain.distribution import Distribution
from libs.errors import AppError, Reason


def parse_amount(request: pb.CreateDistributionRequest | pb.PreviewDistributionRequest) -> AmountText:
    """The total or the percentage as it was written.

    Raises AppError REQUIRED_FIELD_MISSING when neither was, CONFLICTING_FIELDS when both were.
    """
    total = _total(request)
    if not request.percentage:
        if total is None:
            raise AppError(
                Reason.REQUIRED_FIELD_MISSING, "total_amount or percentage is required", field="total_amount"
            )
        return total
    if total is not None:
        raise AppError(
            Reason.CONFLICTING_FIELDS, "give total_amount or percentage, not both", field=PERCENTAGE_FIELD
        )
    return PercentageText(request.percentage)


def _total(request: pb.CreateDistributionRequest | pb.PreviewDistributionRequest) -> AmountText | None:
    total = request.total_amount
    match total.WhichOneof("amount"):
        case "base_units":
            return BaseUnitsText(total.base_units)
        case "decimal_amount":
            return DecimalAmountText(total.decimal_amount)
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
