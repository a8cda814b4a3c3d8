"""Seeds that have failed once. Every run of the tests replays them first, before any that are new.

known_seeds.txt is committed. What fails on somebody's machine is kept in a file beside it that is not, under
`.run/`, until it is moved. A line is a seed and why it is kept; `#` begins a remark.
"""

import time
from dataclasses import dataclass
from pathlib import Path

KNOWN = Path(__file__).with_name("known_seeds.txt")
FOUND = Path(__file__).parents[2] / ".run" / "simulation" / "found_seeds.txt"
# The environment's variable with the first of the new seeds that a run of the tests tries.
FIRST_SEED = "SIMULATION_FIRST_SEED"
_LONGEST_REASON = 150
# A broken engine fails with every seed, and all that are kept are replayed by each run of the tests.
_MOST_FOUND = 100


@dataclass(frozen=True, slots=True)
class KnownSeed:
    """A seed, and why it is kept."""

    seed: int
    reason: str


def known_seeds(file: Path) -> list[KnownSeed]:
    """In the order of the file; none when there is no file. Raises ValueError for a line without a seed."""
    if not file.exists():
        return []
    known = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        seed, _, reason = line.partition("#")[0].strip().partition(" ")
        if not seed:
            continue
        if not seed.isdecimal():
            raise ValueError(f"{file}, line {number}: {seed!r} is no seed")
        known.append(KnownSeed(int(seed), reason.strip()))
    return known


def keep(seed: int, reason: str, file: Path = FOUND) -> bool:
    """Adds a seed that failed, unless it is known or there are plenty. Returns whether it was added."""
    found = known_seeds(file)
    if len(found) >= _MOST_FOUND or any(each.seed == seed for each in [*found, *known_seeds(KNOWN)]):
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    # A remark ends a line; and one line, written at once, so that two processes may add at the same time.
    told = " ".join(reason.replace("#", "").split())[:_LONGEST_REASON]
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{seed} {told}\n")
    return True


def fresh_base() -> int:
    """A seed from the clock that no run has used: milliseconds, and nothing runs a thousand seeds a second."""
    return time.time_ns() // 1_000_000
