"""What the use cases need of the chain: the rail for transactions, the contracts, the artifact to deploy.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.payout_terms import PayoutKind
from payout_service.domain.fees import FeeQuote, Fees
from payout_service.domain.plan import Entitlement
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind
from payout_service.domain.transaction import (
    ContractCall,
    Outcome,
    SignedTransaction,
)

# Begins the reason of a call that the lifecycle contract refuses because it is paused.
PAUSED_ERROR = "LifeCycleCashFlowIsPaused"


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
class ReceiptEvidence:
    """What a batch's receipt holds: the contract's event, its transfers of the payment token by receiver.

    `redeemed`: base units of the security token burned, by holder; only of a cash-out. See `burned_tokens`.
    """

    event: ExecutionEvent | None
    transferred: Mapping[str, int]
    redeemed: Mapping[str, int | None] = field(default_factory=dict)


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


class CallKind(Enum):
    """What a call is, as far as we know its function."""

    TAKE_SNAPSHOT = "TAKE_SNAPSHOT"
    TRIGGER_SNAPSHOTS = "TRIGGER_SNAPSHOTS"
    PAY_BATCH = "PAY_BATCH"
    SWEEP = "SWEEP"
    SET_PAUSED = "SET_PAUSED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class RecognisedCall:
    """A decoded call: of PAY_BATCH the execution, of a SWEEP the receiver and the amount."""

    kind: CallKind
    execution: Execution | None = None
    sweep_to: str = ""
    sweep_base_units: int = 0


@dataclass(frozen=True, slots=True)
class SeenExecution:
    """An execution of a lifecycle contract by addresses, from its event; whoever sent it."""

    transaction_hash: str
    block_number: int
    event: ExecutionEvent


@dataclass(frozen=True, slots=True)
class SeenTransfer:
    """A transfer of the payment token out of a lifecycle contract."""

    transaction_hash: str
    block_number: int
    to: str
    amount_base_units: int


@dataclass(frozen=True, slots=True)
class EntitlementSource:
    """Where amounts come from that the asset computes: an action of it, or the principal of its live balances."""

    token: EvmAddress
    kind: PayoutKind
    # 0 for a redemption.
    action_id: int
    payment_token_decimals: int


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A dividend or coupon as the asset tells it; times in seconds since 1970."""

    record_time: int
    execution_time: int
    # 0 until something triggers the scheduled snapshot (docs/contract-surprises.md#16).
    snapshot_id: int
    is_cancelled: bool
    # False while a coupon's rate is pending.
    is_rate_set: bool = True


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

    def trigger_snapshots(self, token: EvmAddress) -> ContractCall:
        """The asset's triggerPendingScheduledCrossOrderedTasks(): anyone may call it."""
        ...

    def pay_batch(self, contract: EvmAddress, token: EvmAddress, execution: Execution) -> ContractCall:
        """The contract's call by addresses of the execution's kind."""
        ...

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: int) -> ContractCall:
        """The lifecycle contract's transferPaymentToken. Never for a payee: it sets no paid flag."""
        ...

    def set_paused(self, contract: EvmAddress, paused: bool) -> ContractCall:
        """The lifecycle contract's pause() or unpause(). Either reverts where it is so already."""
        ...

    def recognise(self, call: ContractCall) -> RecognisedCall:
        """What a call is. Touches no network."""
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

    async def was_paused(self, contract: EvmAddress, block_number: int) -> bool | None:
        """Whether it was at the end of a block; None where the node cannot tell.

        It cannot of a block from before the contract, nor of one whose state it does not keep any more.
        """
        ...

    async def holds_pauser_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may pause and unpause the contract."""
        ...

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may execute payouts."""
        ...

    async def holds_cash_out_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may execute redemptions."""
        ...

    async def holds_redeemer_role(self, token: EvmAddress, contract: EvmAddress) -> bool:
        """True if the lifecycle contract may redeem the bond's tokens, by version 7's or 8's role."""
        ...

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """True if the signer may move payment tokens out of the contract."""
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

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: int | None = None
    ) -> int:
        """Payment token of an account, base units, at a block (None: the newest)."""
        ...

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: str, amount_base_units: int
    ) -> str:
        """Simulates the token's transfer to a payee now: the token's error by name; empty when it would work."""
        ...

    async def executions(self, contract: EvmAddress, from_block: int, to_block: int) -> list[SeenExecution]:
        """The contract's executions by addresses in a range of blocks, oldest first, whoever sent them."""
        ...

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, from_block: int, to_block: int
    ) -> list[SeenTransfer]:
        """Transfers of the payment token out of the contract in a range of blocks, oldest first."""
        ...

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> int | None:
        """The snapshot id in the asset's SnapshotTaken event of a receipt; None when it has no such event."""
        ...

    async def snapshot_balances(
        self, token: EvmAddress, snapshot_id: int, holders: Sequence[str], block_number: int
    ) -> dict[str, int]:
        """Free balances of these holders at a snapshot, by holder; 0 for who held nothing."""
        ...

    async def corporate_action(
        self, token: EvmAddress, kind: PayoutKind, action_id: int, block_number: int | None = None
    ) -> CorporateAction | None:
        """A dividend or coupon at a block (None: the newest); None when the asset has none with this id.

        Raises AppError ASSET_VERSION_NOT_SUPPORTED: the asset has it as the lifecycle contract cannot read it.
        """
        ...

    async def maturity_time(self, token: EvmAddress) -> int | None:
        """When a bond matures, seconds since 1970; None when the asset is no bond."""
        ...

    async def entitled_count(self, source: EntitlementSource, block_number: int) -> int:
        """Holders of the action's list, or live holders, at a block; 0 before the record date."""
        ...

    async def entitled_page(
        self, source: EntitlementSource, page: int, length: int, block_number: int
    ) -> list[Entitlement]:
        """One page of that list in its order, with what each is owed as the contract would compute it (floor)."""
        ...

    async def entitlements(
        self, source: EntitlementSource, holders: Sequence[str], block_number: int | None = None
    ) -> list[Entitlement]:
        """What these holders are owed at a block (None: the newest), in their order."""
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

    async def live_balances(self, token: EvmAddress, holders: Sequence[str], block_number: int) -> dict[str, int]:
        """Free live balances of these holders at a block, by holder; 0 for who holds nothing."""
        ...

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress, token: EvmAddress
    ) -> ReceiptEvidence:
        """What a final receipt proves about a batch; `token` is the security token."""
        ...

    async def paid_flags(
        self,
        contract: EvmAddress,
        kind: ExecutionKind,
        reference_id: int,
        holders: Sequence[str],
        block_number: int,
    ) -> dict[str, bool]:
        """Each holder's paid flag at a block, from the contract's storage (docs/facts-contracts.md#paid-flags).

        False for all of a cash-out: it has none.
        """
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
