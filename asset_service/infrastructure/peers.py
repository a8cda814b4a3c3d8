"""The gRPC clients that describe tokens (chain_sync_service) and check readiness (payout_service)."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import TypeVar

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as chain_sync_grpc
from masspayout.payout.v1 import payout_service_pb2 as payout_pb
from masspayout.payout.v1 import payout_service_pb2_grpc as payout_grpc

from asset_service.application.ports import Account, TokenDescription
from asset_service.domain.asset import PaymentToken, SecurityToken, SecurityType
from asset_service.domain.readiness import ReadinessCondition
from asset_service.messages.readiness import read_conditions
from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.peer import PEER_TIMEOUT_SECONDS, call_peer

Response = TypeVar("Response")


class ChainSyncPeer:
    """Implements the port TokenDescriber with calls to chain_sync_service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = chain_sync_grpc.ChainSyncServiceStub(channel)

    async def describe_token(self, token: Account) -> TokenDescription:
        """An error that names the other service's field `token` is about our caller's `token` too."""
        request = chain_sync_pb.DescribeTokenRequest(token=str(token))
        answer = await call_peer(
            self._stub.DescribeToken(request, timeout=PEER_TIMEOUT_SECONDS), "chain_sync_service"
        )
        name = chain_sync_pb.TokenDescription.SecurityType.Name(answer.security_type)
        described = SecurityToken(
            chain_id=answer.chain_id,
            address=parse_evm_account(answer.token.evm_address, "token"),
            display_name=_storable(answer.display_name),
            symbol=_storable(answer.symbol),
            isin=_storable(answer.isin),
            decimals=answer.decimals,
            security_type=SecurityType(name.removeprefix("SECURITY_TYPE_")),
            total_supply_base_units=int(answer.total_supply_base_units),
            is_paused=answer.paused,
            hedera_id=answer.token.hedera_id,
        )
        return TokenDescription(described, answer.holder_count, answer.block_number)

    async def describe_payment_token(self, payment_token: Account) -> PaymentToken:
        """An error about the other service's field `token` is about our caller's `payment_token`."""
        request = chain_sync_pb.DescribePaymentTokenRequest(token=str(payment_token))
        answer = await _with_field_names(
            call_peer(
                self._stub.DescribePaymentToken(request, timeout=PEER_TIMEOUT_SECONDS), "chain_sync_service"
            ),
            {"token": "payment_token"},
        )
        return PaymentToken(
            address=parse_evm_account(answer.token.evm_address, "payment_token"),
            symbol=_storable(answer.symbol),
            decimals=answer.decimals,
            hedera_id=answer.token.hedera_id,
        )


class PayoutPeer:
    """Implements the port ReadinessChecker with calls to payout_service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = payout_grpc.PayoutServiceStub(channel)

    async def check_readiness(
        self, token: EvmAddress, payment_token: EvmAddress, lifecycle_contract: EvmAddress | None
    ) -> tuple[ReadinessCondition, ...]:
        """The fields of payout_service have the same names as ours."""
        request = payout_pb.CheckReadinessRequest(
            token=token.value,
            payment_token=payment_token.value,
            lifecycle_contract=lifecycle_contract.value if lifecycle_contract else "",
        )
        answer = await call_peer(
            self._stub.CheckReadiness(request, timeout=PEER_TIMEOUT_SECONDS), "payout_service"
        )
        return read_conditions(answer.conditions)


async def _with_field_names(call: Awaitable[Response], names: Mapping[str, str]) -> Response:
    """Renames the field in an error of another service to the field in our caller's own request."""
    try:
        return await call
    except AppError as error:
        if error.field is None or error.field not in names:
            raise
        raise replace(error, field=names[error.field]) from error


def _storable(text: str) -> str:
    """Returns the text without NUL characters.

    A token may call itself anything, but PostgreSQL cannot store NUL.
    """
    return text.replace("\0", "")
