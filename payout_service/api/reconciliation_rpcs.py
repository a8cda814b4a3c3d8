"""Answers the gRPC calls that reconcile payouts with the chain, and a signer's transactions with the journal."""

from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_request_key, parse_resource_name
from payout_service.api.answers import foreign_message, signer_message
from payout_service.api.requests import on_our_chain, parse_signer_name
from payout_service.application.audit.reconcile_findings import DiscrepancyAlarms
from payout_service.application.audit.reconcile_payout import reconcile_payout
from payout_service.application.engine import Engine
from payout_service.application.ports.reads import PayoutReads
from payout_service.application.recovery.reconcile_signer import reconcile_signer
from payout_service.application.sending.list_signers import list_signers
from payout_service.messages.resources import discrepancy_message


class ReconciliationRpcs:
    """Answers the calls that reconcile payouts and signers. See the proto for what each promises."""

    def __init__(self, engine: Engine, queries: PayoutReads, alarms: DiscrepancyAlarms) -> None:
        self._engine = engine
        self._queries = queries
        self._alarms = alarms

    async def reconcile_payout(self, request: pb.ReconcilePayoutRequest) -> pb.ReconcilePayoutResponse:
        """ReconcilePayout."""
        payout_id = parse_resource_name(request.name, "payouts", "name")
        result = await on_our_chain(reconcile_payout(self._engine, payout_id, self._alarms))
        return pb.ReconcilePayoutResponse(
            discrepancies=[discrepancy_message(each) for each in result.discrepancies],
            payment_count=result.payment_count,
            block_number=result.block_number,
        )

    async def list_discrepancies(self, request: pb.ListDiscrepanciesRequest) -> pb.ListDiscrepanciesResponse:
        """ListDiscrepancies."""
        payout_id = parse_resource_name(request.payout, "payouts", "payout") if request.payout else None
        scope = f"ListDiscrepancies/{request.payout}/{request.include_resolved}"
        size, after = parse_number_page(request, scope)
        rows = await self._queries.discrepancies(
            payout_id, include_resolved=request.include_resolved, after=after, limit=size + 1
        )
        page = rows[:size]
        return pb.ListDiscrepanciesResponse(
            discrepancies=[discrepancy_message(each) for _, each in page],
            next_page_token=next_page_token(scope, str(page[-1][0])) if len(rows) > size else "",
        )

    async def list_signers(self, request: pb.ListSignersRequest) -> pb.ListSignersResponse:
        """ListSigners."""
        signers = await list_signers(self._engine)
        return pb.ListSignersResponse(signers=[signer_message(each) for each in signers])

    async def reconcile_signer(self, request: pb.ReconcileSignerRequest) -> pb.ReconcileSignerResponse:
        """ReconcileSigner."""
        key = parse_request_key(request, "ReconcileSigner")
        signer = parse_signer_name(request.name)
        acknowledged = frozenset(each.lower() for each in request.acknowledged_transaction_hashes)
        account = await on_our_chain(reconcile_signer(self._engine, key, signer, acknowledged))
        return pb.ReconcileSignerResponse(
            signer=signer_message(account.signer),
            transactions=[foreign_message(each) for each in account.transactions],
        )
