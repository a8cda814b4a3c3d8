"""All four services as real processes on real PostgreSQL, NATS and anvil: one stack for all system tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from tests.support.rpc_proxy import RpcProxy
from tests.system.harness import Harness, open_harness, service_environment
from tests.system.mining import Ticker


@pytest.fixture(scope="package")
def infrastructure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack without its services."""
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("system") / "run",
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


@pytest.fixture(scope="package")
def package_ticker(infrastructure: Stack) -> Iterator[Ticker]:
    """What mines the chain of all system tests."""
    assert infrastructure.endpoints.rpc_url
    ticker = Ticker(infrastructure.endpoints.rpc_url)
    ticker.start()
    yield ticker
    ticker.stop()


@pytest.fixture(scope="package")
def stack(infrastructure: Stack, package_ticker: Ticker) -> Stack:
    """The stack. Each test uses assets of its own."""
    infrastructure.start_services(environment=service_environment())
    return infrastructure


@pytest.fixture
def ticker(package_ticker: Ticker) -> Iterator[Ticker]:
    """What mines the chain, to be paused by a test; afterwards it mines again."""
    yield package_ticker
    package_ticker.resume()


@pytest.fixture
async def harness(stack: Stack) -> AsyncIterator[Harness]:
    """One test's connections, with every service running with the usual settings."""
    async with open_harness(stack) as opened:
        await opened.run_payout_service()
        yield opened


@pytest.fixture
async def faulty(stack: Stack) -> AsyncIterator[Harness]:
    """Connections of a test that starts payout_service itself, with settings of its own."""
    async with open_harness(stack) as opened:
        yield opened
        await opened.stop_replicas()


@pytest.fixture
def proxy(infrastructure: Stack) -> Iterator[RpcProxy]:
    """Between payout_service and the node, once payout_service is started with its URL."""
    assert infrastructure.endpoints.rpc_url
    proxy = RpcProxy(infrastructure.endpoints.rpc_url)
    proxy.start()
    yield proxy
    proxy.stop()
