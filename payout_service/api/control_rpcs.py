"""Answers the gRPC calls with which an operator controls a payout: pause, resume, cancel, retry."""

from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.errors import AppError, Reason
from libs.grpc_kit.requests import parse_request_key, parse_resource_name, require
from payout_service.api.asset_contracts import AssetContracts
from payout_service.api.requests import parse_holders, parse_payment_name
from payout_service.application.engine import Engine
from payout_service.application.life.control_payout import (
    cancel_payout,
    pause_payout,
    resume_payout,
    retry_payments,
)
from payout_service.domain.payout import Payout
from payout_service.messages.resources import payout_message


class ControlRpcs:
    """Answers the calls that control a payout. See the proto for what each promises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def pause(self, request: pb.PausePayoutRequest) -> pb.Payout:
        """PausePayout."""
        key = parse_request_key(request, "PausePayout")
        payout_id = parse_resource_name(request.name, "payouts", "name")
        return await self._message(await pause_payout(self._engine, key, payout_id))

    async def resume(self, request: pb.ResumePayoutRequest) -> pb.Payout:
        """ResumePayout."""
        key = parse_request_key(request, "ResumePayout")
        payout_id = parse_resource_name(request.name, "payouts", "name")
        return await self._message(await resume_payout(self._engine, key, payout_id))

    async def cancel(self, request: pb.CancelPayoutRequest) -> pb.Payout:
        """CancelPayout."""
        key = parse_request_key(request, "CancelPayout")
        payout_id = parse_resource_name(request.name, "payouts", "name")
        return await self._message(await cancel_payout(self._engine, key, payout_id))

    async def retry(self, request: pb.RetryPaymentsRequest) -> pb.Payout:
        """RetryPayments."""
        key = parse_request_key(request, "RetryPayments")
        payout_id = parse_resource_name(request.name, "payouts", "name")
        holders = parse_holders(request.holders)
        return await self._message(await retry_payments(self._engine, key, payout_id, holders))

    async def settle(self, request: pb.SettlePaymentRequest) -> pb.Payment:
        """SettlePayment is always refused: it needs two identities, and nobody can prove theirs yet."""
        parse_request_key(request, "SettlePayment")
        parse_payment_name(request.name)
        require(request.evidence, "evidence")
        raise AppError(
            Reason.CALLERS_NOT_AUTHENTICATED,
            "settling a payment by hand takes two identities, and callers are not authenticated",
            field="name",
        )

    async def _message(self, payout: Payout) -> pb.Payout:
        return payout_message(payout, await AssetContracts(self._engine).of(payout.asset_id))
