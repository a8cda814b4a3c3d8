"""A store in memory that behaves as the engine expects of PostgreSQL (read committed).

A statement sees what is committed, and its own transaction's writes. A row's lock is held until its transaction
ends; a doubled key waits for the transaction that is inserting it; what is not committed is gone. Rows are never
changed in place: whoever changes one writes another.
"""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import coroutine
from typing import Any

from libs.events import OutgoingEvent
from tests.support.payout.pauses import Pauses

# A deadlock is seen at once; this bounds the wait for a task that holds a lock and never comes back.
_LONGEST_LOCK_WAIT_SECONDS = 5.0
_NO_INDEXES: Mapping[str, "Index"] = {}


class UniqueViolationError(Exception):
    """The database's error for a doubled key. Our code never means to cause it."""


class CheckViolationError(Exception):
    """The database's error for a row that its CHECKs or foreign keys refuse."""


class DeadlockError(TimeoutError):
    """Two transactions wait for each other. The database aborts one of them."""


class LockOrderError(AssertionError):
    """A lock was requested in an order that can cause a deadlock."""


@dataclass(frozen=True, slots=True)
class Index:
    """Finds rows by a value. Rows whose value is None are not in it."""

    value_of: Callable[[Any], Any]
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """Indexes by table, locks that may not be requested while others are held, and tables whose rows have an age.

    A table's name may be a tuple, its first part the kind: a part of a table, for speed.
    """

    indexes: Mapping[str, Mapping[str, Index]]
    may_not_follow: Mapping[str, frozenset[str]]
    positioned: frozenset[str]


@dataclass(frozen=True, slots=True)
class Backup:
    """Everything that was committed at a time."""

    tables: Mapping[Any, Mapping[Any, Any]]
    events: tuple[OutgoingEvent, ...]


@dataclass(slots=True)
class _Table:
    """The committed rows, and their keys by the values of the table's indexes."""

    indexes: Mapping[str, Index]
    rows: dict[Any, Any] = field(default_factory=dict)
    keys: dict[str, dict[Any, dict[Any, None]]] = field(default_factory=dict)
    # How often a row was stored.
    changes: int = 0

    def store(self, key: Any, row: Any) -> None:
        """Stores a row; None deletes it."""
        self.changes += 1
        before = self.rows.get(key)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row
        for name, index in self.indexes.items():
            old = None if before is None else index.value_of(before)
            new = None if row is None else index.value_of(row)
            if old == new:
                continue
            keys = self.keys.setdefault(name, {})
            if old is not None:
                del keys[old][key]
            if new is not None:
                keys.setdefault(new, {})[key] = None

    def keys_with(self, index: str, value: Any) -> Mapping[Any, None]:
        return self.keys.get(index, {}).get(value, {})


class _Tables(dict[Any, _Table]):
    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._schema = schema

    def __missing__(self, name: Any) -> _Table:
        kind = name[0] if isinstance(name, tuple) else name
        made = self[name] = _Table(self._schema.indexes.get(kind, _NO_INDEXES))
        return made


class MemoryStore:
    """The committed rows by table and key, and the locks of the open transactions.

    `seed` shuffles which of several concurrent tasks goes on at each step; None lets them run as they come.
    """

    def __init__(self, schema: Schema, seed: int | None = None) -> None:
        self.schema = schema
        self.events: list[OutgoingEvent] = []
        self.commits = 0
        # Who holds the lock of a row, or of a value that must be unique.
        self.locks: dict[tuple[Any, ...], Transaction] = {}
        # By name; made when they are asked for.
        self.tables = _Tables(schema)
        self._outbox_keys: set[tuple[Any, ...]] = set()
        self.pauses = Pauses(seed)
        self._position = 0

    def rows(self, table: Any) -> dict[Any, Any]:
        """Returns the committed rows by key."""
        return self.tables[table].rows

    def table(self, name: Any) -> _Table:
        """Returns the committed rows with their indexes."""
        return self.tables[name]

    def next_position(self) -> int:
        self._position += 1
        return self._position

    @coroutine
    def turn(self) -> Generator[None, None, None]:
        """Lets other tasks go first, perhaps."""
        for _ in range(self.pauses.at_turn()):
            # As asyncio.sleep(0) does it.
            yield

    def backup(self) -> Backup:
        """Returns a backup for `restore`."""
        tables = {name: dict(table.rows) for name, table in self.tables.items()}
        return Backup(tables, tuple(self.events))

    def restore(self, backup: Backup) -> None:
        """Makes the database what it was at the backup. No transaction may be open."""
        if self.locks:
            raise RuntimeError("a transaction is open")
        self.tables.clear()
        for name, rows in backup.tables.items():
            for key, row in rows.items():
                self.tables[name].store(key, row)
        self.events[:] = backup.events
        self._outbox_keys = {_outbox_key(event) for event in self.events}

    def apply(self, written: Mapping[Any, Mapping[Any, Any]], events: list[OutgoingEvent]) -> None:
        """Commits all or nothing. Raises UniqueViolationError for an event that was published before."""
        if events:
            keys = [_outbox_key(event) for event in events]
            if len(set(keys)) != len(keys) or not self._outbox_keys.isdisjoint(keys):
                raise UniqueViolationError("outbox: an event of this version was published before")
            self.events.extend(events)
            self._outbox_keys.update(keys)
        for name, rows in written.items():
            table = self.tables[name]
            for key, row in rows.items():
                table.store(key, row)
        self.commits += 1


class Transaction:
    """A transaction's own writes over the committed rows, and the locks that it holds."""

    __slots__ = (
        "_deleted_from",
        "_held",
        "_held_tables",
        "_is_aborted",
        "_waiters",
        "_waits_for",
        "_written",
        "deferred_checks",
        "events",
        "is_open",
        "store",
    )

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.events: list[OutgoingEvent] = []
        # Deferred constraints: looked at when the transaction commits.
        self.deferred_checks: list[Callable[[], None]] = []
        self.is_open = False
        self._is_aborted = False
        # None for a row that is deleted.
        self._written: dict[Any, dict[Any, Any]] = {}
        self._deleted_from: set[Any] = set()
        self._held: list[tuple[Any, ...]] = []
        self._held_tables: set[str] = set()
        self._waits_for: Transaction | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @coroutine
    def statement(self) -> Generator[None, None, None]:
        """Begins a statement. Other tasks may go first, or the process may die here."""
        if self.store.pauses.at_statement():
            yield
        if not self.is_open or self._is_aborted:
            raise RuntimeError("the transaction is not open, or an error has aborted it")

    # ------------------------------------------------------------------------------------ reads

    def get(self, table: Any, key: Any) -> Any:
        """Returns a row; None when there is none."""
        own = self._written.get(table)
        if own is not None and key in own:
            return own[key]
        return self.store.tables[table].rows.get(key)

    def rows(self, table: Any) -> Mapping[Any, Any]:
        """Returns all rows of a table by key."""
        committed, own = self.store.rows(table), self._written.get(table)
        if table in self._deleted_from:
            return {key: row for key, row in {**committed, **(own or {})}.items() if row is not None}
        return {**committed, **own} if own else committed

    def find(self, table: Any, index: str, value: Any) -> list[Any]:
        """Returns rows with a value, in no order."""
        if table not in self._written:
            stored = self.store.tables[table]
            return [stored.rows[key] for key in stored.keys_with(index, value)]
        return [row for _, row in self._with(table, index, value)]

    def by_age(self, table: str, rows: Mapping[Any, Any]) -> list[Any]:
        """Returns rows in the order in which they were inserted."""
        return [rows[key] for key in sorted(rows, key=lambda key: self.get("position", (table, key)))]

    def find_by_age(self, table: str, index: str, value: Any) -> list[Any]:
        """Returns rows with a value in the order in which they were inserted."""
        return self.by_age(table, dict(self._with(table, index, value)))

    def _with(self, table: Any, index: str, value: Any) -> Iterator[tuple[Any, Any]]:
        stored, own = self.store.tables[table], self._written.get(table) or {}
        for key in stored.keys_with(index, value):
            if key not in own:
                yield key, stored.rows[key]
        value_of = stored.indexes[index].value_of
        for key, row in own.items():
            if row is not None and value_of(row) == value:
                yield key, row

    # ------------------------------------------------------------------------------------ locks

    async def lock(self, table: Any, key: Any) -> None:
        """Waits for the row's lock. What is read afterwards is committed.

        Raises DeadlockError, TimeoutError, or LockOrderError when it could wait in a circle.
        """
        slot = (table, key)
        owner = self.store.locks.get(slot)
        if owner is self:
            return
        forbidden = self.store.schema.may_not_follow.get(table)
        if forbidden and not forbidden.isdisjoint(self._held_tables):
            self._is_aborted = True
            raise LockOrderError(f"{table} is locked while {sorted(forbidden & self._held_tables)} are held")
        if owner is None:
            self._hold(slot)
        else:
            await self._take(slot)
        self._held_tables.add(table)

    def try_lock(self, table: Any, key: Any) -> bool:
        """Takes the row's lock if it is free (SKIP LOCKED)."""
        owner = self.store.locks.get((table, key))
        if owner is None:
            self._hold((table, key))
            self._held_tables.add(table)
        return owner is None or owner is self

    async def _take(self, slot: tuple[Any, ...]) -> None:
        while (owner := self.store.locks.get(slot)) is not self:
            if owner is None:
                self._hold(slot)
            else:
                await self._wait_for(owner)

    def _hold(self, slot: tuple[Any, ...]) -> None:
        self.store.locks[slot] = self
        self._held.append(slot)

    async def _wait_for(self, owner: "Transaction") -> None:
        """Waits until the owner's transaction has ended."""
        other: Transaction | None = owner
        while other is not None:
            if other is self:
                self._is_aborted = True
                raise DeadlockError("deadlock detected")
            other = other._waits_for
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        owner._waiters.append(ended)
        self._waits_for = owner
        try:
            async with asyncio.timeout(_LONGEST_LOCK_WAIT_SECONDS):
                await ended
        except TimeoutError:
            self._is_aborted = True
            raise
        finally:
            self._waits_for = None
        await self.store.turn()

    # ------------------------------------------------------------------------------------ writes

    async def insert(self, table: Any, key: Any, row: Any) -> None:
        """Does an INSERT. Raises UniqueViolationError."""
        if not await self.insert_or_ignore(table, key, row):
            raise self.refusal(f"{table}: {key} exists")

    async def insert_or_ignore(self, table: Any, key: Any, row: Any, conflict: str = "") -> bool:
        """Does INSERT ... ON CONFLICT DO NOTHING, for a conflict of the key or of the named index.

        Waits for a transaction that is inserting the same. Raises UniqueViolationError for other conflicts.
        """
        if self.get(table, key) is not None:
            return await self._existed(table, key, conflict)
        await self._take((table, key))
        if self.get(table, key) is not None:
            return await self._existed(table, key, conflict)
        if conflict and not await self._claim_value(table, key, conflict, row):
            return False
        await self._claim_values(table, key, None, row)
        self.write(table, key, row)
        if table in self.store.schema.positioned:
            self.write("position", (table, key), self.store.next_position())
        return True

    async def _existed(self, table: Any, key: Any, conflict: str) -> bool:
        if conflict:
            raise self.refusal(f"{table}: {key} exists")
        return False

    async def update(self, table: Any, key: Any, row: Any) -> None:
        """Updates a whole row, which must exist, and takes its lock. Raises UniqueViolationError."""
        await self.lock(table, key)
        await self._claim_values(table, key, self.get(table, key), row)
        self.write(table, key, row)

    async def delete(self, table: Any, key: Any) -> None:
        """Deletes a row and takes its lock."""
        await self.lock(table, key)
        self._deleted_from.add(table)
        self.write(table, key, None)

    def write(self, table: Any, key: Any, row: Any) -> None:
        """Writes a row whose lock is held."""
        self._written.setdefault(table, {})[key] = row

    def refusal(self, what: str) -> UniqueViolationError:
        """Returns the error for a doubled key. It aborts the transaction."""
        self._is_aborted = True
        return UniqueViolationError(what)

    def check(self, is_met: bool, what: str) -> None:
        """Checks a CHECK or a foreign key. Raises CheckViolationError, which aborts the transaction."""
        if not is_met:
            self._is_aborted = True
            raise CheckViolationError(what)

    async def _claim_values(self, table: Any, key: Any, before: Any, row: Any) -> None:
        for name, index in self.store.tables[table].indexes.items():
            if not index.is_unique or (before is not None and index.value_of(before) == index.value_of(row)):
                continue
            if not await self._claim_value(table, key, name, row):
                raise self.refusal(f"{table}: {name} {index.value_of(row)} exists")

    async def _claim_value(self, table: Any, key: Any, index: str, row: Any) -> bool:
        """Takes the row's value in a unique index for this transaction. Returns False if another row has it."""
        value = self.store.tables[table].indexes[index].value_of(row)
        if value is None:
            return True
        if any(other != key for other, _ in self._with(table, index, value)):
            return False
        await self._take((table, index, value))
        return all(other == key for other, _ in self._with(table, index, value))

    # ------------------------------------------------------------------------------------ end

    def commit(self) -> None:
        """Commits everything at once, or raises an error and commits nothing."""
        for check in self.deferred_checks:
            check()
        if self._is_aborted:
            raise RuntimeError("an error has aborted the transaction")
        self._is_aborted = True
        self.store.apply(self._written, self.events)
        self._is_aborted = False
        self.end()

    def end(self) -> None:
        """Gives up everything not committed, and all locks."""
        if not (self._written or self._held or self.events):
            return
        self._written.clear()
        self._deleted_from.clear()
        self.events.clear()
        self.deferred_checks.clear()
        for slot in self._held:
            del self.store.locks[slot]
        self._held.clear()
        self._held_tables.clear()
        waiters, self._waiters = self._waiters, []
        for ended in waiters:
            if not ended.done():
                ended.set_result(None)


def _outbox_key(event: OutgoingEvent) -> tuple[Any, ...]:
    return (event.aggregate_id, event.event_name, event.aggregate_version)
