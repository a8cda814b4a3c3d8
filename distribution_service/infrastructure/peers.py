"""The gRPC client that asks payout_service for previews."""

from uuid import UUID

import grpc
from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.payout.v1 import payout_service_pb2_grpc as pb_grpc
from masspayout.type.v1 import readiness_pb2

from distribution_service.application.ports import PayoutPreview, PreviewedPayment, ReadinessCondition
from libs.grpc_kit.peer import PEER_TIMEOUT_SECONDS, call_peer
from libs.payout_terms.messages import terms_message
from libs.payout_terms.terms import PayoutTerms
from libs.wire import read_address, read_base_units

_PEER = "payout_service"
_AMOUNTS_TIMEOUT_SECONDS = 110.0
# Before these hold, nobody knows what a dividend or coupon pays.
_AMOUNTS_NEED = frozenset(
    {
        readiness_pb2.ReadinessCondition.KIND_RECORD_DATE_REACHED,
        readiness_pb2.ReadinessCondition.KIND_RATE_SET,
    }
)


class GrpcPayoutPeer:
    """Asks payout_service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.PayoutServiceStub(channel)

    async def preview(self, asset_id: UUID, terms: PayoutTerms, *, with_amounts: bool) -> PayoutPreview:
        """Raises ValueError when the answer is malformed.

        A refusal names a field as payout_service has it; the terms of our callers have the same path.
        """
        request = pb.PreviewPayoutRequest(
            asset=f"assets/{asset_id}", terms=terms_message(terms), skip_amounts=not with_amounts
        )
        # Every holder's balance is read from the chain, page by page.
        timeout_seconds = _AMOUNTS_TIMEOUT_SECONDS if with_amounts else PEER_TIMEOUT_SECONDS
        return _preview(await call_peer(self._stub.PreviewPayout(request, timeout=timeout_seconds), _PEER))


def _preview(response: pb.PreviewPayoutResponse) -> PayoutPreview:
    return PayoutPreview(
        total_base_units=read_base_units(response.total_base_units),
        holder_count=response.holder_count,
        zero_due_count=response.zero_due_count,
        payable_base_units=read_base_units(response.payable_base_units),
        rounding_dust_base_units=read_base_units(response.rounding_dust_base_units),
        frozen_share_base_units=read_base_units(response.frozen_share_base_units),
        gross_base_units=read_base_units(response.gross_base_units),
        withheld_base_units=read_base_units(response.withheld_base_units),
        excluded_base_units=read_base_units(response.excluded_base_units),
        excluded_count=response.excluded_count,
        deferred_base_units=read_base_units(response.deferred_base_units),
        deferred_count=response.deferred_count,
        available_base_units=read_base_units(response.available_base_units),
        shortfall_base_units=read_base_units(response.shortfall_base_units),
        block_number=response.block_number,
        is_pending=any(
            condition.kind in _AMOUNTS_NEED and not condition.satisfied for condition in response.readiness
        ),
        readiness=tuple(
            ReadinessCondition(condition.kind, condition.satisfied, condition.detail, condition.remedy)
            for condition in response.readiness
        ),
        largest_payments=tuple(
            PreviewedPayment(
                holder=read_address(payment.holder),
                balance_base_units=read_base_units(payment.balance_base_units),
                amount_base_units=read_base_units(payment.amount_base_units),
                withheld_base_units=read_base_units(payment.withheld_base_units),
                is_deferred=payment.deferred,
            )
            for payment in response.largest_payments
        ),
    )
