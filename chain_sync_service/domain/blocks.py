"""References to blocks, and blocks with their times."""

from dataclasses import dataclass
from datetime import datetime

from libs.chain.quantities import BlockNumber


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's number and its hash, which tells on which fork it is (0x and 64 lower-case digits)."""

    number: BlockNumber
    hash: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its time. On Hedera that is the consensus timestamp of its last transaction."""

    number: BlockNumber
    hash: str
    time: datetime

    @property
    def ref(self) -> BlockRef:
        """The block's number and hash."""
        return BlockRef(self.number, self.hash)
