"""Outcomes of payments for tests that care about the ledger and not about evidence."""

from payout_service.domain.payments import PaymentOutcome
from payout_service.domain.proof import FixedDue, PaidProof


def paid_outcome(payee: str, amount_base_units: int, transaction_hash: str = "") -> PaymentOutcome:
    """PAID, with all the evidence for it."""
    proof = PaidProof(amount_base_units, amount_base_units, FixedDue(amount_base_units))
    return PaymentOutcome.paid(payee, proof, transaction_hash)
