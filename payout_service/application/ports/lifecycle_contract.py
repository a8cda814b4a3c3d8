"""The port to the lifecycle contract: its calls that pay, its roles, its pause, and what it has executed.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, TokenUnits
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind
from payout_service.domain.transaction import ContractCall


@dataclass(frozen=True, slots=True)
class ReceiptEvidence:
    """What a batch's receipt contains: the contract's event, its transfers of the payment token by receiver.

    `redeemed`: base units of the security token burned, by holder; only of a cash-out. See `burned_tokens`.
    """

    event: ExecutionEvent | None
    transferred: Mapping[HolderAddress, BaseUnits]
    redeemed: Mapping[HolderAddress, TokenUnits | None] = field(default_factory=dict)


class CallKind(Enum):
    """The kinds of calls, as far as we know the function."""

    TAKE_SNAPSHOT = "TAKE_SNAPSHOT"
    TRIGGER_SNAPSHOTS = "TRIGGER_SNAPSHOTS"
    PAY_BATCH = "PAY_BATCH"
    SWEEP = "SWEEP"
    SET_PAUSED = "SET_PAUSED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class RecognisedCall:
    """A decoded call. PAY_BATCH has an execution, SWEEP a receiver and an amount."""

    kind: CallKind
    execution: Execution | None = None
    sweep_to: str = ""
    sweep_base_units: BaseUnits = BaseUnits(0)


@dataclass(frozen=True, slots=True)
class SeenExecution:
    """An execution of a lifecycle contract by addresses, read from its event, whoever sent it."""

    transaction_hash: str
    block_number: BlockNumber
    event: ExecutionEvent


class LifecycleContractPort(Protocol):
    """Makes calls to send to the lifecycle contract, and reads it for payouts."""

    def pay_batch(self, contract: EvmAddress, token: EvmAddress, execution: Execution) -> ContractCall:
        """Returns the call that pays payees by their addresses, for the execution's kind."""
        ...

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: BaseUnits) -> ContractCall:
        """Returns the call of transferPaymentToken. Never use it for a payee: it sets no paid flag."""
        ...

    def set_paused(self, contract: EvmAddress, paused: bool) -> ContractCall:
        """Returns the call of pause() or unpause(). Either reverts where the contract is so already."""
        ...

    def recognise(self, call: ContractCall) -> RecognisedCall:
        """Returns what a call is. Uses no network."""
        ...

    async def has_code(self, address: EvmAddress) -> bool:
        """Returns True if there is a contract at the address."""
        ...

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        """Returns the lifecycle contract's payment token; None when it is no lifecycle contract."""
        ...

    async def is_paused(self, contract: EvmAddress) -> bool:
        """Returns True if the lifecycle contract is paused."""
        ...

    async def was_paused(self, contract: EvmAddress, block_number: BlockNumber) -> bool | None:
        """Returns whether it was paused at the end of a block; None where the node cannot tell.

        It cannot of a block from before the contract, nor of one whose state it does not keep any more.
        """
        ...

    async def holds_pauser_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """Returns True if the signer may pause and unpause the contract."""
        ...

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """Returns True if the signer may execute payouts."""
        ...

    async def holds_cash_out_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """Returns True if the signer may execute redemptions."""
        ...

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """Returns True if the signer may move payment tokens out of the contract."""
        ...

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        """Returns whether the contract was made for this asset; None while an earlier guard refuses the check."""
        ...

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        """Returns the code behind a proxy (EIP-1967); None when the contract is no proxy."""
        ...

    async def executions(
        self, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenExecution]:
        """Returns the executions by addresses in a range of blocks, oldest first, whoever sent them."""
        ...

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress, token: EvmAddress
    ) -> ReceiptEvidence:
        """Returns what a final receipt proves about a batch. `token` is the security token."""
        ...

    async def paid_flags(
        self,
        contract: EvmAddress,
        kind: ExecutionKind,
        reference_id: int,
        holders: Sequence[HolderAddress],
        block_number: BlockNumber,
    ) -> dict[HolderAddress, bool]:
        """Returns each holder's paid flag at a block, from storage (docs/facts-contracts.md#paid-flags).

        False for all of a cash-out: it has none.
        """
        ...
