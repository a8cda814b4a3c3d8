"""payout_service over gRPC."""

from uuid import UUID

import grpc
from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.payout.v1 import payout_service_pb2_grpc as pb_grpc

from distribution_service.application.ports import PayoutPreview, PreviewedPayment, ReadinessCondition
from distribution_service.domain.terms import FixedTotal, ShareOfAvailable, Terms
from distribution_service.infrastructure.wire import base_units, evm_address
from libs.chain.amount import format_percentage
from libs.errors import AppError
from libs.grpc_kit.peer import PEER_TIMEOUT_SECONDS, call_peer

_PEER = "payout_service"
_AMOUNTS_TIMEOUT_SECONDS = 110.0


class GrpcPayoutPeer:
    """Asks payout_service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.PayoutServiceStub(channel)

    async def preview(self, asset_id: UUID, terms: Terms, *, with_amounts: bool) -> PayoutPreview:
        """See the port. Raises ValueError when the answer is malformed."""
        request = pb.PreviewPayoutRequest(
            asset=f"assets/{asset_id}",
            skip_amounts=not with_amounts,
        )
        match terms:
            case FixedTotal(base_units=total_base_units):
                request.total_amount_base_units = str(total_base_units)
            case ShareOfAvailable(basis_points=basis_points):
                request.percentage = format_percentage(basis_points)
        # Every holder's balance is read from the chain, page by page.
        timeout_seconds = _AMOUNTS_TIMEOUT_SECONDS if with_amounts else PEER_TIMEOUT_SECONDS
        try:
            response = await call_peer(self._stub.PreviewPayout(request, timeout=timeout_seconds), _PEER)
        except AppError as error:
            raise _with_our_field(error) from error
        return _preview(response)


def _with_our_field(error: AppError) -> AppError:
    """The peer names the field of its own request; our caller has filled in ours."""
    if error.field != "total_amount_base_units":
        return error
    return AppError(error.reason, error.message, field="total_amount", metadata=error.metadata)


def _preview(response: pb.PreviewPayoutResponse) -> PayoutPreview:
    return PayoutPreview(
        total_base_units=base_units(response.total_base_units),
        holder_count=response.holder_count,
        zero_due_count=response.zero_due_count,
        payable_base_units=base_units(response.payable_base_units),
        rounding_dust_base_units=base_units(response.rounding_dust_base_units),
        frozen_share_base_units=base_units(response.frozen_share_base_units),
        available_base_units=base_units(response.available_base_units),
        shortfall_base_units=base_units(response.shortfall_base_units),
        block_number=response.block_number,
        readiness=tuple(
            ReadinessCondition(condition.kind, condition.satisfied, condition.detail, condition.remedy)
            for condition in response.readiness
        ),
        largest_payments=tuple(
            PreviewedPayment(
                holder=evm_address(payment.holder),
                balance_base_units=base_units(payment.balance_base_units),
                amount_base_units=base_units(payment.amount_base_units),
            )
            for payment in response.largest_payments
        ),
    )
