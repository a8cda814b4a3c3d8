"""Blocks."""

from dataclasses import dataclass
from datetime import datetime

from libs.chain.quantities import BlockNumber


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block: its number, and the hash that says on which fork (0x and 64 lower-case digits)."""

    number: BlockNumber
    hash: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its time; on Hedera the consensus timestamp of its last transaction."""

    number: BlockNumber
    hash: str
    time: datetime

    @property
    def ref(self) -> BlockRef:
        """Number and hash."""
        return BlockRef(self.number, self.hash)
