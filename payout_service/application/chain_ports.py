"""What the use cases need of the chain: the rail for transactions, the contracts, the artifact to deploy.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from libs.chain.address import EvmAddress
from payout_service.domain.settlement import ExecutionEvent
from payout_service.domain.transaction import (
    ContractCall,
    Fees,
    Outcome,
    SignedTransaction,
)


class CallWouldRevertError(Exception):
    """A simulated call reverted; `reason` names the contract's error as far as it is known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FeeCapReachedError(Exception):
    """The chain asks for more per gas than the configured cap: what is signed now would not be mined."""


class BroadcastAnswer(Enum):
    """What a node said to signed bytes. Anything but a proof of the outcome means: look for the outcome."""

    ACCEPTED = "ACCEPTED"
    ALREADY_KNOWN = "ALREADY_KNOWN"
    NONCE_USED = "NONCE_USED"
    # Not taken now: nonce gap, fee too low, pool full, lack of gas money. The same bytes are sent again later.
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
    """The newest block."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class ReceiptEvidence:
    """What a batch's receipt holds: the contract's event, and its transfers of the token by receiver."""

    event: ExecutionEvent | None
    transferred: Mapping[str, int]


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

    async def fees(self) -> Fees:
        """Fees for a transaction that shall be mined soon. Raises FeeCapReachedError."""
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


class Contracts(Protocol):
    """The asset, the lifecycle contract and the payment token: calls to send, and what payouts read."""

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        """The asset's takeSnapshot()."""
        ...

    def pay_batch(
        self,
        contract: EvmAddress,
        token: EvmAddress,
        snapshot_id: int,
        holders: Sequence[str],
        total_base_units: int,
    ) -> ContractCall:
        """executeAmountSnapshotByAddresses: `total_base_units` is the whole payout's total, not the batch's."""
        ...

    async def has_code(self, address: EvmAddress) -> bool:
        """True if there is a contract."""
        ...

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        """The lifecycle contract's payment token; None when the contract is no lifecycle contract."""
        ...

    async def is_paused(self, contract: EvmAddress) -> bool:
        """True if the lifecycle contract is paused."""
        ...

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may execute payouts."""
        ...

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may take snapshots of the asset, under version 7's or 8's name of the role."""
        ...

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        """Whether the lifecycle contract was made for this asset; None while guards before that one refuse."""
        ...

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        """The code behind a proxy (EIP-1967); None when the contract is none."""
        ...

    async def gas_money_wei(self, account: EvmAddress) -> int:
        """Native currency of an account, in wei (on Hedera's relay: weibars)."""
        ...

    async def payment_token_balance(self, token: EvmAddress, account: EvmAddress) -> int:
        """Payment token of an account, base units, at the newest block."""
        ...

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> int | None:
        """The snapshot id in the asset's SnapshotTaken event of a receipt; None when it has no such event."""
        ...

    async def snapshot_totals(self, token: EvmAddress, snapshot_id: int, block_number: int) -> tuple[int, int]:
        """Number of holders and total supply at a snapshot, read at a block."""
        ...

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: int, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        """Holders and free balances of one page of a snapshot's list, in the list's order."""
        ...

    async def live_totals(self, token: EvmAddress, block_number: int) -> tuple[int, int]:
        """Number of live holders and total supply at a block."""
        ...

    async def live_page(
        self, token: EvmAddress, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        """Live holders and balances of one page of the list, at a block."""
        ...

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress
    ) -> ReceiptEvidence:
        """What a final receipt proves about a batch."""
        ...

    async def paid_flags(
        self, contract: EvmAddress, snapshot_id: int, holders: Sequence[str], block_number: int
    ) -> dict[str, bool]:
        """The contract's paid flag of each holder at a block, from its storage (contracts.md, 3.2)."""
        ...


class LifecycleArtifact(Protocol):
    """What to deploy for an asset: an ordered list of creations, one of them the contract itself."""

    @property
    def is_devnet_only(self) -> bool:
        """True if it may be deployed only on the embedded chain."""
        ...

    @property
    def creation_names(self) -> Sequence[str]:
        """Names of the creations in their order."""
        ...

    @property
    def contract_name(self) -> str:
        """Name of the creation that is the lifecycle contract."""
        ...

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        """The transaction that makes a creation, given the addresses of those before it."""
        ...
