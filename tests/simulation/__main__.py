"""`python -m tests.simulation [--seeds N] [--seed N]`: the engine under faults, from seeds.

Exit status 1 when an invariant broke, or when a long run has not seen every fault and every transition.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.report import LONG_RUN_SEEDS, Report
from tests.simulation.running import Result, simulate_piece
from tests.simulation.saying import say

_PROCESSES = 2
_SEEDS_PER_PIECE = 10


def _many(count: int, first: int) -> Iterator[Result]:
    pieces = [
        range(start, min(start + _SEEDS_PER_PIECE, first + count))
        for start in range(first, first + count, _SEEDS_PER_PIECE)
    ]
    processes = min(_PROCESSES, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for results in pool.map(simulate_piece, pieces):
            yield from results


def _replay(seed: int) -> int:
    (result,) = simulate_piece(range(seed, seed + 1))
    say("\n".join(result.log))
    say(f"theme {result.theme}, {result.ticks} ticks, payouts {dict(result.payouts)}")
    say(f"seed {seed} failed: {result.failure}" if result.failure else f"seed {seed}: every invariant held")
    return 1 if result.failure else 0


def main(arguments: list[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=LONG_RUN_SEEDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed)
    began = time.monotonic()
    report = Report()
    for result in _many(options.seeds, options.first):
        report.add(result)
    report.print_tables()
    missing = report.missing() if options.seeds >= LONG_RUN_SEEDS else []
    say(f"\n{time.monotonic() - began:.0f} s, {len(report.failures)} failing seeds")
    for each in missing:
        say(each)
    return 1 if missing or report.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
