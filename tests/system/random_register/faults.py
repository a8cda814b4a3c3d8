"""What goes wrong while the register follows the chain, drawn from a seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

from deploy.local.component import Component
from deploy.local.errors import ComponentFailedError
from deploy.local.stack import Stack
from tests.support.rpc_proxy import RpcProxy
from tests.system.harness import kill

Shared = TypeVar("Shared")
_LONGEST_DELAY_SECONDS = 0.5
_LONGEST_OUTAGE_SECONDS = 1.5
# Bounds: they cost time only when something fails.
_MAX_STARTS = 100
_START_SECONDS = 90.0
_OVER_SECONDS = 300.0


class Fault(StrEnum):
    """What can go wrong. The names of killed parts are those of the stack's components."""

    ASSET_SERVICE_DIES = "asset_service"
    CHAIN_SYNC_SERVICE_DIES = "chain_sync_service"
    NATS_DIES = "nats"
    POSTGRES_DIES = "postgres"
    NODE_REFUSES = "node answers 503"
    NODE_IS_CUT_OFF = "node closes connections"
    REPLIES_ARE_LOST = "node's replies are lost"


_KILLS = frozenset({Fault.ASSET_SERVICE_DIES, Fault.CHAIN_SYNC_SERVICE_DIES, Fault.NATS_DIES, Fault.POSTGRES_DIES})


class ReorgKind(StrEnum):
    """How blocks leave the chain."""

    EMPTY = "empty blocks in their place"
    OTHERS = "the head goes back, then other blocks"


@dataclass(frozen=True, slots=True)
class Reorg:
    """So many of the newest blocks leave the chain."""

    kind: ReorgKind
    depth: int


class Faults:
    """Strikes beside the test, and mends by itself what it broke."""

    def __init__(self, stack: Stack, proxy: RpcProxy) -> None:
        self._stack = stack
        self._proxy = proxy
        # A stack is used by one thread at a time.
        self._stack_in_use = asyncio.Lock()
        self._running: dict[Fault, asyncio.Task[None]] = {}
        self.struck: Counter[Fault] = Counter()

    def strike(self, fault: Fault, random: Random) -> None:
        """Soon, for a while; nothing happens if the last one of its kind is not mended yet."""
        if fault in self._running and not self._running[fault].done():
            return
        delay = random.uniform(0, _LONGEST_DELAY_SECONDS)
        outage = random.uniform(0, _LONGEST_OUTAGE_SECONDS)
        self.struck[fault] += 1
        self._running[fault] = asyncio.create_task(self._strike(fault, delay, outage))

    async def over(self) -> None:
        """Returns once everything is mended. Raises what went wrong in mending."""
        async with asyncio.timeout(_OVER_SECONDS):
            await asyncio.gather(*self._running.values())

    async def _strike(self, fault: Fault, delay_seconds: float, outage_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        if fault in _KILLS:
            component = self._stack.components[fault.value]
            async with self._stack_in_use:
                await asyncio.to_thread(kill, component)
            await asyncio.sleep(outage_seconds)
            await self._start(component)
            return
        self._break_node(fault)
        await asyncio.sleep(outage_seconds)
        self._proxy.heal()

    def _break_node(self, fault: Fault) -> None:
        if fault is Fault.REPLIES_ARE_LOST:
            self._proxy.swallow_replies()
        else:
            self._proxy.go_away(refuse_connections=fault is Fault.NODE_IS_CUT_OFF)

    async def _start(self, component: Component) -> None:
        """As a supervisor does: again and again, for a service does not start while its database is away."""
        for _ in range(_MAX_STARTS):
            try:
                async with self._stack_in_use:
                    await asyncio.to_thread(component.begin)
                await asyncio.to_thread(component.wait_ready, _START_SECONDS)
            except ComponentFailedError:
                continue
            return
        raise AssertionError(f"{component.name} did not start in {_MAX_STARTS} tries")


def spread(what: Sequence[Shared], parts: int, random: Random) -> list[list[Shared]]:
    """Shares it out among so many parts, at random."""
    shared: list[list[Shared]] = [[] for _ in range(parts)]
    for each in what:
        random.choice(shared).append(each)
    return shared
