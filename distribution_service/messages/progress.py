"""The progress of a payout as the protocol says it, and back.

The fields of `Progress` lead: a count has the same name in the message, and `x_base_units` is `x_amount` there.
So a new figure needs no line here; a test tells when one side lacks it.
"""

from dataclasses import asdict, fields
from typing import Any

from masspayout.type.v1 import progress_pb2

from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import Progress
from distribution_service.messages.amounts import token_amount
from libs.chain.address import EvmAddress
from libs.wire import read_address, read_base_units

_BASE_UNITS = "_base_units"


def progress_message(progress: Progress, token: PaymentToken) -> progress_pb2.PayoutProgress:
    """The figures, amounts with their token."""
    figures: dict[str, Any] = {
        message_field(name): token_amount(figure, token) if _is_amount(name) else figure
        for name, figure in asdict(progress).items()
    }
    return progress_pb2.PayoutProgress(**figures)


def read_progress(message: progress_pb2.PayoutProgress, token: EvmAddress) -> Progress:
    """The figures that payout_service tells. An amount that is unset is 0: before the plan there cannot be any.

    Raises ValueError for a negative count, a malformed amount and an amount of another token than `token`.
    """
    return Progress(**{each.name: _read_figure(message, each.name, token) for each in fields(Progress)})


def message_field(name: str) -> str:
    """The field of the message that holds this field of `Progress`."""
    return f"{name.removesuffix(_BASE_UNITS)}_amount" if _is_amount(name) else name


def _is_amount(name: str) -> bool:
    return name.endswith(_BASE_UNITS)


def _read_figure(message: progress_pb2.PayoutProgress, name: str, token: EvmAddress) -> int:
    field = message_field(name)
    if not _is_amount(name):
        count: int = getattr(message, field)
        return count
    if not message.HasField(field):
        return 0
    amount = getattr(message, field)
    if read_address(amount.token) != token:
        raise ValueError(f"{field} is of {amount.token}, the total of {token}")
    return read_base_units(amount.base_units)
