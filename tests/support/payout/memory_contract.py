"""The contracts of the chain in memory: what a call does to the state, by the rules in contracts.md, section 3."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.chain.address import EvmAddress
from payout_service.application.chain_ports import CallKind, ReceiptEvidence, RecognisedCall
from payout_service.domain.fees import Fees
from payout_service.domain.settlement import ExecutionEvent
from payout_service.domain.transaction import NO_OP_GAS, ContractCall

CHAIN_ID = 298
SIGNER = EvmAddress("0x" + "51" * 20)
OTHER_SIGNER = EvmAddress("0x" + "52" * 20)
TOKEN = EvmAddress("0x" + "aa" * 20)
PAYMENT_TOKEN = EvmAddress("0x" + "bb" * 20)
CONTRACT = EvmAddress("0x" + "cc" * 20)
IMPLEMENTATION = EvmAddress("0x" + "dd" * 20)
TREASURER = EvmAddress("0x" + "ee" * 20)
GAS_BASE, GAS_PER_PAYEE = 100_000, 60_000
SNAPSHOT_GAS, SWEEP_GAS = 150_000, 60_000
_OTHER = RecognisedCall(CallKind.OTHER)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Signed bytes, decoded. `is_foreign`: another program signed it with our key."""

    signer: EvmAddress
    nonce: int
    call: ContractCall
    gas: int
    fees: Fees
    raw: bytes
    hash: str
    is_foreign: bool = False

    @property
    def tip(self) -> int:
        """What a legacy transaction offers is its price."""
        tip = self.fees.max_priority_fee_per_gas_wei
        return self.fees.max_fee_per_gas_wei if tip is None else tip


@dataclass(frozen=True, slots=True)
class Mined:
    """A receipt's content, and the transaction itself."""

    transaction: Transaction
    block_number: int
    succeeded: bool
    gas_used: int
    snapshot_id: int | None = None
    evidence: ReceiptEvidence | None = None
    created: EvmAddress | None = None

    @property
    def did(self) -> tuple[object, ...]:
        """What it did, wherever it is mined."""
        return self.succeeded, self.snapshot_id, self.evidence


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """A snapshot of the asset: holders with their free balances, and the total supply."""

    rows: tuple[tuple[str, int], ...]
    balances: dict[str, int]
    supply: int


@dataclass(slots=True)
class State:
    """What blocks change. A block's state is never changed; the next block's begins as a copy of it."""

    nonces: dict[EvmAddress, int] = field(default_factory=dict)
    money: dict[str, int] = field(default_factory=dict)
    # What each holder was paid from each snapshot, as the token moved it.
    paid: dict[tuple[int, str], int] = field(default_factory=dict)
    snapshots: dict[int, HeldSnapshot] = field(default_factory=dict)
    mined: dict[str, Mined] = field(default_factory=dict)
    by_nonce: dict[tuple[EvmAddress, int], str] = field(default_factory=dict)

    def copy(self) -> "State":
        return State(
            dict(self.nonces),
            dict(self.money),
            dict(self.paid),
            dict(self.snapshots),
            dict(self.mined),
            dict(self.by_nonce),
        )

    @property
    def nonce(self) -> int:
        """Of the first signer."""
        return self.nonces.get(SIGNER, 0)

    def move(self, source: str, to: str, amount: int) -> None:
        self.money[source] = self.money.get(source, 0) - amount
        self.money[to] = self.money.get(to, 0) + amount


def encode(function: str, **arguments: object) -> bytes:
    """A call's data."""
    return json.dumps({"function": function, **arguments}).encode()


class MemoryContracts:
    """The asset, the lifecycle contract and the payment token, and what tests set about them."""

    def __init__(self, balances: Sequence[tuple[str, int]] = ()) -> None:
        self.balances = list(balances)
        # Tokens that count in the supply and in nobody's free balance.
        self.frozen = 0
        self.blocked_payees: set[str] = set()
        # The whole call reverts when one of them is in it.
        self.poison_payees: set[str] = set()
        # The token says that it has paid them and moves nothing.
        self.cheated_payees: set[str] = set()
        self.reverting_batches = 0
        self.reverting_snapshots = 0
        self.would_revert: Callable[[ContractCall], str] = lambda call: ""
        self.gas_of_creation = 1_000_000
        # Where a creation with this data ends up; another address of its own for others.
        self.creations: dict[bytes, EvmAddress] = {}
        self.reverting_creations = 0
        self.gas_per_payee = GAS_PER_PAYEE
        self.pays_in: EvmAddress | None = PAYMENT_TOKEN
        self.implementation: EvmAddress | None = IMPLEMENTATION
        self.paused = False
        self.has_payout_role = True
        self.has_snapshot_role = True
        self.has_transferer_role = True
        self.is_for_asset: bool | None = True
        self.gas_money = 10**18
        # What befell calls and transactions, when it took effect.
        self.happened: Counter[str] = Counter()
        self._decoded: dict[bytes, dict[str, Any]] = {}

    # ------------------------------------------------------------------------------------ calls

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, encode("snapshot"))

    def pay_batch(
        self,
        contract: EvmAddress,
        token: EvmAddress,
        snapshot_id: int,
        holders: Sequence[str],
        total_base_units: int,
    ) -> ContractCall:
        arguments = {"snapshot": snapshot_id, "holders": list(holders), "total": total_base_units}
        return ContractCall(contract, encode("pay", **arguments))

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: int) -> ContractCall:
        return ContractCall(contract, encode("sweep", to=to.value, amount=amount_base_units))

    def recognise(self, call: ContractCall) -> RecognisedCall:
        content = self.decode(call)
        match content.get("function") if call.to else None:
            case "snapshot":
                return RecognisedCall(CallKind.TAKE_SNAPSHOT)
            case "pay":
                holders = tuple(content["holders"])
                return RecognisedCall(CallKind.PAY_BATCH, content["snapshot"], holders, content["total"])
            case "sweep":
                return RecognisedCall(CallKind.SWEEP, 0, (content["to"],), content["amount"])
        return _OTHER

    def decode(self, call: ContractCall) -> dict[str, Any]:
        found = self._decoded.get(call.data)
        if found is None:
            try:
                found = json.loads(call.data) if call.data else {}
            except ValueError:
                found = {}
            self._decoded[call.data] = found
        return found

    # ------------------------------------------------------------------------------------ rules

    def gas_of(self, call: ContractCall) -> int:
        """What the call uses, whatever it does."""
        if call.to is None:
            return self.gas_of_creation
        content = self.decode(call)
        match content.get("function"):
            case "snapshot":
                return SNAPSHOT_GAS
            case "pay":
                return GAS_BASE + self.gas_per_payee * len(content["holders"])
            case "sweep":
                return SWEEP_GAS
        return NO_OP_GAS

    def why_reverts(self, call: ContractCall, state: State) -> str:
        """Empty when the call would take effect."""
        content = self.decode(call)
        match content.get("function") if call.to else None:
            case "snapshot":
                return "" if self.has_snapshot_role else "AccountHasNoRole"
            case "pay":
                return self._why_pay_reverts(content, state)
            case "sweep":
                return self._why_sweep_reverts(content, state)
        return ""

    def _why_pay_reverts(self, content: dict[str, Any], state: State) -> str:
        if self.paused:
            self.happened["contract_paused"] += 1
            return "LifeCycleCashFlowIsPaused"
        if not self.has_payout_role:
            return "AccountHasNoRole"
        if content["snapshot"] not in state.snapshots:
            return "SnapshotIdDoesNotExists" if content["snapshot"] else "SnapshotIdNull"
        if not self.poison_payees.isdisjoint(content["holders"]):
            self.happened["poison_payee"] += 1
            return "AccountIsBlocked"
        return ""

    def _why_sweep_reverts(self, content: dict[str, Any], state: State) -> str:
        if self.paused:
            return "LifeCycleCashFlowIsPaused"
        if not self.has_transferer_role:
            return "AccountHasNoRole"
        if state.money.get(CONTRACT.value, 0) < content["amount"]:
            return "NotEnoughBalance"
        return ""

    def execute(self, transaction: Transaction, state: State, block_number: int) -> Mined:
        """Changes the state; a reverted transaction changes only the nonce, which the node raises."""
        call, gas = transaction.call, self.gas_of(transaction.call)
        content = self.decode(call)
        function = content.get("function") if call.to else "creation"
        if self._reverts_once(function) or self.why_reverts(call, state) or gas > transaction.gas:
            return Mined(transaction, block_number, succeeded=False, gas_used=min(gas, transaction.gas))
        if call.to is None:
            created = self.creations.get(call.data, EvmAddress(f"0x{0xC0DE00 + transaction.nonce:040x}"))
            return Mined(transaction, block_number, succeeded=True, gas_used=gas, created=created)
        match function:
            case "snapshot":
                snapshot_id = len(state.snapshots) + 1
                rows = tuple(self.balances)
                state.snapshots[snapshot_id] = HeldSnapshot(rows, dict(rows), self.supply)
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, snapshot_id=snapshot_id)
            case "pay":
                evidence = self._pay(content, state)
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, evidence=evidence)
            case "sweep":
                state.move(CONTRACT.value, content["to"], content["amount"])
                evidence = ReceiptEvidence(None, {content["to"]: content["amount"]})
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, evidence=evidence)
        return Mined(transaction, block_number, succeeded=True, gas_used=gas)

    def _reverts_once(self, function: str | None) -> bool:
        if function == "snapshot" and self.reverting_snapshots:
            self.reverting_snapshots -= 1
            return True
        if function == "creation" and self.reverting_creations:
            self.reverting_creations -= 1
            return True
        if function == "pay" and self.reverting_batches:
            self.reverting_batches -= 1
            return True
        return False

    @property
    def supply(self) -> int:
        return sum(balance for _, balance in self.balances) + self.frozen

    def _pay(self, content: dict[str, Any], state: State) -> ReceiptEvidence:
        """A payee that was paid before comes back as failed; so does one that the token refuses (3.1, 3.7)."""
        snapshot_id, total, payees = content["snapshot"], content["total"], content["holders"]
        snapshot = state.snapshots[snapshot_id]
        failed: list[str] = []
        paid: dict[str, int] = {}
        transferred: dict[str, int] = {}
        for payee in payees:
            amount = total * snapshot.balances.get(payee, 0) // snapshot.supply
            key = (snapshot_id, payee)
            if key in state.paid:
                failed.append(payee)
                continue
            if payee in self.blocked_payees or state.money.get(CONTRACT.value, 0) < amount:
                self.happened["blocked_payee" if payee in self.blocked_payees else "funds_ran_out"] += 1
                failed.append(payee)
                continue
            state.paid[key] = 0 if payee in self.cheated_payees else amount
            paid[payee] = amount
            if payee not in self.cheated_payees:
                state.move(CONTRACT.value, payee, amount)
                transferred[payee] = amount
        event = ExecutionEvent(snapshot_id, tuple(payees), total, tuple(failed), paid)
        return ReceiptEvidence(event, transferred)
