"""`python -m tests.simulation.mutants [name...]`: exit status 1 when the simulation misses a mutant."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants.hunting import MOST_SEEDS, fails_without_mutant, hunt
from tests.simulation.saying import say

_PROCESSES = 2


def main(names: list[str]) -> int:
    """Hunts each mutant in a process of its own; all of them, or those that are named."""
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        say(f"there is no mutant {', '.join(sorted(unknown))}")
        return 2
    mutants = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survivors = []
    say(f"{'mutant':34} {'seeds':>6}  caught by")
    processes = min(_PROCESSES, os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, max_tasks_per_child=1) as pool:
        hunts = [(mutant, pool.submit(hunt, mutant)) for mutant in mutants]
        for mutant, hunted in hunts:
            catch = hunted.result()
            # A seed that fails without the mutant proves nothing.
            while catch.seeds and pool.submit(fails_without_mutant, catch.seeds - 1).result():
                say(f"{catch.mutant}: seed {catch.seeds - 1} fails without it, too")
                catch = pool.submit(hunt, mutant, catch.seeds).result()
            if catch.saved:
                say(f"{catch.mutant:34} {'saved':>6}  {catch.saved}: {catch.detail[:110]}")
            elif catch.seeds:
                say(f"{catch.mutant:34} {catch.seeds:6}  {catch.detail[:130]}")
            else:
                survivors.append(catch.mutant)
                say(f"{catch.mutant:34} {'-':>6}  SURVIVED {MOST_SEEDS} seeds")
    say(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
