"""How transactions reach a chain, and what the node says of them.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from libs.chain.address import EvmAddress
from payout_service.domain.fees import FeeQuote, Fees
from payout_service.domain.transaction import ContractCall, Outcome, SignedTransaction


class CallWouldRevertError(Exception):
    """A simulated call reverted; `reason` names the contract's error as far as it is known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BroadcastAnswer(Enum):
    """What a node said to signed bytes. Anything but a proof of the outcome means: look for the outcome."""

    ACCEPTED = "ACCEPTED"
    ALREADY_KNOWN = "ALREADY_KNOWN"
    NONCE_USED = "NONCE_USED"
    # A nonce before it is missing at the node; a relay without a pool refuses that. The same bytes again later.
    NONCE_GAP = "NONCE_GAP"
    # It offers too little now: a replacement may do, once the chain asks for more than the attempt offers.
    FEE_TOO_LOW = "FEE_TOO_LOW"
    # It can never be mined as it is, for example more gas than a block holds: its nonce is used by a no-op.
    NEVER_FITS = "NEVER_FITS"
    # Not taken now: pool full, lack of gas money, words we do not know. The same bytes are sent again later.
    NOT_TAKEN = "NOT_TAKEN"


@dataclass(frozen=True, slots=True)
class BroadcastResult:
    """The node's answer, with its words for people."""

    answer: BroadcastAnswer
    message: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as the node tells it now; a reorg may take it back until it is final."""

    succeeded: bool
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block; `timestamp` in seconds since 1970 as the chain tells the time."""

    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class SeenTransaction:
    """A transaction as the chain has it."""

    transaction_hash: str
    block_number: int
    block_hash: str
    block_time: datetime
    gas_used: int
    succeeded: bool
    call: ContractCall


class Rail(Protocol):
    """How transactions reach a chain: prepare, broadcast, find the outcome, is it final, can it still happen."""

    async def chain_id(self) -> int:
        """EIP-155 id that the node tells."""
        ...

    async def genesis_hash(self) -> str:
        """Hash of block 0: the chain's identity."""
        ...

    async def head(self) -> Head:
        """The newest block."""
        ...

    async def block_hash(self, number: int) -> str | None:
        """Hash of the canonical block with this number; None beyond the head."""
        ...

    async def nonce_at(self, signer: EvmAddress, block_number: int | None) -> int:
        """Transactions of the signer up to a block (None: the newest): the next nonce as the chain has it."""
        ...

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        """Gas that the call would use now. Raises CallWouldRevertError."""
        ...

    async def fee_quote(self) -> FeeQuote:
        """What the chain asks for per gas now."""
        ...

    async def transaction_with_nonce(self, signer: EvmAddress, nonce: int) -> SeenTransaction | None:
        """The mined transaction of a signer with this nonce; None when the chain has none."""
        ...

    async def gas_money_wei(self, account: EvmAddress) -> int:
        """Native currency of an account, in wei (on Hedera's relay: weibars)."""
        ...

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: int, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """Signs. Touches no network for a local key."""
        ...

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        """Sends signed bytes. A lost reply raises CHAIN_UNAVAILABLE: whether they arrived is unknown."""
        ...

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        """The receipt; None where the node has none now."""
        ...
