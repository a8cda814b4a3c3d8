"""`make test-changed`: runs the tests that import what has changed, directly or through others.

Changed is what differs from where this branch left `main`, and what is not committed. A conftest.py counts as
imported by every test in its folder and below. A file that is no module (a migration, a JSON document) stands for
the package it lies in; a page of docs/ for the tests of the docs. Processes are not imports: a system test is
found by what it imports itself, not by the services that it starts. `make test` runs everything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import grimp
import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = (
    "libs",
    "asset_service",
    "distribution_service",
    "payout_service",
    "chain_sync_service",
    "deploy",
    "tests",
)
_MAIN = "main"
_DOCS_TESTS = ("tests.unit.docs", "tests.integration.docs")
# Run by targets of their own.
_NOT_HERE = ("tests/ats/",)


def main(arguments: Sequence[str]) -> int:
    """Finds the tests and passes them to pytest with `arguments`. Returns its exit status."""
    changed = changed_files(REPOSITORY)
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    tests, unknown = tests_of(graph, changed)
    sys.stdout.write(f"{len(changed)} files changed, {len(tests)} test files import them\n")
    if unknown:
        sys.stdout.write(f"in no package, so in no import: {', '.join(unknown)}; `make test` runs everything\n")
    return int(pytest.main([*tests, *arguments])) if tests else 0


def changed_files(repository: Path, branch: str = _MAIN) -> list[str]:
    """Returns the paths that differ from where this branch left `branch`, including deleted and new ones."""

    def ask(*arguments: str) -> list[str]:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")

    base = ask("merge-base", branch, "HEAD")[0].strip()
    tracked = ask("diff", "--name-only", "--no-renames", "-z", base)
    new = ask("ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in [*tracked, *new] if path})


def tests_of(graph: grimp.ImportGraph, changed: Collection[str]) -> tuple[list[str], list[str]]:
    """Returns the test files that import a changed file, and the changed files that no test imports."""
    found: set[str] = set()
    unknown: list[str] = []
    for path in changed:
        modules = _modules(graph, path)
        if not modules:
            unknown.append(path)
        found |= modules
    reached = set(found)
    for module in found:
        reached |= graph.find_downstream_modules(module)
    for conftest in [module for module in reached if module.endswith(".conftest")]:
        reached |= graph.find_descendants(conftest.removesuffix(".conftest"))
    tests = {
        module.replace(".", "/") + ".py"
        for module in reached
        if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
    }
    return sorted(test for test in tests if not test.startswith(_NOT_HERE)), sorted(unknown)


def _modules(graph: grimp.ImportGraph, path: str) -> set[str]:
    """Returns a file's module, or all modules of the nearest package for a file that is not a module."""
    if path.startswith("docs/") or path == "README.md":
        return {module for package in _DOCS_TESTS for module in graph.find_descendants(package)}
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if path.endswith(".py") and name in graph.modules:
        return {name}
    while "." in name:
        name = name.rpartition(".")[0]
        if name in graph.modules:
            return {name} | graph.find_descendants(name)
    return set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
