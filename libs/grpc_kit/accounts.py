"""Parses accounts that callers write, and formats accounts for answers."""

import re
from functools import lru_cache

from eth_hash.auto import keccak
from masspayout.type.v1 import address_pb2

from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError, Reason

_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_ZERO = "0x" + "0" * 40


def parse_evm_account(text: str, field: str) -> EvmAddress:
    """Reads an account where a Hedera id cannot be resolved. Only the EVM notation is accepted.

    Mixed case must carry a right EIP-55 checksum. Raises AppError, naming `field`: REQUIRED_FIELD_MISSING for
    an empty text, HEDERA_ID_NEEDS_MIRROR_NODE for a well-formed Hedera id (its EVM address may be an alias
    that only a mirror node knows; it is never derived), INVALID_ADDRESS for anything else.
    """
    if not text:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, f"{field} is required", field=field)
    if HederaId.parse(text):
        raise AppError(
            Reason.HEDERA_ID_NEEDS_MIRROR_NODE,
            f"{text} is a Hedera id, and no mirror node is configured that could resolve it: give the EVM address",
            field=field,
        )
    if not _EVM_ADDRESS.fullmatch(text):
        raise AppError(
            Reason.INVALID_ADDRESS,
            f"{text!r} is neither an EVM address (0x and 40 hexadecimal digits) nor a Hedera id (0.0.1234)",
            field=field,
        )
    digits = text[2:]
    is_mixed_case = digits not in (digits.lower(), digits.upper())
    if is_mixed_case and checksummed(text.lower()) != text:
        raise AppError(Reason.INVALID_ADDRESS, f"{text} has a wrong EIP-55 checksum: a typing error?", field=field)
    if text.lower() == _ZERO:
        raise AppError(Reason.INVALID_ADDRESS, "the zero address cannot be used", field=field)
    return EvmAddress(text.lower())


def checksummed(address: EvmAddress | str) -> str:
    """Returns an address in EIP-55: a digit is upper case where the keccak-256 of the digits has 8 or more."""
    return _checksummed(str(address))


# Some 60 us each, and the events of a payout with rules name the same thousands of holders again and again.
@lru_cache(maxsize=16_384)
def _checksummed(address: str) -> str:
    digits = address[2:]
    nibbles = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if nibble > "7" else digit for digit, nibble in zip(digits, nibbles, strict=False)
    )


def account_message(address: EvmAddress | str) -> address_pb2.AccountAddress:
    """Returns the message for an account, as answers and events show it."""
    return address_pb2.AccountAddress(evm_address=checksummed(address))
