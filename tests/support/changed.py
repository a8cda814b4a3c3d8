"""`make test-changed`: runs the tests that import what has changed, directly or through others.

Changed is what differs from where this branch left `main`, and what is not committed. A conftest.py counts as
imported by every test in its folder and below, an `__init__.py` by whoever imports a module of its package. A
proto stands for the code and the pages that are generated from it. Another file that is no module (a migration,
a JSON document) stands for the package it lies in; a page of docs/ for the tests of the docs. Processes are not
imports: a system test is found by what it imports itself, not by the services that it starts. `make test` runs
everything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Sequence
from copy import deepcopy
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
    # Generated from protos/, with `libs.protogen.typed`.
    "masspayout",
)
_MAIN = "main"
_DOCS_TESTS = ("tests.unit.docs", "tests.integration.docs")
_READS_PROTOS = "deploy.docs.descriptors"
# Run by targets of their own.
_NOT_HERE = ("tests/ats/",)


def main(arguments: Sequence[str]) -> int:
    """Finds the tests and passes them to pytest with `arguments`. Returns its exit status."""
    changed = changed_files(REPOSITORY)
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    tests, unknown = tests_of(graph, changed)
    sys.stdout.write(told(changed, tests, unknown))
    return int(pytest.main([*tests, *arguments])) if tests else 0


def told(changed: Sequence[str], tests: Sequence[str], unknown: Sequence[str]) -> str:
    """Returns the lines that say what was found."""
    lines = [f"{len(changed)} files changed, {len(tests)} test files import them"]
    if unknown:
        lines.append(f"in no package, so in no import: {', '.join(unknown)}; `make test` runs everything")
    if changed and not tests:
        lines.append("no test was run")
    return "".join(f"{line}\n" for line in lines)


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
    graph = _with_packages(graph)
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


def _with_packages(graph: grimp.ImportGraph) -> grimp.ImportGraph:
    """Returns a copy in which every module imports its package, as Python does before it runs the module."""
    whole = deepcopy(graph)
    for module in graph.modules:
        package = module.rpartition(".")[0]
        if package in graph.modules:
            whole.add_import(importer=module, imported=package)
    return whole


def _modules(graph: grimp.ImportGraph, path: str) -> set[str]:
    """Returns a file's module, or all modules of the nearest package for a file that is not a module."""
    if path.endswith(".proto"):
        return _generated(path) & graph.modules
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


def _generated(proto: str) -> set[str]:
    """Returns the modules made from a proto, of both kinds, and the one that reads it for docs/."""
    name = proto.removeprefix("protos/").removesuffix(".proto").replace("/", ".")
    package = name.rpartition(".")[0]
    return {f"{name}_pb2", f"{name}_pb2_grpc", f"libs.protogen.typed.{package}", _READS_PROTOS}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
