"""How holdings change, net per holder."""

from collections.abc import Iterable
from dataclasses import dataclass

from chain_sync_service.domain.blocks import ZERO_ADDRESS, Transfer


@dataclass(frozen=True, slots=True)
class HolderChange:
    """By how much one holder's balance changed, base units, and the last block that changed it."""

    holder: str
    delta: int
    block_number: int


def net_changes(transfers: Iterable[Transfer]) -> list[HolderChange]:
    """The net change of every holder, ordered by holder; who came out even is left out.

    Issues and redemptions change one holder only: the zero address is nobody. Every other transfer takes from
    one what it gives to another, so without issues and redemptions the changes sum to zero.
    """
    deltas: dict[str, int] = {}
    last_blocks: dict[str, int] = {}
    for transfer in transfers:
        for holder, delta in ((transfer.sender, -transfer.amount), (transfer.receiver, transfer.amount)):
            if holder != ZERO_ADDRESS.value:
                deltas[holder] = deltas.get(holder, 0) + delta
                last_blocks[holder] = max(last_blocks.get(holder, 0), transfer.block_number)
    return [HolderChange(holder, delta, last_blocks[holder]) for holder, delta in sorted(deltas.items()) if delta]
