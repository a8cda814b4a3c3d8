"""A node for each module, a fresh stage for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.devnet.artifacts import compile_contracts
from deploy.devnet.deployer import Devnet
from tests.integration.devnet.stage import Node, Stage, equity_stage, running_anvil, stage_of_a_bond


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """An anvil that mines each transaction at once, and the compiled contracts beside it."""
    compile_contracts()
    with running_anvil() as running:
        yield running


@pytest_asyncio.fixture
async def devnet(node: Node) -> AsyncIterator[Devnet]:
    async with Devnet(node.url, expected_genesis_hash=node.genesis_hash) as opened:
        yield opened


@pytest_asyncio.fixture
async def stage(devnet: Devnet) -> Stage:
    """An asset without holders and a lifecycle contract without money."""
    return await equity_stage(devnet)


@pytest_asyncio.fixture
async def bond_stage(devnet: Devnet) -> Stage:
    """A bond of 1,000.00 a unit, without holders, that its lifecycle contract may redeem in a year."""
    return await stage_of_a_bond(devnet)
