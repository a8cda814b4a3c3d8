"""The register as anybody reads it, held against the chain."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

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
from libs.protogen.typed.masspayout.operations.v1 import DeadLetter, ListDeadLettersRequest
from tests.system.harness import Harness, eventually
from tests.system.random_register.node import Block, Holding, Node

_CATCH_UP_SECONDS = 90.0
_HOLDERS_PER_PAGE = 173
_CHANGES_PER_PAGE = 1000
_MAX_PAGES = 1000


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

    async def changes(self) -> list[HolderChange]:
        """Its whole history."""
        changes: list[HolderChange] = []
        token = ""
        for _ in range(_MAX_PAGES):
            request = ListHolderChangesRequest(parent=self.asset, page_size=_CHANGES_PER_PAGE, page_token=token)
            page = await self._harness.call(self._harness.client.assets.list_holder_changes, request)
            changes.extend(page.changes)
            token = page.next_page_token
            if not token:
                return changes
        raise AssertionError(f"{self.asset} has more than {_MAX_PAGES} pages of changes")

    async def discrepancies(self) -> list[RegisterDiscrepancy]:
        """Where it was ever found to differ from the chain, the newest thousand."""
        request = ListRegisterDiscrepanciesRequest(parent=self.asset, page_size=1000)
        method = self._harness.client.assets.list_register_discrepancies
        return (await self._harness.call(method, request)).discrepancies


async def assert_register_is_chain(
    node: Node, register: Register, token: ChecksumAddress, everybody: Sequence[ChecksumAddress], block: Block
) -> int:
    """Every holder, the totals and the sums of the history equal the chain at `block`; returns how many holders.

    `everybody` are all who may have held anything. Waits until the register is at the block.
    """
    position = await register.reaches(block)
    rows, chain, listed, supply = await asyncio.gather(
        register.holders(position),
        node.holdings(token, everybody, block),
        node.listed_holders(token, block),
        node.total_supply(token, block),
    )
    assert await node.block(block.number) == block
    # First that the test itself misses nobody.
    assert set(chain) == listed
    assert sum(holding.total for holding in chain.values()) == supply
    register_holdings = {_address(row.name): _holding(row) for row in rows}
    assert len(register_holdings) == len(rows)
    differences = {
        holder: (register_holdings.get(holder), chain.get(holder))
        for holder in register_holdings.keys() | chain.keys()
        if register_holdings.get(holder) != chain.get(holder)
    }
    assert not differences, f"{len(differences)} of {len(chain)} holders differ at {block}: {differences}"
    assert [int(row.total_base_units) for row in rows] == [_holding(row).total for row in rows]
    balances = sum(holding.balance for holding in chain.values())
    assert position.holder_count == len(chain)
    assert int(position.total_balance_base_units) == balances
    assert int(position.total_restricted_base_units) == supply - balances
    _assert_history_sums(await register.changes(), chain)
    return len(chain)


def _assert_history_sums(changes: Sequence[HolderChange], chain: dict[str, Holding]) -> None:
    balances: defaultdict[str, int] = defaultdict(int)
    restricted: defaultdict[str, int] = defaultdict(int)
    newest: dict[str, tuple[int, int]] = {}
    for change in changes:
        holder = _address(change.holder)
        balances[holder] += int(change.delta_base_units)
        restricted[holder] += int(change.restricted_delta_base_units)
        after = (int(change.balance_base_units), int(change.restricted_base_units))
        newest.setdefault(holder, after)
    sums = {holder: (balances[holder], restricted[holder]) for holder in balances}
    assert sums == newest
    assert {holder: parts for holder, parts in sums.items() if parts != (0, 0)} == {
        holder: (holding.balance, holding.total - holding.balance) for holder, holding in chain.items()
    }
    assert len({change.change_id for change in changes}) == len(changes)


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
