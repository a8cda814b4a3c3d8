"""The terms of a payout: a share of a total, a dividend, a coupon or the principal; and rules per payee."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TypeAlias

from libs.chain.amount import MAX_UINT256, WHOLE_BASIS_POINTS
from libs.chain.quantities import BaseUnits, HolderAddress


class PayoutKind(StrEnum):
    """The kinds of payout. The kind decides the amounts and the call of the lifecycle contract."""

    # A total, split by the balances at a snapshot of our own.
    SNAPSHOT = "SNAPSHOT"
    # Amounts of a dividend or a coupon, as the asset tells them at its record date.
    DIVIDEND = "DIVIDEND"
    COUPON = "COUPON"
    # The principal of live balances; the tokens are redeemed by the same call.
    REDEMPTION = "REDEMPTION"

    @property
    def is_corporate_action(self) -> bool:
        """True for a kind whose amounts a dividend or coupon of the asset determines."""
        return self in (PayoutKind.DIVIDEND, PayoutKind.COUPON)


@dataclass(frozen=True, slots=True)
class FixedTotal:
    """All holders together are paid this. Raises ValueError for what is not positive or has over 256 bits."""

    base_units: BaseUnits

    def __post_init__(self) -> None:
        if not 0 < self.base_units <= MAX_UINT256:
            raise ValueError("a total is a positive amount of at most 256 bits")


@dataclass(frozen=True, slots=True)
class ShareOfAvailable:
    """All holders together are paid this share of the available money, rounded down; 10,000 is all of it.

    Raises ValueError for a share that is not above 0 and at most the whole.
    """

    basis_points: int

    def __post_init__(self) -> None:
        if not 0 < self.basis_points <= WHOLE_BASIS_POINTS:
            raise ValueError("a share is more than nothing and at most the whole")

    @property
    def least_available_base_units(self) -> int:
        """The least money of which the share is a whole base unit, so that there is anything to pay."""
        return -(-WHOLE_BASIS_POINTS // self.basis_points)


@dataclass(frozen=True, slots=True)
class _CorporateAction:
    """An action that the asset has announced. Raises ValueError for an id below 1."""

    action_id: int

    def __post_init__(self) -> None:
        if self.action_id < 1:
            raise ValueError("ids on an asset begin with 1")


@dataclass(frozen=True, slots=True)
class Dividend(_CorporateAction):
    """Holders are paid what they are due by a dividend of the asset."""


@dataclass(frozen=True, slots=True)
class Coupon(_CorporateAction):
    """Holders are paid what they are due by a coupon of the asset."""


@dataclass(frozen=True, slots=True)
class Redemption:
    """Holders are paid the principal of their tokens, which are redeemed."""


WhatIsPaid: TypeAlias = FixedTotal | ShareOfAvailable | Dividend | Coupon | Redemption


class ExcludedShare(StrEnum):
    """What happens to the share of excluded holders."""

    # Stays in the lifecycle contract.
    KEEP = "KEEP"
    # Is spread over the others.
    REDISTRIBUTE = "REDISTRIBUTE"


@dataclass(frozen=True, slots=True)
class PayeeRules:
    """Rules per payee (docs/adr/0014-rules-per-payee.md).

    Addresses are lower case; rates are hundredths of a percent. Raises ValueError for a rate that is not from 0 to
    10,000 and for a minimum that is negative or has over 256 bits.

    `minimum_base_units`: who is due less waits until what was deferred so, from all payouts of the asset together,
    reaches it.
    """

    excluded: frozenset[HolderAddress] = frozenset()
    excluded_share: ExcludedShare = ExcludedShare.KEEP
    _: KW_ONLY
    withholding_basis_points: int = 0
    withholding_by_holder: Mapping[HolderAddress, int] = field(default_factory=dict)
    minimum_base_units: int = 0

    def __post_init__(self) -> None:
        rates = (self.withholding_basis_points, *self.withholding_by_holder.values())
        if not all(0 <= rate <= WHOLE_BASIS_POINTS for rate in rates):
            raise ValueError("between nothing and the whole is withheld")
        if not 0 <= self.minimum_base_units <= MAX_UINT256:
            raise ValueError("a minimum is an amount of at most 256 bits")


NO_RULES = PayeeRules()


@dataclass(frozen=True, slots=True)
class PayoutTerms:
    """What a payout pays, and by which rules per payee."""

    pays: WhatIsPaid
    rules: PayeeRules = NO_RULES

    @property
    def kind(self) -> PayoutKind:
        """The kind of payout that is asked for."""
        match self.pays:
            case FixedTotal() | ShareOfAvailable():
                return PayoutKind.SNAPSHOT
            case Dividend():
                return PayoutKind.DIVIDEND
            case Coupon():
                return PayoutKind.COUPON
            case Redemption():
                return PayoutKind.REDEMPTION

    @property
    def total_base_units(self) -> BaseUnits:
        """The total that is asked for; 0 where none is, because the payout's plan tells it."""
        return self.pays.base_units if isinstance(self.pays, FixedTotal) else BaseUnits(0)

    @property
    def percentage_basis_points(self) -> int | None:
        """The share of the available money in hundredths of a percent; None where none is asked for."""
        return self.pays.basis_points if isinstance(self.pays, ShareOfAvailable) else None

    @property
    def action_id(self) -> int:
        """Id of the dividend or coupon on the asset; 0 for what is neither."""
        return self.pays.action_id if isinstance(self.pays, Dividend | Coupon) else 0
