"""Runs the embedded EVM chain: anvil, with a genesis block that only this stack's chain has.

The devnet contracts may be deployed on no other chain, and a chain id proves nothing, so the launcher records
the hash of the genesis block it made. The chain is saved every few seconds and at the end, and continued at
the next start; ``kill -9`` loses what was not saved. What is not saved are the states of past blocks: calls
pinned to a block older than the last start are refused.
"""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
import time
from pathlib import Path

from typing_extensions import override

from deploy.local.component import Component, StackContext
from deploy.local.errors import StackError
from deploy.local.files import make_private_folder, write_private
from deploy.local.http import rpc
from deploy.local.ports import LOOPBACK
from deploy.local.processes import ManagedProcess, spawn
from deploy.local.settings import ANVIL, ANVIL_PORT_VARIABLE, DEVNET_CHAIN_ID, Mining
from deploy.local.state import Genesis
from deploy.local.tools import anvil

# Past states on disk: about 0.3 MB each, more with many holders.
MAX_PERSISTED_STATES = 300
BASE_FEE_WEI = 1_000_000_000


class Anvil(Component):
    """The embedded EVM chain."""

    port_variable = ANVIL_PORT_VARIABLE
    stop_seconds = 30.0

    def __init__(self, context: StackContext) -> None:
        super().__init__(ANVIL, context)

    @property
    def folder(self) -> Path:
        """The folder in which the chain is kept."""
        return self.context.settings.base_dir / ANVIL

    @property
    def state_path(self) -> Path:
        """The file with the saved chain."""
        return self.folder / "state.json"

    @property
    @override
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @override
    def prepare(self) -> None:
        make_private_folder(self.folder)
        # Past states of a run that was killed: anvil does not read them again.
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        if self.state_path.exists():
            try:
                json.loads(self.state_path.read_bytes())
            except ValueError:
                raise StackError(
                    f"the saved chain {self.state_path} is damaged (anvil was killed while saving it): "
                    "`make clean` removes it together with the database that describes it"
                ) from None
        elif self.context.state.genesis is not None and self.context.state.genesis.hash is not None:
            raise StackError(
                f"the saved chain {self.state_path} is gone, and the database describes it: "
                "`make clean` removes everything that is left"
            )

    @override
    def launch(self) -> ManagedProcess:
        settings = self.context.settings
        arguments = ["--host", LOOPBACK, "--port", str(self.port), "--chain-id", str(DEVNET_CHAIN_ID)]
        arguments += ["--state", str(self.state_path), "--state-interval", str(settings.chain_state_seconds)]
        arguments += ["--cache-path", str(self.folder / "cache")]
        arguments += ["--max-persisted-states", str(MAX_PERSISTED_STATES)]
        # Quiet: it would log every call, and its accounts' keys. No CORS: web pages have no business here.
        arguments += ["--quiet", "--no-cors"]
        if settings.mining is Mining.INTERVAL:
            arguments += ["--block-time", str(settings.block_time_seconds)]
        elif settings.mining is Mining.MANUAL:
            arguments += ["--no-mining"]
        genesis = self.context.state.genesis
        if genesis is None:
            # Time and base fee are all of the genesis block that anvil lets us choose.
            base_fee = BASE_FEE_WEI + secrets.randbelow(BASE_FEE_WEI)
            genesis = self.context.state.genesis = Genesis(int(time.time()), base_fee)
            self.context.save()
        # Also for a saved chain: anvil would make a genesis block of its own beside the saved one, save both,
        # and serve one or the other after the next start.
        arguments += ["--timestamp", str(genesis.timestamp), "--block-base-fee-per-gas", str(genesis.base_fee_wei)]
        return spawn(
            [str(anvil(settings.repository)), *arguments],
            cwd=self.folder,
            environment=settings.process_environment(),
            log_path=self.log_path,
        )

    @override
    def probe(self) -> str | None:
        chain_id = int(rpc(self.endpoint, "eth_chainId"), 16)
        return None if chain_id == DEVNET_CHAIN_ID else f"serves chain {chain_id}, not {DEVNET_CHAIN_ID}"

    @override
    def settled(self) -> None:
        block_hash = str(rpc(self.endpoint, "eth_getBlockByNumber", "0x0", False)["hash"])
        genesis = self.context.state.genesis
        if genesis is None:
            raise StackError("the chain has been started without a record of its genesis block")
        if genesis.hash is None:
            # Saved before it is recorded, so that a chain killed in its first seconds is found again.
            dump = bytes.fromhex(str(rpc(self.endpoint, "anvil_dumpState"))[2:])
            write_private(self.state_path, gzip.decompress(dump).decode("utf-8"))
            genesis.hash = block_hash
            self.context.save()
        elif genesis.hash != block_hash:
            self.stop()
            raise StackError(
                f"the chain's genesis block is {block_hash}, but this stack's chain began with {genesis.hash}"
            )
        # The genesis time given at the start has set the chain's clock back to it.
        latest = int(rpc(self.endpoint, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        rpc(self.endpoint, "evm_setTime", max(int(time.time()), latest + 1))

    @override
    def version(self) -> str:
        # "anvil/v1.7.1"
        return str(rpc(self.endpoint, "web3_clientVersion")).rpartition("/")[2].removeprefix("v")

    def set_balance(self, address: str, wei: int) -> None:
        """Set an account's gas money. Raises OSError."""
        rpc(self.endpoint, "anvil_setBalance", address, hex(wei))

    def balance(self, address: str) -> int:
        """Return an account's balance in wei. Raises OSError."""
        return int(rpc(self.endpoint, "eth_getBalance", address, "latest"), 16)
