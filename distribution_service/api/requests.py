"""Reads what is particular to this service's requests."""

from datetime import datetime
from uuid import UUID

from masspayout.type.v1 import amount_pb2

from distribution_service.application.amounts import AmountText, BaseUnitsText, DecimalAmountText
from distribution_service.application.ports import ListPosition
from distribution_service.domain.distribution import Distribution
from libs.errors import AppError, Reason


def parse_amount(message: amount_pb2.AmountInput, field: str) -> AmountText:
    """The amount as it was written. Raises AppError REQUIRED_FIELD_MISSING when neither form was."""
    match message.WhichOneof("amount"):
        case "base_units":
            return BaseUnitsText(message.base_units)
        case "decimal_amount":
            return DecimalAmountText(message.decimal_amount)
        case _:
            raise AppError(Reason.REQUIRED_FIELD_MISSING, f"{field} is required", field=field)


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
