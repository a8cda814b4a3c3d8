"""PayoutService: requests in, use cases, answers out."""

from uuid import UUID

from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.payout.v1 import payout_service_pb2_grpc as pb_grpc

from libs.chain.amount import parse_base_units, require_positive
from libs.grpc_kit.accounts import account_message, checksummed, parse_evm_account
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_resource_name, require
from payout_service.application.check_readiness import check_readiness_of_import
from payout_service.application.engine import Engine
from payout_service.application.preview_payout import PayoutPreview, preview_payout
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout
from payout_service.infrastructure.queries import BatchView, PaymentView, PayoutQueries
from payout_service.infrastructure.resource_mapping import (
    amount_message,
    condition_messages,
    payout_message,
    timestamp,
)


class PayoutServicer(pb_grpc.PayoutServiceServicer):
    """See the proto."""

    def __init__(self, engine: Engine, queries: PayoutQueries) -> None:
        self._engine = engine
        self._queries = queries

    async def PreviewPayout(self, request: pb.PreviewPayoutRequest, context: Context) -> pb.PreviewPayoutResponse:
        """See the proto."""
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        field = "total_amount_base_units"
        total = require_positive(parse_base_units(require(request.total_amount_base_units, field), field), field)
        preview = await preview_payout(self._engine, asset_id, total, with_amounts=not request.skip_amounts)
        return _preview_message(preview)

    async def CheckReadiness(
        self, request: pb.CheckReadinessRequest, context: Context
    ) -> pb.CheckReadinessResponse:
        """See the proto."""
        contract = request.lifecycle_contract
        conditions = await check_readiness_of_import(
            self._engine,
            parse_evm_account(request.token, "token"),
            parse_evm_account(request.payment_token, "payment_token"),
            parse_evm_account(contract, "lifecycle_contract") if contract else None,
        )
        return pb.CheckReadinessResponse(conditions=condition_messages(conditions))

    async def GetPayout(self, request: pb.GetPayoutRequest, context: Context) -> pb.Payout:
        """See the proto."""
        payout = await self._queries.payout(parse_resource_name(request.name, "payouts", "name"), "name")
        return payout_message(payout, await self._contract_of(payout))

    async def ListPayouts(self, request: pb.ListPayoutsRequest, context: Context) -> pb.ListPayoutsResponse:
        """See the proto."""
        asset_id = parse_resource_name(request.asset, "assets", "asset") if request.asset else None
        scope = f"ListPayouts/{request.asset}"
        size, after = parse_number_page(request, scope)
        rows = await self._queries.payouts(asset_id, after, size + 1)
        page = rows[:size]
        return pb.ListPayoutsResponse(
            payouts=[payout_message(payout, await self._contract_of(payout)) for _, payout in page],
            next_page_token=next_page_token(scope, str(page[-1][0])) if len(rows) > size else "",
        )

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Context) -> pb.ListBatchesResponse:
        """See the proto."""
        payout_id = parse_resource_name(request.parent, "payouts", "parent")
        scope = f"ListBatches/{request.parent}"
        size, after = parse_number_page(request, scope)
        payout = await self._queries.payout(payout_id, "parent")
        contract = await self._contract_of(payout)
        rows = await self._queries.batches(payout_id, after, size + 1)
        page = rows[:size]
        return pb.ListBatchesResponse(
            batches=[_batch_message(payout_id, batch, contract) for batch in page],
            next_page_token=next_page_token(scope, str(page[-1].number)) if len(rows) > size else "",
        )

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        """See the proto."""
        payout_id = parse_resource_name(request.parent, "payouts", "parent")
        scope = f"ListPayments/{request.parent}"
        size, after = parse_number_page(request, scope)
        payout = await self._queries.payout(payout_id, "parent")
        contract = await self._contract_of(payout)
        rows = await self._queries.payments(payout_id, after, size + 1)
        page = rows[:size]
        return pb.ListPaymentsResponse(
            payments=[_payment_message(payout_id, payment, contract) for payment in page],
            # Tokens count places from 1, ordinals from 0: the next page begins at this place.
            next_page_token=next_page_token(scope, str(page[-1].ordinal + 1)) if len(rows) > size else "",
        )

    async def _contract_of(self, payout: Payout) -> LifecycleContract:
        async with self._engine.unit_of_work() as work:
            contract = await work.lifecycle.get(payout.asset_id)
        if contract is None:
            raise RuntimeError(f"payout {payout.payout_id} has no asset")
        return contract


def _preview_message(preview: PayoutPreview) -> pb.PreviewPayoutResponse:
    plan = preview.plan
    return pb.PreviewPayoutResponse(
        holder_count=preview.holder_count,
        zero_due_count=plan.zero_due_count if plan else 0,
        payable_base_units=str(plan.payable_base_units if plan else 0),
        rounding_dust_base_units=str(plan.rounding_dust_base_units if plan else 0),
        frozen_share_base_units=str(plan.frozen_share_base_units if plan else 0),
        available_base_units=str(preview.available_base_units),
        shortfall_base_units=str(preview.shortfall_base_units),
        block_number=preview.block_number,
        readiness=condition_messages(preview.readiness),
        largest_payments=[
            pb.PreviewedPayoutPayment(
                holder=checksummed(row.holder),
                balance_base_units=str(row.balance),
                amount_base_units=str(row.amount_base_units),
            )
            for row in preview.largest
        ],
    )


def _batch_message(payout_id: UUID, batch: BatchView, contract: LifecycleContract) -> pb.Batch:
    return pb.Batch(
        name=f"payouts/{payout_id}/batches/{batch.number}",
        state=f"STATE_{batch.state.value}",
        holder_count=batch.holder_count,
        amount=amount_message(batch.amount_base_units, contract),
        transaction_hash=batch.transaction_hash,
        nonce=batch.nonce,
        gas_limit=batch.gas_limit,
        gas_used=batch.gas_used,
        block_number=batch.block_number,
        create_time=timestamp(batch.create_time),
        update_time=timestamp(batch.update_time),
    )


def _payment_message(payout_id: UUID, payment: PaymentView, contract: LifecycleContract) -> pb.Payment:
    batch = payment.batch_number
    return pb.Payment(
        name=f"payouts/{payout_id}/payments/{checksummed(payment.holder)}",
        holder=account_message(payment.holder),
        balance_base_units=str(payment.balance),
        amount=amount_message(payment.amount_base_units, contract),
        state=f"STATE_{payment.state.value}",
        reason=payment.reason,
        batch=f"payouts/{payout_id}/batches/{batch}" if batch else "",
        transaction_hash=payment.transaction_hash,
        update_time=timestamp(payment.update_time),
    )
