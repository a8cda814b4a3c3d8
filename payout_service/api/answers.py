"""Builds the answers of PayoutService that no event carries.

Those that events carry too are in messages/resources.py.
"""

from uuid import UUID

from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.chain.amount import format_percentage
from libs.grpc_kit.accounts import account_message, checksummed
from payout_service.application.planning.preview_payout import PayoutPreview
from payout_service.application.ports.reads import AttemptView, BatchView, PaymentView
from payout_service.application.sending.list_signers import SignerView
from payout_service.application.treasury.treasury import TreasuryView
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState
from payout_service.domain.plan import PlanTotals
from payout_service.domain.sweep import Sweep
from payout_service.domain.transaction import ForeignTransaction
from payout_service.messages.resources import amount_message, condition_messages, timestamp


def preview_message(preview: PayoutPreview) -> pb.PreviewPayoutResponse:
    """Returns the message for what a payout would pay."""
    plan = preview.plan
    return pb.PreviewPayoutResponse(
        total_base_units=str(preview.total_base_units),
        holder_count=preview.holder_count,
        zero_due_count=plan.zero_due_count if plan else 0,
        payable_base_units=str(plan.payable_base_units if plan else 0),
        rounding_dust_base_units=str(plan.rounding_dust_base_units if plan else 0),
        frozen_share_base_units=str(plan.frozen_share_base_units if plan else 0),
        gross_base_units=str(_gross_base_units(plan) if plan else 0),
        withheld_base_units=str(plan.withheld_base_units if plan else 0),
        excluded_base_units=str(plan.excluded_base_units if plan else 0),
        excluded_count=plan.excluded_count if plan else 0,
        deferred_base_units=str(plan.deferred_base_units if plan else 0),
        deferred_count=plan.deferred_count if plan else 0,
        available_base_units=str(preview.available_base_units),
        shortfall_base_units=str(preview.shortfall_base_units),
        block_number=preview.block_number,
        readiness=condition_messages(preview.readiness),
        largest_payments=[
            pb.PreviewedPayoutPayment(
                holder=checksummed(row.holder),
                balance_base_units=str(row.balance),
                amount_base_units=str(row.amount_base_units),
                withheld_base_units=str(row.withheld_base_units),
                deferred=row.first_state is PaymentState.DEFERRED,
            )
            for row in preview.largest
        ],
    )


def batch_message(payout_id: UUID, batch: BatchView, contract: LifecycleContract) -> pb.Batch:
    """Returns the message for a batch with its transaction."""
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
        signer=checksummed(batch.signer),
        attempts=[_attempt_message(attempt) for attempt in batch.attempts],
        problem=batch.problem,
    )


def payment_message(payout_id: UUID, payment: PaymentView, contract: LifecycleContract) -> pb.Payment:
    """Returns the message for one payment: what the holder is owed and what became of it."""
    batch, rate = payment.batch_number, payment.withholding_basis_points
    return pb.Payment(
        name=_payment_name(payout_id, payment),
        holder=account_message(payment.holder),
        balance_base_units=str(payment.balance),
        amount=amount_message(payment.amount_base_units, contract),
        state=f"STATE_{payment.state.value}",
        reason=payment.reason,
        detail=payment.detail,
        batch=f"payouts/{payout_id}/batches/{batch}" if batch else "",
        transaction_hash=payment.transaction_hash,
        tries=payment.tries,
        retry_time=timestamp(payment.retry_time) if payment.retry_time else None,
        update_time=timestamp(payment.update_time),
        gross_amount=amount_message(payment.gross_base_units, contract),
        withheld_amount=amount_message(payment.withheld_base_units, contract),
        withholding_percentage=format_percentage(rate) if rate else "",
        round=payment.round_number,
    )


def treasury_message(asset_id: UUID, view: TreasuryView) -> pb.Treasury:
    """Returns the message for the money of a lifecycle contract and to whom it is promised."""
    contract = view.contract
    return pb.Treasury(
        name=f"assets/{asset_id}/treasury",
        lifecycle_contract=account_message(contract.address) if contract.address else None,
        balance=amount_message(view.balance_base_units, contract),
        committed=amount_message(view.committed_base_units, contract),
        available=amount_message(view.available_base_units, contract),
        commitments=[
            pb.Commitment(owner=owner, amount=amount_message(amount, contract))
            for owner, amount in view.commitments
        ],
    )


def sweep_message(sweep: Sweep, contract: LifecycleContract) -> pb.Sweep:
    """Returns the message for a sweep: money moved out of a lifecycle contract."""
    return pb.Sweep(
        name=f"sweeps/{sweep.sweep_id}",
        asset=f"assets/{sweep.asset_id}",
        to=account_message(sweep.to),
        amount=amount_message(sweep.amount_base_units, contract),
        state=f"STATE_{sweep.state.value}",
        waiting_for=sweep.waiting_for,
        failure_reason=sweep.failure_reason,
        transaction_hash=sweep.transaction_hash,
        create_time=timestamp(sweep.create_time),
        update_time=timestamp(sweep.update_time),
    )


def signer_message(signer: SignerView) -> pb.Signer:
    """Returns the message for a signer and its lane of nonces."""
    return pb.Signer(
        name=f"signers/{checksummed(signer.address)}",
        address=account_message(signer.address),
        chain_id=signer.chain_id,
        next_nonce=signer.next_nonce,
        in_flight_count=signer.in_flight_count,
        queued_count=signer.queued_count,
        halted_because=signer.halted_because,
    )


def foreign_message(transaction: ForeignTransaction) -> pb.ForeignTransaction:
    """Returns the message for a signer's transaction that the journal did not make."""
    payout_id = transaction.payout_id
    return pb.ForeignTransaction(
        nonce=transaction.nonce,
        transaction_hash=transaction.transaction_hash,
        block_number=transaction.block_number,
        account=transaction.account,
        payout=f"payouts/{payout_id}" if payout_id else "",
    )


def _gross_base_units(plan: PlanTotals) -> int:
    return plan.payable_base_units + plan.withheld_base_units + plan.excluded_base_units


def _payment_name(payout_id: UUID, payment: PaymentView) -> str:
    """Returns the name of a payment.

    It holds the holder's address, and from a redemption's second round on the round.
    """
    name = f"payouts/{payout_id}/payments/{checksummed(payment.holder)}"
    return f"{name}-{payment.round_number}" if payment.round_number > 1 else name


def _attempt_message(attempt: AttemptView) -> pb.TransactionAttempt:
    sent = attempt.last_broadcast_time
    return pb.TransactionAttempt(
        transaction_hash=attempt.transaction_hash,
        max_fee_per_gas_wei=str(attempt.max_fee_per_gas_wei),
        no_op=attempt.is_no_op,
        create_time=timestamp(attempt.create_time),
        last_broadcast_time=timestamp(sent) if sent else None,
    )
