"""Builds the message for an amount of a token: base units, the decimal amount, and the token."""

from masspayout.type.v1 import amount_pb2

from libs.chain.address import EvmAddress
from libs.chain.amount import format_decimal_amount
from libs.grpc_kit.accounts import checksummed


def token_amount_message(
    base_units: int, *, decimals: int, symbol: str, token: EvmAddress
) -> amount_pb2.TokenAmount:
    """Returns the message for an amount of a token."""
    return amount_pb2.TokenAmount(
        base_units=str(base_units),
        decimal_amount=format_decimal_amount(base_units, decimals=decimals),
        decimals=decimals,
        symbol=symbol,
        token=checksummed(token),
    )
