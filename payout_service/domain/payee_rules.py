"""Rules per payee as payouts keep them, and what the lifecycle contract cannot do for a kind of payout."""

from dataclasses import dataclass

from libs.chain.quantities import HolderAddress
from libs.payout_terms.terms import ExcludedShare, PayeeRules, PayoutKind, PayoutTerms


@dataclass(frozen=True, slots=True)
class UnsupportedRule:
    """A rule that the contract cannot keep. `field` names it as requests do, `why` tells the reason."""

    field: str
    why: str


def unsupported_rule(terms: PayoutTerms) -> UnsupportedRule | None:
    """The first of the rules that the contract's call of this kind cannot keep; None if it can keep all."""
    rules, kind = terms.rules, terms.kind
    if kind is PayoutKind.SNAPSHOT:
        return None
    if withholds(rules):
        name = "withholding_percentage" if rules.withholding_basis_points else "withholding_rates"
        return UnsupportedRule(name, "the asset's contract alone computes these amounts; nothing can be withheld")
    if kind is PayoutKind.REDEMPTION and rules.excluded:
        return UnsupportedRule("excluded_holders", "a redemption pays every holder's principal")
    if kind is PayoutKind.REDEMPTION and rules.minimum_base_units:
        return UnsupportedRule("minimum_amount", "a redemption burns the tokens that it pays for")
    if spreads(rules):
        return UnsupportedRule(
            "excluded_share", "the asset's contract alone computes these amounts; none can be spread"
        )
    return None


def withholding_of(rules: PayeeRules, holder: HolderAddress) -> int:
    """The rate that is withheld from a holder, hundredths of a percent."""
    return rules.withholding_by_holder.get(holder, rules.withholding_basis_points)


def withholds(rules: PayeeRules) -> bool:
    """True if anything is withheld from anybody."""
    return bool(rules.withholding_basis_points or any(rules.withholding_by_holder.values()))


def spreads(rules: PayeeRules) -> bool:
    """True if others get the share of somebody who is excluded."""
    return bool(rules.excluded) and rules.excluded_share is ExcludedShare.REDISTRIBUTE
