"""asset_service as a real process on real PostgreSQL and NATS, with stand-ins for its two peers."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.services import ASSET
from deploy.local.settings import NATS, POSTGRES, StackSettings
from deploy.local.stack import Stack
from tests.integration.asset_service.fake_peers import FakePeers
from tests.integration.asset_service.harness import Harness, ServiceUnderTest, open_harness


@pytest.fixture(scope="package")
def peers() -> Iterator[FakePeers]:
    fake = FakePeers()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture(scope="package")
def service(peers: FakePeers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceUnderTest]:
    """One service for all tests: each uses assets, tokens and request ids of its own."""
    base_dir: Path = tmp_path_factory.mktemp("asset_service") / "run"
    settings = StackSettings(
        base_dir=base_dir,
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        infrastructure=(POSTGRES, NATS),
        services=(replace(ASSET, peers={}),),
        service_environment={
            ASSET.name: {
                "ASSET_SERVICE_PAYOUT_ADDRESS": peers.address,
                "ASSET_SERVICE_CHAIN_SYNC_ADDRESS": peers.address,
                "ASSET_SERVICE_MAX_DELIVERIES": "5",
                "ASSET_SERVICE_REDELIVERY_DELAY_SECONDS": "0.1",
                "ASSET_SERVICE_REGISTER_CHECK_SECONDS": "0.1",
            }
        },
        fsync=False,
    )
    stack = Stack(settings)
    endpoints = stack.start()

    try:
        assert endpoints.nats_url
        assert endpoints.admin_database_url
        yield ServiceUnderTest(
            address=endpoints.services[ASSET.name],
            database_url=endpoints.database_urls[ASSET.schema],
            admin_database_url=endpoints.admin_database_url,
            nats_url=endpoints.nats_url,
            kill=stack.services[ASSET.name].kill,
            start=stack.services[ASSET.name].start,
        )
    finally:
        stack.destroy()


@pytest.fixture
async def harness(service: ServiceUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(service) as opened:
        yield opened
