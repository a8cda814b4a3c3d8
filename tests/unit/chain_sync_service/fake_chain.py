"""A chain of blocks with tokens on it, that can fork, lag, forget and refuse."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chain_sync_service.application.ports import Coupon, TokenUnreadableError
from chain_sync_service.application.source import (
    ChainIdentity,
    ContractCall,
    LogQuery,
    StateUnavailableError,
    WindowRefusedError,
)
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import (
    Fact,
    FactKind,
    LogMeaning,
    PartitionTransfer,
    RawLog,
    SupplyChange,
    Transfer,
)
from chain_sync_service.domain.holdings import Holding
from chain_sync_service.domain.listener import Contracts
from chain_sync_service.domain.tokens import PaymentTokenDescription, SecurityType, TokenDescription
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason

CHAIN_ID = 298
NOBODY = "0x" + "0" * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = EvmAddress("0x" + "ab" * 20)
LIFECYCLE = EvmAddress("0x" + "1c" * 20)
PAYMENT_TOKEN = EvmAddress("0x" + "da" * 20)
CONTRACTS = Contracts(TOKEN, LIFECYCLE, PAYMENT_TOKEN)
NOTHING = Holding()


def holder(number: int) -> str:
    """An address."""
    return f"0x{number:040x}"


class RevertedError(Exception):
    """The transaction leaves no trace."""


@dataclass(frozen=True)
class TokenState:
    """A token at a block: what holders have, and its coupons by number."""

    holdings: Mapping[str, Holding] = field(default_factory=dict)
    coupons: Mapping[int, Coupon] = field(default_factory=dict)

    @property
    def supply(self) -> int:
        """Parts that cannot move are part of it."""
        return sum(each.total for each in self.holdings.values())


Operation = Callable[["Ledger"], None]


class Ledger:
    """The block that is being made."""

    def __init__(self, number: int, block_hash: str, tokens: Mapping[EvmAddress, TokenState]) -> None:
        self.tokens = dict(tokens)
        self.logs: list[RawLog] = []
        self._number = number
        self._block_hash = block_hash

    def run(self, transaction: str, operation: Operation) -> bool:
        """Carries a transaction out, or leaves everything as it was; returns which."""
        before = dict(self.tokens), list(self.logs)
        self._transaction = transaction
        try:
            operation(self)
        except RevertedError:
            self.tokens, self.logs = before
            return False
        return True

    def state(self, token: EvmAddress) -> TokenState:
        """The token now."""
        return self.tokens.get(token, TokenState())

    def change(self, token: EvmAddress, account: str, **deltas: int) -> None:
        """Changes balance or parts of an account. Raises RevertedError where there is not enough."""
        state = self.state(token)
        before = state.holdings.get(account, NOTHING)
        amounts = {name: getattr(before, name) + delta for name, delta in deltas.items()}
        if min(amounts.values()) < 0:
            raise RevertedError
        after = replace(before, **amounts)
        others = {name: held for name, held in state.holdings.items() if name != account}
        self.tokens[token] = replace(state, holdings=others | ({account: after} if after.total else {}))

    def log(self, contract: EvmAddress, name: str, *words: int | str) -> None:
        """Adds a log; accounts and numbers become words of 32 bytes."""
        self.logs.append(
            RawLog(
                contract=contract.value,
                topics=(name.encode(),),
                data=b"".join(_word(word) for word in words),
                block_number=BlockNumber(self._number),
                block_hash=self._block_hash,
                transaction_hash=self._transaction,
                log_index=len(self.logs),
            )
        )


def _word(value: int | str) -> bytes:
    return (int(value, 16) if isinstance(value, str) else value).to_bytes(32)


# --- what can happen in a transaction -------------------------------------------------------------------------


def issue(to: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """New tokens, told as such."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, to, balance=amount)
        ledger.log(token, "Transfer", NOBODY, to, amount)
        ledger.log(token, "Supply", to, amount)

    return run


def redeem(account: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """Tokens go, told as such."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, account, balance=-amount)
        ledger.log(token, "Supply", account, amount)
        ledger.log(token, "Transfer", account, NOBODY, amount)

    return run


def redeem_at_maturity(account: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """Tokens go as in version 7: no Transfer tells it (docs/contract-surprises.md#20)."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, account, balance=-amount)
        ledger.log(token, "ByPartition", account, NOBODY, amount)
        ledger.log(token, "Supply", account, amount)

    return run


def transfer_by_partition(sender: str, receiver: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """From one to another as in version 7: no Transfer tells it."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, sender, balance=-amount)
        ledger.change(token, receiver, balance=amount)
        ledger.log(token, "ByPartition", sender, receiver, amount)

    return run


def transfer(sender: str, receiver: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """From one to another, or to oneself."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, sender, balance=-amount)
        ledger.change(token, receiver, balance=amount)
        ledger.log(token, "Transfer", sender, receiver, amount)

    return run


def freeze(account: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """Told without a Transfer; a negative amount thaws."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, account, balance=-amount, frozen=amount)
        ledger.log(token, "Restricted", account, abs(amount))

    return run


def lock(account: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """Told as a Transfer to nobody (negative: from), the supply stays (docs/contract-surprises.md#15)."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, account, balance=-amount, locked=amount)
        parties = (account, NOBODY) if amount > 0 else (NOBODY, account)
        ledger.log(token, "Transfer", *parties, abs(amount))

    return run


def hold(account: str, amount: int, token: EvmAddress = TOKEN) -> Operation:
    """Told by a log that nobody knows, but that names the account."""

    def run(ledger: Ledger) -> None:
        ledger.change(token, account, balance=-amount, held=amount)
        ledger.log(token, "Unknown", account)

    return run


def adjust(factor: int, token: EvmAddress = TOKEN) -> Operation:
    """All amounts are multiplied, told by a log that names nobody."""

    def run(ledger: Ledger) -> None:
        adjust_silently(factor, token)(ledger)
        ledger.log(token, "Adjusted", factor)

    return run


def adjust_silently(factor: int, token: EvmAddress = TOKEN) -> Operation:
    """All amounts are multiplied, and no log tells it: as a scheduled adjustment does when its time comes."""

    def run(ledger: Ledger) -> None:
        state = ledger.state(token)
        ledger.tokens[token] = replace(
            state,
            holdings={
                account: Holding(
                    has.balance * factor,
                    has.frozen * factor,
                    has.locked * factor,
                    has.held * factor,
                    has.cleared * factor,
                )
                for account, has in state.holdings.items()
            },
        )

    return run


def tell_adjustment(token: EvmAddress = TOKEN) -> Operation:
    """The log of a scheduled adjustment, written by whatever transaction comes after it."""
    return lambda ledger: ledger.log(token, "Adjusted", 2)


def announce_coupon(action_id: int, *, fixing_time: int = 0, token: EvmAddress = TOKEN) -> Operation:
    """A coupon without a rate."""

    def run(ledger: Ledger) -> None:
        state = ledger.state(token)
        if action_id in state.coupons:
            raise RevertedError
        ledger.tokens[token] = replace(
            state, coupons={**state.coupons, action_id: Coupon(rate=0, rate_decimals=0, is_rate_set=False)}
        )
        ledger.log(token, "Coupon", action_id, fixing_time)

    return run


def set_rate(action_id: int, rate: int, token: EvmAddress = TOKEN) -> Operation:
    """No log tells it."""

    def run(ledger: Ledger) -> None:
        state = ledger.state(token)
        if action_id not in state.coupons or state.coupons[action_id].is_rate_set:
            raise RevertedError
        ledger.tokens[token] = replace(
            state, coupons={**state.coupons, action_id: Coupon(rate=rate, rate_decimals=2, is_rate_set=True)}
        )

    return run


def deposit(amount: int, to: EvmAddress = LIFECYCLE) -> Operation:
    """Payment tokens arrive somewhere."""
    return lambda ledger: ledger.log(PAYMENT_TOKEN, "Deposit", to.value, amount)


def tell_nonsense(token: EvmAddress = TOKEN) -> Operation:
    """A log of a foreign layout."""
    return lambda ledger: ledger.log(token, "Odd", 5)


# --- what the logs mean ----------------------------------------------------------------------------------------


def read_log(contracts: Contracts, log: RawLog) -> LogMeaning | None:
    """The fake of `read_asset_log`: logs as the Ledger writes them."""
    words = [log.data[start : start + 32] for start in range(0, len(log.data), 32)]
    numbers = [int.from_bytes(word) for word in words]
    accounts = ["0x" + word[12:].hex() for word in words]
    match log.topics[0].decode():
        case "Transfer":
            return Transfer(log, accounts[0], accounts[1], numbers[2])
        case "Supply":
            return SupplyChange(log, accounts[0], numbers[1])
        case "ByPartition":
            return PartitionTransfer(log, accounts[0], accounts[1], numbers[2])
        case "Restricted":
            details = {"holder": accounts[0], "amount_base_units": str(numbers[1])}
            return Fact(FactKind.HOLDER_RESTRICTION_CHANGED, log, details, touched=(accounts[0],))
        case "Unknown":
            return Fact(FactKind.UNKNOWN, log, touched=(accounts[0],))
        case "Odd":
            return Fact(FactKind.UNKNOWN, log, problem="of another layout")
        case "Adjusted":
            return Fact(FactKind.BALANCES_ADJUSTED, log, {"factor": str(numbers[0])}, touches_everybody=True)
        case "Coupon":
            details = {
                "kind": "COUPON",
                "action_id": str(numbers[0]),
                "fixing_time": str(numbers[1]),
                "rate_set": "false",
            }
            return Fact(FactKind.CORPORATE_ACTION_ANNOUNCED, log, details)
        case "Deposit":
            to_us = contracts.lifecycle_contract is not None and accounts[0] == contracts.lifecycle_contract.value
            details = {"amount_base_units": str(numbers[1])}
            return Fact(FactKind.PAYMENT_TOKEN_DEPOSITED, log, details) if to_us else None
    raise AssertionError(log)


# --- the chain -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FakeBlock:
    """A block, what happened in it, and the tokens behind it."""

    hash: str
    time: datetime
    transactions: tuple[tuple[str, Operation], ...]
    logs: tuple[RawLog, ...]
    tokens: Mapping[EvmAddress, TokenState]


class FakeChain:
    """Source and token reader in one; `before` is called with the name of each request before it is answered."""

    kind = "fake"

    def __init__(self, is_in_transaction: Callable[[], bool] = lambda: False) -> None:
        self._is_in_transaction = is_in_transaction
        self._numbers = itertools.count(1)
        self.blocks_now: list[FakeBlock] = []
        # Of all forks there ever were, by the block's hash.
        self.tokens_by_hash: dict[str, Mapping[EvmAddress, TokenState]] = {}
        self.mine()
        self.told_chain_id = CHAIN_ID
        self.is_away = False
        self.most_blocks = 10**9
        self.kept_states = 10**9
        self.refused_contracts: set[EvmAddress] = set()
        self.unreadable: set[str] = set()
        # Of these transactions it has the logs, and nothing else.
        self.ghosts: set[str] = set()
        self.has_list = True
        self.before: Callable[[str], None] = lambda request: None
        self.hold: asyncio.Event | None = None
        self.hold_at = "logs"
        self.is_holding = asyncio.Event()
        self.requests: list[str] = []

    def _new_hash(self) -> str:
        return f"0x{next(self._numbers):064x}"

    # --- what happens to it

    def mine(self, *operations: Operation, seconds: float = 1) -> FakeBlock:
        """A block with a transaction for each operation, those that are not reverted."""
        return self.mine_transactions([(self._new_hash(), each) for each in operations], seconds=seconds)

    def mine_transactions(self, transactions: Sequence[tuple[str, Operation]], *, seconds: float = 1) -> FakeBlock:
        """A block with these transactions, perhaps those of a fork that was left."""
        block_hash = self._new_hash()
        newest = self.blocks_now[-1] if self.blocks_now else None
        ledger = Ledger(len(self.blocks_now), block_hash, newest.tokens if newest else {})
        done = tuple(each for each in transactions if ledger.run(*each))
        time = newest.time + timedelta(seconds=seconds) if newest else NOW
        block = FakeBlock(block_hash, time, done, tuple(ledger.logs), ledger.tokens)
        self.blocks_now.append(block)
        self.tokens_by_hash[block_hash] = ledger.tokens
        return block

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

    # --- what it is

    @property
    def height(self) -> int:
        """Number of the newest block."""
        return len(self.blocks_now) - 1

    def state(self, block: int | str | None = None, token: EvmAddress = TOKEN) -> TokenState:
        """A token behind a block: a number, or the hash of one on any fork there ever was; None: the newest."""
        if isinstance(block, str):
            return self.tokens_by_hash[block].get(token, TokenState())
        return self.blocks_now[-1 if block is None else block].tokens.get(token, TokenState())

    def holdings(self, block: int | str | None = None, token: EvmAddress = TOKEN) -> dict[str, Holding]:
        """What everybody has who has something."""
        return {account: has for account, has in self.state(block, token).holdings.items() if has.total}

    def logs_between(self, from_block: int, to_block: int) -> list[RawLog]:
        """All logs, of canonical blocks."""
        return [log for block in self.blocks_now[from_block : to_block + 1] for log in block.logs]

    # --- the port Source

    async def _asked(self, request: str) -> None:
        assert not self._is_in_transaction(), "no network wait inside a database transaction"
        self.requests.append(request)
        self.before(request)
        if request == self.hold_at and self.hold is not None:
            held, self.hold = self.hold, None
            self.is_holding.set()
            async with asyncio.timeout(30):
                await held.wait()
        if self.is_away:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node is away")

    def _block(self, number: int) -> Block:
        block = self.blocks_now[number]
        return Block(BlockNumber(number), block.hash, block.time)

    async def identity(self) -> ChainIdentity:
        await self._asked("identity")
        return ChainIdentity(self.told_chain_id, self.blocks_now[0].hash)

    async def head(self) -> Block:
        await self._asked("head")
        return self._block(self.height)

    async def blocks(self, numbers: Sequence[int]) -> list[Block | None]:
        await self._asked("blocks")
        return [self._block(number) if number <= self.height else None for number in numbers]

    async def logs(self, query: LogQuery, from_block: int, to_block: int) -> list[RawLog]:
        await self._asked("logs")
        if to_block - from_block + 1 > self.most_blocks:
            raise WindowRefusedError(f"at most {self.most_blocks} blocks")
        if query.contracts & self.refused_contracts:
            raise WindowRefusedError("these logs cannot be told")
        asked_for = {contract.value for contract in (*query.contracts, *query.deposits)}
        return [
            replace(log, has_result=log.transaction_hash not in self.ghosts)
            for log in self.logs_between(from_block, to_block)
            if log.contract in asked_for
        ]

    async def call_many(self, calls: Sequence[ContractCall], block_number: int) -> list[bytes | None]:
        raise AssertionError("the token reader asks")

    async def has_code(self, address: EvmAddress) -> bool:
        await self._asked("has_code")
        return True

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        raise AppError(Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "no mirror node", field=field_name)

    async def hedera_id(self, address: EvmAddress) -> str:
        return ""

    # --- the port TokenReader

    async def _state_asked(self, request: str, block_number: int, token: EvmAddress) -> TokenState:
        await self._asked(request)
        return self._kept_state(block_number, token)

    def _kept_state(self, block_number: int, token: EvmAddress) -> TokenState:
        if not self.height - self.kept_states <= block_number <= self.height:
            raise StateUnavailableError(f"no state of block {block_number}")
        return self.state(block_number, token)

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        await self._asked("describe_token")
        return TokenDescription(
            chain_id=CHAIN_ID,
            token=token,
            hedera_id="0.0.7",
            display_name="Acme",
            symbol="ACM",
            isin="CH1",
            decimals=2,
            security_type=SecurityType.EQUITY,
            total_supply=10**30,
            holder_count=3,
            is_paused=True,
            block_number=BlockNumber(self.height),
        )

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        await self._asked("describe_payment_token")
        return PaymentTokenDescription(chain_id=CHAIN_ID, token=token, hedera_id="0.0.8", symbol="USD", decimals=6)

    async def supplies(self, tokens: Sequence[EvmAddress], block_number: int) -> list[int | None]:
        await self._asked("supplies")
        return [self._kept_state(block_number, token).supply for token in tokens]

    async def holdings_of(
        self, token: EvmAddress, holders: Sequence[str], block_number: int, with_parts: Iterable[str]
    ) -> list[Holding]:
        """What the port calls `holdings`; see FakeTokens."""
        state = await self._state_asked("holdings", block_number, token)
        if unreadable := self.unreadable & set(holders):
            raise TokenUnreadableError(f"{sorted(unreadable)} cannot be read")
        split = set(with_parts)
        found = [state.holdings.get(account, NOTHING) for account in holders]
        return [
            has if account in split else Holding(has.balance) for account, has in zip(holders, found, strict=True)
        ]

    async def holder_count(self, token: EvmAddress, block_number: int) -> int | None:
        state = await self._state_asked("holder_count", block_number, token)
        return len(state.holdings) if self.has_list else None

    async def holder_page(
        self, token: EvmAddress, page_index: int, page_size: int, block_number: int
    ) -> list[str] | None:
        state = await self._state_asked("holder_page", block_number, token)
        listed = sorted(state.holdings)
        return listed[page_index * page_size : (page_index + 1) * page_size] if self.has_list else None

    async def coupons(self, asked: Sequence[tuple[EvmAddress, int]], block_number: int) -> list[Coupon | None]:
        await self._asked("coupons")
        return [self._kept_state(block_number, token).coupons.get(action_id) for token, action_id in asked]


class FakeTokens:
    """The port TokenReader on a FakeChain, whose own `holdings` is for tests."""

    def __init__(self, chain: FakeChain) -> None:
        self._chain = chain
        self.describe_token = chain.describe_token
        self.describe_payment_token = chain.describe_payment_token
        self.supplies = chain.supplies
        self.holder_count = chain.holder_count
        self.holder_page = chain.holder_page
        self.coupons = chain.coupons

    async def holdings(
        self, token: EvmAddress, holders: Sequence[str], block_number: int, *, with_parts: Iterable[str]
    ) -> list[Holding]:
        return await self._chain.holdings_of(token, holders, block_number, with_parts)
