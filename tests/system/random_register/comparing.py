"""The register as anybody reads it, held against the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_typing import ChecksumAddress

from libs.protogen.typed.masspayout.asset.v1 import (
    GetRegisterSummaryRequest,
    Holder,
    HolderChange,
    ListHolderChangesRequest,
    ListHoldersRequest,
    ListRegisterDiscrepanciesRequest,
    RegisterDiscrepancy,
    RegisterPosition,
)
from libs.protogen.typed.masspayout.chain_sync.v1 import ChainEvent, ChainEventKind, ListChainEventsRequest
from libs.protogen.typed.masspayout.operations.v1 import DeadLetter, ListDeadLettersRequest
from tests.system.harness import Harness, eventually
from tests.system.random_register.node import Block, Holding, Node

_CATCH_UP_SECONDS = 300.0
_HOLDERS_PER_PAGE = 173
_CHANGES_PER_PAGE = 1000
_MAX_PAGES = 1000
_KINDS = [ChainEventKind.HOLDER_RESTRICTION_CHANGED, ChainEventKind.BALANCES_ADJUSTED]
# What the token tells of those kinds. A lock and its release have no event of their own.
_KEPT_EVENTS = (
    "TokensFrozen(address,uint256,bytes32)",
    "TokensUnfrozen(address,uint256,bytes32)",
    "LockedByPartition(address,address,bytes32,uint256,uint256,uint256)",
    "LockByPartitionReleased(address,address,bytes32,uint256)",
    "AddedToControlList(address,address)",
    "RemovedFromControlList(address,address)",
    "AdjustmentBalanceSet(address,uint256,uint8)",
)


class Register:
    """What asset_service tells of one asset's holders."""

    def __init__(self, harness: Harness, asset: str) -> None:
        self._harness = harness
        self.asset = asset

    async def position(self) -> RegisterPosition | None:
        """How far it has followed, with its totals."""
        request = GetRegisterSummaryRequest(name=self.asset)
        return (await self._harness.call(self._harness.client.assets.get_register_summary, request)).register

    async def reaches(self, block: Block) -> RegisterPosition:
        """Its position once it is this very block; fails after a bound."""
        seen: list[RegisterPosition | None] = []

        async def is_there() -> bool:
            seen[:] = [await self.position()]
            return seen[0] is not None and (seen[0].block_number, seen[0].block_hash) == (block.number, block.hash)

        await eventually(is_there, f"{self.asset} is at {block}", lambda: seen, _CATCH_UP_SECONDS)
        assert seen[0] is not None
        return seen[0]

    async def holders(self, position: RegisterPosition) -> list[Holder]:
        """Everybody, page by page, all of them as of this position."""
        holders: list[Holder] = []
        token = ""
        for _ in range(_MAX_PAGES):
            request = ListHoldersRequest(parent=self.asset, page_size=_HOLDERS_PER_PAGE, page_token=token)
            page = await self._harness.call(self._harness.client.assets.list_holders, request)
            assert page.register == position, f"{self.asset} moved from {position} to {page.register}"
            holders.extend(page.holders)
            token = page.next_page_token
            if not token:
                return holders
        raise AssertionError(f"{self.asset} has more than {_MAX_PAGES} pages of holders")

    async def changes(self, after: int = 0) -> list[HolderChange]:
        """Its history behind the change of this id, newest first."""
        changes: list[HolderChange] = []
        token = ""
        for _ in range(_MAX_PAGES):
            request = ListHolderChangesRequest(parent=self.asset, page_size=_CHANGES_PER_PAGE, page_token=token)
            page = await self._harness.call(self._harness.client.assets.list_holder_changes, request)
            changes.extend(change for change in page.changes if change.change_id > after)
            token = page.next_page_token
            if not token or page.changes[-1].change_id <= after:
                return changes
        raise AssertionError(f"{self.asset} has more than {_MAX_PAGES} pages of changes")

    async def chain_events(self, to_block: int) -> tuple[list[ChainEvent], int]:
        """What chain_sync_service keeps of freezes, control list and adjustments, and since which block."""
        events: list[ChainEvent] = []
        token = ""
        for _ in range(_MAX_PAGES):
            request = ListChainEventsRequest(
                asset=self.asset, kinds=_KINDS, to_block=to_block, page_size=1000, page_token=token
            )
            page = await self._harness.call(self._harness.client.chain_sync.list_chain_events, request)
            events.extend(page.events)
            token = page.next_page_token
            if not token:
                return events, page.start_block_number
        raise AssertionError(f"{self.asset} has more than {_MAX_PAGES} pages of events")

    async def discrepancies(self) -> list[RegisterDiscrepancy]:
        """Where it was ever found to differ from the chain, the newest thousand."""
        request = ListRegisterDiscrepanciesRequest(parent=self.asset, page_size=1000)
        method = self._harness.client.assets.list_register_discrepancies
        return (await self._harness.call(method, request)).discrepancies


@dataclass
class History:
    """What a register's history sums to, read on from where it was read last."""

    last_id: int = 0
    # How many changes are of an older block than their holder's change before: a reorganisation took that back.
    steps_back: int = 0
    newest_block: dict[str, int] = field(default_factory=dict)
    # Balance and restricted parts by holder: the sum of all changes, and what the newest change tells.
    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    newest: dict[str, tuple[int, int]] = field(default_factory=dict)

    def read_on(self, changes: Sequence[HolderChange]) -> None:
        """Adds what came since, newest first."""
        for change in reversed(changes):
            assert change.change_id > self.last_id
            self.last_id = change.change_id
            holder = _address(change.holder)
            self.steps_back += change.block_number < self.newest_block.get(holder, 0)
            self.newest_block[holder] = change.block_number
            balance, restricted = self.sums.get(holder, (0, 0))
            balance += int(change.delta_base_units)
            restricted += int(change.restricted_delta_base_units)
            self.sums[holder] = (balance, restricted)
            self.newest[holder] = (int(change.balance_base_units), int(change.restricted_base_units))

    def assert_is(self, chain: Mapping[str, Holding]) -> None:
        """Every holder's changes sum to what the chain has."""
        assert self.sums == self.newest
        held = {holder: parts for holder, parts in self.sums.items() if parts != (0, 0)}
        assert held == {holder: (each.balance, each.total - each.balance) for holder, each in chain.items()}


@dataclass
class Comparison:
    """One token's register against the chain, at one block after the other.

    `everybody` are all who may ever have held anything.
    """

    node: Node
    register: Register
    token: ChecksumAddress
    everybody: Sequence[ChecksumAddress]
    history: History = field(default_factory=History)

    async def assert_equal_at(self, block: Block) -> int:
        """Every holder, the totals and the sums of the history equal the chain; returns how many holders.

        Waits until the register is at the block.
        """
        position = await self.register.reaches(block)
        rows = await self.register.holders(position)
        chain = await self.node.holdings(self.token, self.everybody, block)
        supply = await self.node.total_supply(self.token, block)
        assert await self.node.block(block.number) == block
        # First that the test itself misses nobody.
        assert set(chain) == await self.node.listed_holders(self.token, block)
        assert sum(holding.total for holding in chain.values()) == supply
        _assert_holders_are(rows, chain, block)
        balances = sum(holding.balance for holding in chain.values())
        assert position.holder_count == len(chain)
        assert int(position.total_balance_base_units) == balances
        assert int(position.total_restricted_base_units) == supply - balances
        self.history.read_on(await self.register.changes(after=self.history.last_id))
        self.history.assert_is(chain)
        return len(chain)

    async def assert_nothing_is_lost(self, block: Block) -> None:
        """The whole history from its beginning is what was read bit by bit; each log is kept once as an event."""
        whole = History()
        whole.read_on(await self.register.changes())
        assert whole == self.history
        events, start_block = await self.register.chain_events(block.number)
        kept = [(event.block_hash, event.transaction_hash, event.log_index) for event in events]
        assert kept == await self.node.logs(self.token, _KEPT_EVENTS, start_block, block.number)


def _assert_holders_are(rows: Sequence[Holder], chain: Mapping[str, Holding], block: Block) -> None:
    told = {_address(row.name): _holding(row) for row in rows}
    assert len(told) == len(rows)
    differences = {
        holder: (told.get(holder), chain.get(holder))
        for holder in told.keys() | chain.keys()
        if told.get(holder) != chain.get(holder)
    }
    assert not differences, f"{len(differences)} of {len(chain)} holders differ at {block}: {differences}"
    assert [int(row.total_base_units) for row in rows] == [_holding(row).total for row in rows]


async def dead_letters(harness: Harness) -> dict[str, list[DeadLetter]]:
    """What no service could process, by service; those that have none are left out."""
    found = {
        name: (await harness.call(stub.list_dead_letters, ListDeadLettersRequest())).dead_letters
        for name, stub in harness.client.operations.items()
    }
    return {name: letters for name, letters in found.items() if letters}


def _address(holder_name: str) -> str:
    return holder_name.rpartition("/")[2].lower()


def _holding(row: Holder) -> Holding:
    assert row.account
    assert (row.held_base_units, row.cleared_base_units) == ("0", "0")
    assert row.account.evm_address.lower() == _address(row.name)
    return Holding(int(row.balance_base_units), int(row.frozen_base_units), int(row.locked_base_units))
