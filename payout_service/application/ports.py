"""What the use cases need from outside. One contract suite shall hold for each port's real and in-memory form.

Chain methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at
the method. Addresses in bulk are lower-case strings.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.messaging.events import IncomingEvent
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import ExecutionEvent
from payout_service.domain.transaction import (
    ContractCall,
    Fees,
    NonceLane,
    Outcome,
    SignedTransaction,
    TransactionIntent,
)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Bounds and rhythms of the engine; seconds unless named otherwise."""

    confirmations: int
    batch_limits: BatchLimits
    max_open_batches: int = 4
    max_in_flight_transactions: int = 4
    max_transaction_gas: int = 15_000_000
    max_batch_tries: int = 3
    plan_page_size: int = 500
    lease_seconds: float = 20.0
    poll_seconds: float = 1.0
    blocked_poll_seconds: float = 5.0
    ready_poll_seconds: float = 30.0
    rebroadcast_seconds: float = 10.0
    min_gas_money_wei: int = 10**17


@dataclass(frozen=True, slots=True)
class TreasuryKey:
    """Money in one lifecycle contract, of one payment token."""

    chain_id: int
    lifecycle_contract: EvmAddress
    payment_token: EvmAddress


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


class PayoutRepository(Protocol):
    """Payouts."""

    async def add(self, payout: Payout) -> bool:
        """Stores a new payout and publishes it; False when its distribution has one already."""
        ...

    async def get(self, payout_id: UUID) -> Payout | None:
        """A payout as it is."""
        ...

    async def lock(self, payout_id: UUID) -> Payout:
        """A payout, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, payout: Payout) -> None:
        """Stores a locked payout; publishes it when its version rose."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one payout that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, payout_id: UUID, at: datetime) -> None:
        """Ends the claim; the payout is due again at this time."""
        ...

    async def wake(self, payout_id: UUID, now: datetime) -> None:
        """The payout is due now."""
        ...


class PaymentRepository(Protocol):
    """Payments and batches of payouts."""

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        """Stores rows of a plan, in bulk; those of amount zero as ZERO_DUE."""
        ...

    def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        """The whole plan in the order of the ordinals, streamed."""
        ...

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """Payments that are owed and in no batch, in the order of the ordinals."""
        ...

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        """Stores a batch and puts its payees into it. Raises RuntimeError if one is not free any more."""
        ...

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        """Batches that are not settled, in the order of their numbers."""
        ...

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        """Payees of a batch, in the order of the call."""
        ...

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        """Records what became of each payee of a batch, in bulk."""
        ...

    async def return_to_plan(
        self, payout_id: UUID, batch_number: int, transaction_hash: str, max_tries: int, now: datetime
    ) -> tuple[int, int]:
        """The batch reverted: its payees are owed again, or FAILED in this transaction after `max_tries` batches.

        Returns how many go on and how many failed.
        """
        ...

    async def open_sums(self, payout_id: UUID) -> tuple[int, int]:
        """Number of payments still to be made (planned or in flight), and base units owed to those that failed."""
        ...


class JournalRepository(Protocol):
    """Intents, attempts and nonce lanes."""

    async def add(self, intent: TransactionIntent) -> bool:
        """Stores a new intent; False when one with its key exists."""
        ...

    async def find(self, key: str) -> TransactionIntent | None:
        """The intent with this key."""
        ...

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        """An intent, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, intent: TransactionIntent) -> None:
        """Stores a locked intent with its attempts."""
        ...

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Intents with a nonce whose outcome is open, in the order of their nonces."""
        ...

    async def created(self, chain_id: int, signer: EvmAddress, limit: int) -> list[TransactionIntent]:
        """Intents without a nonce: those without a problem first, then by age."""
        ...

    async def note_problem(self, intent_id: UUID, problem: str) -> None:
        """Records why an intent without a nonce is not getting on; nothing when it has one by now."""
        ...

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: str) -> None:
        """Records why no intent of the lane gets a nonce."""
        ...

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane as it is."""
        ...

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane, its row locked until the end of the transaction."""
        ...

    async def add_lane(self, lane: NonceLane) -> None:
        """Stores a new lane; does nothing when another replica just did."""
        ...

    async def save_lane(self, lane: NonceLane) -> None:
        """Stores a locked lane."""
        ...


class LifecycleRepository(Protocol):
    """Lifecycle contracts, by asset."""

    async def add(self, contract: LifecycleContract) -> bool:
        """Stores a new contract and publishes it; False when the asset has one already."""
        ...

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        """An asset's contract as it is."""
        ...

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        """An asset's contract, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, contract: LifecycleContract) -> None:
        """Stores a locked contract; publishes it when its version rose."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one contract that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, asset_id: UUID, at: datetime) -> None:
        """Ends the claim; the contract is due again at this time."""
        ...

    async def wake(self, asset_id: UUID, now: datetime) -> None:
        """The contract is due now."""
        ...


class TreasuryRepository(Protocol):
    """Money promised to payouts. `version` rises with every change of a treasury's commitments."""

    async def version(self, key: TreasuryKey) -> int:
        """The present version, 0 before the first commitment."""
        ...

    async def lock(self, key: TreasuryKey) -> int:
        """Locks the treasury's row until the end of the transaction and returns its version."""
        ...

    async def committed(self, key: TreasuryKey) -> int:
        """Base units promised to payouts and not proven paid."""
        ...

    async def committed_to(self, key: TreasuryKey, payout_id: UUID) -> int:
        """Base units of it that are promised to one payout."""
        ...

    async def commit(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """Promises money to a payout, under the lock."""
        ...

    async def reduce(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """So much of a payout's promise is proven paid, under the lock. Raises RuntimeError below zero."""
        ...


class UnitOfWork(Protocol):
    """One transaction. Leaving without `commit` rolls back. No network waits inside."""

    @property
    def payouts(self) -> PayoutRepository:
        """Payouts."""
        ...

    @property
    def payments(self) -> PaymentRepository:
        """Payments and batches."""
        ...

    @property
    def journal(self) -> JournalRepository:
        """Intents, attempts, lanes."""
        ...

    @property
    def lifecycle(self) -> LifecycleRepository:
        """Lifecycle contracts."""
        ...

    @property
    def treasury(self) -> TreasuryRepository:
        """Commitments."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None:
        """Makes everything durable at once, events with it."""
        ...

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that an event is processed by this transaction; False when it was before."""
        ...


class UnitOfWorkFactory(Protocol):
    """Makes a unit of work per use."""

    def __call__(self) -> UnitOfWork:
        """A new unit of work, to be entered once."""
        ...


class Ids(Protocol):
    """Makes ids."""

    def new(self) -> UUID:
        """A new UUID."""
        ...
