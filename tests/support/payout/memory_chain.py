"""A chain in memory: the asset, the lifecycle contract, the payment token, and a node that can misbehave."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from payout_service.application.chain_ports import (
    BroadcastAnswer,
    BroadcastResult,
    CallWouldRevertError,
    FeeCapReachedError,
    Head,
    Receipt,
    ReceiptEvidence,
)
from payout_service.domain.settlement import ExecutionEvent
from payout_service.domain.transaction import ContractCall, Fees, Outcome, SignedTransaction
from tests.support.payout.memory_database import MemoryDatabase

CHAIN_ID = 298
SIGNER = EvmAddress("0x" + "51" * 20)
TOKEN = EvmAddress("0x" + "aa" * 20)
PAYMENT_TOKEN = EvmAddress("0x" + "bb" * 20)
CONTRACT = EvmAddress("0x" + "cc" * 20)
IMPLEMENTATION = EvmAddress("0x" + "dd" * 20)
GAS_BASE, GAS_PER_PAYEE = 100_000, 60_000


def holder(number: int) -> str:
    return f"0x{number + 1:040x}"


@dataclass
class _Mined:
    """A receipt's content."""

    succeeded: bool
    snapshot_id: int | None = None
    evidence: ReceiptEvidence | None = None
    created: EvmAddress | None = None


@dataclass
class _State:
    """What blocks change; copied for each block, so that a reorg can take blocks back."""

    nonce: int = 0
    snapshots: dict[int, tuple[list[tuple[str, int]], int]] = field(default_factory=dict)
    paid: set[tuple[int, str]] = field(default_factory=set)
    money: Counter[str] = field(default_factory=Counter)
    mined: dict[str, tuple[int, _Mined]] = field(default_factory=dict)


class MemoryChain:
    """Rail and Contracts over one state. `mine` makes a block of what the pool holds in the order of nonces."""

    def __init__(self, database: MemoryDatabase, balances: Sequence[tuple[str, int]] = ()) -> None:
        self._database = database
        self.balances = list(balances)
        # Tokens that count in the supply and in nobody's free balance.
        self.frozen = 0
        self.genesis = "0x" + "00" * 32
        self.id_told = CHAIN_ID
        self.state = _State()
        self.blocks: list[tuple[str, _State]] = [(self.genesis, deepcopy(self.state))]
        self.pool: dict[int, bytes] = {}
        self.broadcasts: list[bytes] = []
        self.signed: list[int] = []
        self._forks = 0
        # What tests set.
        self.is_down = False
        self.faults: list[str] = []
        self.blocked_payees: set[str] = set()
        self.reverting_batches = 0
        self.reverting_snapshots = 0
        self.would_revert: Callable[[ContractCall], str] = lambda call: ""
        self.gas_of_creation = 1_000_000
        self.is_fee_above_cap = False
        self.pays_in = PAYMENT_TOKEN
        self.implementation: EvmAddress | None = IMPLEMENTATION
        self.paused = False
        self.has_payout_role = True
        self.has_snapshot_role = True
        self.is_for_asset: bool | None = True
        self.gas_money = 10**18
        self.short_pages_by = 0
        self.before_balance_answer: Callable[[], None] = lambda: None

    # ------------------------------------------------------------------------------------ what tests do

    def deposit(self, amount: int) -> None:
        """Money for the lifecycle contract, too deep in the chain for a reorg of two blocks."""
        self.state.money[CONTRACT.value] += amount
        self.mine(3)

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.blocks)
            while self.state.nonce in self.pool:
                raw = self.pool.pop(self.state.nonce)
                self.state.mined[_hash(raw)] = (number, self._execute(json.loads(raw)))
                self.state.nonce += 1
            digest = hashlib.sha256(f"{self.blocks[-1][0]}/{number}/{self._forks}".encode()).hexdigest()
            self.blocks.append(("0x" + digest, deepcopy(self.state)))

    def reorg(self, depth: int) -> None:
        """Takes blocks back; their transactions are gone, as anvil does it. As many empty ones follow."""
        self._forks += 1
        del self.blocks[-depth:]
        self.state = deepcopy(self.blocks[-1][1])
        self.pool.clear()
        self.mine(depth)

    def use_nonce_elsewhere(self) -> None:
        """Another program signs with the same key, and its transaction is mined."""
        other = {"nonce": self.state.nonce, "to": None, "data": "", "from": "elsewhere"}
        self.pool[self.state.nonce] = json.dumps(other).encode()
        self.mine()

    def money_of(self, account: str) -> int:
        return self.state.money[account]

    # ------------------------------------------------------------------------------------ Rail

    async def _ask(self) -> None:
        await self._database.turn()
        if self.is_down:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node does not answer")

    async def chain_id(self) -> int:
        await self._ask()
        return self.id_told

    async def genesis_hash(self) -> str:
        await self._ask()
        return self.genesis

    async def head(self) -> Head:
        await self._ask()
        return Head(len(self.blocks) - 1, self.blocks[-1][0])

    async def block_hash(self, number: int) -> str | None:
        await self._ask()
        return self.blocks[number][0] if number < len(self.blocks) else None

    async def nonce_at(self, signer: EvmAddress, block_number: int | None) -> int:
        await self._ask()
        return self.state.nonce if block_number is None else self.blocks[block_number][1].nonce

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        await self._ask()
        reason = self.would_revert(call)
        if reason:
            raise CallWouldRevertError(reason)
        if call.to is None:
            return self.gas_of_creation
        if call.to == TOKEN:
            return 150_000
        return GAS_BASE + GAS_PER_PAYEE * len(json.loads(call.data)["holders"])

    async def fees(self) -> Fees:
        await self._ask()
        if self.is_fee_above_cap:
            raise FeeCapReachedError("the chain asks for more")
        return Fees(2 * 10**9, 10**9)

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: int, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        # Every signature differs, as with another fee: signing twice would be seen.
        self.signed.append(nonce)
        to = call.to.value if call.to else None
        content = {"nonce": nonce, "to": to, "data": call.data.decode(), "signature": len(self.signed)}
        raw = json.dumps({**content, "gas": gas_limit}).encode()
        return SignedTransaction(raw, _hash(raw))

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        self._require_durable(raw)
        await self._ask()
        self.broadcasts.append(raw)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost before":
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the request got lost")
        if fault == "not taken":
            return BroadcastResult(BroadcastAnswer.NOT_TAKEN, "insufficient funds for gas")
        result = self._take(raw)
        if fault == "lost after":
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the reply got lost")
        return result

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        await self._ask()
        if transaction_hash not in self.state.mined:
            return None
        number, mined = self.state.mined[transaction_hash]
        outcome = Outcome(transaction_hash, number, self.blocks[number][0], 21_000, mined.created)
        return Receipt(mined.succeeded, outcome)

    def _require_durable(self, raw: bytes) -> None:
        """Nothing is broadcast whose signed bytes are not durable (design.md, 5.1)."""
        durable = [attempt.raw for intent in self._database.intents() for attempt in intent.attempts]
        assert raw in durable, "bytes were sent that the committed journal does not have"

    def _take(self, raw: bytes) -> BroadcastResult:
        nonce = json.loads(raw)["nonce"]
        if nonce < self.state.nonce:
            return BroadcastResult(BroadcastAnswer.NONCE_USED, "nonce too low")
        if self.pool.get(nonce) == raw:
            return BroadcastResult(BroadcastAnswer.ALREADY_KNOWN, "already known")
        if nonce in self.pool:
            return BroadcastResult(BroadcastAnswer.NOT_TAKEN, "replacement transaction underpriced")
        self.pool[nonce] = raw
        return BroadcastResult(BroadcastAnswer.ACCEPTED)

    def _execute(self, transaction: dict[str, object]) -> _Mined:
        if "from" in transaction:
            return _Mined(succeeded=True)
        if transaction["to"] is None:
            return _Mined(succeeded=True, created=EvmAddress(f"0x{0xC0DE00 + self.state.nonce:040x}"))
        if transaction["to"] == TOKEN.value:
            if self.reverting_snapshots:
                self.reverting_snapshots -= 1
                return _Mined(succeeded=False)
            snapshot_id = len(self.state.snapshots) + 1
            supply = sum(balance for _, balance in self.balances) + self.frozen
            self.state.snapshots[snapshot_id] = (list(self.balances), supply)
            return _Mined(succeeded=True, snapshot_id=snapshot_id)
        if self.reverting_batches:
            self.reverting_batches -= 1
            return _Mined(succeeded=False)
        return self._pay(json.loads(str(transaction["data"])))

    def _pay(self, call: dict[str, object]) -> _Mined:
        snapshot_id, total = int(str(call["snapshot"])), int(str(call["total"]))
        payees = call["holders"]
        assert isinstance(payees, list)
        balances, supply = self.state.snapshots[snapshot_id]
        by_holder = dict(balances)
        failed: list[str] = []
        paid: dict[str, int] = {}
        for payee in payees:
            amount = total * by_holder.get(payee, 0) // supply
            is_paid = (snapshot_id, payee) in self.state.paid
            if is_paid or payee in self.blocked_payees or self.state.money[CONTRACT.value] < amount:
                failed.append(payee)
                continue
            self.state.paid.add((snapshot_id, payee))
            self.state.money[CONTRACT.value] -= amount
            self.state.money[payee] += amount
            paid[payee] = amount
        event = ExecutionEvent(snapshot_id, tuple(payees), total, tuple(failed), paid)
        return _Mined(succeeded=True, evidence=ReceiptEvidence(event, dict(paid)))

    # ------------------------------------------------------------------------------------ Contracts

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, b"{}")

    def pay_batch(
        self,
        contract: EvmAddress,
        token: EvmAddress,
        snapshot_id: int,
        holders: Sequence[str],
        total_base_units: int,
    ) -> ContractCall:
        content = {"snapshot": snapshot_id, "holders": list(holders), "total": total_base_units}
        return ContractCall(contract, json.dumps(content).encode())

    async def has_code(self, address: EvmAddress) -> bool:
        await self._ask()
        return address == CONTRACT

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        await self._ask()
        return self.pays_in

    async def is_paused(self, contract: EvmAddress) -> bool:
        await self._ask()
        return self.paused

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask()
        return self.has_payout_role

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        await self._ask()
        return self.has_snapshot_role

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        await self._ask()
        return self.is_for_asset

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        await self._ask()
        return self.implementation

    async def gas_money_wei(self, account: EvmAddress) -> int:
        await self._ask()
        return self.gas_money

    async def payment_token_balance(self, token: EvmAddress, account: EvmAddress) -> int:
        await self._ask()
        balance = self.state.money[account.value]
        self.before_balance_answer()
        return balance

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> int | None:
        await self._ask()
        return self.state.mined[transaction_hash][1].snapshot_id

    async def snapshot_totals(self, token: EvmAddress, snapshot_id: int, block_number: int) -> tuple[int, int]:
        await self._ask()
        balances, supply = self.blocks[block_number][1].snapshots[snapshot_id]
        return len(balances), supply

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: int, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        await self._ask()
        rows = self.blocks[block_number][1].snapshots[snapshot_id][0][page * length : (page + 1) * length]
        return rows[: len(rows) - self.short_pages_by]

    async def live_totals(self, token: EvmAddress, block_number: int) -> tuple[int, int]:
        await self._ask()
        return len(self.balances), sum(balance for _, balance in self.balances) + self.frozen

    async def live_page(
        self, token: EvmAddress, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        await self._ask()
        return self.balances[page * length : (page + 1) * length]

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress
    ) -> ReceiptEvidence:
        await self._ask()
        return self.state.mined[transaction_hash][1].evidence or ReceiptEvidence(None, {})

    async def paid_flags(
        self, contract: EvmAddress, snapshot_id: int, holders: Sequence[str], block_number: int
    ) -> dict[str, bool]:
        await self._ask()
        paid = self.blocks[block_number][1].paid
        return {each: (snapshot_id, each) in paid for each in holders}


def _hash(raw: bytes) -> str:
    return "0x" + hashlib.sha256(raw).hexdigest()
