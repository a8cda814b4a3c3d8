"""What a distribution pays: a total, or a share of the money that is available when the plan is made."""

from dataclasses import dataclass
from typing import TypeAlias

from libs.chain.amount import WHOLE_BASIS_POINTS


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


Terms: TypeAlias = FixedTotal | ShareOfAvailable
