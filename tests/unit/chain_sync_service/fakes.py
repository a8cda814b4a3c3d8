"""The service's ports in memory, and a chain that can be made to misbehave."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.follow_next import FollowLimits, FollowNext
from chain_sync_service.application.ports import ChainIdentity, ChainLook, WindowRefusedError
from chain_sync_service.application.record_window import RecordWindow
from chain_sync_service.application.rewind_token import RewindToken
from chain_sync_service.domain.blocks import BlockRef, Transfer, UndecodableLog, WindowLogs
from chain_sync_service.domain.followed_token import FollowedToken, HolderBalancesChanged
from chain_sync_service.domain.holder_changes import HolderChange, net_changes
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.messaging.events import IncomingEvent

CHAIN_ID = 298
TOKEN = EvmAddress("0x" + "ab" * 20)
NOBODY = "0x" + "0" * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def holder(number: int) -> str:
    """An address."""
    return f"0x{number:040x}"


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


@dataclass
class State:
    """What the database holds."""

    identity: ChainIdentity | None = None
    look: ChainLook = field(default_factory=lambda: ChainLook(None, ""))
    tokens: dict[UUID, FollowedToken] = field(default_factory=dict)
    transfers: dict[tuple[UUID, str, int], Transfer] = field(default_factory=dict)
    undecodable: dict[tuple[UUID, str, int], UndecodableLog] = field(default_factory=dict)
    ends: dict[tuple[UUID, int], str] = field(default_factory=dict)
    events: list[HolderBalancesChanged] = field(default_factory=list)
    inbox: set[UUID] = field(default_factory=set)


class Store:
    """A database whose transactions run one after the other."""

    def __init__(self) -> None:
        self.state = State()
        self.lock = asyncio.Lock()
        self.owner: asyncio.Task[object] | None = None
        self.crash_at_commit = False

    def new_unit_of_work(self) -> "FakeUnitOfWork":
        """A transaction."""
        return FakeUnitOfWork(self)

    def register(self, asset_id: UUID) -> dict[str, int]:
        """What a consumer's register holds after all events; asserts that none is missing or doubled."""
        balances: dict[str, int] = {}
        events = [event for event in self.state.events if event.asset_id == asset_id]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        for event in events:
            assert len(event.changes) <= 1000
            for change in event.changes:
                balances[change.holder] = balances.get(change.holder, 0) + change.delta
            if event.is_range_complete:
                assert all(balance >= 0 for balance in balances.values())
        return {account: balance for account, balance in balances.items() if balance}


class CrashError(Exception):
    """The process died."""


class FakeUnitOfWork:
    """A transaction on a Store; works on a copy that the commit puts in place."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aenter__(self) -> Self:
        await self._store.lock.acquire()
        self._store.owner = asyncio.current_task()
        self._state = replace(
            self._store.state,
            **{
                name: copy.copy(getattr(self._store.state, name))
                for name in ("tokens", "transfers", "undecodable", "ends", "events", "inbox")
            },
        )
        self.chain = FakeChainRecord(self._state)
        self.tokens = FakeFollowedTokens(self._state)
        self.history = FakeTransferHistory(self._state)
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

    async def record_incoming(self, event: IncomingEvent) -> bool:
        if event.event_id in self._state.inbox:
            return False
        self._state.inbox.add(event.event_id)
        return True

    async def commit(self) -> None:
        if self._store.crash_at_commit:
            raise CrashError
        self._store.state = self._state


class FakeChainRecord:
    """See the port."""

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


class FakeFollowedTokens:
    """See the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, token: FollowedToken) -> FollowedToken:
        return self._state.tokens.setdefault(token.asset_id, token)

    async def find(self, asset_id: UUID) -> FollowedToken | None:
        return self._state.tokens.get(asset_id)

    async def claim_due(self, *, last_block: int, now: datetime, lease_until: datetime) -> FollowedToken | None:
        due = [
            token
            for token in self._state.tokens.values()
            if token.due_time <= now and (token.position is None or token.position.number < last_block)
        ]
        if not due:
            return None
        claimed = replace(min(due, key=lambda token: token.due_time), due_time=lease_until)
        self._state.tokens[claimed.asset_id] = claimed
        return claimed

    async def lock(self, asset_id: UUID) -> FollowedToken | None:
        return self._state.tokens.get(asset_id)

    async def save(self, token: FollowedToken) -> None:
        self._state.tokens[token.asset_id] = token


class FakeTransferHistory:
    """See the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add_transfers(self, asset_id: UUID, transfers: Sequence[Transfer]) -> list[Transfer]:
        new = []
        for transfer in transfers:
            key = (asset_id, transfer.transaction_hash, transfer.log_index)
            if key not in self._state.transfers:
                self._state.transfers[key] = transfer
                new.append(transfer)
        return new

    async def add_undecodable(self, asset_id: UUID, logs: Sequence[UndecodableLog], now: datetime) -> None:
        for log in logs:
            self._state.undecodable.setdefault((asset_id, log.transaction_hash, log.log_index), log)

    async def add_window_end(self, asset_id: UUID, end: BlockRef, keep: int) -> None:
        assert (asset_id, end.number) not in self._state.ends
        self._state.ends[asset_id, end.number] = end.hash
        for number in sorted(number for asset, number in self._state.ends if asset == asset_id)[:-keep]:
            del self._state.ends[asset_id, number]

    async def window_ends(self, asset_id: UUID) -> list[BlockRef]:
        ends = [
            BlockRef(number, block_hash)
            for (asset, number), block_hash in self._state.ends.items()
            if asset == asset_id
        ]
        return sorted(ends, key=lambda end: -end.number)

    async def take_back(self, asset_id: UUID, ancestor: BlockRef) -> list[HolderChange]:
        behind = {
            key: transfer
            for key, transfer in self._state.transfers.items()
            if key[0] == asset_id and transfer.block_number > ancestor.number
        }
        for key in behind:
            del self._state.transfers[key]
        for odd_key, log in list(self._state.undecodable.items()):
            if odd_key[0] == asset_id and log.block_number > ancestor.number:
                del self._state.undecodable[odd_key]
        for end_key in [key for key in self._state.ends if key[0] == asset_id and key[1] > ancestor.number]:
            del self._state.ends[end_key]
        return [
            HolderChange(change.holder, -change.delta, ancestor.number) for change in net_changes(behind.values())
        ]


@dataclass(frozen=True)
class FakeBlock:
    """A block: its hash and its logs, transfers as (sender, receiver, amount)."""

    hash: str
    moves: tuple[tuple[str, str, int], ...] = ()
    odd_logs: int = 0


class FakeChain:
    """A chain of blocks; `before` is called with the name of each request before it is answered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes = itertools.count(1)
        self.told_chain_id = CHAIN_ID
        self.blocks_now = [FakeBlock(self._new_hash())]
        self.is_away = False
        self.most_blocks = 10**9
        self.before: Callable[[str], None] = lambda request: None
        self.hold: asyncio.Event | None = None
        self.hold_at = "transfers"
        self.is_holding = asyncio.Event()
        self.requests: list[str] = []

    def _new_hash(self) -> str:
        return f"0x{next(self._hashes):064x}"

    def mine(self, *moves: tuple[str, str, int], odd_logs: int = 0) -> None:
        """A block with these transfers."""
        self.blocks_now.append(FakeBlock(self._new_hash(), moves, odd_logs))

    def mine_empty(self, count: int) -> None:
        """Blocks without logs."""
        for _ in range(count):
            self.mine()

    def drop(self, depth: int) -> list[FakeBlock]:
        """Takes the newest blocks off; for a reorg, others are mined then."""
        keep = max(len(self.blocks_now) - depth, 1)
        dropped = self.blocks_now[keep:]
        del self.blocks_now[keep:]
        return dropped

    def balances(self, up_to: int | None = None) -> dict[str, int]:
        """Balances at a block (the newest by default)."""
        balances: dict[str, int] = {}
        for block in self.blocks_now[: None if up_to is None else up_to + 1]:
            for sender, receiver, amount in block.moves:
                for account, delta in ((sender, -amount), (receiver, amount)):
                    if account != NOBODY:
                        balances[account] = balances.get(account, 0) + delta
        return {account: balance for account, balance in balances.items() if balance}

    async def _asked(self, request: str) -> None:
        # No network wait inside a database transaction.
        assert self._store.owner is None or self._store.owner is not asyncio.current_task()
        self.requests.append(request)
        self.before(request)
        if request == self.hold_at and self.hold is not None:
            hold, self.hold = self.hold, None
            self.is_holding.set()
            await hold.wait()
        if self.is_away:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node is away")

    async def chain_id(self) -> int:
        await self._asked("chain_id")
        return self.told_chain_id

    async def identity(self) -> ChainIdentity:
        await self._asked("identity")
        return ChainIdentity(self.told_chain_id, self.blocks_now[0].hash)

    async def head(self) -> BlockRef:
        await self._asked("head")
        return BlockRef(len(self.blocks_now) - 1, self.blocks_now[-1].hash)

    async def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        await self._asked("blocks")
        return [
            BlockRef(number, self.blocks_now[number].hash) if number < len(self.blocks_now) else None
            for number in numbers
        ]

    async def transfers(self, token: EvmAddress, from_block: int, to_block: int) -> WindowLogs:
        await self._asked("transfers")
        if to_block - from_block + 1 > self.most_blocks:
            raise WindowRefusedError(f"at most {self.most_blocks} blocks")
        transfers: list[Transfer] = []
        odd: list[UndecodableLog] = []
        end_hashes = set()
        for number in range(from_block, min(to_block + 1, len(self.blocks_now))):
            block = self.blocks_now[number]
            transaction = "0x" + block.hash[2:][::-1]
            for index, (sender, receiver, amount) in enumerate(block.moves):
                transfers.append(Transfer(transaction, index, number, sender, receiver, amount))
            for index in range(block.odd_logs):
                log = UndecodableLog(transaction, 1000 + index, number, block.hash, (b"t",), b"", "odd")
                odd.append(log)
            if number == to_block and (block.moves or block.odd_logs):
                end_hashes.add(block.hash)
        return WindowLogs(tuple(transfers), tuple(odd), frozenset(end_hashes))


class Follower:
    """The engine on fakes."""

    def __init__(
        self,
        *,
        confirmations: int = 2,
        window_blocks: int = 10,
        window_logs: int = 1000,
        position_event_blocks: int = 5,
    ) -> None:
        self.store = Store()
        self.chain = FakeChain(self.store)
        self.clock = FakeClock()
        self.alarms = FakeAlarms()
        self.confirmations = confirmations
        self.window_blocks = window_blocks
        self._window_logs = window_logs
        self._position_event_blocks = position_event_blocks
        self.follow_next = self.new_process()

    def new_process(self) -> FollowNext:
        """The worker's step as a fresh process has it."""
        new_unit_of_work = self.store.new_unit_of_work
        gate = ChainGate(self.chain, new_unit_of_work, CHAIN_ID)
        record = RecordWindow(
            new_unit_of_work,
            self.clock,
            self.alarms,
            position_event_blocks=self._position_event_blocks,
            max_window_blocks=self.window_blocks,
        )
        rewind = RewindToken(self.chain, gate, new_unit_of_work, self.clock, self.alarms)
        limits = FollowLimits(
            confirmations=self.confirmations,
            max_window_blocks=self.window_blocks,
            max_window_logs=self._window_logs,
            lease=timedelta(seconds=10),
            error_delay=timedelta(seconds=1),
        )
        return FollowNext(self.chain, gate, new_unit_of_work, record, rewind, self.clock, self.alarms, limits)

    def follow(self, asset_id: UUID, start_block: int = 0) -> None:
        """Adds a token."""
        self.store.state.tokens[asset_id] = FollowedToken.begin(
            asset_id, TOKEN, start_block, self.window_blocks, self.clock.now()
        )

    async def run_until_idle(self) -> None:
        """Steps until nothing is due."""
        await self.run_until_idle_as(self.follow_next)

    async def run_until_idle_as(self, process: FollowNext, bound: int = 500) -> None:
        """Steps of this process until nothing is due."""
        for _ in range(bound):
            self.clock.pass_time(2)
            if not await process():
                return
        raise AssertionError("the follower does not come to rest")

    def token(self, asset_id: UUID) -> FollowedToken:
        """The followed token as it is stored."""
        return self.store.state.tokens[asset_id]

    def safe_block(self) -> int:
        """The newest block that may be read."""
        return len(self.chain.blocks_now) - 1 - self.confirmations
