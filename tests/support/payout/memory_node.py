"""A node in memory: blocks, a pool with a fee market (or a relay without one), forks, and failures."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, TokenUnits, Wei
from libs.errors import AppError, Reason
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.application.ports.payment_token import SeenTransfer
from payout_service.application.ports.sender import BroadcastAnswer, BroadcastResult
from payout_service.domain.fees import Fees
from payout_service.domain.settlement import Execution
from payout_service.domain.transaction import ContractCall
from tests.support.payout.amounts import tokens
from tests.support.payout.memory_contract import (
    CONTRACT,
    SIGNER,
    STRANGER,
    TOKEN,
    MemoryContracts,
    Mined,
    State,
    Transaction,
)
from tests.support.payout.memory_database import START, MemoryDatabase

GWEI = 10**9
BLOCK_GAS_LIMIT = 30_000_000
_ELSEWHERE = "0x" + "99" * 20
_Lane = tuple[EvmAddress, int]


@dataclass(frozen=True, slots=True)
class External:
    """Something that others do in a block, with a state of its own. A fork does it again."""

    act: Callable[["Block"], None]
    hash: str


@dataclass(slots=True)
class Block:
    """The content of a block. `state` is the state after it."""

    hash: str
    state: State
    base_fee: int
    time: datetime
    transactions: list[Transaction] = field(default_factory=list)
    externals: list[External] = field(default_factory=list)
    executions: list[SeenExecution] = field(default_factory=list)
    transfers: list[SeenTransfer] = field(default_factory=list)
    # Seconds since 1970.
    timestamp: int = field(init=False)

    def __post_init__(self) -> None:
        self.timestamp = int(self.time.timestamp())

    @property
    def seen(self) -> State:
        """Returns a copy of the state to read, as the contracts see it at this block's time."""
        return self.state.seen_at(self.timestamp)


class MemoryNode(MemoryContracts):
    """A node whose blocks are made by `mine`.

    What happens to transactions is counted in `happened` when it takes effect.
    """

    def __init__(
        self, database: MemoryDatabase | None = None, balances: Sequence[tuple[HolderAddress, int]] = ()
    ) -> None:
        super().__init__()
        self._database = database
        self.genesis = "0x" + "00" * 32
        # The clock that blocks are stamped by.
        self.now: Callable[[], datetime] = lambda: START
        self.blocks = [Block(self.genesis, State(holdings=tokens(balances)), GWEI, START)]
        self.pool: dict[_Lane, Transaction] = {}
        # A relay's accepted transactions, in their order.
        self.accepted: list[Transaction] = []
        # Bytes on their way whose sender has given up waiting.
        self.late: list[bytes] = []
        self.broadcasts: list[bytes] = []
        self.signed: list[int] = []
        # What tests set.
        self.is_relay = False
        self.is_legacy = False
        self.base_fee = GWEI
        self.tip = GWEI
        self.refuses_below_base_fee = False
        self.is_stuck = False
        self.is_down = False
        self.faults: list[str] = []
        self.fault_of: Callable[[bytes], str] = lambda raw: ""
        self._queued: list[External] = []
        self._decoded_transactions: dict[bytes, Transaction] = {}
        self._forks = 0
        self._externals = 0
        self._delayed: set[str] = set()
        self._done_before: dict[str, Mined] = {}

    @property
    def state(self) -> State:
        """The state after the newest block."""
        return self.blocks[-1].state

    @property
    def balances(self) -> list[tuple[HolderAddress, TokenUnits]]:
        """The free balances in the newest block, in the order of the asset's list. A test may change them."""
        return self.state.holdings

    @balances.setter
    def balances(self, balances: Sequence[tuple[HolderAddress, int]]) -> None:
        self.state.holdings = tokens(balances)

    @property
    def frozen(self) -> int:
        """The tokens that count in the supply but in nobody's free balance.

        A test may set those of unlisted holders.
        """
        return self.state.unlisted + sum(self.state.frozen.values())

    @frozen.setter
    def frozen(self, amount: int) -> None:
        self.state.unlisted = amount

    @property
    def paused(self) -> bool:
        """Whether the lifecycle contract is paused in the newest block. A test may change it at once."""
        return self.state.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self.state.paused = paused

    # ------------------------------------------------------------------------------------ what tests do

    def deposit(self, amount: int) -> None:
        """Deposits money in the lifecycle contract, too deep in the chain for a reorg of two blocks."""
        self.move_money(amount)
        self.mine(3)

    def move_money(self, amount: int) -> None:
        """Moves money into the lifecycle contract or (below zero) lets others take it out, with the next block."""
        self.happen(lambda block, transaction_hash: self._move_money(block, transaction_hash, amount))

    def happen(self, act: Callable[[Block, str], None]) -> None:
        """Lets others do something in the next block, by a transaction of their own; again after a reorg."""
        self._externals += 1
        transaction_hash = f"0xe{self._externals:063x}"
        self._queued.append(External(lambda block: act(block, transaction_hash), transaction_hash))

    def pause_elsewhere(self, paused: bool) -> None:
        """Lets somebody else with the role pause or unpause the lifecycle contract, with the next block."""

        def act(block: Block, _: str) -> None:
            block.state.paused = paused

        self.happen(act)

    def _move_money(self, block: Block, transaction_hash: str, amount: int) -> None:
        if amount >= 0:
            self.happened["deposit"] += transaction_hash not in self._delayed
            self._delayed.add(transaction_hash)
            block.state.move(_ELSEWHERE, CONTRACT.value, amount)
            return
        taken = min(-amount, block.state.money.get(CONTRACT.value, 0))
        block.state.move(CONTRACT.value, _ELSEWHERE, taken)
        block.transfers.append(
            SeenTransfer(transaction_hash, BlockNumber(len(self.blocks)), _ELSEWHERE, BaseUnits(taken))
        )

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            block = Block(f"0x{self._forks:08x}{len(self.blocks):056x}", self.state, self.base_fee, self.now())
            self._begin(block)
            if self.is_stuck:
                self.happened["stuck_transaction"] += self._note_delayed(block.state, "stuck")
            elif self.is_relay:
                self._execute_accepted(block)
            else:
                self._execute_pool(block)
            self.blocks.append(block)

    def reorg(self, depth: int, *, remine: bool = False, empty: int | None = None) -> None:
        """Takes blocks back. As many empty ones follow (or `empty`).

        Their transactions are gone and the pool is empty, as anvil does it; with `remine` they are in the pool
        and the next blocks may have them. What others did happens again at once.
        """
        removed = self.blocks[-depth:]
        del self.blocks[-depth:]
        self._forks += 1
        transactions = [each for block in removed for each in block.transactions]
        self._queued[:0] = [each for block in removed for each in block.externals]
        if remine:
            for block in removed:
                for each in block.transactions:
                    self._done_before[each.hash] = block.state.mined[each.hash]
            if self.is_relay:
                self.accepted[:0] = transactions
            self.pool.update({(each.signer, each.nonce): each for each in transactions})
        else:
            self.happened["reorg_drop"] += bool(transactions)
            self.pool.clear()
            self.accepted.clear()
        was_stuck, self.is_stuck = self.is_stuck, True
        self.mine(depth if empty is None else empty)
        self.is_stuck = was_stuck

    def use_nonce_elsewhere(self, call: ContractCall | None = None, signer: EvmAddress = SIGNER) -> None:
        """Lets another program sign with our key, and mines its transaction."""
        self.sign_elsewhere(call, signer)
        self.mine()

    def sign_elsewhere(self, call: ContractCall | None = None, signer: EvmAddress = SIGNER) -> None:
        """Lets another program sign with our key. Its transaction takes the place of ours in the next block."""
        self._sign_elsewhere(call, signer, self.state.nonces.get(signer, 0), is_foreign=True)

    def pay_elsewhere(self, execution: Execution) -> None:
        """Lets somebody else with the role execute the lifecycle contract, with a key that is not ours."""
        nonce = self.state.nonces.get(STRANGER, 0)
        while (STRANGER, nonce) in self.pool:
            nonce += 1
        self._sign_elsewhere(self.pay_batch(CONTRACT, TOKEN, execution), STRANGER, nonce, is_foreign=False)

    def _sign_elsewhere(
        self, call: ContractCall | None, signer: EvmAddress, nonce: int, *, is_foreign: bool
    ) -> None:
        self._forks += 1
        raw = json.dumps({"foreign": self._forks, "nonce": nonce, "signer": signer.value}).encode()
        other = Transaction(
            signer,
            nonce,
            call or ContractCall(signer, b""),
            10_000_000,
            Fees(max_fee_per_gas_wei=Wei(10**15), max_priority_fee_per_gas_wei=Wei(10**12)),
            raw,
            _hash(raw),
            is_foreign=is_foreign,
        )
        self._decoded_transactions[raw] = other
        if self.is_relay:
            # Before ours, whose place it takes.
            self.accepted.insert(0 if is_foreign else len(self.accepted), other)
        self.pool[signer, nonce] = other

    def evict(self, lane: _Lane) -> None:
        """Drops a transaction from the pool."""
        if self.pool.pop(lane, None):
            self.happened["dropped_transaction"] += 1

    def deliver_late(self, index: int = 0) -> None:
        """Delivers a request whose sender has given up waiting."""
        self.happened["late_request"] += 1
        self.take(self.late.pop(index))

    def money_of(self, account: str) -> int:
        return self.state.money.get(account, 0)

    # ------------------------------------------------------------------------------------ broadcasts

    def make(
        self, signer: EvmAddress, call: ContractCall, chain_id: int, nonce: int, gas: int, fees: Fees
    ) -> Transaction:
        """Signs a transaction. Every signature differs, so that signing twice would be seen."""
        self.signed.append(nonce)
        content = {
            "chain": chain_id,
            "from": signer.value,
            "nonce": nonce,
            "to": call.to.value if call.to else None,
            "data": call.data.decode(),
            "gas": gas,
            "signature": len(self.signed),
        }
        raw = json.dumps(content).encode()
        made = Transaction(signer, nonce, call, gas, fees, raw, _hash(raw))
        self._decoded_transactions[raw] = made
        return made

    def send(self, raw: bytes) -> BroadcastResult:
        """Broadcasts a transaction, with what happens to it on its way."""
        self.broadcasts.append(raw)
        fault = self.faults.pop(0) if self.faults else self.fault_of(raw)
        match fault:
            case "lost before":
                self.happened["lost_request"] += 1
                raise AppError(Reason.CHAIN_UNAVAILABLE, "the request got lost")
            case "late":
                self.late.append(raw)
                raise AppError(Reason.CHAIN_UNAVAILABLE, "no reply in time")
            case "not taken":
                return BroadcastResult(BroadcastAnswer.NOT_TAKEN, "insufficient funds for gas")
        result = self.take(raw)
        if fault == "twice":
            self.happened["duplicate_broadcast"] += 1
            result = self.take(raw)
        if fault == "lost after":
            self.happened["lost_reply"] += 1
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the reply got lost")
        return result

    def take(self, raw: bytes) -> BroadcastResult:
        """Returns what the node says to signed bytes, and acts on them."""
        transaction = self._decoded_transactions[raw]
        next_nonce = self.state.nonces.get(transaction.signer, 0)
        if transaction.nonce < next_nonce:
            return BroadcastResult(BroadcastAnswer.NONCE_USED, "nonce too low")
        if transaction.gas > BLOCK_GAS_LIMIT:
            return BroadcastResult(BroadcastAnswer.NEVER_FITS, "exceeds block gas limit")
        return self._relay(transaction, next_nonce) if self.is_relay else self._pool(transaction)

    def _relay(self, transaction: Transaction, next_nonce: int) -> BroadcastResult:
        """Acts as a relay, which has no pool and takes only the very next nonce.

        It may report success for what is never executed.
        """
        if any(each.hash == transaction.hash for each in self.accepted):
            return BroadcastResult(BroadcastAnswer.ALREADY_KNOWN, "already known")
        if transaction.nonce > next_nonce:
            self.happened["nonce_gap_refused"] += 1
            return BroadcastResult(BroadcastAnswer.NONCE_GAP, "nonce too high")
        if transaction.fees.max_fee_per_gas_wei < self._asked():
            return BroadcastResult(BroadcastAnswer.FEE_TOO_LOW, "gas price below configured minimum")
        self.accepted.append(transaction)
        return BroadcastResult(BroadcastAnswer.ACCEPTED)

    def _pool(self, transaction: Transaction) -> BroadcastResult:
        lane = (transaction.signer, transaction.nonce)
        there = self.pool.get(lane)
        if there is not None and there.hash == transaction.hash:
            return BroadcastResult(BroadcastAnswer.ALREADY_KNOWN, "already known")
        if there is not None and not _is_a_tenth_more(transaction, there):
            return BroadcastResult(BroadcastAnswer.FEE_TOO_LOW, "replacement transaction underpriced")
        if self.refuses_below_base_fee and transaction.fees.max_fee_per_gas_wei < self._asked():
            return BroadcastResult(BroadcastAnswer.FEE_TOO_LOW, "max fee per gas less than block base fee")
        if there is not None:
            self.happened["replaced_transaction"] += 1
        self.pool[lane] = transaction
        return BroadcastResult(BroadcastAnswer.ACCEPTED)

    def _asked(self) -> int:
        return self.base_fee + self.tip if self.is_legacy else self.base_fee

    # ------------------------------------------------------------------------------------ blocks

    def _begin(self, block: Block) -> None:
        if not self._queued:
            return
        self._own_state(block)
        for each in self._queued:
            each.act(block)
            block.externals.append(each)
        self._queued.clear()

    def _own_state(self, block: Block) -> None:
        """Gives a block a state of its own before it changes anything. Until then it shares the previous one."""
        if block.state is self.state:
            block.state = self.state.copy(block.timestamp)

    def _execute_accepted(self, block: Block) -> None:
        waiting, self.accepted = self.accepted, []
        for each in waiting:
            if each.nonce == block.state.nonces.get(each.signer, 0):
                self.pool.pop((each.signer, each.nonce), None)
                self._execute_in(block, each)

    def _execute_pool(self, block: Block) -> None:
        if not self.pool:
            return
        self.happened["fee_spike"] += self._note_delayed(block.state, "fee")
        for signer in dict.fromkeys(lane[0] for lane in sorted(self.pool, key=lambda lane: lane[0].value)):
            while True:
                lane = (signer, block.state.nonces.get(signer, 0))
                transaction = self.pool.get(lane)
                if transaction is None or not self._is_mined_at(transaction):
                    break
                del self.pool[lane]
                self._execute_in(block, transaction)
        for lane in [each for each in self.pool if each[1] < block.state.nonces.get(each[0], 0)]:
            del self.pool[lane]

    def _is_mined_at(self, transaction: Transaction) -> bool:
        return transaction.fees.max_fee_per_gas_wei >= self._asked()

    def _note_delayed(self, state: State, why: str) -> int:
        """Notes transactions whose turn it is and that this block leaves out. Each counts once per reason."""
        found = 0
        for (signer, nonce), each in self.pool.items():
            is_its_turn = nonce == state.nonces.get(signer, 0)
            key = f"{why} {each.hash}"
            if is_its_turn and key not in self._delayed and (why == "stuck" or not self._is_mined_at(each)):
                self._delayed.add(key)
                found += 1
        return found

    def _execute_in(self, block: Block, transaction: Transaction) -> None:
        number = len(self.blocks)
        self._own_state(block)
        state = block.state
        self.happened["foreign_nonce"] += transaction.is_foreign
        mined = self.execute(transaction, state, number)
        state.nonces[transaction.signer] = transaction.nonce + 1
        state.mined[transaction.hash] = mined
        state.by_nonce[transaction.signer, transaction.nonce] = transaction.hash
        block.transactions.append(transaction)
        if mined.evidence and mined.evidence.event:
            block.executions.append(SeenExecution(transaction.hash, BlockNumber(number), mined.evidence.event))
        for to, amount in (mined.evidence.transferred if mined.evidence else {}).items():
            block.transfers.append(SeenTransfer(transaction.hash, BlockNumber(number), to, amount))
        self._count_fork(transaction, mined)

    def _count_fork(self, transaction: Transaction, mined: Mined) -> None:
        before = self._done_before.pop(transaction.hash, None)
        if before is None:
            return
        if before.did != mined.did:
            self.happened["reorg_other_outcome"] += 1
        else:
            self.happened["reorg_remine_elsewhere"] += 1


def _is_a_tenth_more(new: Transaction, old: Transaction) -> bool:
    is_fee = new.fees.max_fee_per_gas_wei * 10 >= old.fees.max_fee_per_gas_wei * 11
    return is_fee and new.tip * 10 >= old.tip * 11


def _hash(raw: bytes) -> str:
    return "0x" + hashlib.sha256(raw).hexdigest()
