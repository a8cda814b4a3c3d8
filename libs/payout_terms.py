"""What a payout pays: a share of a total, a dividend, a coupon or the principal; and the rules per payee."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PayoutKind(StrEnum):
    """Which amounts are paid, and by which call of the lifecycle contract."""

    # A total, split by the balances at a snapshot of our own.
    SNAPSHOT = "SNAPSHOT"
    # Amounts of a dividend or a coupon, as the asset tells them at its record date.
    DIVIDEND = "DIVIDEND"
    COUPON = "COUPON"
    # The principal of live balances; the tokens are redeemed by the same call.
    REDEMPTION = "REDEMPTION"

    @property
    def is_corporate_action(self) -> bool:
        """True where an action of the asset tells who is owed what."""
        return self in (PayoutKind.DIVIDEND, PayoutKind.COUPON)


class ExcludedShare(StrEnum):
    """What becomes of the share of excluded holders."""

    # Stays in the lifecycle contract.
    KEEP = "KEEP"
    # Is spread over the others.
    REDISTRIBUTE = "REDISTRIBUTE"


class UnsupportedRuleError(Exception):
    """The lifecycle contract cannot pay so. `field` names the rule, `why` tells the reason."""

    def __init__(self, field_name: str, why: str) -> None:
        super().__init__(f"{field_name}: {why}")
        self.field = field_name
        self.why = why


@dataclass(frozen=True, slots=True)
class PayeeRules:
    """Rules per payee (docs/adr/0014-rules-per-payee.md).

    Addresses are lower case; rates are hundredths of a percent.

    `minimum_base_units`: who is due less waits until what was deferred so, from all payouts of the asset together,
    reaches it.
    """

    excluded: frozenset[str] = frozenset()
    excluded_share: ExcludedShare = ExcludedShare.KEEP
    withholding_basis_points: int = 0
    withholding_by_holder: Mapping[str, int] = field(default_factory=dict)
    minimum_base_units: int = 0

    def withholding_of(self, holder: str) -> int:
        """The rate that is withheld from a holder."""
        return self.withholding_by_holder.get(holder, self.withholding_basis_points)

    @property
    def withholds(self) -> bool:
        """True if anything is withheld from anybody."""
        return bool(self.withholding_basis_points or any(self.withholding_by_holder.values()))

    def refuse_for(self, kind: PayoutKind) -> None:
        """Raises UnsupportedRuleError for what the contract's call of this kind cannot do."""
        if kind is PayoutKind.SNAPSHOT:
            return
        if self.withholds:
            name = "withholding_percentage" if self.withholding_basis_points else "withholding_rates"
            raise UnsupportedRuleError(
                name, "the asset's contract alone computes these amounts; nothing can be withheld"
            )
        if kind is PayoutKind.REDEMPTION:
            if self.excluded:
                raise UnsupportedRuleError("excluded_holders", "a redemption pays every holder's principal")
            if self.minimum_base_units:
                raise UnsupportedRuleError("minimum_amount", "a redemption burns the tokens that it pays for")
        if self.excluded and self.excluded_share is ExcludedShare.REDISTRIBUTE:
            raise UnsupportedRuleError(
                "excluded_share", "the asset's contract alone computes these amounts; none can be spread"
            )


NO_RULES = PayeeRules()
