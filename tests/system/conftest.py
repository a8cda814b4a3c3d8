"""All four services as real processes on real PostgreSQL, NATS and anvil: one stack for all system tests."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from tests.system.harness import Harness, open_harness, service_environment

_BLOCK_SECONDS = 0.2


class Ticker:
    """Mines a block every fifth of a second, as a chain does; automine makes none while nothing is sent."""

    def __init__(self, rpc_url: str) -> None:
        self._web3 = Web3(HTTPProvider(rpc_url))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker")

    def start(self) -> None:
        """Starts mining."""
        self._thread.start()

    def stop(self) -> None:
        """Ends mining."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_BLOCK_SECONDS):
            self._web3.provider.make_request(RPCEndpoint("anvil_mine"), ["0x1"])


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack. Each test uses assets of its own."""
    settings = StackSettings(
        base_dir=tmp_path_factory.mktemp("system") / "run",
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        mining=Mining.MANUAL,
        fsync=False,
    )
    stack = Stack(settings)
    ticker: Ticker | None = None
    try:
        endpoints = stack.start(services=False)
        assert endpoints.rpc_url
        ticker = Ticker(endpoints.rpc_url)
        ticker.start()
        stack.start_services(environment=service_environment())
        yield stack
    finally:
        if ticker is not None:
            ticker.stop()
        stack.destroy()


@pytest.fixture
async def harness(stack: Stack) -> AsyncIterator[Harness]:
    """One test's connections, with every service running."""
    async with open_harness(stack) as opened:
        yield opened
