"""The gRPC servicer of PayoutService: passes each call to the class that answers it."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.payout.v1 import payout_service_pb2_grpc as pb_grpc

from libs.grpc_kit.context import Context
from payout_service.api.control_rpcs import ControlRpcs
from payout_service.api.payout_rpcs import PayoutRpcs
from payout_service.api.reconciliation_rpcs import ReconciliationRpcs
from payout_service.api.treasury_rpcs import TreasuryRpcs
from payout_service.application.audit.reconcile_findings import DiscrepancyAlarms
from payout_service.application.engine import Engine
from payout_service.application.ports.reads import PayoutReads


class PayoutServicer(pb_grpc.PayoutServiceServicer):
    """Answers the RPCs of PayoutService; protos/ says what each of them promises."""

    def __init__(self, engine: Engine, queries: PayoutReads, alarms: DiscrepancyAlarms) -> None:
        self._payouts = PayoutRpcs(engine, queries)
        self._control = ControlRpcs(engine)
        self._treasury = TreasuryRpcs(engine, queries)
        self._reconciliation = ReconciliationRpcs(engine, queries, alarms)

    async def PreviewPayout(self, request: pb.PreviewPayoutRequest, context: Context) -> pb.PreviewPayoutResponse:
        return await self._payouts.preview(request)

    async def CheckReadiness(
        self, request: pb.CheckReadinessRequest, context: Context
    ) -> pb.CheckReadinessResponse:
        return await self._payouts.check_readiness(request)

    async def GetPayout(self, request: pb.GetPayoutRequest, context: Context) -> pb.Payout:
        return await self._payouts.get(request)

    async def ListPayouts(self, request: pb.ListPayoutsRequest, context: Context) -> pb.ListPayoutsResponse:
        return await self._payouts.list(request)

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Context) -> pb.ListBatchesResponse:
        return await self._payouts.list_batches(request)

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        return await self._payouts.list_payments(request)

    async def ExportPayments(
        self, request: pb.ExportPaymentsRequest, context: Context
    ) -> AsyncIterator[pb.ExportPaymentsResponse]:
        async with aclosing(self._payouts.export_payments(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def PausePayout(self, request: pb.PausePayoutRequest, context: Context) -> pb.Payout:
        return await self._control.pause(request)

    async def ResumePayout(self, request: pb.ResumePayoutRequest, context: Context) -> pb.Payout:
        return await self._control.resume(request)

    async def CancelPayout(self, request: pb.CancelPayoutRequest, context: Context) -> pb.Payout:
        return await self._control.cancel(request)

    async def RetryPayments(self, request: pb.RetryPaymentsRequest, context: Context) -> pb.Payout:
        return await self._control.retry(request)

    async def SettlePayment(self, request: pb.SettlePaymentRequest, context: Context) -> pb.Payment:
        return await self._control.settle(request)

    async def GetTreasury(self, request: pb.GetTreasuryRequest, context: Context) -> pb.Treasury:
        return await self._treasury.get(request)

    async def SweepLeftover(self, request: pb.SweepLeftoverRequest, context: Context) -> pb.Sweep:
        return await self._treasury.sweep_leftover(request)

    async def GetSweep(self, request: pb.GetSweepRequest, context: Context) -> pb.Sweep:
        return await self._treasury.get_sweep(request)

    async def ListSweeps(self, request: pb.ListSweepsRequest, context: Context) -> pb.ListSweepsResponse:
        return await self._treasury.list_sweeps(request)

    async def ReconcilePayout(
        self, request: pb.ReconcilePayoutRequest, context: Context
    ) -> pb.ReconcilePayoutResponse:
        return await self._reconciliation.reconcile_payout(request)

    async def ListDiscrepancies(
        self, request: pb.ListDiscrepanciesRequest, context: Context
    ) -> pb.ListDiscrepanciesResponse:
        return await self._reconciliation.list_discrepancies(request)

    async def ListSigners(self, request: pb.ListSignersRequest, context: Context) -> pb.ListSignersResponse:
        return await self._reconciliation.list_signers(request)

    async def ReconcileSigner(
        self, request: pb.ReconcileSignerRequest, context: Context
    ) -> pb.ReconcileSignerResponse:
        return await self._reconciliation.reconcile_signer(request)
