"""Makes the key with which payout_service signs on the embedded chain: random, and worthless anywhere else.

The key is written to a file that only its owner can read; it is never printed, logged or passed on.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from coincurve import PrivateKey
from eth_hash.auto import keccak

from deploy.local.errors import StackError
from deploy.local.files import write_private

_GROUP_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
SIGNER_FUNDS_WEI = 10_000 * 10**18


def ensure_signer(path: Path) -> str:
    """Return the address of the key in ``path``. The key is made when it is missing ("0x" and 64 hex digits)."""
    if not path.exists():
        write_private(path, f"0x{1 + secrets.randbelow(_GROUP_ORDER - 1):064x}\n")
    try:
        key = PrivateKey(bytes.fromhex(path.read_text(encoding="ascii").strip().removeprefix("0x")))
    except ValueError:
        raise StackError(f"{path} holds no private key") from None
    public_key = key.public_key.format(compressed=False)[1:]
    return _checksummed(keccak(public_key)[-20:].hex())


def _checksummed(digits: str) -> str:
    """Return the EIP-55 spelling of an address."""
    mask = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, mask, strict=False)
    )
