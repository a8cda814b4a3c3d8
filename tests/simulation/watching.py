"""The database of a simulation: every commit is compared with what was there, and with what the chain knows.

Nothing is taken from the ledger on trust: `Truth` remembers by itself which transaction belongs to whom, also
where a restored backup has made the database forget.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from libs.chain.quantities import HolderAddress
from libs.events import OutgoingEvent
from libs.payout_terms.terms import PayeeRules, PayoutKind
from payout_service.domain.lifecycle import LIFECYCLE_TRANSITIONS, LifecycleContract
from payout_service.domain.payments import OPEN_STATES, PAYMENT_TRANSITIONS, BatchState, PaymentState
from payout_service.domain.payout import RELEASING_STATES, Payout, PayoutState
from payout_service.domain.payout import TRANSITIONS as PAYOUT_TRANSITIONS
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.sweep import SWEEP_TRANSITIONS
from payout_service.domain.transaction import (
    FINAL_STATES,
    INTENT_TRANSITIONS,
    ContractCall,
    IntentState,
    Purpose,
    TransactionIntent,
)
from payout_service.domain.waits import WaitFor
from tests.simulation.dues import free_principal, was_paid
from tests.simulation.scheduling import Scheduler
from tests.support.payout.memory_chain import CONTRACT, MemoryChain
from tests.support.payout.memory_contract import State
from tests.support.payout.memory_database import MemoryDatabase, PaymentRow
from tests.support.payout.pauses import Pauses

# Table, and its rows' legal transitions. A batch's state is its intent's until it is settled.
TABLES: Mapping[str, Mapping[Any, frozenset[Any]]] = {
    "payout": PAYOUT_TRANSITIONS,
    "payment": PAYMENT_TRANSITIONS,
    "intent": INTENT_TRANSITIONS,
    "sweep": SWEEP_TRANSITIONS,
    "lifecycle": LIFECYCLE_TRANSITIONS,
}
# Tables whose rows are judged when they are written.
_JUDGED = frozenset({*TABLES, "batch", "lane", "attempt"})
Transition = tuple[str, str, str]


class InvariantError(Exception):
    """Something that must always hold did not. `name` is short and stable."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name


# A step's look may be of so many blocks before it began: a node that lags, and a fork.
_OLDEST_LOOK_BLOCKS = 8
# How a redemption's payment may come to be due another amount.
_REPRICED = frozenset(
    {
        (PaymentState.PLANNED, PaymentState.PLANNED),
        (PaymentState.PLANNED, PaymentState.ZERO_DUE),
        (PaymentState.PLANNED, PaymentState.PAID),
        (PaymentState.IN_FLIGHT, PaymentState.PAID),
        (PaymentState.IN_FLIGHT, PaymentState.ZERO_DUE),
    }
)


def _table_of(name: Any) -> str:
    table: str = name if type(name) is str else name[0]
    return table


def _is_other_plan(old: Payout, new: Payout) -> bool:
    """Of a redemption the sums follow live balances; who is in it changes only when a round's list is frozen."""
    if new.kind is not PayoutKind.REDEMPTION or old.plan is None or new.plan is None:
        return new.plan != old.plan
    same_payees = (old.plan.plan_hash, old.plan.holder_count) == (new.plan.plan_hash, new.plan.holder_count)
    return not same_payees and old.state is not PayoutState.PLANNING


def _is_other_payment(old: PaymentRow, new: PaymentRow, kind: PayoutKind) -> bool:
    if old.planned.amount_base_units == new.planned.amount_base_units:
        return old.planned != new.planned and kind is not PayoutKind.REDEMPTION
    return kind is not PayoutKind.REDEMPTION or (old.state, new.state) not in _REPRICED


def _all_cancelled(states: list[State], action_id: int) -> bool:
    actions = [state.actions.get(action_id) for state in states]
    return all(action is not None and action.is_cancelled for action in actions)


def payees_of(chain: MemoryChain, call: ContractCall) -> tuple[HolderAddress, ...]:
    """Whom a call would pay; nobody if it is no batch."""
    execution = chain.recognise(call).execution
    return execution.holders if execution else ()


class WatchedDatabase(MemoryDatabase):
    """Judges each commit. What it finds is kept in `broken`: engine code must not be able to swallow it."""

    def __init__(self, confirmations: int, pauses: Pauses) -> None:
        super().__init__()
        self.pauses = pauses
        self.chain: MemoryChain | None = None
        self.transitions: Counter[Transition] = Counter()
        self.broken: list[InvariantError] = []
        # Whose transaction it is, by hash: the intent's key. Never forgotten.
        self.owner_of: dict[str, str] = {}
        self.owners_learned = 0
        # Every total that a payout ever had in a committed row.
        self.totals_of: dict[UUID, set[int]] = {}
        # The kind and the rules of every payout that there ever was.
        self.terms_of: dict[UUID, tuple[PayoutKind, PayeeRules]] = {}
        # Deferred payments, by payout and holder, that came due or were retried by name. Never forgotten.
        self.released: set[tuple[UUID, str]] = set()
        # At which commit the deferrals of a payout began to count.
        self._counts_since: dict[UUID, int] = {}
        self.scheduler: Scheduler | None = None
        self.happened: Counter[str] = Counter()
        self.caps_reached = 0
        self._confirmations = confirmations

    def apply(self, written: Mapping[Any, Mapping[Any, Any]], events: list[OutgoingEvent]) -> None:
        judged = [name for name in written if _table_of(name) in _JUDGED]
        before: dict[Any, Mapping[Any, Any]] = {}
        for name in judged:
            rows = self.rows(name)
            before[name] = {key: rows.get(key) for key in written[name]}
        super().apply(written, events)
        for name in judged:
            for key, row in written[name].items():
                if row is not None:
                    self._judge(name, key, before[name][key], row, written)
        self._judge_releases(before)

    def fail(self, name: str, what: str) -> None:
        self.broken.append(InvariantError(name, what))

    def _judge(self, name: Any, key: Any, old: Any, new: Any, written: Mapping[Any, Mapping[Any, Any]]) -> None:
        table = _table_of(name)
        if table in TABLES and old is not None:
            self._count_transition(table, old.state, new.state, name, key)
        match table:
            case "payout":
                self._judge_payout(old, new, written)
            case "payment":
                self._judge_payment(name[1], old, new)
            case "intent":
                self._judge_intent(old, new)
            case "batch":
                self._judge_batch(old, new)
            case "lifecycle" if old is not None:
                self._judge_pause(old, new)
            case "lane" if old is not None and new.next_nonce < old.next_nonce:
                self.fail("nonce_given_back", f"{new.signer}: {old.next_nonce} became {new.next_nonce}")
            case "attempt":
                intent: TransactionIntent = self.rows("intent")[new]
                self.owners_learned += self.owner_of.get(key) != intent.key
                self.owner_of[key] = intent.key

    def _count_transition(self, table: str, old: StrEnum, new: StrEnum, name: Any, key: Any) -> None:
        if old is new:
            return
        self.transitions[table, old.value, new.value] += 1
        if new not in TABLES[table][old]:
            self.fail("illegal_transition", f"{name} {key}: {old} became {new}")

    def _judge_payout(self, old: Payout | None, new: Payout, written: Mapping[Any, Mapping[Any, Any]]) -> None:
        self.totals_of.setdefault(new.payout_id, set()).add(new.total_base_units)
        if old is None and not written.get("inbox"):
            self.fail("effect_without_inbox", f"payout {new.payout_id} was stored without its event's id")
        self.terms_of[new.payout_id] = new.kind, new.rules
        if new.state in RELEASING_STATES and (old is None or old.state not in RELEASING_STATES):
            self._counts_since[new.payout_id] = self.commits
        if new.snapshot is not None and (old is None or old.snapshot != new.snapshot):
            self._require_final(new.snapshot.block_number, new.snapshot.block_hash, "snapshot_not_final")
        if old is not None and old.plan is not None and _is_other_plan(old, new):
            self.fail("plan_changed", f"payout {new.payout_id} has another plan")

    def _judge_payment(self, payout_id: UUID, old: PaymentRow | None, new: PaymentRow) -> None:
        payout = self.payout(payout_id)
        if old is not None and _is_other_payment(old, new, payout.kind):
            self.fail("plan_changed", f"{new.planned.holder} of {payout_id} is owed another amount")
        if new.state is not PaymentState.PAID or (old is not None and old.state is PaymentState.PAID):
            return
        moved = self._moved_by(new.transaction_hash, new.planned.holder)
        if payout.kind is not PayoutKind.REDEMPTION:
            flagged = was_paid(self._chain.state, payout.kind, payout.reference_id, new.planned.holder)
            moved = moved if flagged == moved else None
        if moved != new.planned.amount_base_units:
            self.fail(
                "paid_without_money",
                f"{new.planned.holder} of {payout_id}: the ledger says {new.planned.amount_base_units}, "
                f"the chain {moved}",
            )

    def _moved_by(self, transaction_hash: str, holder: HolderAddress) -> int | None:
        """What a mined transaction's token logs moved to a payee."""
        mined = self._chain.state.mined.get(transaction_hash)
        return mined.evidence.transferred.get(holder, 0) if mined and mined.evidence else None

    def _judge_intent(self, old: TransactionIntent | None, new: TransactionIntent) -> None:
        self.caps_reached += _is_capped(new) and not (old and _is_capped(old))
        if old is None and new.purpose is Purpose.BATCH:
            self._require_payees_free(new)
            self._judge_new_batch(new)
        if old is None and new.purpose is Purpose.PAUSE:
            self._judge_new_pause(new)
        if old is None or old.state is new.state:
            return
        if new.state is IntentState.REVERTED:
            self._count_revert(new)
        hashes = {attempt.transaction_hash for attempt in new.attempts}
        used_by = self._chain.state.by_nonce.get((new.signer, -1 if new.nonce is None else new.nonce))
        if new.state is IntentState.NONCE_LOST and used_by in hashes:
            self.fail("own_nonce_called_lost", f"{new.key}: nonce {new.nonce} was used by its own {used_by}")
        if new.state is IntentState.VOIDED and used_by in hashes:
            (mined,) = [each for each in new.attempts if each.transaction_hash == used_by]
            if not mined.is_no_op:
                self.fail("voided_and_happened", f"{new.key} was mined")
        elif new.state is IntentState.VOIDED and new.nonce is not None:
            self.fail("voided_without_proof", f"{new.key} has nonce {new.nonce}, which nothing has used")
        if new.outcome is not None and new.state in FINAL_STATES:
            self._require_final(new.outcome.block_number, new.outcome.block_hash, "outcome_not_final")

    def _count_revert(self, intent: TransactionIntent) -> None:
        self.happened["pause_reverted"] += intent.purpose is Purpose.PAUSE
        if intent.purpose is Purpose.BATCH and intent.outcome:
            number = intent.outcome.block_number
            around = self._chain.blocks[number - 1 : number + 1]
            self.happened["batch_met_a_pause"] += any(block.state.paused for block in around)

    def _require_final(self, number: int, block_hash: str, name: str) -> None:
        blocks = self._chain.blocks
        is_canonical = number < len(blocks) and blocks[number].hash == block_hash
        if not is_canonical or len(blocks) - 1 - number < self._confirmations:
            self.fail(name, f"block {number}, the head is {len(blocks) - 1}")

    def _require_payees_free(self, intent: TransactionIntent) -> None:
        """Nobody is in two calls of a payout that both may still happen."""
        payees = set(payees_of(self._chain, intent.call))
        for other in self.rows("intent").values():
            is_other = other.owner_id == intent.owner_id and other.intent_id != intent.intent_id
            if not is_other or other.purpose is not Purpose.BATCH or other.is_final:
                continue
            doubled = payees.intersection(payees_of(self._chain, other.call))
            if doubled:
                self.fail("payee_in_two_batches", f"{sorted(doubled)} in {other.key} and {intent.key}")

    def _judge_new_batch(self, intent: TransactionIntent) -> None:
        """Whoever makes a batch has looked at the chain in the same step: what it had to see, it has seen."""
        execution = self._chain.recognise(intent.call).execution
        if execution is None:
            self.fail("batch_pays_nobody", intent.key)
            return
        step = self.scheduler.current if self.scheduler else None
        began = step.began_at_block if step else 0
        states = [block.state for block in self._chain.blocks[max(0, began - _OLDEST_LOOK_BLOCKS) :]]
        if execution.kind is ExecutionKind.DISTRIBUTION and _all_cancelled(states, execution.reference_id):
            self.fail("batch_of_cancelled_action", f"{intent.key} pays {execution.reference_id}")
        if execution.kind is not ExecutionKind.CASH_OUT:
            return
        planned = {row.planned.holder: row.planned for row in self._in_flight(intent)}
        for holder in execution.holders:
            self._judge_redeemed(intent.key, planned[holder], states)

    def _in_flight(self, intent: TransactionIntent) -> list[PaymentRow]:
        number = int(intent.key.split("/")[2])
        return [row for row in self.payments(intent.owner_id) if row.batch_number == number]

    def _judge_redeemed(self, key: str, planned: PlannedPayment, states: list[State]) -> None:
        bond = self._chain.bond
        if bond is None:
            self.fail("redeemed_an_equity", key)
            return
        principals = {state.principal(bond, planned.holder) for state in states}
        if planned.amount_base_units == 0 or principals == {0}:
            self.fail("sent_without_principal", f"{key} redeems {planned.holder}, who has nothing")
        if planned.amount_base_units not in principals:
            self.fail("batch_with_old_amount", f"{key}: {planned} was due {sorted(principals)} of late")
        if all(state.frozen.get(planned.holder) for state in states):
            self.fail("sent_in_spite_of_obstacle", f"{key} redeems {planned.holder}, who has frozen tokens")

    # ------------------------------------------------------------------------------------ pauses

    def _judge_pause(self, old: LifecycleContract, new: LifecycleContract) -> None:
        """The newest request wins, and is carried out only when the chain says so, finally."""
        wanted, still_wanted = old.pause_request, new.pause_request
        newest_version = wanted.version if wanted else old.pause_request_version
        if still_wanted != wanted and still_wanted is not None and still_wanted.version <= newest_version:
            self.fail("older_pause_request_won", f"{wanted} became {still_wanted}")
        self.happened["pause_overtaken"] += bool(still_wanted != wanted and new.pause_intent_key)
        if new.pause_request_version == old.pause_request_version:
            return
        if wanted is None or wanted.version != new.pause_request_version or old.pause_intent_key:
            self.fail("pause_request_made_up", f"{old} became {new}")
            return
        self.happened["paused_on_request" if wanted.paused else "unpaused_on_request"] += 1
        step = self.scheduler.current if self.scheduler else None
        began = (step.began_at_block if step else 0) - self._confirmations - _OLDEST_LOOK_BLOCKS
        final = self._chain.blocks[max(0, began) : len(self._chain.blocks) - self._confirmations]
        if all(block.state.paused is not wanted.paused for block in final):
            self.fail("pause_not_on_chain", f"{wanted} is said to be carried out")

    def _judge_new_pause(self, intent: TransactionIntent) -> None:
        for other in self.rows("intent").values():
            is_other = other.owner_id == intent.owner_id and other.intent_id != intent.intent_id
            if is_other and other.purpose is Purpose.PAUSE and not other.is_final:
                self.fail("two_pauses_at_once", f"{other.key} is {other.state}, and now {intent.key}")

    # ------------------------------------------------------------------------------------ deferrals

    def _judge_releases(self, before: Mapping[Any, Mapping[Any, Any]]) -> None:
        """All deferrals of a holder that have come due leave together, and no other but by name."""
        left = [
            (name[1], old.planned.holder)
            for name, rows in before.items()
            if _table_of(name) == "payment"
            for key, old in rows.items()
            if old is not None
            and old.state is PaymentState.DEFERRED
            and self.rows(name)[key].state is PaymentState.PLANNED
        ]
        if not left:
            return
        self.released.update(left)
        step = self.scheduler.current if self.scheduler else None
        if step and step.name == "retry named":
            self.happened["deferral_paid_by_name"] += len(left)
            return
        self.happened["deferral_released"] += len(left)
        began = step.began_at_commit if step else self.commits
        for holder in sorted({holder for _, holder in left}):
            for payout_id in self._due_of(holder, before):
                # A payout that has begun to count meanwhile is as if it had come after this step.
                has_just_come = self._counts_since.get(payout_id, 0) > began
                if (payout_id, holder) not in left and not has_just_come:
                    self.fail("deferrals_released_in_part", f"{holder}: {left}, without {payout_id}")
            for payout_id, other in left:
                if other == holder and payout_id not in self._due_of(holder, before):
                    self.fail("deferral_released_early", f"{holder} of {payout_id}")

    def _due_of(self, holder: HolderAddress, before: Mapping[Any, Mapping[Any, Any]]) -> list[UUID]:
        """Payouts whose deferred payment of a holder was due before a commit; empty `before`: is due now."""
        deferrals: list[tuple[Payout, int]] = []
        for payout_id, newest in self.rows("payout").items():
            payout = before.get("payout", {}).get(payout_id) or newest
            if payout.state not in RELEASING_STATES:
                continue
            old_rows = before.get(("payment", payout_id), {})
            for key, row in self.rows(("payment", payout_id)).items():
                was = old_rows.get(key) or row
                if was.state is PaymentState.DEFERRED and was.planned.holder == holder:
                    deferrals.append((payout, was.planned.amount_base_units))
        total = sum(amount for _, amount in deferrals)
        return [payout.payout_id for payout, _ in deferrals if total >= payout.rules.minimum_base_units]

    def deferrals_due(self) -> bool:
        """Whether the deferrals of anybody reach the minimum."""
        holders = {
            row.planned.holder
            for payout_id in self.rows("payout")
            for row in self.rows(("payment", payout_id)).values()
            if row.state is PaymentState.DEFERRED
        }
        return any(self._due_of(each, {}) for each in sorted(holders))

    def _judge_batch(self, old: Any, new: Any) -> None:
        before = old.batch.settled_state if old is not None else None
        state = new.batch.settled_state
        if before is not None and state is not before:
            self.fail("illegal_transition", f"batch {new.batch.intent_key}: {before} became {state}")
        if state is None or before is not None:
            return
        self.transitions["batch", "open", state.value] += 1
        intent = self.intent(new.batch.intent_key)
        may = {
            BatchState.SETTLED: {IntentState.SUCCEEDED},
            BatchState.REVERTED: {IntentState.REVERTED},
            BatchState.VOIDED: {IntentState.VOIDED, IntentState.NONCE_LOST},
        }[state]
        if intent.state not in may:
            self.fail("settled_without_proof", f"{intent.key} is {intent.state}, its batch {state}")

    @property
    def _chain(self) -> MemoryChain:
        if self.chain is None:
            raise RuntimeError("the database watches no chain yet")
        return self.chain

    # ------------------------------------------------------------------------------------ truth

    def payouts_of_snapshots(self) -> dict[int, UUID]:
        """Whose snapshot each on the chain is: whose transaction took it, or else who says it is its own."""
        owners: dict[int, UUID] = {}
        for transaction_hash, mined in self._chain.state.mined.items():
            key = self.owner_of.get(transaction_hash, "")
            if mined.snapshot_id and key.startswith("snapshot/"):
                owners[mined.snapshot_id] = UUID(key.split("/")[1])
        for payout in self.rows("payout").values():
            if payout.snapshot is not None and payout.kind is PayoutKind.SNAPSHOT:
                owners.setdefault(payout.snapshot.snapshot_id, payout.payout_id)
        return owners

    def free_money(self) -> int:
        """What the contract holds beyond all promises, counting what was paid and is not settled yet."""
        state = self._chain.state
        unsettled = 0
        for payout in self.rows("payout").values():
            if payout.snapshot is None:
                continue
            for row in self.payments(payout.payout_id):
                unsettled += self._not_needed(payout, row)
        for sweep in self.sweeps():
            if sweep.state.value == "SENDING" and self._has_happened(sweep.intent_key):
                unsettled += sweep.amount_base_units
        return state.money.get(CONTRACT.value, 0) + unsettled - self.committed_base_units()

    def _not_needed(self, payout: Payout, row: PaymentRow) -> int:
        """Of what is promised to a payee: paid already, or of a redemption for tokens that are elsewhere now."""
        state, planned = self._chain.state, row.planned
        if payout.kind is not PayoutKind.REDEMPTION:
            is_settled = row.state in (PaymentState.PAID, PaymentState.CANCELLED)
            paid = was_paid(state, payout.kind, payout.reference_id, planned.holder) or 0
            return 0 if is_settled else max(0, paid - row.moved_base_units)
        if row.state is PaymentState.CANCELLED and payout.state is PayoutState.CANCELLING:
            # Promised until the payout is CANCELLED, although it was given up.
            return planned.amount_base_units
        if row.state not in OPEN_STATES:
            return 0
        principal = 0 if row.state is PaymentState.DISPUTED else free_principal(self._chain, state, planned.holder)
        return max(0, planned.amount_base_units - row.moved_base_units - principal)

    def _has_happened(self, key: str) -> bool:
        intent = self.intent(key)
        hashes = {attempt.transaction_hash for attempt in intent.attempts if not attempt.is_no_op}
        mined = [self._chain.state.mined.get(each) for each in hashes]
        return any(each is not None and each.succeeded for each in mined)


def _is_capped(intent: TransactionIntent) -> bool:
    return intent.problem is not None and intent.problem.what is WaitFor.FEE_CAP_REACHED
