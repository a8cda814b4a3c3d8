"""The database of payout_service in memory, with row locks. Tests control its clock and ids."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType, coroutine
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber
from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.discrepancy import Discrepancy, Finding
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payments import (
    Batch,
    BatchState,
)
from payout_service.domain.payout import WORKED_STATES, Payout, PayoutState, reconciliation_rest
from payout_service.domain.sweep import Sweep, SweepState
from payout_service.domain.transaction import (
    FINAL_STATES,
    IN_FLIGHT_STATES,
    ForeignTransaction,
    IntentState,
    NonceLane,
    TransactionIntent,
)
from payout_service.domain.treasury import TreasuryKey
from payout_service.domain.waits import Wait
from payout_service.messages.events import (
    discrepancy_found_event,
    discrepancy_resolved_event,
    lifecycle_event,
    payout_event,
)
from tests.support.payout.copying import copied
from tests.support.payout.memory_payments import MemoryPayments, PaymentRow
from tests.support.payout.memory_store import (
    CheckViolationError,
    DeadlockError,
    Index,
    LockOrderError,
    MemoryStore,
    Schema,
    Transaction,
    UniqueViolationError,
)

__all__ = [
    "START",
    "CheckViolationError",
    "CountingIds",
    "DeadlockError",
    "LockOrderError",
    "MemoryClock",
    "MemoryDatabase",
    "MemoryPayments",
    "MemoryUnitOfWork",
    "PaymentRow",
    "UniqueViolationError",
]
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_BEFORE_SNAPSHOT = frozenset({PayoutState.REQUESTED, PayoutState.SNAPSHOTTING})
# VOIDED before it was signed; SUCCEEDED by a transaction that the journal adopted.
_WITH_OR_WITHOUT_NONCE = frozenset({IntentState.VOIDED, IntentState.SUCCEEDED})
_OWNERS = ("payout", "lifecycle", "sweep")
Row = TypeVar("Row")


class MemoryClock:
    """A clock that stands still until a test moves it on."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class CountingIds:
    """Ids that count 1, 2, 3, behind a number that no other id has reached."""

    def __init__(self, behind: int = 0) -> None:
        self._count = behind

    def new(self) -> UUID:
        self._count += 1
        return UUID(int=self._count)


@dataclass(frozen=True, slots=True)
class Due:
    """The time at which a row is due, and the time until which it is claimed."""

    at: datetime
    lease_until: datetime | None = None


def _lane_of(intent: TransactionIntent) -> tuple[int, EvmAddress]:
    return intent.chain_id, intent.signer


# As in tables.py: its unique keys, and what the queries find rows by.
_INDEXES: Mapping[str, Mapping[str, Index]] = {
    "payout": {
        "snapshot": Index(
            lambda row: (
                (row.asset_id, row.snapshot.snapshot_id)
                if row.snapshot and row.kind is PayoutKind.SNAPSHOT
                else None
            ),
            is_unique=True,
        ),
        "asset": Index(lambda row: row.asset_id),
        "action": Index(lambda row: (row.asset_id, row.kind, row.action_id)),
    },
    "batch": {
        "intent_key": Index(lambda row: row.batch.intent_key, is_unique=True),
        "open": Index(lambda row: row.payout_id if row.batch.settled_state is None else None),
        "settled": Index(lambda row: row.payout_id if row.batch.settled_state is BatchState.SETTLED else None),
    },
    "payment": {"holder": Index(lambda row: (row.planned.holder, row.planned.round_number), is_unique=True)},
    "intent": {
        "key": Index(lambda row: row.key, is_unique=True),
        "nonce": Index(lambda row: None if row.nonce is None else (*_lane_of(row), row.nonce), is_unique=True),
        "created": Index(lambda row: _lane_of(row) if row.state is IntentState.CREATED else None),
        "in flight": Index(lambda row: _lane_of(row) if row.state in IN_FLIGHT_STATES else None),
        "final": Index(lambda row: _lane_of(row) if row.state in FINAL_STATES else None),
        "outcome": Index(lambda row: row.outcome and row.outcome.transaction_hash),
    },
    "commitment": {"treasury": Index(lambda row: row[0])},
    "sweep": {"sending": Index(lambda row: row.asset_id if row.state is SweepState.SENDING else None)},
    "foreign": {"lane": Index(_lane_of)},
    "discrepancy": {
        "open": Index(
            lambda row: (
                None if row.resolve_time else (row.asset_id, row.payout_id, row.finding.kind, row.finding.subject)
            ),
            is_unique=True,
        ),
        "open of": Index(lambda row: None if row.resolve_time else (row.asset_id, row.payout_id)),
        "all open": Index(lambda row: None if row.resolve_time else True),
    },
}
_SCHEMA = Schema(
    indexes=_INDEXES,
    # The engine's lock order: owner, then lane, then intent; owner before treasury.
    may_not_follow={
        **{owner: frozenset({"lane", "intent", "treasury"}) for owner in _OWNERS},
        "lane": frozenset({"intent"}),
    },
    positioned=frozenset({"payout", "intent", "sweep", "discrepancy"}),
)


class MemoryDatabase(MemoryStore):
    """The committed rows, and what tests look at."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(_SCHEMA, seed)

    def unit_of_work(self) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self)

    def payout(self, payout_id: UUID) -> Payout:
        found: Payout = self.rows("payout")[payout_id]
        return copied(found)

    def payments(self, payout_id: UUID) -> list[PaymentRow]:
        return [row for _, row in sorted(self.rows(("payment", payout_id)).items())]

    def batches(self, payout_id: UUID) -> list[Batch]:
        return [row.batch for (owner, _), row in sorted(self.rows("batch").items()) if owner == payout_id]

    def intents(self) -> list[TransactionIntent]:
        position = self.rows("position")
        return sorted(self.rows("intent").values(), key=lambda each: position[("intent", each.intent_id)])

    def intent(self, key: str) -> TransactionIntent:
        (intent_id,) = self.table("intent").keys_with("key", key)
        found: TransactionIntent = self.rows("intent")[intent_id]
        return found

    def lane(self) -> NonceLane:
        (found,) = self.rows("lane").values()
        assert isinstance(found, NonceLane)
        return found

    def sweeps(self) -> list[Sweep]:
        return list(self.rows("sweep").values())

    def discrepancies(self) -> list[Discrepancy]:
        """The open discrepancies."""
        return [each for each in self.rows("discrepancy").values() if each.resolve_time is None]

    def committed_base_units(self) -> int:
        return sum(amount for _, amount in self.rows("commitment").values())


class _Claims:
    """The due times and leases of one table's rows. Whoever writes them holds the row's lock."""

    _table: str
    _due: str

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def _is_worked(self, row: Any) -> bool:
        """Returns whether a worker moves the row on."""
        raise NotImplementedError

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        await self._transaction.statement()
        due = self._transaction.rows(self._due)
        for key, each in sorted(due.items(), key=lambda item: item[1].at):
            is_free = each.lease_until is None or each.lease_until <= now
            if each.at <= now and is_free and self._is_worked(self._transaction.get(self._table, key)):
                if not self._transaction.try_lock(self._table, key):
                    continue
                self._transaction.write(self._due, key, Due(each.at, lease_until))
                assert isinstance(key, UUID)
                return key
        return None

    async def schedule(self, key: UUID, at: datetime) -> None:
        await self._transaction.statement()
        if self._transaction.get(self._table, key):
            await self._transaction.lock(self._table, key)
            self._transaction.write(self._due, key, Due(at))

    async def wake(self, key: UUID, now: datetime) -> None:
        await self._transaction.statement()
        if self._transaction.get(self._table, key):
            await self._transaction.lock(self._table, key)
            each = self._transaction.get(self._due, key)
            self._transaction.write(self._due, key, Due(now, each.lease_until))

    async def _lock(self, key: UUID) -> Any:
        """Returns a copy of the row, locked."""
        await self._transaction.statement()
        if self._transaction.get(self._table, key) is None:
            raise LookupError(f"there is no {self._table} {key}")
        await self._transaction.lock(self._table, key)
        return _copy(self._transaction.get(self._table, key))


class MemoryLifecycle(_Claims):
    """Implements the port `LifecycleRepository`."""

    _table = "lifecycle"
    _due = "due lifecycle"

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._loaded_versions: dict[UUID, int] = {}

    def _is_worked(self, row: LifecycleContract) -> bool:
        return row.state is not LifecycleState.FAILED

    async def add(self, contract: LifecycleContract) -> bool:
        await self._transaction.statement()
        if not await self._transaction.insert_or_ignore("lifecycle", contract.asset_id, _copy(contract)):
            return False
        self._transaction.write(self._due, contract.asset_id, Due(contract.create_time))
        self._transaction.events.append(lifecycle_event(contract))
        return True

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        await self._transaction.statement()
        found: LifecycleContract | None = _copy(self._transaction.get("lifecycle", asset_id))
        return found

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        found: LifecycleContract = await self._lock(asset_id)
        self._loaded_versions[asset_id] = found.version
        return found

    async def save(self, contract: LifecycleContract) -> None:
        await self._transaction.statement()
        loaded_version = self._loaded_versions[contract.asset_id]
        await self._transaction.update("lifecycle", contract.asset_id, _copy(contract))
        if contract.version > loaded_version:
            self._loaded_versions[contract.asset_id] = contract.version
            self._transaction.events.append(lifecycle_event(contract))

    async def with_address(self, address: EvmAddress) -> list[LifecycleContract]:
        await self._transaction.statement()
        contracts = sorted(self._transaction.rows("lifecycle").items())
        return [_copy(each) for _, each in contracts if address in (each.address, each.token)]


class MemoryPayouts(_Claims):
    """Implements the port `PayoutRepository`."""

    _table = "payout"
    _due = "due payout"

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._loaded_versions: dict[UUID, int] = {}

    def _is_worked(self, row: Payout) -> bool:
        return row.state in WORKED_STATES

    async def add(self, payout: Payout) -> bool:
        await self._transaction.statement()
        self._check(payout)
        if not await self._transaction.insert_or_ignore("payout", payout.payout_id, _copy(payout)):
            return False
        self._transaction.write(self._due, payout.payout_id, Due(payout.create_time))
        self._transaction.write("reconcile time", payout.payout_id, payout.create_time)
        await self._publish(payout)
        return True

    async def get(self, payout_id: UUID) -> Payout | None:
        await self._transaction.statement()
        found: Payout | None = _copy(self._transaction.get("payout", payout_id))
        return found

    async def lock(self, payout_id: UUID) -> Payout:
        found: Payout = await self._lock(payout_id)
        self._loaded_versions[payout_id] = found.version
        return found

    async def save(self, payout: Payout) -> None:
        await self._transaction.statement()
        loaded_version = self._loaded_versions[payout.payout_id]
        self._check(payout)
        await self._transaction.update("payout", payout.payout_id, _copy(payout))
        if payout.version > loaded_version:
            self._loaded_versions[payout.payout_id] = payout.version
            await self._publish(payout)

    async def waiting_for_snapshot(self, asset_id: UUID) -> list[Payout]:
        await self._transaction.statement()
        payouts = self._transaction.find_by_age("payout", "asset", asset_id)
        return [
            _copy(each)
            for each in payouts
            if each.kind is PayoutKind.SNAPSHOT and (each.paused_from or each.state) in _BEFORE_SNAPSHOT
        ]

    async def with_snapshot(self, asset_id: UUID, snapshot_id: int) -> Payout | None:
        await self._transaction.statement()
        found = self._transaction.find("payout", "snapshot", (asset_id, snapshot_id))
        return _copy(found[0]) if found else None

    async def of_action(self, asset_id: UUID, kind: PayoutKind, action_id: int) -> list[Payout]:
        await self._transaction.statement()
        found = self._transaction.find_by_age("payout", "action", (asset_id, kind, action_id))
        return [_copy(each) for each in found]

    async def claim_reconciliation(self, now: datetime, next_time: datetime) -> UUID | None:
        await self._transaction.statement()
        due = self._transaction.rows("reconcile time")
        for payout_id, at in sorted(due.items(), key=lambda item: item[1]):
            if at <= now and self._transaction.get("payout", payout_id).plan:
                if not self._transaction.try_lock("payout", payout_id):
                    continue
                payout = self._transaction.get("payout", payout_id)
                rest = reconciliation_rest(now - payout.update_time, payout.progress.failed_count)
                self._transaction.write("reconcile time", payout_id, max(next_time, now + rest))
                assert isinstance(payout_id, UUID)
                return payout_id
        return None

    def _check(self, payout: Payout) -> None:
        """The CHECKs of the table, but for those that terms keep as values."""
        check = self._transaction.check
        is_redemption = payout.kind is PayoutKind.REDEMPTION
        amounts = (payout.total_base_units, payout.total_supply, payout.excluded_balance)
        check(min(amounts) >= 0, "payout: an amount below zero")
        check(payout.listed_count <= payout.holder_count, "payout: listed_count")
        is_within = is_redemption or payout.planned_count <= payout.holder_count
        check(is_within, "payout: planned_count_within_the_list")
        check(payout.round_number > 0, "payout: round_number")
        check(is_redemption or payout.round_number == 1, "payout: only_redemptions_have_rounds")
        is_paused = payout.state is PayoutState.PAUSED
        check(is_paused == (payout.paused_from is not None), "payout: paused_from_somewhere")
        self._check_sums(payout)

    def _check_sums(self, payout: Payout) -> None:
        check, plan, progress = self._transaction.check, payout.plan, payout.progress
        payable = plan.payable_base_units if plan else 0
        if plan:
            parts = (
                payable,
                plan.rounding_dust_base_units,
                plan.frozen_share_base_units,
                plan.excluded_base_units,
                plan.withheld_base_units,
            )
            is_whole = min(parts) >= 0 and sum(parts) == payout.total_base_units
            check(is_whole and plan.deferred_base_units >= 0, "payout: plan_makes_the_total")
        moved = (progress.paid_base_units, progress.cancelled_base_units, progress.deferred_base_units)
        check(min(moved) >= 0 and sum(moved) <= payable, "payout: never_more_than_planned")

    async def _publish(self, payout: Payout) -> None:
        contract = await MemoryLifecycle(self._transaction).get(payout.asset_id)
        if contract is None:
            raise RuntimeError(f"payout {payout.payout_id} has no asset")
        self._transaction.events.append(payout_event(payout, contract))


class MemoryJournal:
    """Implements the port `JournalRepository`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, intent: TransactionIntent) -> bool:
        await self._transaction.statement()
        self._check(intent)
        if not await self._transaction.insert_or_ignore("intent", intent.intent_id, _copy(intent), "key"):
            return False
        await self._add_attempts(intent, frozenset())
        return True

    async def find(self, key: str) -> TransactionIntent | None:
        await self._transaction.statement()
        found = self._transaction.find("intent", "key", key)
        return _copy(found[0]) if found else None

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        await self._transaction.statement()
        if self._transaction.get("intent", intent_id) is None:
            raise LookupError(f"there is no intent {intent_id}")
        await self._transaction.lock("intent", intent_id)
        found: TransactionIntent = _copy(self._transaction.get("intent", intent_id))
        return found

    async def save(self, intent: TransactionIntent) -> None:
        await self._transaction.statement()
        self._check(intent)
        await self._transaction.lock("intent", intent.intent_id)
        before: TransactionIntent = self._transaction.get("intent", intent.intent_id)
        stored = {attempt.number: attempt for attempt in before.attempts}
        saved = _copy(intent)
        # As the SQL does: of bytes that are durable only the time of the last send changes.
        saved.attempts = [
            each
            if each.number not in stored or each is stored[each.number]
            else replace(stored[each.number], last_broadcast_time=each.last_broadcast_time)
            for each in intent.attempts
        ]
        await self._transaction.update("intent", intent.intent_id, saved)
        await self._add_attempts(saved, stored.keys())

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        await self._transaction.statement()
        return _by_nonce(self._transaction.find("intent", "in flight", (chain_id, signer)))

    async def created(self, chain_id: int, signer: EvmAddress, limit: int) -> list[TransactionIntent]:
        await self._transaction.statement()
        found = self._transaction.find_by_age("intent", "created", (chain_id, signer))
        return [_copy(each) for each in sorted(found, key=lambda each: bool(each.problem))[:limit]]

    async def next_final(
        self, chain_id: int, signer: EvmAddress, from_nonce: int, limit: int
    ) -> list[TransactionIntent]:
        await self._transaction.statement()
        final = self._transaction.find("intent", "final", (chain_id, signer))
        return _by_nonce(each for each in final if each.nonce is not None and each.nonce >= from_nonce)[:limit]

    async def lost(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        await self._transaction.statement()
        return _by_nonce(
            each
            for each in self._transaction.find("intent", "final", (chain_id, signer))
            if each.state is IntentState.NONCE_LOST
            and self._transaction.get("foreign", (chain_id, signer, each.nonce)) is None
        )

    async def known_hashes(self, transaction_hashes: Sequence[str]) -> set[str]:
        await self._transaction.statement()
        foreign = self._transaction.rows("foreign").values()
        matched = {each.transaction_hash for each in foreign if each.payout_id is not None}
        return {
            each
            for each in transaction_hashes
            if each in matched
            or self._transaction.get("attempt", each)
            or self._transaction.find("intent", "outcome", each)
        }

    async def queued_count(self, chain_id: int, signer: EvmAddress) -> int:
        await self._transaction.statement()
        return len(self._transaction.find("intent", "created", (chain_id, signer)))

    async def add_foreign(self, transactions: Sequence[ForeignTransaction]) -> None:
        await self._transaction.statement()
        for each in transactions:
            key = (each.chain_id, each.signer, each.nonce)
            await self._transaction.insert_or_ignore("foreign", key, each)

    async def foreign(self, chain_id: int, signer: EvmAddress, find_time: datetime) -> list[ForeignTransaction]:
        await self._transaction.statement()
        found = self._transaction.find("foreign", "lane", (chain_id, signer))
        return sorted((each for each in found if each.find_time == find_time), key=lambda each: each.nonce)

    async def note_problem(self, intent_id: UUID, problem: Wait) -> None:
        await self._transaction.statement()
        await self._note(intent_id, problem)

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: Wait) -> None:
        await self._transaction.statement()
        for intent in self._transaction.find_by_age("intent", "created", (chain_id, signer)):
            if intent.problem != problem:
                await self._note(intent.intent_id, problem)

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        await self._transaction.statement()
        found: NonceLane | None = _copy(self._transaction.get("lane", (chain_id, signer)))
        return found

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        await self._transaction.statement()
        if self._transaction.get("lane", (chain_id, signer)) is None:
            return None
        await self._transaction.lock("lane", (chain_id, signer))
        found: NonceLane = _copy(self._transaction.get("lane", (chain_id, signer)))
        return found

    async def add_lane(self, lane: NonceLane) -> None:
        await self._transaction.statement()
        await self._transaction.insert_or_ignore("lane", (lane.chain_id, lane.signer), _copy(lane))

    async def save_lane(self, lane: NonceLane) -> None:
        await self._transaction.statement()
        await self._transaction.update("lane", (lane.chain_id, lane.signer), _copy(lane))

    async def _note(self, intent_id: UUID, problem: Wait) -> None:
        """Does what UPDATE ... WHERE state = 'CREATED' does."""
        if not _is_created(self._transaction.get("intent", intent_id)):
            return
        await self._transaction.lock("intent", intent_id)
        intent = _copy(self._transaction.get("intent", intent_id))
        if _is_created(intent):
            intent.problem = problem
            await self._transaction.update("intent", intent_id, intent)

    async def _add_attempts(self, intent: TransactionIntent, stored_numbers: Iterable[int]) -> None:
        for attempt in intent.attempts:
            if attempt.number not in stored_numbers:
                await self._transaction.insert("attempt", attempt.transaction_hash, intent.intent_id)

    def _check(self, intent: TransactionIntent) -> None:
        """Checks what the CHECK of the table checks."""
        is_created, has_nonce = intent.state is IntentState.CREATED, intent.nonce is not None
        is_met = intent.state in _WITH_OR_WITHOUT_NONCE or is_created != has_nonce
        self._transaction.check(is_met, f"intent {intent.key}: nonce_once_signed")


def _is_created(intent: TransactionIntent | None) -> bool:
    return intent is not None and intent.state is IntentState.CREATED


def _by_nonce(intents: Iterable[TransactionIntent]) -> list[TransactionIntent]:
    return sorted((_copy(each) for each in intents), key=lambda each: each.nonce or 0)


class MemoryTreasury:
    """Implements the port `TreasuryRepository`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def version(self, key: TreasuryKey) -> int:
        await self._transaction.statement()
        return self._transaction.get("treasury", key) or 0

    async def lock(self, key: TreasuryKey) -> int:
        await self._transaction.statement()
        await self._transaction.insert_or_ignore("treasury", key, 0)
        await self._transaction.lock("treasury", key)
        version: int = self._transaction.get("treasury", key)
        return version

    async def committed(self, key: TreasuryKey) -> BaseUnits:
        await self._transaction.statement()
        return BaseUnits(sum(amount for _, amount in self._transaction.find("commitment", "treasury", key)))

    async def committed_to(self, key: TreasuryKey, owner_id: UUID) -> BaseUnits:
        await self._transaction.statement()
        treasury, amount = self._transaction.get("commitment", owner_id) or (key, 0)
        return BaseUnits(amount if treasury == key else 0)

    async def commitments(self, key: TreasuryKey, limit: int) -> list[tuple[UUID, BaseUnits]]:
        await self._transaction.statement()
        rows = self._transaction.rows("commitment").items()
        found = [(owner_id, amount) for owner_id, (treasury, amount) in rows if treasury == key and amount]
        return sorted(found, key=lambda each: (-each[1], each[0]))[:limit]

    async def commit(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        await self._transaction.statement()
        self._transaction.check(amount_base_units >= 0, "commitment: amount_base_units")
        self._transaction.check(self._transaction.get("treasury", key) is not None, "commitment: no treasury")
        row = (key, amount_base_units)
        if not await self._transaction.insert_or_ignore("commitment", owner_id, row):
            await self._transaction.lock("commitment", owner_id)
            if self._transaction.get("commitment", owner_id)[1]:
                raise RuntimeError(f"money is promised to {owner_id} already")
            self._transaction.write("commitment", owner_id, row)
        await self._raise_version(key)

    async def add(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        await self._transaction.statement()
        if self._transaction.get("commitment", owner_id):
            await self._transaction.lock("commitment", owner_id)
        treasury, amount = self._transaction.get("commitment", owner_id) or (None, 0)
        if treasury != key:
            raise RuntimeError(f"nothing was promised to {owner_id} before")
        self._transaction.check(amount + amount_base_units >= 0, "commitment: amount_base_units")
        self._transaction.write("commitment", owner_id, (key, amount + amount_base_units))
        await self._raise_version(key)

    async def reduce(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        await self._transaction.statement()
        if self._transaction.get("commitment", owner_id):
            await self._transaction.lock("commitment", owner_id)
        treasury, amount = self._transaction.get("commitment", owner_id) or (None, 0)
        if treasury != key or amount < amount_base_units:
            raise RuntimeError(f"{owner_id} used more money than was promised to it")
        self._transaction.write("commitment", owner_id, (key, amount - amount_base_units))
        await self._raise_version(key)

    async def settled_block(self, key: TreasuryKey) -> BlockNumber:
        await self._transaction.statement()
        return BlockNumber(self._transaction.get("settled block", key) or 0)

    async def raise_settled_block(self, key: TreasuryKey, block_number: int) -> None:
        await self._transaction.statement()
        if self._transaction.get("treasury", key) is None:
            return
        await self._transaction.lock("treasury", key)
        settled = self._transaction.get("settled block", key) or 0
        self._transaction.write("settled block", key, max(settled, block_number))

    async def checked_block(self, key: TreasuryKey) -> BlockNumber | None:
        await self._transaction.statement()
        found: BlockNumber | None = self._transaction.get("checked block", key)
        return found

    async def set_checked_block(self, key: TreasuryKey, block_number: int) -> None:
        await self._transaction.statement()
        await self._transaction.insert_or_ignore("treasury", key, 0)
        await self._transaction.lock("treasury", key)
        self._transaction.write("checked block", key, block_number)

    async def _raise_version(self, key: TreasuryKey) -> None:
        await self._transaction.lock("treasury", key)
        self._transaction.write("treasury", key, self._transaction.get("treasury", key) + 1)


class MemorySweeps(_Claims):
    """Implements the port `SweepRepository`."""

    _table = "sweep"
    _due = "due sweep"

    def _is_worked(self, row: Sweep) -> bool:
        return row.state is SweepState.SENDING

    async def add(self, sweep: Sweep) -> None:
        await self._transaction.statement()
        asset = self._transaction.get("lifecycle", sweep.asset_id)
        self._transaction.check(asset is not None and sweep.amount_base_units >= 0, "sweep: its asset, its amount")
        await self._transaction.insert("sweep", sweep.sweep_id, _copy(sweep))
        self._transaction.write(self._due, sweep.sweep_id, Due(sweep.create_time))

    async def get(self, sweep_id: UUID) -> Sweep | None:
        await self._transaction.statement()
        found: Sweep | None = _copy(self._transaction.get("sweep", sweep_id))
        return found

    async def lock(self, sweep_id: UUID) -> Sweep:
        found: Sweep = await self._lock(sweep_id)
        return found

    async def save(self, sweep: Sweep) -> None:
        await self._transaction.statement()
        await self._transaction.update("sweep", sweep.sweep_id, _copy(sweep))

    async def sending(self, asset_id: UUID) -> list[Sweep]:
        await self._transaction.statement()
        return [_copy(each) for each in self._transaction.find_by_age("sweep", "sending", asset_id)]


class MemoryDiscrepancies:
    """Implements the port `DiscrepancyRepository`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def open_of(self, asset_id: UUID, payout_id: UUID | None) -> list[Discrepancy]:
        await self._transaction.statement()
        return self._transaction.find_by_age("discrepancy", "open of", (asset_id, payout_id))

    async def add(self, discrepancy: Discrepancy) -> bool:
        await self._transaction.statement()
        asset = self._transaction.get("lifecycle", discrepancy.asset_id)
        self._transaction.check(asset is not None, "discrepancy: no asset")
        key = discrepancy.discrepancy_id
        if not await self._transaction.insert_or_ignore("discrepancy", key, discrepancy, "open"):
            return False
        self._transaction.events.append(discrepancy_found_event(discrepancy))
        return True

    async def seen_again(self, discrepancy_id: UUID, finding: Finding, now: datetime) -> None:
        await self._transaction.statement()
        found = await self._lock_open(discrepancy_id)
        if found:
            # What it is stays; what was seen of it is new.
            seen = replace(finding, kind=found.finding.kind, subject=found.finding.subject)
            changed = replace(found, finding=seen, last_seen_time=now)
            await self._transaction.update("discrepancy", discrepancy_id, changed)

    async def resolve(self, discrepancy_id: UUID, now: datetime) -> None:
        await self._transaction.statement()
        found = await self._lock_open(discrepancy_id)
        if found:
            resolved = replace(found, resolve_time=now)
            await self._transaction.update("discrepancy", discrepancy_id, resolved)
            self._transaction.events.append(discrepancy_resolved_event(resolved))

    async def open_count(self) -> int:
        await self._transaction.statement()
        return len(self._transaction.find("discrepancy", "all open", True))

    async def _lock_open(self, discrepancy_id: UUID) -> Discrepancy | None:
        if self._transaction.get("discrepancy", discrepancy_id) is None:
            return None
        await self._transaction.lock("discrepancy", discrepancy_id)
        found: Discrepancy = self._transaction.get("discrepancy", discrepancy_id)
        return None if found.resolve_time else found


class _Repository(Generic[Row]):
    """A repository that is made when it is first asked for, because most units of work need one or two."""

    def __init__(self, make: Callable[[Transaction], Row]) -> None:
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, work: "MemoryUnitOfWork", owner: type) -> Row:
        made = work.__dict__[self._name] = self._make(work.transaction)
        return made


class MemoryUnitOfWork:
    """Implements the port `UnitOfWork`."""

    payouts = _Repository(MemoryPayouts)
    plan_rows = _Repository(MemoryPayments)
    batches = _Repository(MemoryPayments)
    unsent = _Repository(MemoryPayments)
    journal = _Repository(MemoryJournal)
    treasury = _Repository(MemoryTreasury)
    sweeps = _Repository(MemorySweeps)
    lifecycle = _Repository(MemoryLifecycle)
    discrepancies = _Repository(MemoryDiscrepancies)

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.transaction = Transaction(database)

    @coroutine
    def __aenter__(self) -> Generator[None, None, Self]:
        for _ in range(self._database.pauses.at_turn()):
            yield
        self.transaction.is_open = True
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.transaction.is_open = False
        self.transaction.end()

    @coroutine
    def commit(self) -> Generator[None, None, None]:
        yield from self.transaction.statement()
        for _ in range(self._database.pauses.at_turn()):
            yield
        self.transaction.commit()
        # Durable, and the caller may die before it knows.
        for _ in range(self._database.pauses.at_turn()):
            yield

    async def record_incoming(self, event: IncomingEvent) -> bool:
        await self.transaction.statement()
        return await self.transaction.insert_or_ignore("inbox", event.event_id, event.subject)

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        await self.transaction.statement()
        found: LoggedRequest | None = self.transaction.get("request", request_id)
        return found

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        await self.transaction.statement()
        logged = LoggedRequest(key, resource_id)
        return await self.transaction.insert_or_ignore("request", key.request_id, logged)


def _copy(row: Row) -> Row:
    """Copies a row deeply enough: it holds values, and lists and dicts that its verbs replace or extend."""
    if row is None:
        return row
    other = copied(row)
    if isinstance(other, TransactionIntent):
        other.attempts = list(other.attempts)
    elif isinstance(other, LifecycleContract):
        other.created = dict(other.created)
    return other
