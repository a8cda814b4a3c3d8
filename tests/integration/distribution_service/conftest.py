"""distribution_service as a real process on real PostgreSQL and NATS; payout_service is a stand-in."""

from collections.abc import AsyncIterator, Iterator

import grpc
import nats
import pytest
from masspayout.distribution.v1 import distribution_service_pb2_grpc as pb_grpc
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.services import DISTRIBUTION
from deploy.local.settings import NATS, POSTGRES, StackSettings
from deploy.local.stack import Stack
from libs.config import ServiceSettings
from libs.persistence.engine import create_engine
from tests.integration.distribution_service.support import Bus, FakePayoutService, World

_NAME = "distribution_service"
_SETTINGS = {
    "DISTRIBUTION_SERVICE_DATABASE_POOL_SIZE": "4",
    "DISTRIBUTION_SERVICE_MAX_DELIVERIES": "3",
    "DISTRIBUTION_SERVICE_REDELIVERY_DELAY_SECONDS": "0.05",
}


@pytest.fixture(scope="package")
def payout_service() -> Iterator[FakePayoutService]:
    """The stand-in for payout_service."""
    service = FakePayoutService()
    yield service
    service.stop()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, payout_service: FakePayoutService) -> Iterator[Stack]:
    """PostgreSQL, NATS and the service; one for all tests, which keep apart by assets of their own."""
    address = {"DISTRIBUTION_SERVICE_PAYOUT_ADDRESS": f"127.0.0.1:{payout_service.port}"}
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("distribution_stack"),
        infrastructure=(POSTGRES, NATS),
        services=(DISTRIBUTION,),
        service_environment={_NAME: _SETTINGS | address},
        fsync=False,
    )
    running = Stack(settings)
    try:
        running.start()
        yield running
    finally:
        running.destroy()


@pytest.fixture
async def engine(stack: Stack) -> AsyncIterator[AsyncEngine]:
    """The service's database, under its own role."""
    settings = ServiceSettings(
        database_url=SecretStr(stack.endpoints.database_urls[DISTRIBUTION.schema]),
        nats_url=SecretStr("unused"),
        listen_address="unused",
    )
    engine = create_engine(settings, "test")
    yield engine
    await engine.dispose()


@pytest.fixture
async def world(stack: Stack, payout_service: FakePayoutService, engine: AsyncEngine) -> AsyncIterator[World]:
    """The running service."""
    payout_service.reset()
    endpoints = stack.endpoints
    assert endpoints.nats_url is not None
    client = await nats.connect(endpoints.nats_url)
    async with grpc.aio.insecure_channel(endpoints.services[_NAME]) as channel:
        yield World(pb_grpc.DistributionServiceStub(channel), channel, payout_service, Bus(client), engine)
    await client.close()
