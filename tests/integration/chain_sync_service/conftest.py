"""chain_sync_service as a real process on real PostgreSQL, NATS and anvil."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.services import CHAIN_SYNC
from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from tests.integration.chain_sync_service.harness import SERVICE, Harness, ServiceUnderTest, open_harness
from tests.integration.chain_sync_service.rpc_proxy import RpcProxy


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceUnderTest]:
    """One service for all tests: each uses assets and tokens of its own."""
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp(SERVICE) / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        services=(CHAIN_SYNC,),
        mining=Mining.AUTOMINE,
        fsync=False,
    )
    proxy = RpcProxy()
    proxy.start()
    stack = Stack(settings)
    try:
        endpoints = stack.start(services=False)
        assert endpoints.rpc_url
        proxy.target = endpoints.rpc_url
        stack.start_services(
            environment={
                SERVICE: {
                    "CHAIN_SYNC_SERVICE_RPC_URL": proxy.url,
                    "CHAIN_SYNC_SERVICE_POLL_SECONDS": "0.05",
                    "CHAIN_SYNC_SERVICE_LEASE_SECONDS": "1.5",
                    "CHAIN_SYNC_SERVICE_ERROR_DELAY_SECONDS": "0.2",
                    "CHAIN_SYNC_SERVICE_MAX_DELIVERIES": "2",
                    "CHAIN_SYNC_SERVICE_REDELIVERY_DELAY_SECONDS": "0.1",
                    "CHAIN_SYNC_SERVICE_POSITION_EVENT_BLOCKS": "20",
                    "CHAIN_SYNC_SERVICE_WINDOW_BLOCKS": "20",
                    # Small, so that an import by list takes many steps.
                    "CHAIN_SYNC_SERVICE_LIST_PAGE": "20",
                    "CHAIN_SYNC_SERVICE_READ_PAGE": "20",
                }
            }
        )
        yield ServiceUnderTest(stack, proxy)
    finally:
        stack.destroy()
        proxy.stop()


@pytest.fixture
async def harness(running: ServiceUnderTest) -> AsyncIterator[Harness]:
    running.proxy.reset()
    async with open_harness(running) as opened:
        yield opened
    running.proxy.reset()
