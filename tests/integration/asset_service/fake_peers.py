"""chain_sync_service and payout_service as asset_service sees them, answering over real gRPC."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as chain_sync_grpc
from masspayout.payout.v1 import payout_service_pb2 as payout_pb
from masspayout.payout.v1 import payout_service_pb2_grpc as payout_grpc
from masspayout.type.v1 import readiness_pb2

from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.grpc_kit.accounts import account_message
from libs.grpc_kit.errors import to_status

CHAIN_ID = 298
_GATE_SECONDS = 20.0


class FakePeers(chain_sync_grpc.ChainSyncServiceServicer, payout_grpc.PayoutServiceServicer):
    """Describes any token, unless told to refuse. Has threads of its own, so any event loop may call it."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.readiness_requests: dict[str, payout_pb.CheckReadinessRequest] = {}
        self._refusals: dict[tuple[str, str], AppError | grpc.StatusCode] = {}
        self._gates: dict[str, threading.Barrier] = {}
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        chain_sync_grpc.add_ChainSyncServiceServicer_to_server(self, self._server)
        payout_grpc.add_PayoutServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def refuse(self, method: str, token: EvmAddress, refusal: AppError | grpc.StatusCode) -> None:
        """From now on `method` refuses `token`: with a reason of ours, or with a bare status."""
        self._refusals[method, token.value] = refusal

    def allow(self, method: str, token: EvmAddress) -> None:
        del self._refusals[method, token.value]

    def hold_until(self, token: EvmAddress, callers: int) -> None:
        """DescribeToken answers for `token` only when so many calls have come, so that they truly race."""
        self._gates[token.value] = threading.Barrier(callers)

    def DescribeToken(
        self, request: chain_sync_pb.DescribeTokenRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.TokenDescription:
        self._enter("DescribeToken", request.token, context)
        gate = self._gates.get(request.token)
        if gate:
            gate.wait(_GATE_SECONDS)
        return chain_sync_pb.TokenDescription(
            chain_id=CHAIN_ID,
            token=account_message(request.token),
            display_name="Acme Ordinary\0Shares",
            symbol="ACME",
            isin="CH0000000001",
            decimals=6,
            security_type="SECURITY_TYPE_EQUITY",
            total_supply_base_units="1000000",
            holder_count=3,
            block_number=7,
        )

    def DescribePaymentToken(
        self, request: chain_sync_pb.DescribePaymentTokenRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.PaymentTokenDescription:
        self._enter("DescribePaymentToken", request.token, context)
        return chain_sync_pb.PaymentTokenDescription(
            chain_id=CHAIN_ID, token=account_message(request.token), symbol="USDX", decimals=6
        )

    def CheckReadiness(
        self, request: payout_pb.CheckReadinessRequest, context: grpc.ServicerContext
    ) -> payout_pb.CheckReadinessResponse:
        self._enter("CheckReadiness", request.token, context)
        self.readiness_requests[request.token] = request
        return payout_pb.CheckReadinessResponse(
            conditions=[
                readiness_pb2.ReadinessCondition(
                    kind="KIND_SNAPSHOT_ROLE_HELD",
                    satisfied=False,
                    detail="0x01 lacks SNAPSHOT_ROLE",
                    remedy="the asset's administrator grants it",
                )
            ]
        )

    def _enter(self, method: str, token: str, context: grpc.ServicerContext) -> None:
        self.calls[method, token] += 1
        refusal = self._refusals.get((method, token))
        if isinstance(refusal, AppError):
            context.abort_with_status(to_status(refusal))
        elif refusal is not None:
            context.abort(refusal, "bare")
