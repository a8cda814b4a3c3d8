"""The port to a chain: blocks, nonces, gas estimates, fees, and what became of transactions.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce, Wei
from payout_service.domain.fees import FeeQuote
from payout_service.domain.transaction import ContractCall, Outcome


class CallWouldRevertError(Exception):
    """A simulated call reverted. `reason` names the contract's error for people, as far as it is known.

    `is_by_pause`: the lifecycle contract refused the call because it is paused.
    """

    def __init__(self, reason: str, *, is_by_pause: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_by_pause = is_by_pause


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as the node returns it now. A reorg may take it back until it is final."""

    succeeded: bool
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block. `timestamp` is in seconds since 1970 by the chain's clock."""

    number: BlockNumber
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class SeenTransaction:
    """A transaction as the chain has it."""

    transaction_hash: str
    block_number: BlockNumber
    block_hash: str
    block_time: datetime
    gas_used: int
    succeeded: bool
    call: ContractCall


class Rail(Protocol):
    """Reads a chain: what a call would cost, what became of a transaction, whether that is final."""

    async def chain_id(self) -> int:
        """Returns the EIP-155 id that the node reports."""
        ...

    async def genesis_hash(self) -> str:
        """Returns the hash of block 0, which identifies the chain."""
        ...

    async def head(self) -> Head:
        """Returns the newest block."""
        ...

    async def block_hash(self, number: BlockNumber) -> str | None:
        """Returns the hash of the canonical block with this number; None beyond the head."""
        ...

    async def nonce_at(self, signer: EvmAddress, block_number: BlockNumber | None) -> Nonce:
        """Returns the signer's next nonce: its number of transactions up to a block (None: the newest)."""
        ...

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        """Returns the gas that the call would use now. Raises CallWouldRevertError."""
        ...

    async def fee_quote(self) -> FeeQuote:
        """Returns what the chain asks for per gas now."""
        ...

    async def transaction_with_nonce(self, signer: EvmAddress, nonce: Nonce) -> SeenTransaction | None:
        """Returns the mined transaction of a signer with this nonce; None when the chain has none."""
        ...

    async def gas_money_wei(self, account: EvmAddress) -> Wei:
        """Returns an account's native currency, in wei (on Hedera's relay: weibars)."""
        ...

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        """Returns the receipt of a transaction; None where the node has none now."""
        ...
