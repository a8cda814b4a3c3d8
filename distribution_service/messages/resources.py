"""Converts distributions and previews to protobuf, for answers and events."""

from collections.abc import Iterable
from typing import cast

from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.type.v1 import readiness_pb2

from distribution_service.application.ports import PreviewedPayment, ReadinessCondition
from distribution_service.application.queries import DistributionPreview
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.messages.amounts import token_amount
from distribution_service.messages.progress import progress_message
from libs.grpc_kit.accounts import checksummed
from libs.payout_terms.messages import terms_message


def distribution_message(distribution: Distribution) -> pb.Distribution:
    """A distribution."""
    token = distribution.payment_token
    return pb.Distribution(
        name=f"distributions/{distribution.distribution_id}",
        asset=f"assets/{distribution.asset_id}",
        total_amount=token_amount(distribution.total_base_units, token),
        allow_unfunded=distribution.allow_unfunded,
        state=f"STATE_{distribution.state}",
        progress=progress_message(distribution.progress, token) if distribution.progress else None,
        payout=f"payouts/{distribution.distribution_id}",
        waiting_for=distribution.waiting_for,
        failure_reason=distribution.failure_reason,
        create_time=distribution.create_time,
        update_time=distribution.update_time,
        etag=f'"{distribution.version}"',
        terms=terms_message(distribution.terms),
    )


def preview_message(preview: DistributionPreview) -> pb.PreviewDistributionResponse:
    """Returns the message for what a distribution would pay."""
    token, payout = preview.payment_token, preview.payout
    return pb.PreviewDistributionResponse(
        total_amount=token_amount(payout.total_base_units, token),
        holder_count=payout.holder_count,
        zero_due_count=payout.zero_due_count,
        payable_amount=token_amount(payout.payable_base_units, token),
        rounding_dust=token_amount(payout.rounding_dust_base_units, token),
        frozen_share=token_amount(payout.frozen_share_base_units, token),
        gross_amount=token_amount(payout.gross_base_units, token),
        withheld_amount=token_amount(payout.withheld_base_units, token),
        excluded_amount=token_amount(payout.excluded_base_units, token),
        excluded_count=payout.excluded_count,
        deferred_amount=token_amount(payout.deferred_base_units, token),
        deferred_count=payout.deferred_count,
        available_amount=token_amount(payout.available_base_units, token),
        shortfall=token_amount(payout.shortfall_base_units, token),
        block_number=payout.block_number,
        readiness=_conditions(payout.readiness),
        largest_payments=_payments(payout.largest_payments, token),
    )


def _conditions(conditions: Iterable[ReadinessCondition]) -> list[readiness_pb2.ReadinessCondition]:
    return [
        readiness_pb2.ReadinessCondition(
            # proto3 enums are open: a kind that only a newer payout_service knows passes through.
            kind=cast(readiness_pb2.ReadinessCondition.Kind, condition.kind),
            satisfied=condition.satisfied,
            detail=condition.detail,
            remedy=condition.remedy,
        )
        for condition in conditions
    ]


def _payments(payments: Iterable[PreviewedPayment], token: PaymentToken) -> list[pb.PreviewedPayment]:
    return [
        pb.PreviewedPayment(
            holder=checksummed(payment.holder),
            balance_base_units=str(payment.balance_base_units),
            amount=token_amount(payment.amount_base_units, token),
            withheld_amount=token_amount(payment.withheld_base_units, token),
            deferred=payment.is_deferred,
        )
        for payment in payments
    ]
