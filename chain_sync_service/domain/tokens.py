"""Descriptions of security tokens and payment tokens, and checks on what tokens say about themselves."""

from dataclasses import dataclass
from enum import Enum

from libs.chain.address import EvmAddress
from libs.chain.amount import MAX_DECIMALS
from libs.chain.quantities import BlockNumber

MAX_TEXT_LENGTH = 200
_MAX_INT64 = 2**63 - 1


class SecurityType(Enum):
    """The kinds of security for the lifecycle contract: everything but an equity is a bond."""

    EQUITY = 1
    BOND = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDescription:
    """A security token at one block. The supply is in base units; `hedera_id` is empty where there is none."""

    chain_id: int
    token: EvmAddress
    hedera_id: str
    display_name: str
    symbol: str
    isin: str
    decimals: int
    security_type: SecurityType
    total_supply: int
    holder_count: int
    is_paused: bool
    block_number: BlockNumber

    def __post_init__(self) -> None:
        if not has_sane_decimals(self.decimals) or not 0 <= self.holder_count <= _MAX_INT64:
            raise ValueError("figures that no token can have")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTokenDescription:
    """A payment token and its properties."""

    chain_id: int
    token: EvmAddress
    hedera_id: str
    symbol: str
    decimals: int

    def __post_init__(self) -> None:
        if not has_sane_decimals(self.decimals):
            raise ValueError("decimals that no token can have")


def security_type(code: int) -> SecurityType:
    """Returns the kind for the number that the token reports; 1 is an equity."""
    return SecurityType.EQUITY if code == 1 else SecurityType.BOND


def has_sane_decimals(decimals: int) -> bool:
    """Returns True if amounts of a token with so many decimals can be written."""
    return 0 <= decimals <= MAX_DECIMALS


def clean_text(text: str) -> str:
    """Returns a token's text fit to be stored and shown: one line, no control characters, limited in length."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MAX_TEXT_LENGTH].rstrip()
