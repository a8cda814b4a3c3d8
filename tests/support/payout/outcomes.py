"""Makes outcomes of payments for tests that do not care about evidence."""

from libs.chain.quantities import BaseUnits, HolderAddress
from payout_service.domain.payments import PaymentOutcome
from payout_service.domain.proof import PaidProof
from tests.support.payout.amounts import fixed_due


def paid_outcome(payee: HolderAddress, amount_base_units: int, transaction_hash: str = "") -> PaymentOutcome:
    """Returns the outcome PAID, with all the evidence for it."""
    proof = PaidProof(
        event_base_units=BaseUnits(amount_base_units),
        transferred_base_units=BaseUnits(amount_base_units),
        due=fixed_due(amount_base_units),
    )
    return PaymentOutcome.paid(payee, proof, transaction_hash)
