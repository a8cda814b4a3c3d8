"""Converts amounts of payment tokens to protobuf."""

from masspayout.type.v1 import amount_pb2

from distribution_service.domain.payment_token import PaymentToken
from libs.grpc_kit.amounts import token_amount_message


def token_amount(base_units: int, token: PaymentToken) -> amount_pb2.TokenAmount:
    """An amount with its token."""
    return token_amount_message(base_units, decimals=token.decimals, symbol=token.symbol, token=token.address)
