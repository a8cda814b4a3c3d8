"""PostgreSQL with the schema of payout_service, and a node with the devnet contracts."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from sqlalchemy.ext.asyncio import AsyncEngine

import payout_service
from deploy.devnet.artifacts import compile_contracts
from deploy.devnet.deployer import Devnet
from deploy.local.services import PAYOUT
from deploy.local.settings import POSTGRES, StackSettings
from deploy.local.stack import Stack
from libs.config import ServiceSettings
from libs.evm.rpc import JsonRpc
from libs.persistence.engine import create_engine
from libs.persistence.migrate import migrate
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from tests.integration.devnet.stage import Node, Stage, running_anvil
from tests.integration.payout_service.rows import postgres
from tests.support.payout.memory_database import MemoryDatabase

SCHEMA = "payout"


@dataclass(frozen=True)
class Database:
    """Where the service's schema is."""

    url: str = field(repr=False)
    admin_url: str = field(repr=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("payout_service") / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        infrastructure=(POSTGRES,),
        services=(PAYOUT,),
        fsync=False,
    )
    stack = Stack(settings)
    try:
        endpoints = stack.start(services=False)
        assert endpoints.admin_database_url
        yield Database(endpoints.database_urls[SCHEMA], endpoints.admin_database_url)
    finally:
        stack.destroy()


@pytest_asyncio.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    settings = ServiceSettings.model_validate(
        {"database_url": database.url, "nats_url": "nats://unused", "listen_address": "unused:1"}
    )
    made = create_engine(settings, "tests")
    assert payout_service.__file__
    folder = Path(payout_service.__file__).parent / "infrastructure" / "migrations"
    await migrate(made, folder, SCHEMA)
    yield made
    await made.dispose()


@pytest.fixture(params=["memory", "postgres"])
def unit_of_work(request: pytest.FixtureRequest) -> UnitOfWorkFactory:
    """What must hold for both forms of the database."""
    if request.param == "memory":
        return MemoryDatabase().unit_of_work
    return postgres(request.getfixturevalue("engine"))


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """An anvil that mines each transaction at once, unless a test stops that."""
    compile_contracts()
    with running_anvil() as running:
        yield running


@pytest_asyncio.fixture
async def devnet(node: Node) -> AsyncIterator[Devnet]:
    async with Devnet(node.url, expected_genesis_hash=node.genesis_hash) as opened:
        yield opened


@pytest_asyncio.fixture
async def rpc(node: Node) -> AsyncIterator[JsonRpc]:
    opened = JsonRpc(node.url)
    yield opened
    await opened.close()


@pytest.fixture
def account() -> LocalAccount:
    """A key of the test's own."""
    made: LocalAccount = Account.create()
    return made


@pytest_asyncio.fixture
async def stage(devnet: Devnet, account: LocalAccount) -> Stage:
    """An asset without holders and a lifecycle contract without money, all roles to the test's key."""
    _, _, stranger, *_ = list(await devnet.web3.eth.accounts)
    await devnet.fund_gas(account.address)
    payment_token = await devnet.deploy_payment_token()
    token = await devnet.deploy_equity_token("Acme Shares", "ACME", "US0000000001", 6)
    lifecycle = await devnet.deploy_lifecycle_contract(token, payment_token, account.address)
    await devnet.grant_snapshot_role(token, account.address)
    return Stage(devnet, token, payment_token, lifecycle, account.address, stranger)
