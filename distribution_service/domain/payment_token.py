"""The token that holders are paid in."""

from dataclasses import dataclass

from libs.chain.address import EvmAddress


@dataclass(frozen=True, slots=True)
class PaymentToken:
    """A payment token: its address is its identity; symbol and decimals are what it tells of itself."""

    address: EvmAddress
    symbol: str
    decimals: int
