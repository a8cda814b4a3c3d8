"""Hunts one mutant. Imports nothing of the engine until the mutant is in place: one process, one mutant."""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from tests.simulation.mutants import Mutant

# The rarest to be caught took some 400.
MOST_SEEDS = 1_500


@dataclass(frozen=True, slots=True)
class Catch:
    """After how many seeds a mutant was caught, and by which invariant; 0 when it survived.

    `saved` names the saved run that catches it; seeds were not asked for then.
    """

    mutant: str
    seeds: int
    invariant: str
    detail: str
    saved: str = ""


def changed_source(mutant: Mutant) -> str:
    """The module's source with its defect. Raises RuntimeError where a piece is not there exactly once."""
    spec = importlib.machinery.PathFinder.find_spec(mutant.module, _folder_of(mutant.module))
    if spec is None or spec.origin is None:
        raise RuntimeError(f"there is no module {mutant.module}")
    source = Path(spec.origin).read_text(encoding="utf-8")
    for old, new in mutant.edits:
        if source.count(old) != 1:
            raise RuntimeError(f"mutant {mutant.name} does not apply: {source.count(old)} places of {old!r}")
        source = source.replace(old, new)
    return source


def _folder_of(module: str) -> list[str]:
    return [str(Path(__file__).parents[3].joinpath(*module.split(".")[:-1]))]


class _MutatedLoader(importlib.machinery.SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compiled from the changed source; never from a cached file."""
        return compile(changed_source(self.mutant), self.path, "exec")


class _MutatedFinder:
    """Finds the one module and hands it to the loader that changes it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"there is no module {fullname}")
        loader = _MutatedLoader(fullname, spec.origin)
        loader.mutant = self._mutant
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def fails_without_mutant(seed: int) -> bool:
    """Whether a seed breaks an invariant of the engine as it is: then it says nothing about a mutant."""
    running = importlib.import_module("tests.simulation.running")
    (result,) = running.simulate_piece(range(seed, seed + 1))
    return bool(result.failure)


def hunt(mutant: Mutant, first: int = 0) -> Catch:
    """Saved runs, then seeds from the first, until an invariant breaks.

    What was seen once in some thousand seeds was saved (recording.py), and is not waited for again.
    """
    if any(name.startswith("payout_service") for name in sys.modules):
        raise RuntimeError("the engine was imported before the mutant")
    sys.meta_path.insert(0, _MutatedFinder(mutant))
    running = importlib.import_module("tests.simulation.running")
    if mutant.module not in sys.modules:
        raise RuntimeError(f"{mutant.module} is no part of the simulation")
    recording, replaying = (
        importlib.import_module(f"tests.simulation.{name}") for name in ("recording", "replaying")
    )
    for file in sorted(recording.SAVED.glob("*.json")) if first == 0 else []:
        result, _ = replaying.replay(recording.load(file))
        if result.failure:
            return Catch(mutant.name, 0, result.invariant, result.failure, file.stem)
    for seed in range(first, MOST_SEEDS):
        (result,) = running.simulate_piece(range(seed, seed + 1))
        if result.failure:
            return Catch(mutant.name, seed + 1, result.invariant, result.failure)
    return Catch(mutant.name, 0, "", "")
