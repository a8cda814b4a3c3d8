"""The proof that a payee was paid. A payment becomes PAID only by such a proof.

The lifecycle contract's event and the payment token's Transfer logs of one transaction say the same amount, and
that amount is what was due (docs/adr/0017-proofs-and-disputes.md).
"""

from dataclasses import dataclass
from fractions import Fraction

from libs.chain.quantities import BaseUnits, TokenUnits


@dataclass(frozen=True, slots=True)
class FixedDue:
    """The amount that the frozen plan owes."""

    amount_base_units: BaseUnits

    def allows(self, paid_base_units: BaseUnits) -> bool:
        """Returns whether this is the amount owed."""
        return paid_base_units == self.amount_base_units


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalDue:
    """The amount that a redemption owes: the principal of the tokens that its transaction has burned.

    `balance_before` and `principal_base_units` are the payee's tokens, and their worth, in the block before.
    `per_token_base_units` is the worth of one token before any rounding; None where the asset did not tell it.
    """

    balance_before: TokenUnits
    principal_base_units: BaseUnits
    burned_tokens: TokenUnits
    per_token_base_units: Fraction | None = None

    def allows(self, paid_base_units: BaseUnits) -> bool:
        """Compares exactly where the worth of a token is known, or no token moved in between.

        Else in proportion, give or take what two roundings leave: before it was rounded, the balance was worth the
        principal or more, and less than one base unit more.
        """
        if self.burned_tokens == 0:
            return paid_base_units == 0
        if self.per_token_base_units is not None:
            return paid_base_units == self.per_token_base_units * self.burned_tokens // 1
        if self.balance_before == self.burned_tokens:
            return paid_base_units == self.principal_base_units
        if self.balance_before == 0:
            return False
        low = self.principal_base_units * self.burned_tokens // self.balance_before
        too_high = -(-(self.principal_base_units + 1) * self.burned_tokens // self.balance_before)
        return low <= paid_base_units < too_high


Due = FixedDue | PrincipalDue


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidProof:
    """The proof that one final, successful transaction paid one payee. Raises ValueError where its sources
    disagree.

    `event_base_units` is what the contract's event says, `transferred_base_units` the sum of the token's Transfer
    logs from the contract to the payee. Nothing is never paid: who is due nothing is ZERO_DUE.
    """

    event_base_units: BaseUnits
    transferred_base_units: BaseUnits
    due: Due

    def __post_init__(self) -> None:
        if self.event_base_units != self.transferred_base_units or self.transferred_base_units <= 0:
            raise ValueError(
                f"the event says {self.event_base_units}, the token says {self.transferred_base_units}"
            )
        if not self.due.allows(self.transferred_base_units):
            raise ValueError(f"{self.transferred_base_units} is not what was due: {self.due}")


def prove_paid(
    *, event_base_units: BaseUnits | None, transferred_base_units: BaseUnits, due: Due
) -> PaidProof | None:
    """Returns the proof, or None if there is none. `event_base_units` None: the event does not list the payee."""
    agrees = event_base_units is not None and event_base_units == transferred_base_units > 0
    if event_base_units is None or not agrees or not due.allows(transferred_base_units):
        return None
    return PaidProof(event_base_units=event_base_units, transferred_base_units=transferred_base_units, due=due)
