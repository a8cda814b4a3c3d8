"""How long a transfer takes from its block to the event on NATS, and to the register."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from libs.errors import AppError, Reason
from tests.benchmarks.imports import RegisterWrongError, balance_in_register, check_register
from tests.benchmarks.world import TREASURY, World

_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.002
# Blocks come at any moment between two looks of chain_sync_service.
_LONGEST_PAUSE_SECONDS = 0.8
_LARGEST_TRANSFER = 1_000
_NEW_HOLDER_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Distribution:
    """Seconds."""

    p50: float
    p90: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Distribution:
        """Nearest-rank percentiles. Raises ValueError when there is nothing to tell of."""
        if not seconds:
            raise ValueError("nothing was measured")
        ordered = sorted(seconds)
        p50, p90, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 90, 99))
        return cls(p50, p90, p99, ordered[-1])


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """A block counts from the moment when the node has told that it is made."""

    transfer_count: int
    block_to_event: Distribution
    event_to_register: Distribution
    block_to_register: Distribution


async def measure_latency(world: World, asset: str, transfer_count: int) -> LatencyFigures:
    """Transfers one after the other, each in a block of its own and waited for. Raises RegisterWrongError."""
    generator = random.Random(world.conditions.seed)
    known = sorted(set(world.stage.holders) - {TREASURY})
    moved: dict[ChecksumAddress, int] = {}
    await world.ask_node("evm_setAutomine", False)
    await world.ask_node("anvil_setBalance", TREASURY, hex(10**20))
    await world.ask_node("anvil_impersonateAccount", TREASURY)
    mined: list[float] = []
    told: list[float] = []
    shown: list[float] = []
    for number in range(transfer_count):
        is_new = generator.random() < _NEW_HOLDER_SHARE
        receiver = _stranger(number) if is_new else generator.choice(known)
        amount = generator.randint(1, _LARGEST_TRANSFER)
        moved[receiver] = moved.get(receiver, world.stage.holders.get(receiver, 0)) + amount
        await asyncio.sleep(generator.uniform(0, _LONGEST_PAUSE_SECONDS))
        block_number, mined_at = await _transfer(world, receiver, amount)
        mined.append(mined_at)
        told.append(await _told_at(world, receiver, block_number))
        shown.append(await _shown_at(world, asset, receiver, moved[receiver]))
    await check_register(world, asset, [TREASURY, *moved])
    return LatencyFigures(
        transfer_count,
        block_to_event=_between(mined, told),
        event_to_register=_between(told, shown),
        block_to_register=_between(mined, shown),
    )


def _between(begun: Sequence[float], ended: Sequence[float]) -> Distribution:
    return Distribution.of([end - begin for begin, end in zip(begun, ended, strict=True)])


async def _transfer(world: World, receiver: ChecksumAddress, amount: int) -> tuple[int, float]:
    """The block's number, and when the node had made it."""
    devnet = world.harness.devnet
    token = devnet.contract("EquityToken", world.stage.token)
    transaction = await token.functions.transfer(receiver, amount).transact({"from": TREASURY})
    await world.ask_node("evm_mine")
    mined_at = time.monotonic()
    receipt = await devnet.web3.eth.get_transaction_receipt(transaction)
    if receipt["status"] != 1:
        raise RegisterWrongError(f"the transfer of {amount} to {receiver} reverted")
    return receipt["blockNumber"], mined_at


async def _told_at(world: World, holder: ChecksumAddress, block_number: int) -> float:
    try:
        return await world.events.told_at(holder.lower(), block_number, _TIMEOUT_SECONDS)
    except TimeoutError:
        raise RegisterWrongError(f"no event told of {holder} at block {block_number}") from None


async def _shown_at(world: World, asset: str, holder: ChecksumAddress, balance: int) -> float:
    """When the register was first seen with this balance; it is asked only once the event is there."""
    shown: int | None = None
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while shown != balance:
                await asyncio.sleep(_POLL_SECONDS)
                shown = await _balance_or_none(world, asset, holder)
    except TimeoutError:
        raise RegisterWrongError(f"{holder} has {shown} in the register, not {balance}") from None
    return time.monotonic()


async def _balance_or_none(world: World, asset: str, holder: ChecksumAddress) -> int | None:
    """None while the register does not have the holder."""
    try:
        return await balance_in_register(world, asset, holder)
    except AppError as error:
        if error.reason is not Reason.HOLDER_NOT_FOUND:
            raise
        return None


def _stranger(number: int) -> ChecksumAddress:
    return to_checksum_address(keccak(text=f"mass-payout benchmark receiver {number}")[-20:])
