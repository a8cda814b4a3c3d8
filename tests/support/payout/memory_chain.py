"""Implements the ports to the chain (the rail and the contracts) over a node in memory."""

from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from types import coroutine

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, Nonce, SnapshotId, TokenUnits, Wei
from libs.errors import AppError, Reason
from libs.evm.interfaces import LIFECYCLE_IS_PAUSED
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.lifecycle_contract import ReceiptEvidence, SeenExecution
from payout_service.application.ports.payment_token import SeenTransfer
from payout_service.application.ports.rail import CallWouldRevertError, Head, Receipt, SeenTransaction
from payout_service.application.ports.security_token import CorporateAction, EntitlementSource
from payout_service.application.ports.sender import BroadcastResult
from payout_service.domain.fees import FeeQuote, Fees
from payout_service.domain.plan import Entitlement
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.transaction import ContractCall, Outcome, SignedTransaction
from tests.support.payout.memory_contract import (
    CHAIN_ID,
    CONTRACT,
    GAS_BASE,
    GAS_PER_PAYEE,
    IMPLEMENTATION,
    OTHER_SIGNER,
    PAYMENT_TOKEN,
    PAYMENT_TOKEN_DECIMALS,
    SIGNER,
    STRANGER,
    TOKEN,
    TREASURER,
    Mined,
    State,
)
from tests.support.payout.memory_database import MemoryDatabase
from tests.support.payout.memory_issuer import MemoryIssuer
from tests.support.payout.memory_node import GWEI, Block

__all__ = [
    "CHAIN_ID",
    "CONTRACT",
    "GAS_BASE",
    "GAS_PER_PAYEE",
    "GWEI",
    "IMPLEMENTATION",
    "OTHER_SIGNER",
    "PAYMENT_TOKEN",
    "SIGNER",
    "STRANGER",
    "TOKEN",
    "TREASURER",
    "MemoryChain",
    "holder",
]


def holder(number: int) -> HolderAddress:
    return HolderAddress(f"0x{number + 1:040x}")


class MemoryChain(MemoryIssuer):
    """The chain of a node in memory. With a database, it refuses bytes that the committed journal lacks."""

    def __init__(
        self, database: MemoryDatabase | None = None, balances: Sequence[tuple[HolderAddress, int]] = ()
    ) -> None:
        super().__init__(database, balances)
        self.id_told = CHAIN_ID
        self.short_pages_by = 0
        # The node has forgotten how earlier blocks left the contracts.
        self.oldest_state = 0
        self.before_balance_answer: Callable[[], None] = lambda: None
        # How many blocks behind the newest an answer is; asked for each question.
        self.lag_of: Callable[[], int] = lambda: 0
        # Called with the name of each question; may raise.
        self.before_answer: Callable[[str], None] = lambda question: None

    @coroutine
    def _ask(self, question: str) -> Generator[None, None, list[Block]]:
        """Returns the blocks that the node knows when it answers."""
        for _ in range(self._database.pauses.at_turn() if self._database is not None else 0):
            yield
        self.before_answer(question)
        if self.is_down:
            self.happened["rpc_down"] += 1
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node does not answer")
        lag = min(self.lag_of(), len(self.blocks) - 1)
        if not lag:
            return self.blocks
        self.happened["node_lag"] += 1
        return self.blocks[:-lag]

    # ------------------------------------------------------------------------------------ Rail

    async def chain_id(self) -> int:
        await self._ask("chain_id")
        self.happened["wrong_chain"] += self.id_told != CHAIN_ID
        return self.id_told

    async def genesis_hash(self) -> str:
        await self._ask("genesis_hash")
        return self.genesis

    async def head(self) -> Head:
        blocks = await self._ask("head")
        return Head(BlockNumber(len(blocks) - 1), blocks[-1].hash, blocks[-1].timestamp)

    async def block_hash(self, number: int) -> str | None:
        blocks = await self._ask("block_hash")
        return blocks[number].hash if number < len(blocks) else None

    async def nonce_at(self, signer: EvmAddress, block_number: BlockNumber | None) -> Nonce:
        blocks = await self._ask("nonce_at")
        return Nonce(_state_at(blocks, block_number).nonces.get(signer, 0))

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        blocks = await self._ask("estimate_gas")
        reason = self.would_revert(call) or self.why_reverts(call, blocks[-1].seen)
        if reason:
            raise CallWouldRevertError(reason, is_by_pause=reason.startswith(LIFECYCLE_IS_PAUSED.name))
        return self.gas_of(call)

    async def fee_quote(self) -> FeeQuote:
        await self._ask("fee_quote")
        if self.is_legacy:
            return FeeQuote(Wei(self.base_fee + self.tip))
        return FeeQuote(
            Wei(self.base_fee + self.tip), base_fee_wei=Wei(self.base_fee), priority_fee_wei=Wei(self.tip)
        )

    async def transaction_with_nonce(self, signer: EvmAddress, nonce: int) -> SeenTransaction | None:
        blocks = await self._ask("transaction_with_nonce")
        state = blocks[-1].state
        transaction_hash = state.by_nonce.get((signer, nonce))
        if transaction_hash is None:
            return None
        mined = state.mined[transaction_hash]
        return SeenTransaction(
            transaction_hash=transaction_hash,
            block_number=BlockNumber(mined.block_number),
            block_hash=blocks[mined.block_number].hash,
            block_time=blocks[mined.block_number].time,
            gas_used=mined.gas_used,
            succeeded=mined.succeeded,
            call=mined.transaction.call,
        )

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: int, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        made = self.make(signer, call, chain_id, nonce, gas_limit, fees)
        return SignedTransaction(made.raw, made.hash)

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        self._require_durable(raw)
        await self._ask("broadcast")
        return self.send(raw)

    def _require_durable(self, raw: bytes) -> None:
        """Checks that the signed bytes that are broadcast are in the committed journal
        (docs/architecture.md#sending).
        """
        if self._database is None:
            return
        transaction = self._decoded_transactions[raw]
        intent_id = self._database.rows("attempt").get(transaction.hash)
        intent = self._database.rows("intent").get(intent_id)
        durable = [attempt.raw for attempt in intent.attempts] if intent else []
        assert raw in durable, "bytes were sent that the committed journal does not have"

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        blocks = await self._ask("find_receipt")
        mined = blocks[-1].state.mined.get(transaction_hash)
        if mined is None:
            return None
        number = mined.block_number
        outcome = Outcome(
            transaction_hash, BlockNumber(number), blocks[number].hash, mined.gas_used, mined.created
        )
        return Receipt(mined.succeeded, outcome)

    # ------------------------------------------------------------------------------------ Contracts

    async def has_code(self, address: EvmAddress) -> bool:
        await self._ask("has_code")
        return address == CONTRACT

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        await self._ask("payment_token_of")
        return self.pays_in

    async def is_paused(self, contract: EvmAddress) -> bool:
        blocks = await self._ask("is_paused")
        self.happened["contract_paused"] += blocks[-1].state.paused
        return blocks[-1].state.paused

    async def was_paused(self, contract: EvmAddress, block_number: int) -> bool | None:
        blocks = await self._ask("was_paused")
        if block_number < self.oldest_state or block_number >= len(blocks):
            return None
        return blocks[block_number].state.paused

    async def holds_pauser_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask("holds_pauser_role")
        return self.has_pauser_role

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask("holds_payout_role")
        return self.has_payout_role

    async def holds_cash_out_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask("holds_cash_out_role")
        return self.has_cash_out_role

    async def holds_redeemer_role(self, token: EvmAddress, contract: EvmAddress) -> bool:
        await self._ask("holds_redeemer_role")
        return self.has_redeemer_role

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask("holds_transferer_role")
        return self.has_transferer_role

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask("holds_snapshot_role")
        return self.has_snapshot_role

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        blocks = await self._ask("is_contract_of")
        return None if blocks[-1].state.paused else self.is_for_asset

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        await self._ask("implementation_of")
        return self.implementation

    async def gas_money_wei(self, account: EvmAddress) -> Wei:
        await self._ask("gas_money_wei")
        return self.gas_money

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: BlockNumber | None = None
    ) -> BaseUnits:
        blocks = await self._ask("payment_token_balance")
        balance = _state_at(blocks, block_number).money.get(account.value, 0)
        self.before_balance_answer()
        return BaseUnits(balance)

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: HolderAddress, amount_base_units: int
    ) -> str:
        blocks = await self._ask("why_refused")
        if payee in self.blocked_payees:
            return f"AccountBlacklisted({payee})"
        balance = blocks[-1].state.money.get(contract.value, 0)
        is_short = balance < amount_base_units
        return f"InsufficientBalance({contract}, {balance}, {amount_base_units})" if is_short else ""

    async def executions(self, contract: EvmAddress, from_block: int, to_block: int) -> list[SeenExecution]:
        blocks = await self._ask("executions")
        return [each for block in blocks[from_block : to_block + 1] for each in block.executions]

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, from_block: int, to_block: int
    ) -> list[SeenTransfer]:
        blocks = await self._ask("outgoing_transfers")
        return [each for block in blocks[from_block : to_block + 1] for each in block.transfers]

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> SnapshotId | None:
        return (await self._mined(transaction_hash, "snapshot_id_in")).snapshot_id

    async def snapshot_totals(
        self, token: EvmAddress, snapshot_id: int, block_number: int
    ) -> tuple[int, TokenUnits]:
        blocks = await self._ask("snapshot_totals")
        snapshot = _state_at(blocks, block_number).snapshots[snapshot_id]
        return len(snapshot.rows), snapshot.supply

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: int, page: int, length: int, block_number: int
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        blocks = await self._ask("snapshot_page")
        snapshot = _state_at(blocks, block_number).snapshots[snapshot_id]
        rows = list(snapshot.rows[page * length : (page + 1) * length])
        return rows[: len(rows) - self.short_pages_by]

    async def snapshot_balances(
        self, token: EvmAddress, snapshot_id: int, holders: Sequence[HolderAddress], block_number: int
    ) -> dict[HolderAddress, TokenUnits]:
        blocks = await self._ask("snapshot_balances")
        balances = _state_at(blocks, block_number).snapshots[snapshot_id].balances
        return {each: balances.get(each, TokenUnits(0)) for each in holders}

    async def live_totals(self, token: EvmAddress, block_number: int) -> tuple[int, TokenUnits]:
        blocks = await self._ask("live_totals")
        state = _state_at(blocks, block_number)
        return len(state.holdings), state.supply

    async def live_page(
        self, token: EvmAddress, page: int, length: int, block_number: int
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        blocks = await self._ask("live_page")
        return _state_at(blocks, block_number).holdings[page * length : (page + 1) * length]

    async def live_balances(
        self, token: EvmAddress, holders: Sequence[HolderAddress], block_number: int
    ) -> dict[HolderAddress, TokenUnits]:
        blocks = await self._ask("live_balances")
        state = _state_at(blocks, block_number)
        return {each: state.free(each) for each in holders}

    async def corporate_action(
        self, token: EvmAddress, kind: PayoutKind, action_id: int, block_number: BlockNumber | None = None
    ) -> CorporateAction | None:
        blocks = await self._ask("corporate_action")
        if not kind.is_corporate_action:
            raise ValueError(f"{kind} is no corporate action")
        action = _state_at(blocks, block_number).actions.get(action_id) if kind is self.action_kind else None
        if action is None:
            return None
        return CorporateAction(
            record_time=action.record_time,
            execution_time=action.execution_time,
            snapshot_id=action.snapshot_id,
            is_cancelled=action.is_cancelled,
            is_rate_set=action.per_token is not None,
        )

    async def maturity_time(self, token: EvmAddress) -> int | None:
        await self._ask("maturity_time")
        return self.bond.maturity_time if self.bond else None

    async def entitled_count(self, source: EntitlementSource, block_number: BlockNumber) -> int:
        blocks = await self._ask("entitled_count")
        return len(self._entitled(source, _state_at(blocks, block_number)))

    async def entitled_page(
        self, source: EntitlementSource, page: int, length: int, block_number: int
    ) -> list[Entitlement]:
        blocks = await self._ask("entitled_page")
        state = _state_at(blocks, block_number)
        holders = self._entitled(source, state)[page * length : (page + 1) * length]
        return [
            self._entitlement(source, HolderAddress(each), state)
            for each in holders[: len(holders) - self.short_pages_by]
        ]

    async def entitlements(
        self, source: EntitlementSource, holders: Sequence[HolderAddress], block_number: BlockNumber | None = None
    ) -> list[Entitlement]:
        blocks = await self._ask("entitlements")
        state = _state_at(blocks, block_number)
        return [self._entitlement(source, each, state) for each in holders]

    def _entitled(self, source: EntitlementSource, state: State) -> Sequence[str]:
        if source.kind is PayoutKind.REDEMPTION:
            return [each for each, _ in state.holdings]
        return state.entitled(state.actions[source.action_id])

    def _entitlement(self, source: EntitlementSource, payee: HolderAddress, state: State) -> Entitlement:
        assert source.payment_token_decimals == PAYMENT_TOKEN_DECIMALS
        if source.kind is PayoutKind.REDEMPTION:
            assert self.bond, "an equity has no principal"
            free, whole = state.free(payee), state.whole(payee)
            obstacle = f"{whole - free} of {whole} tokens are frozen" if whole > free else ""
            is_overpaid = bool(obstacle) and self.bond.pays_for_frozen
            told_of = whole if self.bond.pays_for_frozen else free
            per_token = Fraction(self.bond.principal_per_token) if told_of else None
            return Entitlement(
                payee,
                free,
                state.principal(self.bond, payee),
                obstacle,
                is_overpaid,
                per_token_base_units=per_token,
            )
        assert source.kind is self.action_kind, f"the asset has no {source.kind}"
        action = state.actions[source.action_id]
        if self._is_cancelled_coupon(action):
            return Entitlement(payee, TokenUnits(0), BaseUnits(0))
        return Entitlement(payee, state.balance_for(action, payee), state.owed(action, payee))

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress, token: EvmAddress
    ) -> ReceiptEvidence:
        mined = await self._mined(transaction_hash, "receipt_evidence")
        return mined.evidence or ReceiptEvidence(None, {})

    async def paid_flags(
        self,
        contract: EvmAddress,
        kind: ExecutionKind,
        reference_id: int,
        holders: Sequence[HolderAddress],
        block_number: int,
    ) -> dict[HolderAddress, bool]:
        blocks = await self._ask("paid_flags")
        flags = _state_at(blocks, block_number).flags(kind) or {}
        return {each: (reference_id, each) in flags for each in holders}

    async def _mined(self, transaction_hash: str, question: str) -> Mined:
        """Returns a mined transaction.

        Raises AppError CHAIN_UNAVAILABLE where the node lacks a receipt that was there.
        """
        blocks = await self._ask(question)
        mined = blocks[-1].state.mined.get(transaction_hash)
        if mined is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node has no receipt of {transaction_hash}")
        return mined


def _state_at(blocks: list[Block], number: int | None) -> State:
    """Returns the state at a block. Raises AppError CHAIN_UNAVAILABLE for a block that the node does not have."""
    if number is not None and number >= len(blocks):
        raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not know block {number}")
    return blocks[-1 if number is None else number].seen
