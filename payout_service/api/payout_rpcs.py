"""Answers the gRPC calls that read payouts, batches and payments, or preview a payout. They change nothing."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_resource_name
from libs.payout_terms.messages import parse_terms
from payout_service.api.answers import batch_message, payment_message, preview_message
from payout_service.api.asset_contracts import AssetContracts
from payout_service.api.payments_csv import csv_pieces
from payout_service.application.contract.check_readiness import check_readiness_of_import
from payout_service.application.engine import Engine
from payout_service.application.planning.preview_payout import preview_payout
from payout_service.application.ports.reads import PayoutReads
from payout_service.messages.resources import condition_messages, payout_message


class PayoutRpcs:
    """Answers the calls that read payouts. See the proto for what each promises."""

    def __init__(self, engine: Engine, queries: PayoutReads) -> None:
        self._engine = engine
        self._queries = queries

    async def preview(self, request: pb.PreviewPayoutRequest) -> pb.PreviewPayoutResponse:
        """PreviewPayout."""
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        terms = parse_terms(request.terms)
        return preview_message(
            await preview_payout(self._engine, asset_id, terms, with_amounts=not request.skip_amounts)
        )

    async def check_readiness(self, request: pb.CheckReadinessRequest) -> pb.CheckReadinessResponse:
        """CheckReadiness."""
        contract = request.lifecycle_contract
        conditions = await check_readiness_of_import(
            self._engine,
            parse_evm_account(request.token, "token"),
            parse_evm_account(request.payment_token, "payment_token"),
            parse_evm_account(contract, "lifecycle_contract") if contract else None,
        )
        return pb.CheckReadinessResponse(conditions=condition_messages(conditions))

    async def get(self, request: pb.GetPayoutRequest) -> pb.Payout:
        """GetPayout."""
        payout = await self._queries.payout(parse_resource_name(request.name, "payouts", "name"), "name")
        return payout_message(payout, await AssetContracts(self._engine).of(payout.asset_id))

    async def list(self, request: pb.ListPayoutsRequest) -> pb.ListPayoutsResponse:
        """ListPayouts."""
        asset_id = parse_resource_name(request.asset, "assets", "asset") if request.asset else None
        scope = f"ListPayouts/{request.asset}"
        size, after = parse_number_page(request, scope)
        rows = await self._queries.payouts(asset_id, after=after, limit=size + 1)
        page, contracts = rows[:size], AssetContracts(self._engine)
        payouts = [payout_message(payout, await contracts.of(payout.asset_id)) for _, payout in page]
        for each in payouts:
            # A page of long rules would be larger than a message may be; GetPayout tells them.
            each.terms.ClearField("rules")
        return pb.ListPayoutsResponse(
            payouts=payouts,
            next_page_token=next_page_token(scope, str(page[-1][0])) if len(rows) > size else "",
        )

    async def list_batches(self, request: pb.ListBatchesRequest) -> pb.ListBatchesResponse:
        """ListBatches."""
        scope = f"ListBatches/{request.parent}"
        payout_id = parse_resource_name(request.parent, "payouts", "parent")
        size, after = parse_number_page(request, scope)
        payout = await self._queries.payout(payout_id, "parent")
        contract = await AssetContracts(self._engine).of(payout.asset_id)
        rows = await self._queries.batches(payout_id, after=after, limit=size + 1)
        page = rows[:size]
        return pb.ListBatchesResponse(
            batches=[batch_message(payout_id, batch, contract) for batch in page],
            next_page_token=next_page_token(scope, str(page[-1].number)) if len(rows) > size else "",
        )

    async def list_payments(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        """ListPayments."""
        scope = f"ListPayments/{request.parent}"
        payout_id = parse_resource_name(request.parent, "payouts", "parent")
        size, after = parse_number_page(request, scope)
        payout = await self._queries.payout(payout_id, "parent")
        contract = await AssetContracts(self._engine).of(payout.asset_id)
        rows = await self._queries.payments(payout_id, after=after, limit=size + 1)
        page = rows[:size]
        return pb.ListPaymentsResponse(
            payments=[payment_message(payout_id, payment, contract) for payment in page],
            # Tokens count places from 1, ordinals from 0: the next page begins at this place.
            next_page_token=next_page_token(scope, str(page[-1].ordinal + 1)) if len(rows) > size else "",
        )

    async def export_payments(
        self, request: pb.ExportPaymentsRequest
    ) -> AsyncGenerator[pb.ExportPaymentsResponse, None]:
        """ExportPayments."""
        payout_id = parse_resource_name(request.parent, "payouts", "parent")
        payout = await self._queries.payout(payout_id, "parent")
        # Rows of a plan, or of a redemption's round, that is not frozen yet are no payments, and a file of them
        # would lack the rest.
        row_count = payout.plan.holder_count if payout.plan else 0
        _require_row(request.after_row, row_count)
        contract = await AssetContracts(self._engine).of(payout.asset_id)
        pages = self._queries.export_payments(payout_id, after=request.after_row, last=row_count)
        pieces = csv_pieces(pages, contract, with_header=request.after_row == 0)
        # Closed at once when the caller goes away, not when the garbage collector comes by.
        async with aclosing(pieces):
            async for piece in pieces:
                yield pb.ExportPaymentsResponse(csv=piece.content, last_row=piece.last_row)


def _require_row(after_row: int, row_count: int) -> None:
    """Checks the number of a row. Raises AppError INVALID_ROW."""
    if not 0 <= after_row <= row_count:
        raise AppError(
            Reason.INVALID_ROW, f"after_row must be 0 to {row_count}, the number of payments", field="after_row"
        )
