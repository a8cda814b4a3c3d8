"""Who makes the blocks: random operations on some tokens, and reorganisations that undo them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from eth_typing import ChecksumAddress

from tests.system.random_register.faults import Reorg, ReorgKind
from tests.system.random_register.node import Block, Node
from tests.system.random_register.operations import Account, Ledger, Operation

# The same for all: what is sent first is mined first.
_GAS_PRICE_WEI = 100 * 10**9


@dataclass(frozen=True, slots=True)
class Token:
    """A security token and what it should hold."""

    address: ChecksumAddress
    ledger: Ledger


class Market:
    """The only one that sends and mines. Every operation takes effect, or the test itself is wrong."""

    def __init__(self, node: Node, tokens: Sequence[Token]) -> None:
        self._node = node
        self._tokens = tokens
        # What the ledgers held at the end of each block since the beginning.
        self._past: dict[int, list[dict[ChecksumAddress, Account]]] = {}
        self.done: Counter[str] = Counter()
        self.reorganised: Counter[tuple[ReorgKind, int]] = Counter()
        self.undone_count = 0

    async def open(self, deepest_reorg: int) -> None:
        """Begins with so many empty blocks that no reorganisation reaches behind the beginning."""
        for _ in range(deepest_reorg + 1):
            await self.block([])

    async def block(self, operations: Sequence[tuple[Token, Operation]]) -> Block:
        """A block with these operations, in their order."""
        for token, operation in operations:
            await self._node.ask("eth_sendTransaction", _transaction(token, operation))
        await self._node.mine()
        block = await self._node.block()
        results = await self._node.results(block)
        assert results == [True] * len(operations), f"{results} of {operations}"
        self.done.update(operation.kind for _, operation in operations)
        self._past[block.number] = self._present()
        return block

    async def reorganise(self, reorg: Reorg, random: Random) -> None:
        """Takes the newest blocks away. At least as many are there afterwards."""
        head = await self._node.block()
        ancestor = await self._node.block(head.number - reorg.depth)
        lost = [await self._node.block(number) for number in range(ancestor.number + 1, head.number + 1)]
        self.undone_count += sum([len(await self._node.results(block)) for block in lost])
        if reorg.kind is ReorgKind.EMPTY:
            await self._node.ask("anvil_reorg", reorg.depth, [])
        else:
            await self._node.ask("anvil_rollback", reorg.depth)
        for token, held in zip(self._tokens, self._past[ancestor.number], strict=True):
            token.ledger.take(held)
        if reorg.kind is ReorgKind.EMPTY:
            for block in lost:
                self._past[block.number] = self._present()
        else:
            for _ in lost:
                await self.block([(token, token.ledger.draw(random)) for token in self._tokens])
        assert (await self._node.block(ancestor.number)) == ancestor
        assert (await self._node.block()).number == head.number
        self.reorganised[reorg.kind, reorg.depth] += 1

    def _present(self) -> list[dict[ChecksumAddress, Account]]:
        return [token.ledger.copy() for token in self._tokens]


def _transaction(token: Token, operation: Operation) -> dict[str, str]:
    return {
        "from": operation.sender,
        "to": token.address,
        "data": operation.data,
        "gas": hex(operation.gas),
        "gasPrice": hex(_GAS_PRICE_WEI),
    }
