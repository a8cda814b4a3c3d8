"""A fresh stack with a token on its chain, for one measurement."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.types import RPCEndpoint

from deploy.devnet.deployer import seeded_holders
from deploy.local.settings import Mining, StackSettings
from deploy.local.stack import Stack
from tests.benchmarks.events import EventLog, listening
from tests.benchmarks.issuing import issue
from tests.system.harness import Harness, Stage, open_harness

CONFIRMATIONS = 0
# Holds enough for every transfer that is measured, and is one of the holders.
TREASURY = to_checksum_address("0x" + "7e" * 20)
TREASURY_BASE_UNITS = 10**12
# The chain is not kept: saving a large one would take time that is none of the services'.
_CHAIN_STATE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which one measurement is made. `source` is where holders come from: list or logs."""

    holder_count: int
    source: str
    poll_seconds: float
    is_fsync_on: bool
    seed: int


@dataclass(frozen=True, slots=True)
class World:
    """A stack whose services have just begun, a token with holders that no service knows yet, and a subscriber."""

    conditions: Conditions
    harness: Harness
    stage: Stage
    events: EventLog

    @property
    def stack(self) -> Stack:
        """The stack."""
        return self.harness.stack

    async def balance_on_chain(self, account: ChecksumAddress, block_number: int) -> int:
        """What an account has of the token at a block, in base units, as the node tells."""
        token = self.harness.devnet.contract("EquityToken", self.stage.token)
        return int(await token.functions.balanceOf(account).call(block_identifier=block_number))

    async def supply_on_chain(self, block_number: int) -> int:
        """The token's supply at a block, in base units, as the node tells."""
        token = self.harness.devnet.contract("EquityToken", self.stage.token)
        return int(await token.functions.totalSupply().call(block_identifier=block_number))

    async def ask_node(self, method: str, *parameters: object) -> object:
        """The node's answer to a method of its own. Raises RuntimeError when it refuses."""
        answer = await self.harness.devnet.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]


@asynccontextmanager
async def open_world(conditions: Conditions) -> AsyncIterator[World]:
    """Everything fresh, so that peaks of memory belong to this measurement alone; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="masspayout-bench-") as folder:
        stack = Stack(_settings(Path(folder) / "run", conditions))
        try:
            await asyncio.to_thread(stack.start)
            async with open_harness(stack) as harness, listening(_nats_url(stack)) as events:
                stage = await harness.stage(holders={})
                holders = _holders(conditions)
                await issue(harness.devnet, stage.token, holders)
                yield World(conditions, harness, replace(stage, holders=holders), events)
        finally:
            await asyncio.to_thread(stack.destroy)


def _settings(folder: Path, conditions: Conditions) -> StackSettings:
    return StackSettings(
        base_dir=folder,
        environment={key: value for key, value in os.environ.items() if not key.startswith("MASSPAYOUT_")},
        service_environment={
            "chain_sync_service": {
                "CHAIN_SYNC_SERVICE_HOLDER_SOURCE": conditions.source,
                "CHAIN_SYNC_SERVICE_CONFIRMATIONS": str(CONFIRMATIONS),
                "CHAIN_SYNC_SERVICE_POLL_SECONDS": str(conditions.poll_seconds),
            },
            "payout_service": {"PAYOUT_SERVICE_CONFIRMATIONS": str(CONFIRMATIONS)},
        },
        fsync=conditions.is_fsync_on,
        mining=Mining.AUTOMINE,
        chain_state_seconds=_CHAIN_STATE_SECONDS,
    )


def _holders(conditions: Conditions) -> dict[ChecksumAddress, int]:
    others = seeded_holders(conditions.holder_count - 1, conditions.seed)
    return {TREASURY: TREASURY_BASE_UNITS, **dict(others)}


def _nats_url(stack: Stack) -> str:
    url = stack.endpoints.nats_url
    if url is None:
        raise RuntimeError("the stack has no NATS")
    return url
