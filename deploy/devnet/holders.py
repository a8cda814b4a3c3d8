"""Makes up holders and their balances from a seed."""

import random

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak


def seeded_holders(count: int, seed: int) -> list[tuple[ChecksumAddress, int]]:
    """Make up `count` distinct holders and their balances in base units, the same for the same seed.

    Balances are positive and very uneven: half lie under ten million, each doubling is half as frequent, up
    to 4096 times that, and a tenth are under 100, whose share of a payout may floor to nothing. Nobody has
    the keys of the addresses, which are hashes.
    """
    generator = random.Random(seed)
    return [(_holder_address(seed, index), _holder_balance(generator)) for index in range(count)]


def _holder_address(seed: int, index: int) -> ChecksumAddress:
    return to_checksum_address(keccak(text=f"mass-payout devnet holder {seed} {index}")[-20:])


def _holder_balance(generator: random.Random) -> int:
    if generator.randrange(10) == 0:
        return generator.randrange(1, 100)
    doublings = 13 - generator.randrange(1, 1 << 13).bit_length()
    return generator.randrange(1, 10_000_000) << doublings
