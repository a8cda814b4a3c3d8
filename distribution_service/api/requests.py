"""Parses the requests of DistributionService: terms, rules, page tokens."""

from datetime import datetime
from uuid import UUID

from masspayout.type.v1 import amount_pb2, terms_pb2

from distribution_service.application.ports import ListPosition
from distribution_service.application.written_terms import DecimalAmount, WrittenTerms
from distribution_service.domain.distribution import Distribution
from libs.errors import AppError, Reason
from libs.payout_terms.messages import parse_pays, parse_rules, parse_rules_but_minimum


def parse_written_terms(message: terms_pb2.PayoutTerms) -> WrittenTerms:
    """The terms as they were written. Amounts in base units are read; those in whole tokens need the token first.

    Raises AppError as `parse_pays`, `parse_rules` and `parse_rules_but_minimum`.
    """
    minimum = _decimal_amount(message.rules.minimum_amount)
    return WrittenTerms(
        pays=_decimal_amount(message.total_amount) or parse_pays(message),
        rules=parse_rules_but_minimum(message.rules) if minimum else parse_rules(message.rules),
        minimum=minimum,
    )


def _decimal_amount(amount: amount_pb2.AmountInput) -> DecimalAmount | None:
    return DecimalAmount(amount.decimal_amount) if amount.WhichOneof("amount") == "decimal_amount" else None


def list_scope(asset_id: UUID | None) -> str:
    """Returns the scope of a page token of ListDistributions: the method and its filter."""
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
