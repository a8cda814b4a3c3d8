"""How long the import of a token takes, what it needs, and whether the register is right afterwards."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from libs.protogen.typed.masspayout.asset.v1 import GetAssetRequest, GetHolderRequest, RegisterPosition
from tests.benchmarks.processes import cpu_seconds, service_peaks_kib, used_between
from tests.benchmarks.world import World

_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 60.0
_TIMEOUT_SECONDS_PER_HOLDER = 0.02
_CHECKED_HOLDERS = 1_000
_ASKED_AT_ONCE = 20


class RegisterWrongError(Exception):
    """The register is not what the chain tells, or not in time: figures about it would mean nothing."""


@dataclass(frozen=True, slots=True)
class ImportFigures:
    """What an import took. Seconds count from the event that says that the asset is active.

    `told_seconds` is until the subscriber has the event that completes the register, `register_seconds` until
    asset_service shows it complete. Processor seconds and peaks are by part of the stack; a peak of before is
    that of a service which has only started.
    """

    told_seconds: float
    register_seconds: float
    holders_per_second: float
    event_count: int
    event_bytes: int
    peak_rss_kib_before: dict[str, int]
    peak_rss_kib: dict[str, int]
    cpu_seconds: dict[str, float]


async def measure_import(world: World) -> tuple[str, ImportFigures]:
    """Imports the token of a fresh world; returns the asset's name, too.

    Raises RegisterWrongError, and PeakUnknownError when the system does not tell peaks.
    """
    peaks_before = service_peaks_kib(world.stack)
    cpu_before = cpu_seconds(world.stack)
    head = await world.harness.devnet.web3.eth.get_block_number()
    asset = await world.harness.import_stage(world.stage)
    shown_at = await _register_complete(world, asset.name, head)
    # Before the register is checked: to be asked so much is no part of an import.
    peaks = service_peaks_kib(world.stack)
    cpu = used_between(cpu_before, cpu_seconds(world.stack))
    imported_at = world.events.imported_at
    told_at = [each.at for each in world.events.arrivals if (each.completes_block or -1) >= head]
    if imported_at is None or not told_at:
        raise RegisterWrongError("the register is complete, and the events that say so did not come")
    await check_register(world, asset.name, _some(world))
    seconds = shown_at - imported_at
    return asset.name, ImportFigures(
        told_seconds=told_at[0] - imported_at,
        register_seconds=seconds,
        holders_per_second=world.conditions.holder_count / seconds,
        event_count=len(world.events.arrivals),
        event_bytes=sum(each.payload_bytes for each in world.events.arrivals),
        peak_rss_kib_before=peaks_before,
        peak_rss_kib=peaks,
        cpu_seconds=cpu,
    )


async def check_register(world: World, asset: str, holders: Iterable[ChecksumAddress]) -> None:
    """Raises RegisterWrongError unless totals equal the supply, and these holders have what the chain tells."""
    register = await _register(world, asset)
    if register is None:
        raise RegisterWrongError("there is no register")
    block = register.block_number
    total = int(register.total_balance_base_units) + int(register.total_restricted_base_units)
    supply = await world.supply_on_chain(block)
    if total != supply:
        raise RegisterWrongError(f"at block {block} the register's total is {total}, the supply {supply}")
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def difference(holder: ChecksumAddress) -> str | None:
        async with turns:
            shown = await balance_in_register(world, asset, holder)
            there = await world.balance_on_chain(holder, block)
        return None if shown == there else f"{holder} has {shown} in the register and {there} on the chain"

    found = [each for each in await asyncio.gather(*map(difference, holders)) if each is not None]
    if found:
        raise RegisterWrongError(f"at block {block} {len(found)} holders differ; {found[0]}")


async def balance_in_register(world: World, asset: str, holder: ChecksumAddress) -> int:
    """What GetHolder tells, in base units. Raises AppError, where there is no such holder too."""
    request = GetHolderRequest(name=f"{asset}/holders/{holder}")
    shown = await world.harness.call(world.harness.client.assets.get_holder, request)
    return int(shown.balance_base_units)


async def _register_complete(world: World, asset: str, block_number: int) -> float:
    """When the register was first seen to equal the chain at this block or later, on the monotonic clock."""
    expected = world.conditions.holder_count
    timeout_seconds = _TIMEOUT_SECONDS + _TIMEOUT_SECONDS_PER_HOLDER * expected
    register: RegisterPosition | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            while register is None or register.block_number < block_number:
                await asyncio.sleep(_POLL_SECONDS)
                register = await _register(world, asset)
    except TimeoutError:
        raise RegisterWrongError(f"not complete in {timeout_seconds:g} s; last seen: {register}") from None
    shown_at = time.monotonic()
    if register.holder_count != expected:
        raise RegisterWrongError(f"{register.holder_count} holders in the register, {expected} on the chain")
    return shown_at


async def _register(world: World, asset: str) -> RegisterPosition | None:
    """The register as of a block; None before the first."""
    shown = await world.harness.call(world.harness.client.assets.get_asset, GetAssetRequest(name=asset))
    return shown.register


def _some(world: World) -> list[ChecksumAddress]:
    holders = sorted(world.stage.holders)
    return random.Random(world.conditions.seed).sample(holders, min(_CHECKED_HOLDERS, len(holders)))
