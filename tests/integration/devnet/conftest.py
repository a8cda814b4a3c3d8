"""A node for each module, a fresh stage for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.devnet.artifacts import compile_contracts
from deploy.devnet.deployer import Devnet
from deploy.devnet.terms import BondTerms
from tests.integration.devnet.stage import YEAR, Node, Stage, running_anvil


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
    _, operator, stranger, *_ = list(await devnet.web3.eth.accounts)
    payment_token = await devnet.deploy_payment_token()
    token = await devnet.deploy_equity_token("Acme Shares", "ACME", "US0000000001", 6)
    lifecycle = await devnet.deploy_lifecycle_contract(token, payment_token, operator)
    await devnet.grant_snapshot_role(token, operator)
    return Stage(devnet, token, payment_token, lifecycle, operator, stranger)


@pytest_asyncio.fixture
async def bond_stage(devnet: Devnet) -> Stage:
    """A bond of 1,000.00 a unit, without holders, that its lifecycle contract may redeem in a year."""
    _, operator, stranger, *_ = list(await devnet.web3.eth.accounts)
    payment_token = await devnet.deploy_payment_token()
    now = await devnet.chain_time()
    terms = BondTerms(100_000, 2, starting_date=now, maturity_date=now + YEAR)
    token = await devnet.deploy_bond_token("Acme Bond", "ACMB", "US0000000002", 0, terms)
    lifecycle = await devnet.deploy_lifecycle_contract(token, payment_token, operator)
    await devnet.grant_snapshot_role(token, operator)
    await devnet.grant_maturity_redeemer_role(token, lifecycle)
    return Stage(devnet, token, payment_token, lifecycle, operator, stranger, "BondToken")
