"""Computes from the asset's logs how many tokens a transaction burned. Versions of the asset log a burn
differently.

A burn is told by RedeemedByPartition, once for each partition of the holder (versions 7 and 8, npm package 2.0.0).
Version 7 tells a TransferByPartition to nobody beside each, version 8 an ERC-20 Transfer to nobody. A lock and a
hold tell transfers to nobody as well, and burn nothing: so these alone are no burn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from libs.chain.quantities import HolderAddress, TokenUnits


class BurnForm(Enum):
    """The kinds of events in which a burn is logged."""

    REDEEMED_BY_PARTITION = "RedeemedByPartition"
    # To nobody.
    TRANSFER_BY_PARTITION = "TransferByPartition"
    TRANSFER = "Transfer"


@dataclass(frozen=True, slots=True)
class BurnLog:
    """One log of the asset about a burn. The amount is in base units of the security token."""

    form: BurnForm
    holder: HolderAddress
    amount: TokenUnits


def burned_tokens(logs: Iterable[BurnLog]) -> Mapping[HolderAddress, TokenUnits | None]:
    """Returns the tokens burned, by holder. Each burn counts once, however many logs report it.

    None where the logs contradict each other: fewer tokens went to nobody than were redeemed.
    """
    sums: dict[BurnForm, Counter[HolderAddress]] = {form: Counter() for form in BurnForm}
    for log in logs:
        sums[log.form][log.holder] += log.amount
    burned: dict[HolderAddress, TokenUnits | None] = {}
    for holder, redeemed in sums[BurnForm.REDEEMED_BY_PARTITION].items():
        # More than was redeemed where something was locked in the same transaction, too.
        to_nobody = max(sums[BurnForm.TRANSFER_BY_PARTITION][holder], sums[BurnForm.TRANSFER][holder])
        burned[holder] = TokenUnits(redeemed) if to_nobody == 0 or to_nobody >= redeemed else None
    return burned
