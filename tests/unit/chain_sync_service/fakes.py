"""The service's ports in memory, and the engine on them."""

import asyncio
import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from chain_sync_service.application.administer import Administer
from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.follow_asset import NewListeners
from chain_sync_service.application.follow_next import ClaimLimits, FollowNext
from chain_sync_service.application.list_holders import ListHolders
from chain_sync_service.application.ports import ChainLook, StaleHolding
from chain_sync_service.application.read_holdings import ReadHoldings
from chain_sync_service.application.read_window import ReadWindow, WindowLimits
from chain_sync_service.application.record_window import RecordWindow
from chain_sync_service.application.rewind_listener import RewindListener
from chain_sync_service.application.source import ChainIdentity
from chain_sync_service.application.watch_rates import WatchRates
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.facts import Fact, FactKind, SeenFact
from chain_sync_service.domain.holdings import Fold, Holding, HoldingChange
from chain_sync_service.domain.listener import (
    Contracts,
    HolderBalancesChanged,
    HolderSource,
    Listener,
    ListenerState,
)
from chain_sync_service.domain.pending_rates import PendingRate
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey
from tests.unit.chain_sync_service.fake_chain import CHAIN_ID, CONTRACTS, NOW, FakeChain, FakeTokens, read_log


class FakeClock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def pass_time(self, seconds: float) -> None:
        """Moves on."""
        self.time += timedelta(seconds=seconds)


class FakeAlarms:
    """Remembers."""

    def __init__(self) -> None:
        self.raised: list[str] = []

    def raise_alarm(self, name: str, text: str) -> None:
        self.raised.append(name)


class CrashError(Exception):
    """The process died."""


# --- the database ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HoldingRow:
    """As table holding has it."""

    told: Holding = field(default_factory=Holding)
    stale: int = 0
    must_tell: bool = False
    as_of_block: int = 0


@dataclass(frozen=True)
class FactEvent:
    """An event of a fact, or one that takes it back."""

    asset_id: UUID
    sequence: int
    seen: SeenFact
    is_retraction: bool


Place = tuple[str, str, int]


@dataclass
class State:
    """What the database holds."""

    identity: ChainIdentity | None = None
    look: ChainLook = field(default_factory=lambda: ChainLook(None, ""))
    listeners: dict[UUID, Listener] = field(default_factory=dict)
    holdings: dict[tuple[UUID, str], HoldingRow] = field(default_factory=dict)
    # With their place in the list.
    facts: dict[tuple[UUID, Place], tuple[SeenFact, int]] = field(default_factory=dict)
    # By the place of the announcement.
    pending_rates: dict[tuple[UUID, Place], tuple[datetime, timedelta]] = field(default_factory=dict)
    ends: dict[tuple[UUID, int], str] = field(default_factory=dict)
    events: list[HolderBalancesChanged] = field(default_factory=list)
    fact_events: list[FactEvent] = field(default_factory=list)
    inbox: set[UUID] = field(default_factory=set)
    requests: dict[UUID, LoggedRequest] = field(default_factory=dict)

    def copied(self) -> "State":
        """A copy that can be changed."""
        return State(**{each.name: copy.copy(getattr(self, each.name)) for each in fields(self)})


class Store:
    """A database whose transactions run one after the other."""

    def __init__(self) -> None:
        self.state = State()
        self.lock = asyncio.Lock()
        self.owner: asyncio.Task[object] | None = None
        self.places = itertools.count(1)
        self.crash_at_commit = False
        self.crash_after_commit = False

    def new_unit_of_work(self) -> "FakeUnitOfWork":
        """A transaction."""
        return FakeUnitOfWork(self)

    def is_mine(self) -> bool:
        """True while the running task has a transaction open."""
        return self.owner is not None and self.owner is asyncio.current_task()


class FakeUnitOfWork:
    """A transaction on a Store; works on a copy that the commit puts in place."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(30):
            await self._store.lock.acquire()
        self._store.owner = asyncio.current_task()
        self._state = self._store.state.copied()
        self.chain = FakeChainRecord(self._state)
        self.listeners = FakeListeners(self._state)
        self.holdings = FakeHoldings(self._state)
        self.facts = FakeFacts(self._state, self._store.places)
        self.window_ends = FakeWindowEnds(self._state)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._store.owner = None
        self._store.lock.release()

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        self._state.events.extend(events)

    def publish_facts(self, asset_id: UUID, facts: Sequence[SeenFact]) -> None:
        self._state.fact_events.extend(
            FactEvent(asset_id, seen.sequence, seen, is_retraction=False) for seen in facts if seen.sequence
        )

    def publish_retractions(self, asset_id: UUID, retracted: Sequence[SeenFact], sequences: Iterable[int]) -> None:
        for seen, sequence in zip(retracted, sequences, strict=True):
            self._state.fact_events.append(FactEvent(asset_id, sequence, seen, is_retraction=True))

    async def record_incoming(self, event: IncomingEvent) -> bool:
        if event.event_id in self._state.inbox:
            return False
        self._state.inbox.add(event.event_id)
        return True

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        return self._state.requests.get(request_id)

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        if key.request_id in self._state.requests:
            return False
        self._state.requests[key.request_id] = LoggedRequest(key, resource_id)
        return True

    async def commit(self) -> None:
        if self._store.crash_at_commit:
            raise CrashError
        self._store.state = self._state
        if self._store.crash_after_commit:
            raise CrashError


class FakeChainRecord:
    """Keeps the chain record in memory."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def record_identity(self, identity: ChainIdentity) -> ChainIdentity:
        self._state.identity = self._state.identity or identity
        return self._state.identity

    async def record_look(self, look: ChainLook, now: datetime) -> None:
        head = self._state.look.head_block if look.head_block is None else look.head_block
        self._state.look = ChainLook(head, look.error)

    async def last_look(self) -> ChainLook:
        return self._state.look


class FakeListeners:
    """Keeps listeners in memory."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, listener: Listener) -> Listener:
        return self._state.listeners.setdefault(listener.asset_id, listener)

    async def find(self, asset_id: UUID) -> Listener | None:
        return self._state.listeners.get(asset_id)

    async def page(self, after: UUID | None, limit: int) -> list[Listener]:
        behind = sorted(each for each in self._state.listeners if after is None or each > after)
        return [self._state.listeners[each] for each in behind[:limit]]

    async def claim_due(
        self, *, last_block: int, now: datetime, lease_until: datetime, limit: int
    ) -> list[Listener]:
        due = sorted(
            (each for each in self._state.listeners.values() if _is_due(each, last_block, now)),
            key=lambda each: each.due_time,
        )
        claimed = [each for each in due if _goes_with(due[0], each)][:limit]
        for each in claimed:
            self._state.listeners[each.asset_id] = replace(each, due_time=lease_until)
        return claimed

    async def lock(self, asset_id: UUID) -> Listener | None:
        return self._state.listeners.get(asset_id)

    async def lock_many(self, asset_ids: Sequence[UUID]) -> list[Listener]:
        return [self._state.listeners[each] for each in sorted(asset_ids) if each in self._state.listeners]

    async def save(self, listeners: Sequence[Listener]) -> None:
        for each in listeners:
            self._state.listeners[each.asset_id] = each


def _is_due(listener: Listener, last_block: int, now: datetime) -> bool:
    has_blocks = listener.position is None or listener.position.number < last_block
    return not listener.is_stopped and listener.due_time <= now and (not listener.reads_windows or has_blocks)


def _goes_with(first: Listener, other: Listener) -> bool:
    if other is first:
        return True
    if not (first.reads_windows and other.reads_windows):
        return False
    if first.position or other.position:
        return first.position == other.position
    return first.floor_block == other.floor_block


class FakeHoldings:
    """Keeps holdings in memory."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def fold(self, asset_id: UUID, folds: Sequence[Fold], as_of_block: int) -> list[HoldingChange]:
        changes = []
        for fold in sorted(folds, key=lambda each: each.holder):
            key = (asset_id, fold.holder)
            row = self._state.holdings.get(key, HoldingRow(as_of_block=as_of_block))
            if row.stale:
                continue
            after = row.told.balance + fold.delta
            if after < 0:
                self._state.holdings[key] = replace(row, stale=2)
                continue
            told = replace(row.told, balance=after)
            changes.append(HoldingChange(fold.holder, row.told, told, fold.block_number))
            self._state.holdings[key] = replace(row, told=told, as_of_block=as_of_block)
        return changes

    async def mark_stale(
        self, asset_id: UUID, holders: Sequence[str], *, reads_parts: bool, must_tell: bool = False
    ) -> None:
        for account in holders:
            self._mark((asset_id, account), 2 if reads_parts else 1, must_tell=must_tell)

    async def mark_everybody_stale(self, asset_id: UUID, *, must_tell: bool = False) -> None:
        for key in self._keys(asset_id):
            self._mark(key, 2, must_tell=must_tell)

    async def mark_stale_behind(self, asset_id: UUID, block_number: int | None) -> None:
        for key in self._keys(asset_id):
            if block_number is None or self._state.holdings[key].as_of_block > block_number:
                self._mark(key, 2)

    async def count_stale(self, asset_id: UUID) -> int:
        return len(self._stale_keys(asset_id))

    async def stale_among(self, asset_ids: Sequence[UUID]) -> set[UUID]:
        return {asset_id for asset_id in asset_ids if self._stale_keys(asset_id)}

    async def stale(self, asset_id: UUID, limit: int) -> list[StaleHolding]:
        rows = [(key, self._state.holdings[key]) for key in self._stale_keys(asset_id)[:limit]]
        return [StaleHolding(account, row.told, row.stale == 2, row.must_tell) for (_, account), row in rows]

    async def record_read(
        self, asset_id: UUID, holders: Sequence[str], holdings: Sequence[Holding], as_of_block: int
    ) -> None:
        for account, has in zip(holders, holdings, strict=True):
            self._state.holdings[asset_id, account] = HoldingRow(has, as_of_block=as_of_block)

    def _mark(self, key: tuple[UUID, str], level: int, *, must_tell: bool = False) -> None:
        row = self._state.holdings.get(key, HoldingRow())
        self._state.holdings[key] = replace(row, stale=max(row.stale, level), must_tell=row.must_tell or must_tell)

    def _keys(self, asset_id: UUID) -> list[tuple[UUID, str]]:
        return sorted(key for key in self._state.holdings if key[0] == asset_id)

    def _stale_keys(self, asset_id: UUID) -> list[tuple[UUID, str]]:
        return [key for key in self._keys(asset_id) if self._state.holdings[key].stale]


class FakeFacts:
    """Keeps facts in memory."""

    def __init__(self, state: State, places: "itertools.count[int]") -> None:
        self._state = state
        self._places = places

    async def known_places(self, asset_id: UUID, facts: Sequence[Fact]) -> set[Place]:
        hashes = {fact.log.transaction_hash for fact in facts}
        return {place for asset, place in self._state.facts if asset == asset_id and place[1] in hashes}

    async def add(self, asset_id: UUID, seen: Sequence[SeenFact], now: datetime) -> None:
        for each in seen:
            key = (asset_id, _place(each.fact))
            assert key not in self._state.facts, "a fact is recorded once"
            # What a fact touched is not kept.
            log = replace(each.fact.log, has_result=True)
            kept = replace(each, fact=replace(each.fact, log=log, touched=(), touches_everybody=False))
            self._state.facts[key] = (kept, next(self._places))

    async def take_back(self, asset_id: UUID, block_number: int | None) -> list[SeenFact]:
        return self._take_back(
            asset_id,
            [
                place
                for place, seen in self._of(asset_id).items()
                if block_number is None or seen.fact.log.block_number > block_number
            ],
        )

    async def take_back_unseen(
        self, asset_id: UUID, from_block: int, to_block: int, seen: Sequence[Fact]
    ) -> list[SeenFact]:
        on_chain = {_place(fact): fact.log.block_hash for fact in seen}
        return self._take_back(
            asset_id,
            [
                place
                for place, known in self._of(asset_id).items()
                if (from_block <= known.fact.log.block_number <= to_block or place in on_chain)
                and known.fact.kind is not FactKind.CORPORATE_ACTION_RATE_SET
                and known.fact.log.block_hash != on_chain.get(place)
            ],
        )

    async def page(
        self,
        asset_id: UUID,
        *,
        kinds: Sequence[FactKind],
        from_block: int,
        to_block: int | None,
        after: tuple[int, int] | None,
        limit: int,
    ) -> list[tuple[SeenFact, tuple[int, int]]]:
        rows = [row for (asset, _), row in self._state.facts.items() if asset == asset_id]
        listed = sorted(
            ((seen, (int(seen.fact.log.block_number), place)) for seen, place in rows), key=lambda each: each[1]
        )
        return [
            (seen, place)
            for seen, place in listed
            if place[0] >= from_block
            and (to_block is None or place[0] <= to_block)
            and (not kinds or seen.fact.kind in kinds)
            and (after is None or place > after)
        ][:limit]

    async def add_pending_rates(self, asset_id: UUID, rates: Sequence[PendingRate]) -> None:
        for rate in rates:
            key = (asset_id, _place(rate.announcement))
            assert key in self._state.facts, "the announcement is recorded first"
            self._state.pending_rates.setdefault(key, (rate.ask_time, rate.delay))

    async def due_pending_rates(
        self, asset_ids: Sequence[UUID], block_time: datetime, limit: int
    ) -> list[tuple[UUID, PendingRate]]:
        due = [
            (key[0], PendingRate(self._state.facts[key][0].fact, ask_time, delay))
            for key, (ask_time, delay) in self._state.pending_rates.items()
            if key[0] in asset_ids and ask_time <= block_time
        ]
        return sorted(due, key=lambda each: each[1].ask_time)[:limit]

    async def save_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        key = (asset_id, _place(rate.announcement))
        if key in self._state.pending_rates:
            self._state.pending_rates[key] = (rate.ask_time, rate.delay)

    async def remove_pending_rate(self, asset_id: UUID, rate: PendingRate) -> None:
        self._state.pending_rates.pop((asset_id, _place(rate.announcement)), None)

    def _of(self, asset_id: UUID) -> dict[Place, SeenFact]:
        return {place: row[0] for (asset, place), row in self._state.facts.items() if asset == asset_id}

    def _take_back(self, asset_id: UUID, places: Sequence[Place]) -> list[SeenFact]:
        gone = []
        for place in places:
            gone.append(self._state.facts.pop((asset_id, place))[0])
            self._state.pending_rates.pop((asset_id, place), None)
        for seen in gone:
            if seen.fact.kind is FactKind.CORPORATE_ACTION_RATE_SET:
                self._ask_again(asset_id, seen)
        return sorted((seen for seen in gone if seen.sequence), key=lambda seen: seen.sequence)

    def _ask_again(self, asset_id: UUID, rate_set: SeenFact) -> None:
        _, transaction_hash, log_index = _place(rate_set.fact)
        key = (asset_id, (FactKind.CORPORATE_ACTION_ANNOUNCED.value, transaction_hash, log_index))
        if key in self._state.facts:
            announced = self._state.facts[key][0].block_time
            self._state.pending_rates.setdefault(key, (announced, timedelta(seconds=1)))


def _place(fact: Fact) -> Place:
    return (fact.kind.value, fact.log.transaction_hash, fact.log.log_index)


class FakeWindowEnds:
    """Keeps window ends in memory."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, asset_ids: Sequence[UUID], end: BlockRef, keep: int) -> None:
        for asset_id in asset_ids:
            self._state.ends[asset_id, end.number] = end.hash
            for old in (await self.newest_first(asset_id))[keep:]:
                del self._state.ends[asset_id, old.number]

    async def newest_first(self, asset_id: UUID) -> list[BlockRef]:
        ends = [
            BlockRef(BlockNumber(number), seen)
            for (asset, number), seen in self._state.ends.items()
            if asset == asset_id
        ]
        return sorted(ends, key=lambda end: -end.number)

    async def remove_behind(self, asset_id: UUID, block_number: int | None) -> None:
        for key in [key for key in self._state.ends if key[0] == asset_id]:
            if block_number is None or key[1] > block_number:
                del self._state.ends[key]


# --- consumers -------------------------------------------------------------------------------------------------


class Register:
    """What asset_service makes of the events: it sets what it is told, in sequence."""

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}
        self.last_sequence = 0

    def apply(self, event: HolderBalancesChanged) -> None:
        """Asserts that none is missing or doubled, and that each change begins where the last one ended."""
        assert event.sequence == self.last_sequence + 1
        assert len(event.changes) <= 1000
        assert event.from_block <= event.to_block.number
        for change in event.changes:
            assert change.before == self.holdings.get(change.holder, Holding())
            assert change.block_number <= event.to_block.number
            self.holdings[change.holder] = change.after
        self.last_sequence = event.sequence

    def present(self) -> dict[str, Holding]:
        """Who has something."""
        return {account: has for account, has in self.holdings.items() if has.total}


# --- the engine on fakes ---------------------------------------------------------------------------------------


class Follower:
    """The engine on fakes, and what its consumers see."""

    def __init__(
        self,
        *,
        confirmations: int = 2,
        window_blocks: int = 10,
        window_logs: int = 1000,
        position_event_blocks: int = 5,
        page_size: int = 3,
        group_size: int = 100,
        holder_source: HolderSource = HolderSource.LOGS,
        start_block: int = 0,
    ) -> None:
        self.store = Store()
        self.chain = FakeChain(self.store.is_mine)
        self.tokens = FakeTokens(self.chain)
        self.clock = FakeClock()
        self.alarms = FakeAlarms()
        self.confirmations = confirmations
        self.window_blocks = window_blocks
        self._window_logs = window_logs
        self._position_event_blocks = position_event_blocks
        self._page_size = page_size
        self._group_size = group_size
        self.new_listeners = NewListeners(
            chain_id=CHAIN_ID,
            start_block=BlockNumber(start_block),
            holder_source=holder_source,
            window_blocks=window_blocks,
        )
        self.administer = Administer(self.chain, self.store.new_unit_of_work, self.clock, self.new_listeners)
        self._registers: dict[UUID, Register] = {}
        self._events_applied = 0
        self.follow_next = self.new_process()

    def new_process(self) -> FollowNext:
        """The worker's step as a fresh process has it."""
        new_unit_of_work, chain, tokens = self.store.new_unit_of_work, self.chain, self.tokens
        clock, alarms = self.clock, self.alarms
        gate = ChainGate(chain, new_unit_of_work, CHAIN_ID)
        record = RecordWindow(
            new_unit_of_work,
            clock,
            alarms,
            position_event_blocks=self._position_event_blocks,
            max_window_blocks=self.window_blocks,
        )
        rewind = RewindListener(chain, gate, new_unit_of_work, clock, alarms)
        window_limits = WindowLimits(
            max_window_blocks=self.window_blocks,
            max_window_logs=self._window_logs,
            position_event_blocks=self._position_event_blocks,
            error_delay=timedelta(seconds=1),
            ghost_patience=timedelta(seconds=120),
        )
        watch_rates = WatchRates(tokens, new_unit_of_work)
        read_window = ReadWindow(
            chain, tokens, read_log, new_unit_of_work, record, rewind, watch_rates, clock, alarms, window_limits
        )
        claim_limits = ClaimLimits(
            confirmations=self.confirmations,
            group_size=self._group_size,
            lease=timedelta(seconds=10),
            error_delay=timedelta(seconds=1),
        )
        page_size = self._page_size
        list_holders = ListHolders(chain, tokens, new_unit_of_work, rewind, clock, alarms, page_size=page_size)
        read_holdings = ReadHoldings(chain, tokens, new_unit_of_work, rewind, clock, alarms, page_size=page_size)
        return FollowNext(
            chain, gate, new_unit_of_work, read_window, list_holders, read_holdings, clock, alarms, claim_limits
        )

    def follow(
        self,
        asset_id: UUID,
        contracts: Contracts = CONTRACTS,
        *,
        start_block: int | None = None,
        holder_source: HolderSource | None = None,
    ) -> None:
        """Adds a listener."""
        self.store.state.listeners[asset_id] = Listener.begin(
            asset_id,
            contracts,
            start_block=BlockNumber(self.new_listeners.start_block if start_block is None else start_block),
            holder_source=holder_source or self.new_listeners.holder_source,
            window_blocks=self.window_blocks,
            now=self.clock.now(),
        )

    async def run_until_idle(self) -> None:
        """Steps until nothing is due."""
        await self.run_until_idle_as(self.follow_next)

    async def run_until_idle_as(self, process: FollowNext, bound: int = 1000) -> None:
        """Steps of this process until nothing is due."""
        for _ in range(bound):
            self.clock.pass_time(2)
            if not await process():
                return
        raise AssertionError("the follower does not come to rest")

    def listener(self, asset_id: UUID) -> Listener:
        """The listener as it is stored."""
        return self.store.state.listeners[asset_id]

    def safe_block(self) -> int:
        """The newest block that may be read."""
        return self.chain.height - self.confirmations

    def register(self, asset_id: UUID) -> Register:
        """A consumer's register after all events; each complete one is compared with the chain at its block.

        The block may have left the chain since: what was told was right there, on its fork.
        """
        new = self.store.state.events[self._events_applied :]
        for event in new:
            register = self._registers.setdefault(event.asset_id, Register())
            register.apply(event)
            if event.is_range_complete:
                token = self.listener(event.asset_id).contracts.token
                assert register.present() == self.chain.holdings(event.to_block.hash, token), event
        self._events_applied += len(new)
        return self._registers.setdefault(asset_id, Register())

    def facts_alive(self, asset_id: UUID) -> list[SeenFact]:
        """What was published and not taken back; asserts that no sequence number is missing or doubled."""
        events = [event for event in self.store.state.fact_events if event.asset_id == asset_id]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert self.listener(asset_id).fact_sequence == len(events)
        alive: dict[int, SeenFact] = {}
        for event in events:
            if event.is_retraction:
                assert alive.pop(event.seen.sequence).fact.log == event.seen.fact.log
            else:
                alive[event.sequence] = event.seen
        return list(alive.values())

    def assert_settled(self, asset_id: UUID) -> None:
        """Everything is equal to the chain at the newest safe block, and nothing is left to do."""
        listener = self.listener(asset_id)
        token = listener.contracts.token
        assert listener.position is not None
        assert listener.position.number == self.safe_block()
        assert listener.position.hash == self.chain.blocks_now[self.safe_block()].hash
        assert listener.state is ListenerState.FOLLOWING
        assert not listener.is_range_open
        assert listener.last_error == ""
        rows = {key: row for key, row in self.store.state.holdings.items() if key[0] == asset_id}
        assert not any(row.stale for row in rows.values())
        register = self.register(asset_id)
        on_chain = self.chain.holdings(self.safe_block(), token)
        assert register.last_sequence == listener.last_sequence
        assert register.present() == on_chain
        assert {account: row.told for (_, account), row in rows.items() if row.told.total} == on_chain
        assert listener.total_base_units == sum(has.total for has in on_chain.values())
        self._assert_facts_are_right(asset_id)

    def _assert_facts_are_right(self, asset_id: UUID) -> None:
        listener = self.listener(asset_id)
        logs = self.chain.logs_between(listener.start_block, self.safe_block())
        own = {each.value for each in _addresses(listener.contracts)}
        read = [read_log(listener.contracts, log) for log in logs if log.contract in own]
        facts = [each for each in read if isinstance(each, Fact)]
        expected = {(*_place(fact), fact.log.block_hash) for fact in facts if fact.kind is not FactKind.UNKNOWN}
        alive = self.facts_alive(asset_id)
        rates = [each for each in alive if each.fact.kind is FactKind.CORPORATE_ACTION_RATE_SET]
        told = [(*_place(each.fact), each.fact.log.block_hash) for each in alive if each not in rates]
        assert len(told) == len(set(told)), "told twice"
        assert set(told) == expected, (set(told) - expected, expected - set(told))
        announced = {
            fact.details["action_id"] for fact in facts if fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
        }
        coupons = self.chain.state(self.safe_block(), listener.contracts.token).coupons
        assert sorted((each.fact.details["action_id"], each.fact.details["rate"]) for each in rates) == sorted(
            (str(action_id), str(coupon.rate))
            for action_id, coupon in coupons.items()
            if coupon.is_rate_set and str(action_id) in announced
        )


def _addresses(contracts: Contracts) -> list[EvmAddress]:
    optional = (contracts.lifecycle_contract, contracts.payment_token)
    return [contracts.token, *(each for each in optional if each is not None)]
