"""`python -m tests.simulation.long_run --hours H`: goes on with seeds from where the last long run stopped.

What has been run stands in `.run/simulation/long.json`, written anew after every piece. Ctrl-C ends it as the
hours do: pieces under way are finished and counted, so that no seed is counted that has not run and none is left
out. Ctrl-C once more gives them up: they are run next time. Without the file it begins at a seed that nobody has
used.
Exit status 1 when a seed failed this time.
"""

import argparse
import fcntl
import json
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.simulation.known_seeds import fresh_base
from tests.simulation.pieces import pieces_of, run_pieces
from tests.simulation.report import Report
from tests.simulation.running import Result
from tests.simulation.saying import say
from tests.simulation.watching import Transition

STATE = Path(__file__).parents[2] / ".run" / "simulation" / "long.json"
_SEEDS_PER_PIECE = 20
_SECONDS_PER_LINE = 60.0
# An engine that fails so often needs no more seeds.
_MOST_FAILURES = 1_000
# More seeds than any number of hours takes.
_MOST_SEEDS = 10**9


@dataclass(slots=True)
class Progress:
    """All long runs together: the seeds from the first up to the next, and what they have seen."""

    first_seed: int
    next_seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    transitions: Counter[Transition] = field(default_factory=Counter)
    payouts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, piece: range, results: list[Result]) -> None:
        """The very next seeds. Raises ValueError for others: one would be lost, or counted twice."""
        if piece.start != self.next_seed or [each.seed for each in results] != list(piece):
            raise ValueError(f"{piece} with {len(results)} results does not go on from seed {self.next_seed}")
        for result in results:
            self.faults += result.faults
            self.transitions += result.transitions
            self.payouts += result.payouts
            if result.failure:
                self.failures[result.seed] = result.failure
        self.next_seed = piece.stop


def read_progress(file: Path) -> Progress:
    """Raises OSError without a file, and ValueError for one that is no progress."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Progress(
            stored["first_seed"],
            stored["next_seed"],
            stored["seconds"],
            Counter(stored["faults"]),
            Counter({_transition(name): count for name, count in stored["transitions"].items()}),
            Counter(stored["payouts"]),
            {int(seed): failure for seed, failure in stored["failures"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no progress of a long run: {error!r}") from error


def write_progress(progress: Progress, file: Path) -> None:
    """All of it or nothing: whoever reads, at any time, finds one whole progress."""
    stored = {
        "first_seed": progress.first_seed,
        "next_seed": progress.next_seed,
        "seeds": progress.next_seed - progress.first_seed,
        "seconds": round(progress.seconds, 1),
        "failures": {str(seed): failure for seed, failure in progress.failures.items()},
        "faults": dict(sorted(progress.faults.items())),
        "transitions": {" ".join(each): count for each, count in sorted(progress.transitions.items())},
        "payouts": dict(sorted(progress.payouts.items())),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as new:
        json.dump(stored, new, indent=1)
        new.flush()
        os.fsync(new.fileno())
    beside.replace(file)


def _transition(name: str) -> Transition:
    table, before, after = name.split(" ")
    return table, before, after


Pieces = Callable[[Iterator[range], Callable[[], bool]], Iterator[tuple[range, list[Result]]]]


def run_long(
    progress: Progress,
    report: Report,
    seconds: float,
    is_stopped: Callable[[], bool],
    write: Callable[[Progress], None],
    run: Pieces = run_pieces,
) -> None:
    """Goes on until the time is over, or until stopped. `report` is told what is seen this time."""
    first = progress.next_seed
    began = last_line = time.monotonic()
    seconds_before = progress.seconds

    def is_over() -> bool:
        return is_stopped() or time.monotonic() - began >= seconds or len(report.failures) >= _MOST_FAILURES

    for piece, results in run(pieces_of(range(first, first + _MOST_SEEDS), _SEEDS_PER_PIECE), is_over):
        for result in results:
            report.add(result)
        now = time.monotonic()
        progress.seconds = seconds_before + now - began
        progress.add(piece, results)
        write(progress)
        if now - last_line >= _SECONDS_PER_LINE:
            last_line = now
            _say_progress(report, progress, now - began, seconds)


def _begin() -> Progress:
    base = fresh_base()
    say(f"begins at seed {base}, which no run has used")
    return Progress(base, base)


def _say_progress(report: Report, progress: Progress, elapsed: float, seconds: float) -> None:
    left = max(0.0, seconds - elapsed) / 60
    say(
        f"{report.seeds:,} seeds, {report.seeds / elapsed:.1f} a second, {len(report.failures)} failing; "
        f"next {progress.next_seed}; {left:.0f} minutes left"
    )


def main(arguments: list[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="make simulate-long", description=__doc__)
    parser.add_argument("--hours", type=float, required=True)
    options = parser.parse_args(arguments)
    if not 0 < options.hours < math.inf:
        parser.error("--hours is above 0")
    with alone(STATE), interrupts() as is_stopped:
        progress, report = read_progress(STATE) if STATE.exists() else _begin(), Report()
        first, began = progress.next_seed, time.monotonic()
        try:
            run_long(progress, report, options.hours * 3600, is_stopped, lambda each: write_progress(each, STATE))
        except KeyboardInterrupt:
            say("what was under way is given up and will run next time")
    report.print_tables()
    elapsed = time.monotonic() - began
    say(f"\nseeds {first} to {progress.next_seed - 1}: {report.seeds:,}, {report.seeds / elapsed:.1f} a second")
    _say_failures("this time", report.failures)
    hours = progress.seconds / 3600
    say(f"all long runs: seeds {progress.first_seed} to {progress.next_seed - 1}, {hours:.1f} hours")
    _say_failures("of all", progress.failures)
    return 1 if report.failures else 0


def _say_failures(which: str, failures: dict[int, str]) -> None:
    say(f"failing {which}: {len(failures)}")
    for seed, failure in failures.items():
        say(f"  {seed} {failure[:150]}")


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Two long runs at once would run the same seeds. Raises SystemExit when another is under way."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("a long run is under way already") from None
        yield


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Whether somebody has asked to stop. Who asks again does not want to wait: KeyboardInterrupt."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("stops when the pieces under way are done; Ctrl-C again gives them up")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
