"""The register of a token of the studio equals the chain after random operations, and what was seen is listed.

Seeded: `MASSPAYOUT_TEST_SEED` gives the operations again. The seed is printed, and named by a failure.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from random import Random
from typing import Final

import pytest
import pytest_asyncio
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from deploy.local.settings import CONFIRMATIONS
from libs.protogen.typed.masspayout.asset.v1 import Asset as ImportedAsset
from libs.protogen.typed.masspayout.asset.v1 import GetAssetRequest, Holder, HolderChange
from libs.protogen.typed.masspayout.chain_sync.v1 import (
    ChainEvent,
    ChainEventKind,
    GetListenerRequest,
    GetSyncStatusRequest,
    ListChainEventsRequest,
    ListenerHolderSource,
)
from tests.ats.asset import Asset
from tests.ats.market import Listing, Market
from tests.ats.scene import TOKEN_TERMS, UNIT, A, B, C, D
from tests.ats.studio import ZERO_ADDRESS
from tests.ats.test_events import CLEARING_TRANSFER, PARTITION
from tests.system.harness import eventually, service_environment
from tests.system.random_register.comparing import Register, dead_letters
from tests.system.random_register.node import Block

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SEED_VARIABLE: Final = "MASSPAYOUT_TEST_SEED"
_CHAIN_SYNC: Final = "chain_sync_service"
_ASSET: Final = "asset_service"
_LOGS: Final = "logs"
_LIST: Final = "list"
_HOLDERS: Final = 16
_OPERATIONS_BEFORE_IMPORT: Final = 20
_OPERATIONS_BETWEEN_LOOKS: Final = 25
_LARGEST_ISSUE: Final = 1000 * UNIT
_LONGEST_LOCK_SECONDS: Final = 30
_HOLD_SECONDS: Final = 10**8
_SECONDS_TO_SCHEDULED_ADJUSTMENT: Final = 100_000
# So that what no log tells of is looked for: chain_sync_service's POSITION_EVENT_BLOCKS.
_QUIET_BLOCKS: Final = 100
_MOST_OF_A_KIND: Final = 100
_MAX_PAGES: Final = 100
_EVENTS_PER_PAGE: Final = 37
_OPERATIONS: Final = {
    "issue": 3,
    "transfer": 8,
    "redeem": 3,
    # Of which version 2 emits no Transfer.
    "transfer_by_partition": 4,
    "redeem_by_partition": 2,
    "burn": 1,
    "freeze": 4,
    "unfreeze": 3,
    "lock": 3,
    "release_lock": 3,
    "hold": 2,
    "execute_hold": 1,
    "release_hold": 1,
    "list_account": 2,
    "unlist_account": 2,
}


@dataclass(frozen=True, slots=True)
class Holding:
    """What a holder has, base units; the parts are not in the balance."""

    balance: int
    frozen: int
    locked: int
    held: int
    cleared: int

    @property
    def restricted(self) -> int:
        """All parts."""
        return self.frozen + self.locked + self.held + self.cleared

    @property
    def total(self) -> int:
        """Balance and parts."""
        return self.balance + self.restricted


_VIEWS: Final = {
    "balance": "balanceOf",
    "frozen": "getFrozenTokens",
    "locked": "getLockedAmountFor",
    "held": "getHeldAmountFor",
    "cleared": "getClearedAmountFor",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that chain_sync_service should list: the transaction that did it, its kind, what it tells."""

    receipt: TxReceipt
    kind: ChainEventKind
    details: Mapping[str, str]
    problem: str = ""


@dataclass
class Trading:
    """Random operations of an issuer and of holders on a token, of which each takes effect.

    Who has what is asked of the chain each time. `expected` is what should be listed of all that was done.
    """

    token: Asset
    random: Random
    accounts: list[ChecksumAddress]
    # Who is on the control list.
    listed: set[ChecksumAddress] = field(default_factory=set)
    expected: list[Seen] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def trade(self, count: int) -> None:
        """So many operations. One that is not possible now gives way to an issue."""
        for _ in range(count):
            (kind,) = self.random.choices(list(_OPERATIONS), list(_OPERATIONS.values()))
            operation: Callable[[], bool] = getattr(self, f"_{kind}")
            if operation():
                self.done[kind] += 1
            else:
                self.issue()

    def issue(self) -> TxReceipt:
        """More tokens for somebody; returns the receipt, in whose block a holding has changed for sure."""
        self.done["issue"] += 1
        return self.token.send("mint", self._anybody(), self.random.randint(1, _LARGEST_ISSUE))

    def adjust(self, factor: int, decimals: int) -> None:
        """Multiply every balance by `factor` / 10^`decimals`, in units that are 10^`decimals` times smaller."""
        self.expect_adjustment(self.token.adjust(factor, decimals), factor, decimals)

    # ------------------------------------------------------------------------------ what should be listed

    def expect(self, receipt: TxReceipt, kind: ChainEventKind, /, **details: str) -> None:
        """Tells that this should be listed."""
        self.expected.append(Seen(receipt, kind, details))

    def expect_unknown(self, receipt: TxReceipt, problem: str) -> None:
        """Tells that it should be listed as not known, because of this problem."""
        self.expected.append(Seen(receipt, ChainEventKind.UNKNOWN, {}, problem))

    def expect_adjustment(self, receipt: TxReceipt, factor: int, decimals: int) -> None:
        """All balances are told to be multiplied."""
        details = {"factor": str(factor), "more_decimals": str(decimals)}
        self.expected.append(Seen(receipt, ChainEventKind.BALANCES_ADJUSTED, details))

    def expect_restriction(
        self, receipt: TxReceipt, kind: str, holder: str, *, restricted: bool, amount: int | None = None
    ) -> None:
        """A restriction of a holder is told to have begun or grown, or to have ended or shrunk."""
        self.expect(
            receipt,
            ChainEventKind.HOLDER_RESTRICTION_CHANGED,
            holder=holder.lower(),
            kind=kind,
            restricted="true" if restricted else "false",
            amount_base_units="" if amount is None else str(amount),
        )

    # ------------------------------------------------------------------------------ operations
    # They return False where nobody can do such a thing now.

    def _issue(self) -> bool:
        return False

    def _transfer(self) -> bool:
        sender, balance = self._somebody_with("balance")
        if sender is None:
            return False
        # One to oneself after an adjustment may be refused (test_register.py).
        receiver = self._anybody(but=sender)
        self.token.transfer(sender, receiver, self._part_of(balance))
        return True

    def _redeem(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        self.token.send("redeem", self._part_of(balance), b"", sender=holder)
        return True

    def _transfer_by_partition(self) -> bool:
        sender, balance = self._somebody_with("balance")
        if sender is None:
            return False
        info = (self._anybody(but=sender), self._part_of(balance))
        self.token.send("transferByPartition", PARTITION, info, b"", sender=sender)
        return True

    def _redeem_by_partition(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        self.token.send("redeemByPartition", PARTITION, self._part_of(balance), b"", sender=holder)
        return True

    def _burn(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        self.token.send("burn", holder, self._part_of(balance))
        return True

    def _freeze(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        amount = self._part_of(balance)
        receipt = self.token.freeze(holder, amount)
        self.expect_restriction(receipt, "TOKENS_FROZEN", holder, restricted=True, amount=amount)
        return True

    def _unfreeze(self) -> bool:
        holder, frozen = self._somebody_with("frozen")
        if holder is None:
            return False
        amount = self._part_of(frozen)
        receipt = self.token.unfreeze(holder, amount)
        self.expect_restriction(receipt, "TOKENS_FROZEN", holder, restricted=False, amount=amount)
        return True

    def _lock(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        amount = self._part_of(balance)
        until = self.token.chain.now + self.random.randint(2, _LONGEST_LOCK_SECONDS)
        receipt = self.token.lock(holder, amount, until)
        self.expect_restriction(receipt, "TOKENS_LOCKED", holder, restricted=True, amount=amount)
        return True

    def _release_lock(self) -> bool:
        """After its time, which is let pass if need be."""
        holder, _ = self._somebody_with("locked")
        if holder is None:
            return False
        lock_id = self.random.choice(self.token.read("getLocksIdFor", holder, 0, _MOST_OF_A_KIND))
        _, until = self.token.read("getLockFor", holder, lock_id)
        if until > self.token.chain.now:
            self.token.chain.advance_to(until)
        receipt = self.token.send("release", lock_id, holder)
        self.expect_restriction(receipt, "TOKENS_LOCKED", holder, restricted=False)
        return True

    def _hold(self) -> bool:
        holder, balance = self._somebody_with("balance")
        if holder is None:
            return False
        amount, until = self._part_of(balance), self.token.chain.now + _HOLD_SECONDS
        hold = (amount, until, self._escrow, ZERO_ADDRESS, b"")
        receipt = self.token.send("createHoldByPartition", PARTITION, hold, sender=holder)
        self.expect_restriction(receipt, "TOKENS_HELD", holder, restricted=True, amount=amount)
        return True

    def _execute_hold(self) -> bool:
        """The escrow lets somebody have a part of it."""
        return self._end_a_hold("executeHoldByPartition", self._anybody())

    def _release_hold(self) -> bool:
        """The escrow lets the holder have a part of it back."""
        return self._end_a_hold("releaseHoldByPartition")

    def _end_a_hold(self, function: str, *receiver: ChecksumAddress) -> bool:
        holder, _ = self._somebody_with("held")
        if holder is None:
            return False
        held = self.token.read("getHoldsIdForByPartition", PARTITION, holder, 0, _MOST_OF_A_KIND)
        hold = (PARTITION, holder, self.random.choice(held))
        most, *_ = self.token.read("getHoldForByPartition", hold)
        amount = self._part_of(most)
        receipt = self.token.send(function, hold, *receiver, amount, sender=self._escrow)
        self.expect_restriction(receipt, "TOKENS_HELD", holder, restricted=False, amount=amount)
        return True

    def _list_account(self) -> bool:
        account = self._anybody()
        receipt = self.token.block(account)
        self.listed.add(account)
        self.expect_restriction(receipt, "CONTROL_LIST", account, restricted=True)
        return True

    def _unlist_account(self) -> bool:
        if not self.listed:
            return False
        account = self.random.choice(sorted(self.listed))
        receipt = self.token.unblock(account)
        self.listed.remove(account)
        self.expect_restriction(receipt, "CONTROL_LIST", account, restricted=False)
        return True

    # ------------------------------------------------------------------------------ choosing

    @property
    def _escrow(self) -> ChecksumAddress:
        return self.token.chain.accounts[3]

    def _anybody(self, but: ChecksumAddress | None = None) -> ChecksumAddress:
        """Who may receive, other than `but`."""
        return self.random.choice([each for each in self.accounts if each not in self.listed and each != but])

    def _somebody_with(self, part: str) -> tuple[ChecksumAddress, int] | tuple[None, int]:
        """Somebody not on the control list who has something of the balance, or of a part, and how much."""
        unlisted = [account for account in self.accounts if account not in self.listed]
        found = [each for each in self.token.amounts(_VIEWS[part], unlisted).items() if each[1]]
        if found:
            return self.random.choice(found)
        return None, 0

    def _part_of(self, most: int) -> int:
        """Now and then all of it."""
        return most if self.random.random() < 0.2 else self.random.randint(1, most)


# --- The services ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Followed:
    """A token that the services follow."""

    listing: Listing
    trading: Trading
    register: Register


@asynccontextmanager
async def _restarted(market: Market, environment: Mapping[str, Mapping[str, str]]) -> AsyncIterator[None]:
    """These services run with these settings; afterwards with the usual ones again."""
    await _restart(market, environment)
    try:
        yield
    finally:
        usual = service_environment()
        await _restart(market, {name: usual.get(name, {}) for name in environment})


async def _restart(market: Market, environment: Mapping[str, Mapping[str, str]]) -> None:
    def restart() -> None:
        market.stack.stop_services(environment)
        market.stack.start_services(environment, environment=environment)

    await asyncio.to_thread(restart)


def _taking_holders_from(source: str) -> dict[str, dict[str, str]]:
    usual = service_environment()[_CHAIN_SYNC]
    return {_CHAIN_SYNC: {**usual, "CHAIN_SYNC_SERVICE_HOLDER_SOURCE": source}}


@pytest_asyncio.fixture(loop_scope="session")
async def checked_market(market: Market) -> AsyncIterator[Market]:
    """The services, whose registers check themselves every second."""
    async with _restarted(market, {_ASSET: {"ASSET_SERVICE_REGISTER_CHECK_SECONDS": "1"}}):
        yield market


@pytest.fixture
def random() -> Random:
    """Seeded; the seed is printed."""
    seed = int(os.environ.get(_SEED_VARIABLE) or secrets.randbelow(2**32))
    sys.stdout.write(f"\n{_SEED_VARIABLE}={seed}\n")
    return Random(seed)


async def _follow(market: Market, random: Random, source: str) -> Followed:
    """An equity with holders whose tokens are frozen, locked and held in parts, then imported."""
    accounts = [A, B, C, D]
    while len(accounts) < _HOLDERS:
        accounts.append(to_checksum_address(f"0x{random.getrandbits(160):040x}"))
    with market.block_for_each_transaction():
        token = market.studio.deploy_equity(TOKEN_TERMS)
        token.issue({account: random.randint(1, _LARGEST_ISSUE) for account in accounts})
        trading = Trading(token, random, accounts)
        trading.trade(_OPERATIONS_BEFORE_IMPORT)
        stage = market.stage_of(token)
    async with _restarted(market, _taking_holders_from(source)):
        listing = Listing(token, stage, (await market.import_stage(stage)).name)
        register = Register(market, listing.name)
        await _register_begins(register)
    return Followed(listing, trading, register)


async def _register_begins(register: Register) -> None:
    async def has_begun() -> bool:
        return await register.position() is not None

    await eventually(has_begun, f"{register.asset} has a position")


async def _asset(market: Market, listing: Listing) -> ImportedAsset:
    return await market.call(market.client.assets.get_asset, GetAssetRequest(name=listing.name))


async def _decimals_become(market: Market, listing: Listing, decimals: int) -> None:
    seen: list[int] = []

    async def are_so() -> bool:
        seen[:] = [(await _asset(market, listing)).decimals]
        return seen == [decimals]

    await eventually(are_so, f"{listing.name} has {decimals} decimals", lambda: seen)


# --- Register and chain ---------------------------------------------------------------------------------------


def _block_of(token: Asset, number: int) -> Block:
    return Block(number, token.chain.web3.eth.get_block(number)["hash"].to_0x_hex())


def _settle(token: Asset, receipt: TxReceipt) -> Block:
    """The receipt's block once it has its confirmations."""
    for _ in range(CONFIRMATIONS):
        token.chain.rpc("evm_mine")
    return _block_of(token, receipt["blockNumber"])


async def _pass_quietly(followed: Followed) -> Block:
    """So many blocks pass without any log that the register goes on all the same; returns how far it went."""
    token, register = followed.listing.token, followed.register
    first = token.chain.web3.eth.block_number
    token.chain.rpc("anvil_mine", hex(_QUIET_BLOCKS + CONFIRMATIONS))
    seen: list[int] = []

    async def goes_on() -> bool:
        position = await register.position()
        seen[:] = [position.block_number if position else -1]
        return seen[0] >= first

    await eventually(goes_on, f"{register.asset} is at block {first} or behind it", lambda: seen)
    return _block_of(token, seen[0])


async def _assert_register_is_chain(followed: Followed, block: Block) -> None:
    """Every holder with every part, the totals and the sums of the history are those of the chain at a block.

    Waits until the register is at that block.
    """
    token, register = followed.listing.token, followed.register
    position = await register.reaches(block)
    rows = await register.holders(position)
    chain = _chain_holdings(followed, block)

    told = {_address(row): _told(row) for row in rows}
    assert len(told) == len(rows)
    assert told == chain
    assert [int(row.total_base_units) for row in rows] == [_told(row).total for row in rows]
    balances = sum(each.balance for each in chain.values())
    restricted = sum(each.restricted for each in chain.values())
    assert balances + restricted == token.read("totalSupply", block=block.number)
    assert position.holder_count == len(chain)
    assert int(position.total_balance_base_units) == balances
    assert int(position.total_restricted_base_units) == restricted
    assert _history_sums(await register.changes()) == {
        holder: (each.balance, each.restricted) for holder, each in chain.items()
    }


def _chain_holdings(followed: Followed, block: Block) -> dict[str, Holding]:
    """What everybody has at a block, by lower-case address; without those who have nothing."""
    token, accounts = followed.listing.token, followed.trading.accounts
    total = token.read("getTotalSecurityHolders", block=block.number)
    listed = token.read("getSecurityHolders", 0, total, block=block.number)
    assert set(listed) <= set(accounts)
    parts = {part: token.amounts(view, accounts, block.number) for part, view in _VIEWS.items()}
    found = {account.lower(): Holding(**{part: parts[part][account] for part in parts}) for account in accounts}
    return {holder: holding for holder, holding in found.items() if holding.total}


def _told(row: Holder) -> Holding:
    return Holding(**{part.name: int(getattr(row, f"{part.name}_base_units")) for part in fields(Holding)})


def _address(row: Holder) -> str:
    assert row.account
    return row.account.evm_address.lower()


def _history_sums(changes: Sequence[HolderChange]) -> dict[str, tuple[int, int]]:
    """Balance and parts by the sums of all changes, without those who have nothing."""
    balances: defaultdict[str, int] = defaultdict(int)
    restricted: defaultdict[str, int] = defaultdict(int)
    for change in changes:
        holder = change.holder.rpartition("/")[2].lower()
        balances[holder] += int(change.delta_base_units)
        restricted[holder] += int(change.restricted_delta_base_units)
    return {
        holder: (balances[holder], restricted[holder])
        for holder in balances
        if balances[holder] or restricted[holder]
    }


# --- What was seen --------------------------------------------------------------------------------------------


async def _chain_events(market: Market, asset: str) -> tuple[int, list[ChainEvent]]:
    """The first block that was read, and everything that was seen since."""
    events: list[ChainEvent] = []
    page_token = ""
    for _ in range(_MAX_PAGES):
        request = ListChainEventsRequest(asset=asset, page_size=_EVENTS_PER_PAGE, page_token=page_token)
        page = await market.call(market.client.chain_sync.list_chain_events, request)
        events.extend(page.events)
        page_token = page.next_page_token
        if not page_token:
            return page.start_block_number, events
    raise AssertionError(f"{asset} has more than {_MAX_PAGES} pages of events")


async def _assert_listed(market: Market, followed: Followed) -> list[ChainEvent]:
    """Listed is exactly what should be, in its order, with its log as the chain has it."""
    start, events = await _chain_events(market, followed.listing.name)
    expected = [each for each in followed.trading.expected if each.receipt["blockNumber"] >= start]
    assert [(each.transaction_hash, each.kind, dict(each.details), each.problem) for each in events] == [
        (each.receipt["transactionHash"].to_0x_hex(), each.kind, dict(each.details), each.problem)
        for each in expected
    ]
    for event, seen in zip(events, expected, strict=True):
        _assert_log_is_the_chains(event, seen.receipt, followed.listing.token)
    published = [each.sequence for each in events if each.kind is not ChainEventKind.UNKNOWN]
    assert published == list(range(1, len(published) + 1))
    assert {each.sequence for each in events if each.kind is ChainEventKind.UNKNOWN} <= {0}
    return events


def _assert_log_is_the_chains(event: ChainEvent, receipt: TxReceipt, token: Asset) -> None:
    (log,) = [each for each in receipt["logs"] if each["logIndex"] == event.log_index]
    block = token.chain.web3.eth.get_block(receipt["blockNumber"])
    assert event.contract == log["address"].lower() == token.address.lower()
    assert (event.block_number, event.block_hash) == (receipt["blockNumber"], receipt["blockHash"].to_0x_hex())
    assert event.block_time is not None
    assert int(event.block_time.timestamp()) == block["timestamp"]
    assert event.topics == [bytes(topic) for topic in log["topics"]]
    assert event.data == bytes(log["data"])


async def _assert_nothing_went_wrong(market: Market, followed: Followed) -> None:
    """No check found a difference, nobody could not process an event, nothing is told to differ."""
    assert await followed.register.discrepancies() == []
    assert await dead_letters(market) == {}
    request = GetSyncStatusRequest(asset=followed.listing.name)
    status = await market.call(market.client.chain_sync.get_sync_status, request)
    assert (status.last_error, status.discrepancy) == ("", "")


# --- Tests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    # The list of version 2 leaves holders out (test_register.py).
    "source",
    [_LOGS, pytest.param(_LIST, marks=pytest.mark.releases("8.0.0"))],
)
async def test_the_register_is_the_chain_after_random_operations_and_adjustments(
    checked_market: Market, random: Random, source: str
) -> None:
    market = checked_market
    followed = await _follow(market, random, source)
    token, trading, listing = followed.listing.token, followed.trading, followed.listing
    await _assert_holders_came_from(market, listing, source)
    with market.block_for_each_transaction():
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))
        for _ in range(2):
            trading.trade(_OPERATIONS_BETWEEN_LOOKS)
            await _assert_register_is_chain(followed, _settle(token, trading.issue()))

        # All in a window: before, the adjustment, and after it.
        trading.trade(_OPERATIONS_BETWEEN_LOOKS)
        trading.adjust(15, 1)
        trading.trade(_OPERATIONS_BETWEEN_LOOKS)
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))
        await _decimals_become(market, listing, TOKEN_TERMS.decimals + 1)

        await _assert_register_is_chain(followed, _transfer_more_than_before_an_adjustment(trading))
        await _decimals_become(market, listing, TOKEN_TERMS.decimals + 1)

        scheduled_for = token.chain.now + _SECONDS_TO_SCHEDULED_ADJUSTMENT
        scheduled = token.send("setScheduledBalanceAdjustment", (scheduled_for, 25, 1))
        problem = f"all balances change by 25 with 1 more decimals at {scheduled_for}: no log tells when they do"
        trading.expect_unknown(scheduled, problem)
        trading.trade(_OPERATIONS_BETWEEN_LOOKS)
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))

        supply = token.read("totalSupply")
        token.chain.advance_to(scheduled_for + 1)
        await _assert_register_is_chain(followed, await _pass_quietly(followed))
        assert token.read("totalSupply") == 25 * supply

        triggered = token.trigger_pending()
        trading.expect_adjustment(triggered, 25, 1)
        trading.trade(_OPERATIONS_BETWEEN_LOOKS)
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))
        await _decimals_become(market, listing, TOKEN_TERMS.decimals + 2)

        await _assert_listed(market, followed)
    await _assert_nothing_went_wrong(market, followed)
    sys.stdout.write(f"{source}: {trading.done.total()} operations, {dict(trading.done)}\n")


async def _assert_holders_came_from(market: Market, listing: Listing, source: str) -> None:
    request = GetListenerRequest(name=listing.name.replace("assets/", "listeners/"))
    listener = await market.call(market.client.chain_sync.get_listener, request)
    assert listener.holder_source is ListenerHolderSource[source.upper()]


def _transfer_more_than_before_an_adjustment(trading: Trading) -> Block:
    """A holder passes on more than they ever had before; returns the transfer's block, which is final."""
    token = trading.token
    sender, receiver = _two_new_accounts(trading.random)
    trading.accounts += [sender, receiver]
    token.issue({sender: UNIT})
    trading.adjust(3, 0)
    return _settle(token, token.transfer(sender, receiver, 3 * UNIT))


def _two_new_accounts(random: Random) -> tuple[ChecksumAddress, ChecksumAddress]:
    first, second = (to_checksum_address(f"0x{random.getrandbits(160):040x}") for _ in range(2))
    return first, second


async def test_what_was_seen_of_a_token_is_listed_with_its_figures(checked_market: Market, random: Random) -> None:
    market = checked_market
    followed = await _follow(market, random, _LOGS)
    token, trading = followed.listing.token, followed.trading
    can_cancel = token.release.has_cancellation
    with market.block_for_each_transaction():
        if can_cancel:
            _announce_and_cancel_dividends(trading)
        _take_snapshots(trading, dividend_id=3 if can_cancel else 1)
        trading.trade(_OPERATIONS_BETWEEN_LOOKS)
        _freeze_an_account(trading)
        _recover_an_account(trading)
        if can_cancel:
            _cancel_an_adjustment_after_its_time(trading)
        _let_transfers_await_clearing(trading)
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))

        for is_paused in (True, False):
            receipt = token.pause() if is_paused else token.unpause()
            trading.expect(
                receipt,
                ChainEventKind.PAUSE_CHANGED,
                lifecycle_contract="false",
                paused="true" if is_paused else "false",
            )
            _settle(token, receipt)
            await _is_paused(market, followed.listing, is_paused)
        await _assert_register_is_chain(followed, _settle(token, trading.issue()))

        events = await _assert_listed(market, followed)
    kinds = Counter(event.kind.name for event in events)
    sys.stdout.write(f"listed: {dict(kinds)}\n")
    assert ("CORPORATE_ACTION_CANCELLED" in kinds) is can_cancel
    assert kinds.keys() >= {
        "CORPORATE_ACTION_ANNOUNCED",
        "SNAPSHOT_TAKEN",
        "PAUSE_CHANGED",
        "HOLDER_RESTRICTION_CHANGED",
        "UNKNOWN",
    }
    await _assert_nothing_went_wrong(market, followed)


def _announce_and_cancel_dividends(trading: Trading) -> None:
    """Two dividends: one is cancelled, the other by force."""
    for number, (function, forced) in enumerate((("cancelDividend", "false"), ("forceCancelDividend", "true")), 1):
        _announce_dividend(trading, number)
        cancelled = trading.token.send(function, number)
        trading.expect(
            cancelled,
            ChainEventKind.CORPORATE_ACTION_CANCELLED,
            kind="DIVIDEND",
            action_id=str(number),
            forced=forced,
        )


def _announce_dividend(trading: Trading, number: int) -> int:
    """Of a random amount; returns its record date, in seconds since the epoch."""
    record = trading.token.chain.now + trading.random.randint(1_000, 2_000)
    execution = record + 1_000
    amount, decimals = trading.random.randint(1, 10_000), trading.random.randint(0, 4)
    announced = trading.token.send(trading.token.release.set_dividend, (record, execution, amount, decimals))
    trading.expect(
        announced,
        ChainEventKind.CORPORATE_ACTION_ANNOUNCED,
        kind="DIVIDEND",
        action_id=str(number),
        record_time=str(record),
        execution_time=str(execution),
        amount=str(amount),
        amount_decimals=str(decimals),
        rate="",
        rate_decimals="",
        rate_set="",
        fixing_time="",
    )
    return record


def _take_snapshots(trading: Trading, *, dividend_id: int) -> None:
    """One on request, then one together with that of the next dividend, whose record date has passed.

    By an account that the services do not sign for: they would not go on behind transactions that are not theirs.
    """
    operator = trading.token.chain.accounts[1]
    trading.token.grant(trading.token.roles.snapshot, operator)
    taken = trading.token.send("takeSnapshot", sender=operator)
    trading.expect(taken, ChainEventKind.SNAPSHOT_TAKEN, snapshot_id="1", scheduled="false")
    trading.token.chain.advance_to(_announce_dividend(trading, dividend_id) + 1)
    both = trading.token.send("takeSnapshot", sender=operator)
    trading.expect(both, ChainEventKind.SNAPSHOT_TAKEN, snapshot_id="2", scheduled="true")
    trading.expect(both, ChainEventKind.SNAPSHOT_TAKEN, snapshot_id="3", scheduled="false")


def _freeze_an_account(trading: Trading) -> None:
    """As a whole, and unfreeze it."""
    account = trading.random.choice(trading.accounts)
    for is_frozen in (True, False):
        receipt = trading.token.send("setAddressFrozen", account, is_frozen)
        trading.expect_restriction(receipt, "ACCOUNT_FROZEN", account, restricted=is_frozen)


def _recover_an_account(trading: Trading) -> None:
    """All that somebody has, a frozen part, too, is moved to a new account."""
    lost, new = _two_new_accounts(trading.random)
    trading.accounts.append(new)
    trading.token.issue({lost: 2 * UNIT})
    trading.expect_restriction(
        trading.token.freeze(lost, UNIT), "TOKENS_FROZEN", lost, restricted=True, amount=UNIT
    )
    receipt = trading.token.send("recoveryAddress", lost, new, ZERO_ADDRESS)
    trading.expect_unknown(receipt, f"the holdings of {lost.lower()} were moved to {new.lower()}")


def _let_transfers_await_clearing(trading: Trading) -> None:
    """Two of them; one is approved, the other still awaits it."""
    token = trading.token
    for role in (token.roles.clearing, token.roles.clearing_validator):
        token.grant(role, token.chain.admin)
    token.send("activateClearing")
    sender, receiver = _two_new_accounts(trading.random)
    trading.accounts += [sender, receiver]
    token.issue({sender: 5 * UNIT})
    operation = (PARTITION, token.chain.now + _HOLD_SECONDS, b"")
    for amount in (UNIT, 2 * UNIT):
        receipt = token.send("clearingTransferByPartition", operation, amount, receiver, sender=sender)
        trading.expect_restriction(receipt, "TOKENS_HELD", sender, restricted=True, amount=amount)
    approved = token.send("approveClearingOperationByPartition", (CLEARING_TRANSFER, PARTITION, sender, 1))
    trading.expect_restriction(approved, "TOKENS_HELD", sender, restricted=False)


def _cancel_an_adjustment_after_its_time(trading: Trading) -> None:
    """Balances show it already, and then not any more."""
    token = trading.token
    time = token.chain.now + 50
    receipt = token.send("setScheduledBalanceAdjustment", (time, 2, 1))
    trading.expect_unknown(
        receipt, f"all balances change by 2 with 1 more decimals at {time}: no log tells when they do"
    )
    token.chain.advance_to(time + 1)
    token.chain.rpc("anvil_mine", hex(_QUIET_BLOCKS + CONFIRMATIONS))
    supply = token.read("totalSupply")
    cancelled = token.send("forceCancelScheduledBalanceAdjustment", 1)
    trading.expect_unknown(cancelled, "the scheduled balance adjustment 1 was cancelled by force")
    assert supply == 2 * token.read("totalSupply")


async def _is_paused(market: Market, listing: Listing, is_paused: bool) -> None:
    async def is_so() -> bool:
        return (await _asset(market, listing)).token_paused is is_paused

    await eventually(is_so, f"{listing.name} tells that its token is {'' if is_paused else 'not '}paused")
