"""Reads what a batch's final transaction proves: the receipt, who failed and why, what a redemption owed."""

from collections.abc import Sequence

from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.paying.diagnose_refusals import evidence_of_failed
from payout_service.application.paying.recorded_payments import as_planned, owed_before
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import BatchEvidence
from payout_service.domain.transaction import Outcome


async def batch_evidence(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    payees: Sequence[PlannedPayment],
    outcome: Outcome,
) -> BatchEvidence:
    """Returns the evidence about these payees of a batch. Raises AppError CHAIN_UNAVAILABLE."""
    if payout.snapshot is None or contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} settles without a snapshot or a contract")
    receipt = await engine.lifecycle_contract.receipt_evidence(
        outcome.transaction_hash, contract.address, contract.payment_token, contract.token
    )
    failed = frozenset(receipt.event.failed if receipt.event else ())
    of_failed = await evidence_of_failed(
        engine, payout, contract, [payee for payee in payees if payee.holder in failed], outcome.block_number
    )
    is_redemption = payout.kind is PayoutKind.REDEMPTION
    return BatchEvidence(
        receipt.event,
        receipt.transferred,
        of_failed.paid_flags,
        of_failed.recorded,
        of_failed.refusals,
        await owed_before(engine, contract, as_planned(payees), outcome.block_number) if is_redemption else {},
        receipt.redeemed,
    )
