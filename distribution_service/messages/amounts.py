"""Amounts as the protocol shows them."""

from masspayout.type.v1 import amount_pb2

from distribution_service.domain.payment_token import PaymentToken
from libs.chain.amount import format_decimal_amount
from libs.grpc_kit.accounts import checksummed


def token_amount(base_units: int, token: PaymentToken) -> amount_pb2.TokenAmount:
    """An amount with its token."""
    return amount_pb2.TokenAmount(
        base_units=str(base_units),
        decimal_amount=format_decimal_amount(base_units, decimals=token.decimals),
        decimals=token.decimals,
        symbol=token.symbol,
        token=checksummed(token.address),
    )
