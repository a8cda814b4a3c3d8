"""A real stack that a worker of the run kills payout_service in: PostgreSQL, NATS, anvil, the four services."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from eth_typing import ChecksumAddress, HexStr

from deploy.devnet.terms import AssetVersion
from deploy.local.http import rpc
from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from libs.protogen.typed.masspayout.asset.v1 import Asset
from tests.chaos.chain import ChainReader
from tests.chaos.securities import Security, mature_bond
from tests.system.harness import Harness, Stage, eventually, open_harness, service_environment

PAYOUT_SERVICE = "payout_service"
_BLOCK_SECONDS = 0.2
_LEASE_SECONDS = "1"
# Generous: a loaded machine is slow, and only a case that fails waits so long.
_KILL_SECONDS = 180.0


class Miner:
    """A block every fifth of a second, by a thread of its own; anvil's own interval counts in whole seconds."""

    def __init__(self, rpc_url: str) -> None:
        self._rpc_url = rpc_url
        self._stopping = threading.Event()
        self._running = threading.Event()
        self._mining = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="miner", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._running.set()
        self._thread.start()

    def pause(self) -> None:
        """No block after this has returned."""
        self._running.clear()
        with self._mining:
            return

    def resume(self) -> None:
        """Goes on."""
        self._running.set()

    def stop(self) -> None:
        """Ends."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_BLOCK_SECONDS):
            # A node too busy to answer mines a moment later; one that is gone fails every case by its bounds.
            with self._mining, contextlib.suppress(OSError):
                if self._running.is_set():
                    rpc(self._rpc_url, "anvil_mine", "0x1")


class World:
    """A stack with its connections. Its one asset serves all cases that need a ready one, one after another."""

    def __init__(
        self,
        stack: Stack,
        harness: Harness,
        chain: ChainReader,
        miner: Miner,
        holder_count: int,
        version: AssetVersion,
    ) -> None:
        self.stack = stack
        self.marker = stack.settings.base_dir / "held"
        self.harness = harness
        self.chain = chain
        self.holder_count = holder_count
        self.version = version
        self._asset: tuple[Stage, Asset] | None = None
        self._equity: Security | None = None
        self._bond: Security | None = None
        self._miner = miner
        self._code: dict[ChecksumAddress, HexStr] = {}
        self._seed = 1

    @property
    def database_url(self) -> str:
        """With payout_service's role."""
        return self.stack.endpoints.database_urls["payout"]

    async def ready_asset(self) -> tuple[Stage, Asset]:
        """The active asset; the first call makes it, with payout_service running."""
        if self._asset is None:
            stage = await self.harness.stage(self.holder_count, seed=self.next_seed(), version=self.version)
            self._asset = stage, await self.harness.import_stage(stage)
        return self._asset

    async def equity(self) -> Security:
        """An active equity whose tokens move; the first call makes it."""
        if self._equity is None:
            stage = await self.harness.stage(0, version=self.version)
            self._equity = Security(stage, await self.harness.import_stage(stage))
        return self._equity

    async def bond(self) -> Security:
        """The same for a bond, which is mature. Each redemption leaves next to nothing of it.

        It has a snapshot: redeeming costs the same gas per holder from the first case on.
        """
        if self._bond is None:
            devnet = self.harness.devnet
            terms = mature_bond(await devnet.chain_time())
            stage = await self.harness.bond_stage(terms, 0, version=self.version)
            await devnet.grant_snapshot_role(stage.token, await devnet.admin())
            await devnet.take_snapshot(stage.token)
            self._bond = Security(stage, await self.harness.import_stage(stage), terms)
        return self._bond

    def next_seed(self) -> int:
        """Another one for each set of holders."""
        self._seed += 1
        return self._seed

    async def held(self) -> None:
        """Waits until payout_service holds at its failpoint."""

        async def is_there() -> bool:
            return self.marker.exists()

        await eventually(is_there, "payout_service holds at a failpoint", seconds=_KILL_SECONDS)

    def release(self) -> None:
        """Lets it go on."""
        self.marker.unlink()

    def keep_logs(self, folder: Path) -> None:
        """Copies all processes' logs, which are deleted with the stack."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.stack.settings.base_dir / "logs", folder)

    async def replace_code(self, contract: ChecksumAddress, code: HexStr) -> None:
        """Puts other code in a contract's place, until `restore_code`."""
        self._code[contract] = await asyncio.to_thread(
            rpc, self.harness.rpc_url, "eth_getCode", contract, "latest"
        )
        await asyncio.to_thread(rpc, self.harness.rpc_url, "anvil_setCode", contract, code)

    async def restore_code(self) -> None:
        """Puts every contract's own code back."""
        while self._code:
            contract, code = self._code.popitem()
            await asyncio.to_thread(rpc, self.harness.rpc_url, "anvil_setCode", contract, code)

    def pause_mining(self) -> None:
        """No block from now on."""
        self._miner.pause()

    def resume_mining(self) -> None:
        """Blocks again."""
        self._miner.resume()

    async def restart_payout_service(self, settings: Mapping[str, str], failpoints: str = "") -> None:
        """Starts it again with these settings and failpoints. One that runs is killed, with nothing to do."""
        environment = service_environment(failpoints)
        environment[PAYOUT_SERVICE] |= {"PAYOUT_SERVICE_LEASE_SECONDS": _LEASE_SECONDS, **settings}

        def restart() -> None:
            self.stack.services[PAYOUT_SERVICE].kill()
            self.stack.stop_services([PAYOUT_SERVICE])
            self.stack.start_services([PAYOUT_SERVICE], environment=environment)

        await asyncio.to_thread(restart)

    async def is_killed(self) -> bool:
        """Waits for payout_service to end. False when it lives on, or has ended in another way than by SIGKILL."""
        service = self.stack.services[PAYOUT_SERVICE]
        process = service.process

        async def is_dead() -> bool:
            return not service.running

        try:
            await eventually(is_dead, "payout_service has killed itself", seconds=_KILL_SECONDS)
        except AssertionError:
            return False
        return process is not None and process.exit_code == -signal.SIGKILL


@asynccontextmanager
async def open_world(holder_count: int, version: AssetVersion) -> AsyncIterator[World]:
    """Starts a stack in a folder of its own, for assets of a version; stops and deletes all of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="masspayout-chaos-", ignore_cleanup_errors=True) as folder:
        settings = StackSettings(
            base_dir=Path(folder) / "run",
            environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
            mining=Mining.MANUAL,
            fsync=False,
        )
        stack = Stack(settings)
        async with AsyncExitStack() as exits:
            exits.push_async_callback(asyncio.to_thread, stack.destroy)
            endpoints = await asyncio.to_thread(stack.start, services=False)
            if endpoints.rpc_url is None:
                raise RuntimeError("the stack has no chain")
            miner = Miner(endpoints.rpc_url)
            exits.push_async_callback(asyncio.to_thread, miner.stop)
            miner.start()
            await asyncio.to_thread(stack.start_services, environment=service_environment())
            harness = await exits.enter_async_context(open_harness(stack))
            chain = await exits.enter_async_context(ChainReader(harness.rpc_url, harness.signer))
            world = World(stack, harness, chain, miner, holder_count, version)
            # Before any failpoint is set, so that no case is killed over it.
            await world.ready_asset()
            yield world
