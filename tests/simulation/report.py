"""Sums runs up, prints the tables, and says what a long run has not reached."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.known_seeds import FOUND, keep
from tests.simulation.running import Result
from tests.simulation.saying import say
from tests.simulation.themes import FAULTS, RARE_FAULTS
from tests.simulation.watching import TABLES, Transition

# A run of so many seeds must have seen every fault this often, and every transition but those below.
LONG_RUN_SEEDS = 2000
LEAST_PER_FAULT = 500
LEAST_PER_RARE_FAULT = 30
# So rare that a long run may miss them: once in some thousand seeds.
_RARE_TRANSITIONS: frozenset[Transition] = frozenset(
    {("payment", "PLANNED", "DISPUTED"), ("intent", "UNKNOWN", "VOIDED")}
)
# Evidence settles a dispute only where a look shows more than the one before, as after an upgrade of the engine.
# No node of the simulation tells more later; tests/unit/payout_service/test_settle_again.py takes these.
_NOT_SIMULATED: frozenset[Transition] = frozenset(
    ("payment", "DISPUTED", state) for state in ("CANCELLED", "FAILED", "PAID", "ZERO_DUE")
)


@dataclass(slots=True)
class Report:
    """What many runs have seen."""

    seeds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    transitions: Counter[Transition] = field(default_factory=Counter)
    payouts: Counter[str] = field(default_factory=Counter)
    # By seed.
    failures: dict[int, str] = field(default_factory=dict)
    # Where seeds that fail are kept.
    found: Path = FOUND

    def add(self, result: Result) -> None:
        """Counts one run; prints it at once when an invariant broke, and keeps its seed for the tests to come."""
        self.seeds += 1
        self.faults += result.faults
        self.transitions += result.transitions
        self.payouts += result.payouts
        if result.failure:
            self.failures[result.seed] = result.failure
            keep(result.seed, result.failure, self.found)
            say(
                f"seed {result.seed} failed: {result.failure} (theme {result.theme}); "
                f"replay: make simulate SEED={result.seed}",
            )

    def missing(self) -> list[str]:
        """What a long run should have seen and has not."""
        rare = [
            f"fault {name} fired {self.faults[name]} times, fewer than {least_of(name)}"
            for name in FAULTS
            if self.faults[name] < least_of(name)
        ]
        never = [
            f"transition {table}: {before} to {after} was never taken"
            for table, before, after in legal_transitions()
            if not self.transitions[table, before, after]
            and (table, before, after) not in _RARE_TRANSITIONS | _NOT_SIMULATED
        ]
        return rare + never

    def print_tables(self) -> None:
        """Faults, transitions, states of payouts in the end."""
        say(f"\n{self.seeds} seeds")
        _print("fault", "took effect", ((name, self.faults[name]) for name in FAULTS))
        rows = ((f"{t}: {a} -> {b}", self.transitions[t, a, b]) for t, a, b in legal_transitions())
        _print("transition", "taken", rows)
        _print("payouts that ended", "count", sorted(self.payouts.items()))


def least_of(fault: str) -> int:
    """How often a long run must have seen a fault."""
    return LEAST_PER_RARE_FAULT if fault in RARE_FAULTS else LEAST_PER_FAULT


def legal_transitions() -> list[Transition]:
    """Every transition that a table allows, and every way in which a batch ends."""
    found = [
        (table, before.value, after.value)
        for table, transitions in TABLES.items()
        for before, allowed in transitions.items()
        for after in sorted(allowed)
    ]
    return [*found, *(("batch", "open", state) for state in ("SETTLED", "REVERTED", "VOIDED"))]


def _print(left: str, right: str, rows: Iterable[tuple[str, int]]) -> None:
    say(f"\n{left:60} {right:>12}")
    for name, count in rows:
        say(f"{name:60} {count:12,}")
