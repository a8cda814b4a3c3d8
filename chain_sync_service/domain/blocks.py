"""Blocks, and what the blocks of a window hold for one token."""

from dataclasses import dataclass

from libs.chain.address import EvmAddress

ZERO_ADDRESS = EvmAddress("0x" + "0" * 40)


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block: its number, and the hash that says on which fork (0x and 64 lower-case digits)."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A decoded Transfer log. Bulk: `sender` and `receiver` are lower-case addresses, checked where it was read.

    The zero address as sender is an issue, as receiver a redemption. `amount` is in the token's base units.
    """

    transaction_hash: str
    log_index: int
    block_number: int
    sender: str
    receiver: str
    amount: int


@dataclass(frozen=True, slots=True)
class UndecodableLog:
    """A log with Transfer's topic and another layout: kept as it came, with what was wrong with it."""

    transaction_hash: str
    log_index: int
    block_number: int
    block_hash: str
    topics: tuple[bytes, ...]
    data: bytes
    problem: str


@dataclass(frozen=True, slots=True)
class WindowLogs:
    """All Transfer logs of one token in a range of blocks.

    `end_block_hashes` are the block hashes that logs of the range's last block carry: none or one, unless
    the node mixed forks.
    """

    transfers: tuple[Transfer, ...]
    undecodable: tuple[UndecodableLog, ...]
    end_block_hashes: frozenset[str]

    @property
    def count(self) -> int:
        """Number of logs."""
        return len(self.transfers) + len(self.undecodable)
