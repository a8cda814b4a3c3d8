"""The port that signs transactions and sends them to a chain. Only the stage `sending` may use it.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import ContractCall, SignedTransaction


class BroadcastAnswer(Enum):
    """What a node said about signed bytes. Unless it proves the outcome, the outcome must be looked for."""

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
    """The node's answer, and its wording for people."""

    answer: BroadcastAnswer
    message: str = ""


class Sender(Protocol):
    """Signs transactions and sends what is signed."""

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: Nonce, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """Signs a transaction. A local key needs no network."""
        ...

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        """Sends signed bytes. A lost reply raises CHAIN_UNAVAILABLE: it is then unknown whether they arrived."""
        ...
