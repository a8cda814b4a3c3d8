"""`python -m tests.benchmarks.register --holders 10000 100000`: imports of large tokens, and latency.

Each import runs in a fresh stack (PostgreSQL, NATS, anvil, the four services). It says nothing about how fast is
fast enough. Exit status 1 when a register is not what the chain tells, or memory cannot be read.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from chain_sync_service.config import ChainSyncSettings
from deploy.local.settings import REPOSITORY
from tests.benchmarks.imports import RegisterWrongError, measure_import
from tests.benchmarks.latency import measure_latency
from tests.benchmarks.processes import PeakUnknownError
from tests.benchmarks.report import Measurement, tables, write_json
from tests.benchmarks.world import Conditions, open_world
from tests.simulation.saying import say

_SOURCES = ("list", "logs")
_DEFAULT_JSON = REPOSITORY / ".run" / "benchmarks" / "register.json"


def main(arguments: Sequence[str]) -> int:
    """Exit status."""
    options = _parse(arguments)
    measurements: list[Measurement] = []
    try:
        for source, holder_count in product(options.sources, options.holders):
            conditions = Conditions(holder_count, source, options.poll_seconds, options.fsync, options.seed)
            # Once a size: where the holders came from is no matter for a transfer.
            transfer_count = options.transfers if source == options.sources[0] else 0
            measurements.append(asyncio.run(_measure(conditions, transfer_count)))
            say("\n" + "\n".join(tables(measurements)))
            write_json(measurements, options.json)
    except (RegisterWrongError, PeakUnknownError) as error:
        say(f"{type(error).__name__}: {error}")
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        say("interrupted")
        return 130
    say(f"\nwritten to {options.json}")
    return 0


async def _measure(conditions: Conditions, transfer_count: int) -> Measurement:
    """Raises RegisterWrongError and PeakUnknownError."""
    task = asyncio.current_task()
    assert task is not None
    # The stack would outlive this process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began = time.monotonic()
    say(f"\n{conditions.holder_count:,} holders by {conditions.source}: the stack and the token are made")
    async with open_world(conditions) as world:
        say(f"{time.monotonic() - began:.0f} s: the token is imported")
        load_average, _, _ = os.getloadavg()
        asset, imported = await measure_import(world)
        say(f"{time.monotonic() - began:.0f} s: the register is complete and right")
        latency = await measure_latency(world, asset, transfer_count) if transfer_count else None
    return Measurement(conditions, load_average, imported, latency)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-register", description=__doc__)
    parser.add_argument("--holders", type=_positive, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--sources", choices=_SOURCES, nargs="+", default=list(_SOURCES))
    parser.add_argument("--transfers", type=int, default=300, help="measured one by one; 0: none")
    poll_seconds = ChainSyncSettings.model_fields["poll_seconds"].default
    parser.add_argument("--poll-seconds", type=float, default=poll_seconds, help="of chain_sync_service")
    parser.add_argument("--fsync", action=argparse.BooleanOptionalAction, default=False, help="of PostgreSQL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=_DEFAULT_JSON)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    count = int(text)
    # The treasury and one more: transfers need a receiver.
    if count < 2:
        raise argparse.ArgumentTypeError("at least 2 holders")
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
