"""The port to the payment token: balances, transfers, and why it refuses a transfer.

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
    """Reads the payment token: balances, transfers, refusals."""

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: BlockNumber | None = None
    ) -> BaseUnits:
        """Returns an account's balance in base units at a block (None: the newest)."""
        ...

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: HolderAddress, amount_base_units: BaseUnits
    ) -> str:
        """Simulates a transfer to a payee now. Returns the token's error by name; empty when it would succeed."""
        ...

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenTransfer]:
        """Returns transfers of the payment token out of the contract in a range of blocks, oldest first."""
        ...
