"""`python -m tests.simulation [--seeds N] [--first N]`: the engine under faults, from seeds.

`--seed N` runs one and shows what it did; with `--save FILE` its decisions are recorded (see recording.py), which
`--replay FILE` takes again.
Exit status 1 when an invariant broke, or when a long run has not seen every fault and every transition.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.simulation.pieces import pieces_of, run_pieces
from tests.simulation.recording import load, save
from tests.simulation.replaying import record, replay
from tests.simulation.report import LONG_RUN_SEEDS, Report
from tests.simulation.running import Result, simulate_piece
from tests.simulation.saying import say

_SEEDS_PER_PIECE = 10


def _run_many(seeds: range) -> int:
    began = time.monotonic()
    report = Report()
    for _, results in run_pieces(pieces_of(seeds, _SEEDS_PER_PIECE)):
        for result in results:
            report.add(result)
    report.print_tables()
    missing = report.missing() if len(seeds) >= LONG_RUN_SEEDS else []
    elapsed = time.monotonic() - began
    say(
        f"\nseeds {seeds.start} to {seeds.stop - 1}, {elapsed:.0f} s ({len(seeds) / elapsed:.1f} a second), "
        f"{len(report.failures)} failing seeds"
    )
    for each in missing:
        say(each)
    return 1 if missing or report.failures else 0


def _save(seed: int, file: Path) -> int:
    result, recording = record(seed)
    save(recording, file)
    status = _show(result)
    say(f"saved as {file}; replay: make simulate REPLAY={file}")
    return status


def _replay(file: Path) -> int:
    recording = load(file)
    result, fit = replay(recording)
    status = _show(result)
    say(f"when it was saved: {recording.failure or 'every invariant held'}")
    say(
        f"of what was recorded {fit.left_over} decisions were not asked for, {fit.not_there} were of what is not "
        f"there, {fit.turns_left_out} turns of steps that could not go on; {fit.made_up} decisions were made up"
    )
    return status


def _show(result: Result) -> int:
    say("\n".join(result.log))
    say(f"theme {result.theme}, {result.ticks} ticks, payouts {dict(result.payouts)}")
    what = f"seed {result.seed}"
    say(f"{what} failed: {result.failure}" if result.failure else f"{what}: every invariant held")
    return 1 if result.failure else 0


def main(arguments: list[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=LONG_RUN_SEEDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds is at least 1")
    if options.save and options.seed is None:
        parser.error("--save is of one run: --seed")
    if options.replay:
        return _replay(options.replay)
    if options.save:
        return _save(options.seed, options.save)
    if options.seed is not None:
        return _show(*simulate_piece(range(options.seed, options.seed + 1)))
    return _run_many(range(options.first, options.first + options.seeds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
