"""Converts domain objects to protobuf, for answers and events."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.type.v1 import amount_pb2, progress_pb2, readiness_pb2

from libs.grpc_kit.amounts import token_amount_message
from libs.payout_terms.messages import terms_message
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.lifecycle import Condition, LifecycleContract
from payout_service.domain.payout import Payout


def payout_message(payout: Payout, contract: LifecycleContract) -> pb.Payout:
    """Returns the message for a payout, as answers and events show it."""
    plan, snapshot = payout.plan, payout.snapshot
    is_redemption = payout.kind is PayoutKind.REDEMPTION
    message = pb.Payout(
        name=f"payouts/{payout.payout_id}",
        distribution=f"distributions/{payout.payout_id}",
        asset=f"assets/{payout.asset_id}",
        state=f"STATE_{payout.state.value}",
        total_amount=amount_message(payout.total_base_units, contract),
        # A redemption has a block, but no snapshot.
        snapshot_id=str(snapshot.snapshot_id) if snapshot and not is_redemption else "",
        snapshot_block_number=snapshot.block_number if snapshot else 0,
        total_supply_base_units=str(payout.total_supply) if snapshot else "",
        plan_hash=plan.plan_hash if plan else "",
        progress=_progress(payout, contract),
        waiting_for=payout.waiting_for,
        failure_reason=payout.failure_reason,
        create_time=timestamp(payout.create_time),
        update_time=timestamp(payout.update_time),
        etag=f'"{payout.version}"',
        terms=terms_message(payout.terms),
        paused_from=f"STATE_{payout.paused_from.value}" if payout.paused_from else None,
        round=payout.round_number if is_redemption and snapshot else 0,
    )
    if plan:
        message.rounding_dust.CopyFrom(amount_message(plan.rounding_dust_base_units, contract))
        message.frozen_share.CopyFrom(amount_message(plan.frozen_share_base_units, contract))
    return message


def _progress(payout: Payout, contract: LifecycleContract) -> progress_pb2.PayoutProgress:
    """What the frozen plan says, and how far its payments are."""
    plan, progress = payout.plan, payout.progress
    return progress_pb2.PayoutProgress(
        # Of a redemption the payments of all rounds: the holders of the last listing say nothing of those before.
        holder_count=plan.holder_count if plan else payout.holder_count,
        zero_due_count=plan.zero_due_count if plan else 0,
        excluded_count=plan.excluded_count if plan else 0,
        excluded_amount=amount_message(plan.excluded_base_units, contract) if plan else None,
        withheld_amount=amount_message(plan.withheld_base_units, contract) if plan else None,
        paid_count=progress.paid_count,
        paid_amount=amount_message(progress.paid_base_units, contract),
        failed_count=progress.failed_count,
        waiting_count=progress.waiting_count,
        cancelled_count=progress.cancelled_count,
        cancelled_amount=amount_message(progress.cancelled_base_units, contract),
        deferred_count=progress.deferred_count,
        deferred_amount=amount_message(progress.deferred_base_units, contract),
        batch_count=progress.batch_count,
        final_batch_count=progress.final_batch_count,
    )


def discrepancy_message(discrepancy: Discrepancy) -> pb.Discrepancy:
    """Returns the message for a difference, as answers and events show it."""
    finding, payout_id = discrepancy.finding, discrepancy.payout_id
    return pb.Discrepancy(
        name=f"discrepancies/{discrepancy.discrepancy_id}",
        kind=finding.kind.value,
        asset=f"assets/{discrepancy.asset_id}",
        payout=f"payouts/{payout_id}" if payout_id else "",
        subject=finding.subject,
        expected=finding.expected,
        actual=finding.actual,
        transaction_hash=finding.transaction_hash,
        find_time=timestamp(discrepancy.find_time),
        last_seen_time=timestamp(discrepancy.last_seen_time),
        resolve_time=timestamp(discrepancy.resolve_time) if discrepancy.resolve_time else None,
    )


def amount_message(amount_base_units: int, contract: LifecycleContract) -> amount_pb2.TokenAmount:
    """Returns the message for an amount of the asset's payment token."""
    return token_amount_message(
        amount_base_units,
        decimals=contract.payment_token_decimals,
        symbol=contract.payment_token_symbol,
        token=contract.payment_token,
    )


def condition_messages(conditions: tuple[Condition, ...]) -> list[readiness_pb2.ReadinessCondition]:
    """Returns the messages for readiness conditions."""
    return [
        readiness_pb2.ReadinessCondition(
            kind=f"KIND_{each.kind.value}",
            satisfied=each.is_satisfied,
            detail=each.detail,
            remedy=each.remedy,
        )
        for each in conditions
    ]


def timestamp(moment: datetime) -> Timestamp:
    """Returns the message for a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
