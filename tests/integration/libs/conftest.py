"""PostgreSQL with the shared tables in a schema, and NATS; each test has its own schema content and subjects."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js import JetStreamContext
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.services import PAYOUT
from deploy.local.settings import NATS, POSTGRES, StackSettings
from deploy.local.stack import Stack
from libs.config import ServiceSettings
from libs.messaging import connection as messaging
from libs.messaging.streams import CONTEXTS, dead_letter_stream_name, ensure_streams, stream_name
from libs.persistence.engine import create_engine
from libs.persistence.tables import SharedTables, define_shared_tables

SERVICE = "tested"


@dataclass(frozen=True)
class Parts:
    """Where database and NATS are."""

    database_url: str = field(repr=False)
    nats_url: str = field(repr=False)

    def settings(self) -> ServiceSettings:
        return ServiceSettings.model_validate(
            {"database_url": self.database_url, "nats_url": self.nats_url, "listen_address": "unused:1"}
        )


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("libs") / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        infrastructure=(POSTGRES, NATS),
        services=(PAYOUT,),
        fsync=False,
    )
    stack = Stack(settings)
    try:
        endpoints = stack.start(services=False)
        assert endpoints.nats_url
        yield Parts(endpoints.database_urls[PAYOUT.schema], endpoints.nats_url)
    finally:
        stack.destroy()


@pytest.fixture(scope="session")
def metadata() -> MetaData:
    return MetaData()


@pytest.fixture(scope="session")
def shared(metadata: MetaData) -> SharedTables:
    return define_shared_tables(metadata)


@pytest_asyncio.fixture
async def engine(parts: Parts, metadata: MetaData, shared: SharedTables) -> AsyncIterator[AsyncEngine]:
    made = create_engine(parts.settings(), "tests")
    async with made.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def client(parts: Parts) -> AsyncIterator[Client]:
    made = await messaging.connect(parts.settings(), "tests")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def jetstream(client: Client) -> JetStreamContext:
    """Empty streams."""
    context = client.jetstream()
    await ensure_streams(context, CONTEXTS, SERVICE)
    for name in (*map(stream_name, CONTEXTS), dead_letter_stream_name(SERVICE)):
        await context.delete_stream(name)
    await ensure_streams(context, CONTEXTS, SERVICE)
    return context
