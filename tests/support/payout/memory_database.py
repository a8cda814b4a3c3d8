"""The service's database in memory, with row locks, and a clock and ids that tests own."""

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.messaging.events import IncomingEvent, OutgoingEvent
from payout_service.application.ports import TreasuryKey
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payments import Batch, BatchState, FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.payout import WORKED_STATES, Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.transaction import IN_FLIGHT_STATES, IntentState, NonceLane, TransactionIntent
from payout_service.infrastructure.event_encoding import lifecycle_event, payout_event

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_LONGEST_LOCK_WAIT_SECONDS = 5.0
Row = TypeVar("Row")


class MemoryClock:
    """Stands until a test moves it on."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class CountingIds:
    """1, 2, 3."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> UUID:
        self._count += 1
        return UUID(int=self._count)


@dataclass(frozen=True)
class PaymentRow:
    """A row of the table payment."""

    planned: PlannedPayment
    state: PaymentState
    reason: str = ""
    batch_number: int | None = None
    tries: int = 0
    transaction_hash: str = ""


@dataclass(frozen=True)
class Due:
    """When a row is due, and until when it is claimed."""

    at: datetime
    lease_until: datetime | None = None


class UniqueViolationError(Exception):
    """What the database says to a doubled key; our code never means to see it."""


class MemoryDatabase:
    """Committed rows by table and key, and the locks of the transactions that are open.

    `seed` shuffles which of several concurrent tasks goes on at each step; None lets them run as they come.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.tables: dict[str, dict[Any, Any]] = {}
        self.events: list[OutgoingEvent] = []
        self.locks: dict[tuple[str, Any], asyncio.Lock] = {}
        self.commits = 0
        self._random = random.Random(seed) if seed is not None else None
        self._position = 0

    def unit_of_work(self) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self)

    def rows(self, table: str) -> dict[Any, Any]:
        return self.tables.setdefault(table, {})

    def next_position(self) -> int:
        self._position += 1
        return self._position

    async def turn(self) -> None:
        """Lets other tasks go first, perhaps."""
        for _ in range(self._random.randrange(4) if self._random else 0):
            await asyncio.sleep(0)

    # What tests look at.

    def payout(self, payout_id: UUID) -> Payout:
        found: Payout = self.rows("payout")[payout_id]
        return copy.copy(found)

    def payments(self, payout_id: UUID) -> list[PaymentRow]:
        return [row for (owner, _), row in sorted(self.rows("payment").items(), key=_by_key) if owner == payout_id]

    def intents(self) -> list[TransactionIntent]:
        return sorted(self.rows("intent").values(), key=lambda each: self.rows("position")[each.intent_id])

    def intent(self, key: str) -> TransactionIntent:
        (found,) = (each for each in self.intents() if each.key == key)
        return found

    def lane(self) -> NonceLane:
        (found,) = self.rows("lane").values()
        assert isinstance(found, NonceLane)
        return found

    def committed_base_units(self) -> int:
        return sum(amount for _, amount in self.rows("commitment").values())


def _by_key(item: tuple[Any, Any]) -> Any:
    return item[0]


class _Transaction:
    """A transaction's own writes over the committed rows, and the locks that it holds."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.written: dict[tuple[str, Any], Any] = {}
        self.events: list[OutgoingEvent] = []
        self._held: dict[tuple[str, Any], asyncio.Lock] = {}

    def get(self, table: str, key: Any) -> Any:
        if (table, key) in self.written:
            return self.written[(table, key)]
        return self.database.rows(table).get(key)

    def put(self, table: str, key: Any, row: Any) -> None:
        self.written[(table, key)] = row

    def all(self, table: str) -> dict[Any, Any]:
        own = {key: row for (name, key), row in self.written.items() if name == table}
        return {**self.database.rows(table), **own}

    async def lock(self, table: str, key: Any) -> None:
        """Waits for the row's lock; what is read behind it is committed."""
        if (table, key) in self._held:
            return
        lock = self.database.locks.setdefault((table, key), asyncio.Lock())
        await self.database.turn()
        async with asyncio.timeout(_LONGEST_LOCK_WAIT_SECONDS):
            await lock.acquire()
        self._held[(table, key)] = lock

    async def try_lock(self, table: str, key: Any) -> bool:
        """Takes the row's lock if it is free: SKIP LOCKED."""
        lock = self.database.locks.setdefault((table, key), asyncio.Lock())
        if lock.locked():
            return (table, key) in self._held
        await lock.acquire()
        self._held[(table, key)] = lock
        return True

    def commit(self) -> None:
        for (table, key), row in self.written.items():
            self.database.rows(table)[key] = row
        self.database.events.extend(self.events)
        self.database.commits += 1
        self.written.clear()
        self.events.clear()
        self.release()

    def release(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held.clear()


class MemoryUnitOfWork:
    """See UnitOfWork."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._transaction = _Transaction(database)
        self.lifecycle = MemoryLifecycle(self._transaction)
        self.payouts = MemoryPayouts(self._transaction, self.lifecycle)
        self.payments = MemoryPayments(self._transaction)
        self.journal = MemoryJournal(self._transaction)
        self.treasury = MemoryTreasury(self._transaction)

    async def __aenter__(self) -> Self:
        await self._database.turn()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transaction.release()

    async def commit(self) -> None:
        await self._database.turn()
        self._transaction.commit()

    async def record_incoming(self, event: IncomingEvent) -> bool:
        if self._transaction.get("inbox", event.event_id):
            return False
        self._transaction.put("inbox", event.event_id, event.subject)
        return True


class _Claims:
    """Due times and leases of one table's rows."""

    def __init__(self, transaction: _Transaction, table: str, is_worked: Callable[[Any], bool]) -> None:
        self._transaction = transaction
        self._table = table
        self._is_worked = is_worked

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        due = self._transaction.all(f"due {self._table}")
        for key, each in sorted(due.items(), key=lambda item: item[1].at):
            is_free = each.lease_until is None or each.lease_until <= now
            if each.at <= now and is_free and self._is_worked(self._transaction.get(self._table, key)):
                if not await self._transaction.try_lock(self._table, key):
                    continue
                self._transaction.put(f"due {self._table}", key, replace(each, lease_until=lease_until))
                assert isinstance(key, UUID)
                return key
        return None

    async def schedule(self, key: UUID, at: datetime) -> None:
        await self._transaction.lock(self._table, key)
        self._transaction.put(f"due {self._table}", key, Due(at))

    async def wake(self, key: UUID, now: datetime) -> None:
        await self._transaction.lock(self._table, key)
        each = self._transaction.get(f"due {self._table}", key)
        self._transaction.put(f"due {self._table}", key, replace(each, at=now))


class MemoryLifecycle(_Claims):
    """See LifecycleRepository."""

    def __init__(self, transaction: _Transaction) -> None:
        super().__init__(transaction, "lifecycle", lambda row: row.state is not LifecycleState.FAILED)

    async def add(self, contract: LifecycleContract) -> bool:
        if self._transaction.get("lifecycle", contract.asset_id):
            return False
        self._transaction.put("lifecycle", contract.asset_id, _copy(contract))
        self._transaction.put("due lifecycle", contract.asset_id, Due(contract.create_time))
        self._transaction.events.append(lifecycle_event(contract))
        return True

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        found: LifecycleContract | None = _copy(self._transaction.get("lifecycle", asset_id))
        return found

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        await self._transaction.lock("lifecycle", asset_id)
        found: LifecycleContract = _copy(self._transaction.get("lifecycle", asset_id))
        return found

    async def save(self, contract: LifecycleContract) -> None:
        before = self._transaction.get("lifecycle", contract.asset_id)
        self._transaction.put("lifecycle", contract.asset_id, _copy(contract))
        if contract.version > before.version:
            self._transaction.events.append(lifecycle_event(contract))


class MemoryPayouts(_Claims):
    """See PayoutRepository."""

    def __init__(self, transaction: _Transaction, lifecycle: MemoryLifecycle) -> None:
        super().__init__(transaction, "payout", lambda row: row.state in WORKED_STATES)
        self._lifecycle = lifecycle

    async def add(self, payout: Payout) -> bool:
        await self._transaction.lock("payout", payout.payout_id)
        if self._transaction.get("payout", payout.payout_id):
            return False
        self._transaction.put("payout", payout.payout_id, _copy(payout))
        self._transaction.put("due payout", payout.payout_id, Due(payout.create_time))
        await self._publish(payout)
        return True

    async def get(self, payout_id: UUID) -> Payout | None:
        found: Payout | None = _copy(self._transaction.get("payout", payout_id))
        return found

    async def lock(self, payout_id: UUID) -> Payout:
        await self._transaction.lock("payout", payout_id)
        found: Payout = _copy(self._transaction.get("payout", payout_id))
        return found

    async def save(self, payout: Payout) -> None:
        before = self._transaction.get("payout", payout.payout_id)
        if payout.plan:
            plan = payout.plan
            parts = plan.payable_base_units + plan.rounding_dust_base_units + plan.frozen_share_base_units
            if parts != payout.total_base_units or payout.progress.paid_base_units > plan.payable_base_units:
                raise UniqueViolationError("CHECK plan_makes_the_total or never_more_than_planned")
        self._transaction.put("payout", payout.payout_id, _copy(payout))
        if payout.version > before.version:
            await self._publish(payout)

    async def _publish(self, payout: Payout) -> None:
        contract = await self._lifecycle.get(payout.asset_id)
        assert contract is not None
        self._transaction.events.append(payout_event(payout, contract))


class MemoryPayments:
    """See PaymentRepository."""

    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        holders = {row.planned.holder for _, row in self._of(payout_id)}
        for each in payments:
            if self._transaction.get("payment", (payout_id, each.ordinal)) or each.holder in holders:
                raise UniqueViolationError(f"payment {each.ordinal}")
            holders.add(each.holder)
            state = PaymentState.PLANNED if each.amount_base_units else PaymentState.ZERO_DUE
            self._transaction.put("payment", (payout_id, each.ordinal), PaymentRow(each, state))

    async def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        for _, row in self._of(payout_id):
            yield row.planned

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        free = [row.planned for _, row in self._of(payout_id) if row.state is PaymentState.PLANNED]
        return free[:limit]

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        if self._transaction.get("batch", (payout_id, batch.number)):
            raise UniqueViolationError(f"batch {batch.number}")
        self._transaction.put("batch", (payout_id, batch.number), _copy(batch))
        for payee in payees:
            row = self._transaction.get("payment", (payout_id, payee.ordinal))
            if row is None or row.state is not PaymentState.PLANNED:
                raise RuntimeError(f"payee {payee.ordinal} is not free any more")
            changed = replace(row, state=PaymentState.IN_FLIGHT, batch_number=batch.number, tries=row.tries + 1)
            self._transaction.put("payment", (payout_id, payee.ordinal), changed)

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        batches = sorted(self._transaction.all("batch").items(), key=_by_key)
        return [_copy(row) for (owner, _), row in batches if owner == payout_id and row.settled_state is None]

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        return [row.planned for _, row in self._of(payout_id) if row.batch_number == batch_number]

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        batch = self._transaction.get("batch", (payout_id, batch_number))
        self._transaction.put("batch", (payout_id, batch_number), replace(batch, settled_state=state))
        by_holder = {row.planned.holder: (key, row) for key, row in self._of(payout_id)}
        for each in outcomes:
            key, row = by_holder[each.holder]
            if row.state is not PaymentState.IN_FLIGHT or row.batch_number != batch_number:
                raise RuntimeError(f"{each.holder} was not in flight")
            reason = each.reason.value if each.reason else ""
            changed = replace(row, state=each.state, reason=reason, transaction_hash=transaction_hash)
            self._transaction.put("payment", key, changed)

    async def return_to_plan(
        self, payout_id: UUID, batch_number: int, transaction_hash: str, max_tries: int, now: datetime
    ) -> tuple[int, int]:
        counts = {PaymentState.PLANNED: 0, PaymentState.FAILED: 0}
        for key, row in self._of(payout_id):
            if row.batch_number != batch_number or row.state is not PaymentState.IN_FLIGHT:
                continue
            if row.tries >= max_tries:
                changed = replace(
                    row,
                    state=PaymentState.FAILED,
                    reason=FailureReason.BATCH_REVERTED.value,
                    transaction_hash=transaction_hash,
                )
            else:
                changed = replace(row, state=PaymentState.PLANNED, batch_number=None)
            counts[changed.state] += 1
            self._transaction.put("payment", key, changed)
        return counts[PaymentState.PLANNED], counts[PaymentState.FAILED]

    async def open_sums(self, payout_id: UUID) -> tuple[int, int]:
        rows = [row for _, row in self._of(payout_id)]
        to_be_made = [row for row in rows if row.state in (PaymentState.PLANNED, PaymentState.IN_FLIGHT)]
        owed = [row for row in rows if row.state in (PaymentState.FAILED, PaymentState.DISPUTED)]
        return len(to_be_made), sum(row.planned.amount_base_units for row in owed)

    def _of(self, payout_id: UUID) -> list[tuple[Any, PaymentRow]]:
        rows = sorted(self._transaction.all("payment").items(), key=_by_key)
        return [(key, row) for key, row in rows if key[0] == payout_id]


class MemoryJournal:
    """See JournalRepository."""

    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def add(self, intent: TransactionIntent) -> bool:
        await self._transaction.lock("intent key", intent.key)
        if await self.find(intent.key):
            return False
        self._transaction.put("intent", intent.intent_id, _copy(intent))
        self._transaction.put("position", intent.intent_id, self._transaction.database.next_position())
        return True

    async def find(self, key: str) -> TransactionIntent | None:
        return next((_copy(each) for each in self._transaction.all("intent").values() if each.key == key), None)

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        await self._transaction.lock("intent", intent_id)
        found: TransactionIntent = _copy(self._transaction.get("intent", intent_id))
        return found

    async def save(self, intent: TransactionIntent) -> None:
        before = self._transaction.get("intent", intent.intent_id)
        stored = {attempt.number: attempt for attempt in before.attempts}
        for other in self._transaction.all("intent").values():
            is_other = other.intent_id != intent.intent_id and intent.nonce is not None
            place = (intent.chain_id, intent.signer, intent.nonce)
            if is_other and (other.chain_id, other.signer, other.nonce) == place:
                raise UniqueViolationError(f"nonce {intent.nonce}")
        saved = _copy(intent)
        # As the SQL does: of bytes that are durable only the time of the last send changes.
        saved.attempts = [
            replace(stored[each.number], last_broadcast_time=each.last_broadcast_time)
            if each.number in stored
            else each
            for each in intent.attempts
        ]
        self._transaction.put("intent", intent.intent_id, saved)

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        found = self._of_lane(chain_id, signer, IN_FLIGHT_STATES)
        return sorted(found, key=lambda each: each.nonce or 0)

    async def created(self, chain_id: int, signer: EvmAddress, limit: int) -> list[TransactionIntent]:
        found = self._of_lane(chain_id, signer, {IntentState.CREATED})
        position = self._transaction.all("position")
        return sorted(found, key=lambda each: (bool(each.problem), position[each.intent_id]))[:limit]

    async def note_problem(self, intent_id: UUID, problem: str) -> None:
        intent = await self.lock(intent_id)
        if intent.state is IntentState.CREATED:
            intent.problem = problem
            self._transaction.put("intent", intent_id, intent)

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: str) -> None:
        for intent in self._of_lane(chain_id, signer, {IntentState.CREATED}):
            await self.note_problem(intent.intent_id, problem)

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        found: NonceLane | None = _copy(self._transaction.get("lane", (chain_id, signer)))
        return found

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        await self._transaction.lock("lane", (chain_id, signer))
        return await self.find_lane(chain_id, signer)

    async def add_lane(self, lane: NonceLane) -> None:
        await self._transaction.lock("lane", (lane.chain_id, lane.signer))
        if not self._transaction.get("lane", (lane.chain_id, lane.signer)):
            self._transaction.put("lane", (lane.chain_id, lane.signer), _copy(lane))

    async def save_lane(self, lane: NonceLane) -> None:
        self._transaction.put("lane", (lane.chain_id, lane.signer), _copy(lane))

    def _of_lane(
        self, chain_id: int, signer: EvmAddress, states: Iterable[IntentState]
    ) -> list[TransactionIntent]:
        return [
            _copy(each)
            for each in self._transaction.all("intent").values()
            if (each.chain_id, each.signer) == (chain_id, signer) and each.state in states
        ]


class MemoryTreasury:
    """See TreasuryRepository."""

    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def version(self, key: TreasuryKey) -> int:
        return self._transaction.get("treasury", key) or 0

    async def lock(self, key: TreasuryKey) -> int:
        await self._transaction.lock("treasury", key)
        return await self.version(key)

    async def committed(self, key: TreasuryKey) -> int:
        return sum(amount for owner, amount in self._transaction.all("commitment").values() if owner == key)

    async def committed_to(self, key: TreasuryKey, payout_id: UUID) -> int:
        owner, amount = self._transaction.get("commitment", payout_id) or (key, 0)
        return amount if owner == key else 0

    async def commit(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        if self._transaction.get("commitment", payout_id):
            raise UniqueViolationError(f"commitment of {payout_id}")
        self._transaction.put("commitment", payout_id, (key, amount_base_units))
        self._transaction.put("treasury", key, await self.version(key) + 1)

    async def reduce(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        owner, amount = self._transaction.get("commitment", payout_id) or (key, 0)
        if amount < amount_base_units:
            raise RuntimeError(f"payout {payout_id} was paid more than was committed to it")
        self._transaction.put("commitment", payout_id, (owner, amount - amount_base_units))
        self._transaction.put("treasury", key, await self.version(key) + 1)


def _copy(row: Row) -> Row:
    """Deep enough: rows hold values, and the lists and dicts that their verbs replace or extend."""
    copied = copy.copy(row)
    if isinstance(copied, TransactionIntent):
        copied.attempts = list(copied.attempts)
    if isinstance(copied, LifecycleContract):
        copied.created = dict(copied.created)
    return copied
