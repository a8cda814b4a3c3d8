"""The contracts of the chain in memory: how a call changes the state, or why it reverts.

By the rules in docs/facts-contracts.md and docs/contract-surprises.md.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, HolderAddress, SnapshotId, TokenUnits, Wei
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.lifecycle_contract import CallKind, ReceiptEvidence, RecognisedCall
from payout_service.domain.burns import BurnForm, BurnLog, burned_tokens
from payout_service.domain.fees import Fees
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind
from payout_service.domain.transaction import NO_OP_GAS, ContractCall
from tests.support.payout.copying import copied
from tests.support.payout.memory_asset import Action, AssetState, Bond

CHAIN_ID = 298
SIGNER = EvmAddress("0x" + "51" * 20)
OTHER_SIGNER = EvmAddress("0x" + "52" * 20)
# May execute payouts as we may, with a key that is not ours.
STRANGER = EvmAddress("0x" + "53" * 20)
TOKEN = EvmAddress("0x" + "aa" * 20)
PAYMENT_TOKEN = EvmAddress("0x" + "bb" * 20)
PAYMENT_TOKEN_DECIMALS = 6
CONTRACT = EvmAddress("0x" + "cc" * 20)
IMPLEMENTATION = EvmAddress("0x" + "dd" * 20)
TREASURER = EvmAddress("0x" + "ee" * 20)
GAS_BASE, GAS_PER_PAYEE = 100_000, 60_000
SNAPSHOT_GAS, SWEEP_GAS, PAUSE_GAS = 150_000, 60_000, 50_000
_OTHER = RecognisedCall(CallKind.OTHER)
# Solidity's panic codes.
_UNDERFLOW, _DIVISION_BY_ZERO = 0x11, 0x12


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction. `is_foreign`: another program signed it with our key."""

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
        """The tip. A legacy transaction offers its whole price."""
        tip = self.fees.max_priority_fee_per_gas_wei
        return self.fees.max_fee_per_gas_wei if tip is None else tip


@dataclass(frozen=True, slots=True)
class Mined:
    """The content of a receipt, and the transaction itself."""

    transaction: Transaction
    block_number: int
    succeeded: bool
    gas_used: int
    snapshot_id: SnapshotId | None = None
    evidence: ReceiptEvidence | None = None
    created: EvmAddress | None = None

    @property
    def did(self) -> tuple[object, ...]:
        """What the transaction did, wherever it is mined."""
        return self.succeeded, self.snapshot_id, self.evidence


@dataclass(slots=True)
class State(AssetState):
    """The part of the contracts that blocks change.

    Each block has its own state, which begins as a copy of the one before.
    """

    nonces: dict[EvmAddress, int] = field(default_factory=dict)
    money: dict[str, int] = field(default_factory=dict)
    # What each holder was paid from each snapshot, as the token moved it.
    paid: dict[tuple[int, str], int] = field(default_factory=dict)
    # The same of each dividend or coupon.
    distributed: dict[tuple[int, str], int] = field(default_factory=dict)
    # The same of all cash-outs together, which have no paid flag.
    cashed_out: dict[str, int] = field(default_factory=dict)
    # The lifecycle contract is.
    paused: bool = False
    mined: dict[str, Mined] = field(default_factory=dict)
    by_nonce: dict[tuple[EvmAddress, int], str] = field(default_factory=dict)

    def copy(self, timestamp: int) -> Self:
        """Returns a copy for the next block to change."""
        other = copied(self)
        other.timestamp = timestamp
        for name in _CONTAINERS:
            setattr(other, name, getattr(self, name).copy())
        return other

    def seen_at(self, timestamp: int) -> Self:
        """Returns a copy to read, as contracts use the time of the block asked about
        (docs/contract-surprises.md#19).
        """
        if timestamp == self.timestamp:
            return self
        other = copied(self)
        other.timestamp = timestamp
        return other

    @property
    def nonce(self) -> int:
        """The nonce of the first signer."""
        return self.nonces.get(SIGNER, 0)

    def move(self, source: str, to: str, amount: int) -> None:
        self.money[source] = self.money.get(source, 0) - amount
        self.money[to] = self.money.get(to, 0) + amount

    def flags(self, kind: ExecutionKind) -> dict[tuple[int, str], int] | None:
        """Returns who was paid already, by the id that is paid from; None for a cash-out."""
        if kind is ExecutionKind.AMOUNT_SNAPSHOT:
            return self.paid
        return self.distributed if kind is ExecutionKind.DISTRIBUTION else None


_CONTAINERS = tuple(each.name for each in fields(State) if each.default_factory is not MISSING)


def encode(function: str, **arguments: object) -> bytes:
    """Returns the data of a call."""
    return json.dumps({"function": function, **arguments}).encode()


class MemoryContracts:
    """The asset, the lifecycle contract and the payment token, with what tests set about them."""

    def __init__(self) -> None:
        # None: the asset is an equity.
        self.bond: Bond | None = None
        # On the asset's control list: a cash-out that would redeem one of them reverts as a whole.
        self.listed_holders: set[str] = set()
        self.blocked_payees: set[HolderAddress] = set()
        # The whole call reverts when one of them is in it.
        self.poison_payees: set[HolderAddress] = set()
        # The token says that it has paid them and moves nothing.
        self.cheated_payees: set[HolderAddress] = set()
        self.reverting_batches = 0
        self.reverting_snapshots = 0
        self.would_revert: Callable[[ContractCall], str] = lambda call: ""
        self.gas_of_creation = 1_000_000
        # Where a creation with this data ends up; another address of its own for others.
        self.creations: dict[bytes, EvmAddress] = {}
        self.reverting_creations = 0
        self.gas_per_payee = GAS_PER_PAYEE
        # Where a kind of execution costs another amount.
        self.gas_per_payee_of: dict[ExecutionKind, int] = {}
        self.pays_in: EvmAddress | None = PAYMENT_TOKEN
        self.implementation: EvmAddress | None = IMPLEMENTATION
        self.has_pauser_role = True
        self.has_payout_role = True
        self.has_cash_out_role = True
        self.has_redeemer_role = True
        self.has_snapshot_role = True
        self.has_transferer_role = True
        self.is_for_asset: bool | None = True
        self.gas_money = Wei(10**18)
        # What befell calls and transactions, when it took effect.
        self.happened: Counter[str] = Counter()
        self._decoded: dict[bytes, dict[str, Any]] = {}
        self._executions: dict[bytes, Execution] = {}

    # ------------------------------------------------------------------------------------ calls

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, encode("snapshot"))

    def trigger_snapshots(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, encode("trigger"))

    def pay_batch(self, contract: EvmAddress, token: EvmAddress, execution: Execution) -> ContractCall:
        arguments = {
            "kind": execution.kind,
            "reference": execution.reference_id,
            "total": execution.total_base_units,
            "holders": list(execution.holders),
        }
        return ContractCall(contract, encode("pay", **arguments))

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: int) -> ContractCall:
        return ContractCall(contract, encode("sweep", to=to.value, amount=amount_base_units))

    def set_paused(self, contract: EvmAddress, paused: bool) -> ContractCall:
        return ContractCall(contract, encode("set paused", paused=paused))

    def recognise(self, call: ContractCall) -> RecognisedCall:
        content = self.decode(call)
        match content.get("function") if call.to else None:
            case "snapshot":
                return RecognisedCall(CallKind.TAKE_SNAPSHOT)
            case "trigger":
                return RecognisedCall(CallKind.TRIGGER_SNAPSHOTS)
            case "pay":
                return RecognisedCall(CallKind.PAY_BATCH, self._execution_of(call))
            case "set paused":
                return RecognisedCall(CallKind.SET_PAUSED)
            case "sweep":
                return RecognisedCall(CallKind.SWEEP, sweep_to=content["to"], sweep_base_units=content["amount"])
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

    def _execution_of(self, call: ContractCall) -> Execution:
        """Returns the execution of a call that pays."""
        found = self._executions.get(call.data)
        if found is None:
            content = self.decode(call)
            kind = ExecutionKind(content["kind"])
            found = Execution(kind, content["reference"], content["total"], tuple(content["holders"]))
            self._executions[call.data] = found
        return found

    # ------------------------------------------------------------------------------------ rules

    def gas_of(self, call: ContractCall) -> int:
        """Returns the gas that the call uses, whatever it does."""
        if call.to is None:
            return self.gas_of_creation
        content = self.decode(call)
        match content.get("function"):
            case "snapshot" | "trigger":
                return SNAPSHOT_GAS
            case "pay":
                execution = self._execution_of(call)
                gas_per_payee = self.gas_per_payee_of.get(execution.kind, self.gas_per_payee)
                return GAS_BASE + gas_per_payee * len(execution.holders)
            case "sweep":
                return SWEEP_GAS
            case "set paused":
                return PAUSE_GAS
        return NO_OP_GAS

    def why_reverts(self, call: ContractCall, state: State) -> str:
        """Returns why the call would revert; empty when it would take effect."""
        content = self.decode(call)
        match content.get("function") if call.to else None:
            case "snapshot":
                return "" if self.has_snapshot_role else "AccountHasNoRole"
            case "pay":
                return self._why_pay_reverts(self._execution_of(call), state)
            case "sweep":
                return self._why_sweep_reverts(content, state)
            case "set paused":
                return self._why_pause_reverts(content, state)
        return ""

    def _why_pay_reverts(self, execution: Execution, state: State) -> str:
        if state.paused:
            self.happened["contract_paused"] += 1
            return "LifeCycleCashFlowIsPaused"
        is_cash_out = execution.kind is ExecutionKind.CASH_OUT
        if not (self.has_cash_out_role if is_cash_out else self.has_payout_role):
            return "AccountHasNoRole"
        why = {
            ExecutionKind.AMOUNT_SNAPSHOT: self._why_shares_revert,
            ExecutionKind.DISTRIBUTION: self._why_distribution_reverts,
            ExecutionKind.CASH_OUT: self._why_cash_out_reverts,
        }[execution.kind](execution, state)
        if not why and not self.poison_payees.isdisjoint(execution.holders):
            self.happened["poison_payee"] += 1
            return "AccountIsBlocked"
        return why

    def _why_shares_revert(self, execution: Execution, state: State) -> str:
        if execution.reference_id in state.snapshots:
            return ""
        return "SnapshotIdDoesNotExists" if execution.reference_id else "SnapshotIdNull"

    def _why_distribution_reverts(self, execution: Execution, state: State) -> str:
        action = state.actions.get(execution.reference_id)
        if action is None:
            return "WrongIndexForAction" if execution.reference_id else f"Panic({_UNDERFLOW})"
        if state.timestamp < action.execution_time:
            return f"NotPaymentDate({action.execution_time}, {state.timestamp})"
        asks = any((execution.reference_id, holder) not in state.distributed for holder in execution.holders)
        is_nothing_by_nothing = not state.has_reached(action) or self._is_cancelled_coupon(action)
        return f"Panic({_DIVISION_BY_ZERO})" if asks and is_nothing_by_nothing else ""

    def _is_cancelled_coupon(self, action: Action) -> bool:
        """Returns True for a cancelled coupon, which reverts.

        A cancelled dividend still pays (docs/contract-surprises.md#11).
        """
        return action.is_cancelled and self.action_kind is PayoutKind.COUPON

    def _why_cash_out_reverts(self, execution: Execution, state: State) -> str:
        """Returns why a cash-out reverts: the first payee who cannot be redeemed undoes all
        (docs/contract-surprises.md#14).
        """
        if self.bond is None:
            return "reverted without a reason"
        if state.timestamp < self.bond.maturity_time:
            return f"NotPaymentDate({self.bond.maturity_time}, {state.timestamp})"
        if state.timestamp == self.bond.maturity_time and not self.bond.pays_for_frozen:
            # Version 7: the lifecycle contract lets it pass, the bond does not.
            return "BondMaturityDateWrong"
        money = state.money.get(CONTRACT.value, 0)
        for holder in dict.fromkeys(execution.holders):
            amount = state.principal(self.bond, holder)
            if self._is_refused(holder, amount, money):
                continue
            if not self.has_redeemer_role:
                return "AccountHasNoRole"
            if holder in self.listed_holders:
                self.happened["listed_holder"] += 1
                return f"AccountIsBlocked({holder})"
            money -= amount
        return ""

    def _why_sweep_reverts(self, content: dict[str, Any], state: State) -> str:
        if state.paused:
            return "LifeCycleCashFlowIsPaused"
        if not self.has_transferer_role:
            return "AccountHasNoRole"
        if state.money.get(CONTRACT.value, 0) < content["amount"]:
            return "NotEnoughBalance"
        return ""

    def _why_pause_reverts(self, content: dict[str, Any], state: State) -> str:
        if state.paused and content["paused"]:
            return "LifeCycleCashFlowIsPaused"
        if not state.paused and not content["paused"]:
            return "LifeCycleCashFlowIsUnpaused"
        return "" if self.has_pauser_role else "AccountHasNoRole"

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
                snapshot_id = state.take_snapshot()
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, snapshot_id=snapshot_id)
            case "trigger":
                state.trigger()
            case "set paused":
                state.paused = content["paused"]
            case "pay":
                evidence = self._pay(self._execution_of(call), state)
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, evidence=evidence)
            case "sweep":
                state.move(CONTRACT.value, content["to"], content["amount"])
                evidence = ReceiptEvidence(None, {content["to"]: content["amount"]})
                return Mined(transaction, block_number, succeeded=True, gas_used=gas, evidence=evidence)
        return Mined(transaction, block_number, succeeded=True, gas_used=gas)

    def _reverts_once(self, function: str | None) -> bool:
        if function in ("snapshot", "trigger") and self.reverting_snapshots:
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
    def action_kind(self) -> PayoutKind:
        """The kind of the asset's corporate actions."""
        return PayoutKind.COUPON if self.bond else PayoutKind.DIVIDEND

    def _pay(self, execution: Execution, state: State) -> ReceiptEvidence:
        """Pays.

        A payee who was paid before is reported as failed, like one whom the token refuses
        (docs/contract-surprises.md#7).
        """
        flags = state.flags(execution.kind)
        failed: list[HolderAddress] = []
        paid: dict[HolderAddress, BaseUnits] = {}
        transferred: dict[HolderAddress, BaseUnits] = {}
        burns: list[BurnLog] = []
        for payee in execution.holders:
            key = (execution.reference_id, payee)
            if flags is not None and key in flags:
                failed.append(payee)
                continue
            amount = self._amount(execution, payee, state)
            if self._is_refused(payee, amount, state.money.get(CONTRACT.value, 0)):
                self.happened["blocked_payee" if payee in self.blocked_payees else "funds_ran_out"] += 1
                failed.append(payee)
                continue
            paid[payee] = BaseUnits(paid.get(payee, 0) + amount)
            moved = 0 if payee in self.cheated_payees else amount
            if moved:
                state.move(CONTRACT.value, payee, moved)
                transferred[payee] = BaseUnits(transferred.get(payee, 0) + moved)
            if flags is not None:
                flags[key] = moved
            else:
                state.cashed_out[payee] = state.cashed_out.get(payee, 0) + moved
                burns += self._burn_logs(payee, state.burn(payee))
        event = ExecutionEvent(execution, tuple(failed), paid)
        return ReceiptEvidence(event, transferred, burned_tokens(burns))

    def _burn_logs(self, payee: HolderAddress, burned: int) -> Iterator[BurnLog]:
        """Logs a burn as the versions do (docs/contract-surprises.md#20), for each partition: here one or two."""
        parts = [burned // 3, burned - burned // 3] if int(payee, 16) % 2 else [burned]
        is_version_8 = self.bond is not None and self.bond.pays_for_frozen
        beside = BurnForm.TRANSFER if is_version_8 else BurnForm.TRANSFER_BY_PARTITION
        for part in parts:
            if part:
                yield BurnLog(BurnForm.REDEEMED_BY_PARTITION, payee, TokenUnits(part))
                yield BurnLog(beside, payee, TokenUnits(part))

    def _is_refused(self, payee: HolderAddress, amount: int, money: int) -> bool:
        """Returns whether the token refuses a transfer.

        Nobody is refused an amount of 0, as no transfer is tried.
        """
        return amount > 0 and (payee in self.blocked_payees or money < amount)

    def _amount(self, execution: Execution, payee: HolderAddress, state: State) -> BaseUnits:
        """Returns base units of the payment token, as the contract computes them."""
        match execution.kind:
            case ExecutionKind.AMOUNT_SNAPSHOT:
                snapshot = state.snapshots[execution.reference_id]
                balance = snapshot.balances.get(payee, 0)
                return BaseUnits(execution.total_base_units * balance // snapshot.supply)
            case ExecutionKind.DISTRIBUTION:
                return state.owed(state.actions[execution.reference_id], payee)
            case ExecutionKind.CASH_OUT:
                assert self.bond is not None
                return state.principal(self.bond, payee)
