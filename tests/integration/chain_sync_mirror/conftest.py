"""chain_sync_service as a real process that reads a mirror node's stand-in, which serves a real anvil's chain."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from deploy.local.services import CHAIN_SYNC
from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from tests.integration.chain_sync_service.harness import SERVICE, Harness, ServiceUnderTest, open_harness
from tests.integration.chain_sync_service.rpc_proxy import RpcProxy
from tests.support.mirror_node.server import MirrorStandIn


@dataclass(frozen=True)
class OnMirror:
    """The running service and the mirror node that it reads. Its JSON-RPC endpoint leads nowhere."""

    service: ServiceUnderTest
    mirror: MirrorStandIn

    async def lose_patience(self) -> None:
        """From now on logs without a result are not waited for any longer."""
        stack = self.service.stack
        await asyncio.to_thread(stack.stop_services, [SERVICE])
        environment = _environment(self.service.proxy.url, self.mirror.url, ghost_patience_seconds=1)
        await asyncio.to_thread(stack.start_services, [SERVICE], environment=environment)


def _environment(rpc_url: str, mirror_url: str, *, ghost_patience_seconds: int) -> dict[str, dict[str, str]]:
    return {
        SERVICE: {
            "CHAIN_SYNC_SERVICE_SOURCE": "mirror",
            "CHAIN_SYNC_SERVICE_MIRROR_URL": mirror_url,
            "CHAIN_SYNC_SERVICE_RPC_URL": rpc_url,
            "CHAIN_SYNC_SERVICE_MIRROR_REQUESTS_PER_MINUTE": "1000000",
            "CHAIN_SYNC_SERVICE_POLL_SECONDS": "0.05",
            "CHAIN_SYNC_SERVICE_ERROR_DELAY_SECONDS": "0.2",
            "CHAIN_SYNC_SERVICE_POSITION_EVENT_BLOCKS": "20",
            "CHAIN_SYNC_SERVICE_GHOST_PATIENCE_SECONDS": str(ghost_patience_seconds),
        }
    }


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnMirror]:
    """One service for all tests: each uses assets and tokens of its own."""
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("mirror") / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        services=(CHAIN_SYNC,),
        mining=Mining.AUTOMINE,
        fsync=False,
    )
    nowhere = RpcProxy()
    nowhere.start()
    stack = Stack(settings)
    mirror = None
    try:
        endpoints = stack.start(services=False)
        assert endpoints.rpc_url
        mirror = MirrorStandIn(endpoints.rpc_url)
        mirror.start()
        stack.start_services(environment=_environment(nowhere.url, mirror.url, ghost_patience_seconds=3_600))
        yield OnMirror(ServiceUnderTest(stack, nowhere), mirror)
    finally:
        stack.destroy()
        nowhere.stop()
        if mirror is not None:
            mirror.stop()


@pytest.fixture
async def harness(running: OnMirror) -> AsyncIterator[Harness]:
    running.mirror.heal()
    async with open_harness(running.service) as opened:
        yield opened
    running.mirror.heal()


@pytest.fixture
def mirror(running: OnMirror) -> MirrorStandIn:
    return running.mirror
