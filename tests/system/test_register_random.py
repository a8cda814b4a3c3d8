"""The register equals the chain for every holder, whatever happens on the chain and to those who follow it.

Seeded: `MASSPAYOUT_TEST_SEED` gives operations, reorganisations and faults again (not their exact timing, which is
the machine's). The seed is printed, and named by a failure.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from eth_typing import ChecksumAddress

from deploy.devnet.deployer import seeded_holders
from deploy.devnet.terms import AssetVersion
from deploy.local.settings import CONFIRMATIONS, Mining, StackSettings
from deploy.local.stack import Stack
from tests.support.rpc_proxy import RpcProxy
from tests.system.harness import Harness, Stage, import_request, open_harness, service_environment
from tests.system.mining import Ticker
from tests.system.random_register.comparing import Comparison, Register, dead_letters
from tests.system.random_register.faults import Fault, Faults, Reorg, ReorgKind, spread
from tests.system.random_register.market import Market, Token
from tests.system.random_register.node import Block, Node
from tests.system.random_register.operations import Ledger, Operation

_CHAIN_SYNC = "chain_sync_service"
_SEED_VARIABLE = "MASSPAYOUT_TEST_SEED"
_HOLDERS = 500
_OPERATIONS = 5_000
_ROUNDS = 20
_LARGEST_BLOCK = 50
_ADJUSTMENTS = 4
# Of the second token, whose holders are taken from its own list in the midst of it all.
_LISTED_FROM_ROUND = 5
_OTHER_OPERATIONS_PER_BLOCK = 3
_DEEPEST_REORG = 5
_LONGEST_PAUSE_SECONDS = 0.1
_FAULTS = (
    *[Fault.ASSET_SERVICE_DIES] * 5,
    *[Fault.CHAIN_SYNC_SERVICE_DIES] * 5,
    *[Fault.NATS_DIES] * 3,
    *[Fault.POSTGRES_DIES] * 1,
    *[Fault.NODE_REFUSES] * 2,
    *[Fault.NODE_IS_CUT_OFF] * 2,
    *[Fault.REPLIES_ARE_LOST] * 2,
)
_REORGS = tuple(Reorg(kind, depth) for kind in ReorgKind for depth in range(1, _DEEPEST_REORG + 1))


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own without services: reorganisations would take the payouts of other tests away."""
    settings = StackSettings(
        base_dir=tmp_path / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        mining=Mining.MANUAL,
        fsync=False,
    )
    stack = Stack(settings)
    try:
        stack.start(services=False)
        yield stack
    finally:
        stack.destroy()


@pytest.fixture
def own_proxy(own_stack: Stack) -> Iterator[RpcProxy]:
    """Between chain_sync_service and the node."""
    assert own_stack.endpoints.rpc_url
    proxy = RpcProxy(own_stack.endpoints.rpc_url)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
async def own_harness(own_stack: Stack, own_proxy: RpcProxy) -> AsyncIterator[Harness]:
    """Connections to all four services, which run."""
    await asyncio.to_thread(own_stack.start_services, environment=_environment(own_proxy, "logs"))
    async with open_harness(own_stack) as harness:
        yield harness


async def test_the_register_is_right_at_random_blocks_after_random_operations_faults_and_reorgs(
    own_harness: Harness, own_proxy: RpcProxy
) -> None:
    seed = int(os.environ.get(_SEED_VARIABLE) or secrets.randbelow(2**32))
    sys.stdout.write(f"\n{_SEED_VARIABLE}={seed}\n")
    try:
        async with Node(own_harness.rpc_url) as node:
            run = await _begin(own_harness, own_proxy, node, Random(seed))
            await run.play()
    except Exception as error:
        error.add_note(f"{_SEED_VARIABLE}={seed} plays it again")
        raise
    sys.stdout.write(f"{run.figures()}\n")


async def _begin(harness: Harness, proxy: RpcProxy, node: Node, random: Random) -> _Run:
    """Deploys two tokens, one of each version, which nobody holds yet."""
    ticker = Ticker(harness.rpc_url)
    ticker.start()
    try:
        stages = [await harness.stage(0, version=version) for version in AssetVersion]
    finally:
        ticker.stop()
    holders = [holder for holder, _ in seeded_holders(_HOLDERS, random.getrandbits(32))]
    await node.admit(holders)
    admin = await harness.devnet.admin()
    tokens = [Token(stage.token, Ledger(admin, holders)) for stage in stages]
    market = Market(node, tokens)
    await market.open(_DEEPEST_REORG)
    return _Run(harness, proxy, node, random, market, Faults(harness.stack, proxy), stages, tokens, holders)


@dataclass
class _Run:
    """Rounds of blocks, with faults; after each round everything is compared at one block."""

    harness: Harness
    proxy: RpcProxy
    node: Node
    random: Random
    market: Market
    faults: Faults
    stages: list[Stage]
    tokens: list[Token]
    holders: list[ChecksumAddress]
    comparisons: list[Comparison] = field(default_factory=list)
    compared_holders: list[int] = field(default_factory=list)

    async def play(self) -> None:
        """Everything from the first import to the last look."""
        faults = spread(_FAULTS, _ROUNDS, self.random)
        reorgs = spread(_REORGS, _ROUNDS, self.random)
        # These meet registers that have caught up, so that the deep ones take away what they were told.
        first_reorgs = self.random.sample([*_REORGS, *[None] * (_ROUNDS - len(_REORGS))], _ROUNDS)
        adjusted = set(self.random.sample(range(_OPERATIONS), _ADJUSTMENTS))
        await self._follow(0)
        per_round = _OPERATIONS // _ROUNDS
        for index in range(_ROUNDS):
            if index == _LISTED_FROM_ROUND:
                await self._restart_chain_sync("list")
                await self._follow(1)
            if first_reorg := first_reorgs[index]:
                await self.market.reorganise(first_reorg, self.random)
            ordinals = range(index * per_round, (index + 1) * per_round)
            blocks = [[each in adjusted for each in part] for part in _cut(ordinals, self.random)]
            await self._blocks(blocks, faults[index], reorgs[index])
            await self.faults.over()
            await self._compare()
        await self._look_at_the_end(await self._compare())

    async def _blocks(self, blocks: list[list[bool]], faults: list[Fault], reorgs: list[Reorg]) -> None:
        """Blocks of operations, of each of which is told whether it is an adjustment."""
        faults_by_block = spread(faults, len(blocks), self.random)
        reorgs_by_block = spread(reorgs, len(blocks), self.random)
        for adjusts, faults_now, reorgs_now in zip(blocks, faults_by_block, reorgs_by_block, strict=True):
            for fault in faults_now:
                self.faults.strike(fault, self.random)
            await self.market.block([*self._first_operations(adjusts), *self._other_operations()])
            for reorg in reorgs_now:
                await self.market.reorganise(reorg, self.random)
            # So that the services also see the chain between two blocks.
            await asyncio.sleep(self.random.uniform(0, _LONGEST_PAUSE_SECONDS))

    def _first_operations(self, adjusts: list[bool]) -> list[tuple[Token, Operation]]:
        token = self.tokens[0]
        return [(token, token.ledger.adjust(2) if each else token.ledger.draw(self.random)) for each in adjusts]

    def _other_operations(self) -> list[tuple[Token, Operation]]:
        count = self.random.randrange(2 * _OTHER_OPERATIONS_PER_BLOCK)
        return [(self.tokens[1], self.tokens[1].ledger.draw(self.random)) for _ in range(count)]

    async def _follow(self, index: int) -> None:
        """Imports a token; nobody waits for it."""
        request = import_request(self.stages[index])
        asset = await self.harness.call(self.harness.client.assets.import_asset, request)
        register = Register(self.harness, asset.name)
        self.comparisons.append(Comparison(self.node, register, self.tokens[index].address, self.holders))

    async def _restart_chain_sync(self, holder_source: str) -> None:
        """From now on, holders of new assets come from there."""

        def restart() -> None:
            stack = self.harness.stack
            stack.stop_services([_CHAIN_SYNC])
            stack.start_services([_CHAIN_SYNC], environment=_environment(self.proxy, holder_source))

        await asyncio.to_thread(restart)

    async def _compare(self) -> Block:
        """Pins a block in which every token's holdings change; the blocks behind it have operations, too."""
        pinned = await self.market.block([(token, token.ledger.issue(self.random)) for token in self.tokens])
        for _ in range(CONFIRMATIONS):
            await self.market.block([(token, token.ledger.draw(self.random)) for token in self.tokens])
        for comparison in self.comparisons:
            await self.harness.active(comparison.register.asset)
            self.compared_holders.append(await comparison.assert_equal_at(pinned))
            # What a check mended by having it read again was wrong all the same.
            assert await comparison.register.discrepancies() == []
        return pinned

    async def _look_at_the_end(self, pinned: Block) -> None:
        """Nothing was lost or given up on the way, and all that should go wrong did."""
        for comparison in self.comparisons:
            await comparison.assert_nothing_is_lost(pinned)
            assert comparison.history.steps_back > 0
        assert await dead_letters(self.harness) == {}
        assert set(self.faults.struck) == set(Fault)
        assert set(self.market.reorganised) == {(each.kind, each.depth) for each in _REORGS}
        assert sum(self.market.done.values()) >= _OPERATIONS

    def figures(self) -> str:
        """What was done, in numbers."""
        done = ", ".join(f"{count} {kind}" for kind, count in self.market.done.most_common())
        faults = ", ".join(f"{count} x {fault}" for fault, count in self.faults.struck.most_common())
        reorgs = sum(self.market.reorganised.values())
        compared = f"{len(self.compared_holders)} comparisons of {sum(self.compared_holders)} holdings"
        back = sum(comparison.history.steps_back for comparison in self.comparisons)
        return "\n".join(
            (
                f"{sum(self.market.done.values())} operations: {done}",
                f"{self.market.undone_count} of them undone by {reorgs} reorgs; {back} changes taken back",
                f"faults: {faults}",
                f"{compared} at {_ROUNDS + 1} blocks",
            )
        )


def _environment(proxy: RpcProxy, holder_source: str) -> dict[str, dict[str, str]]:
    environment = service_environment()
    environment["asset_service"] = {"ASSET_SERVICE_REGISTER_CHECK_SECONDS": "1"}
    environment[_CHAIN_SYNC] |= {
        "CHAIN_SYNC_SERVICE_RPC_URL": proxy.url,
        "CHAIN_SYNC_SERVICE_HOLDER_SOURCE": holder_source,
    }
    return environment


def _cut(ordinals: range, random: Random) -> list[range]:
    """Into blocks of different sizes."""
    parts: list[range] = []
    while ordinals:
        size = random.randint(1, _LARGEST_BLOCK)
        parts.append(ordinals[:size])
        ordinals = ordinals[size:]
    return parts
