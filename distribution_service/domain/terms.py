"""What a distribution pays: a total, a share of the available money, or what an action of the asset says."""

from dataclasses import dataclass
from typing import TypeAlias

from libs.chain.amount import WHOLE_BASIS_POINTS
from libs.payout_terms import PayoutKind


@dataclass(frozen=True, slots=True)
class FixedTotal:
    """All holders together are paid this. Raises ValueError for an amount that is not positive."""

    base_units: int

    def __post_init__(self) -> None:
        if self.base_units <= 0:
            raise ValueError("a distribution needs a positive amount")


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


Terms: TypeAlias = FixedTotal | ShareOfAvailable | Dividend | Coupon | Redemption


def kind_of(terms: Terms) -> PayoutKind:
    """The kind of payout that the terms ask for."""
    match terms:
        case Dividend():
            return PayoutKind.DIVIDEND
        case Coupon():
            return PayoutKind.COUPON
        case Redemption():
            return PayoutKind.REDEMPTION
        case FixedTotal() | ShareOfAvailable():
            return PayoutKind.SNAPSHOT


def action_id_of(terms: Terms) -> int:
    """Id of the dividend or coupon on the asset; 0 for what is neither."""
    return terms.action_id if isinstance(terms, Dividend | Coupon) else 0
