"""The payment token, and the native currency that gas costs.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from dataclasses import dataclass
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress


@dataclass(frozen=True, slots=True)
class SeenTransfer:
    """A transfer of the payment token out of a lifecycle contract."""

    transaction_hash: str
    block_number: BlockNumber
    to: str
    amount_base_units: BaseUnits


class PaymentToken(Protocol):
    """The payment token: balances, transfers, refusals."""

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: BlockNumber | None = None
    ) -> BaseUnits:
        """Payment token of an account, base units, at a block (None: the newest)."""
        ...

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: HolderAddress, amount_base_units: BaseUnits
    ) -> str:
        """Simulates the token's transfer to a payee now: the token's error by name; empty when it would work."""
        ...

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenTransfer]:
        """Transfers of the payment token out of the contract in a range of blocks, oldest first."""
        ...
