"""Which tests `make test-changed` finds."""

from __future__ import annotations

import grimp
import pytest

from tests.support.changed import tests_of as found

_IMPORTS = (
    ("libs.b", "libs.a"),
    ("tests.unit.test_b", "libs.b"),
    ("tests.unit.test_c", "libs.c"),
    ("tests.unit.deep.conftest", "libs.d"),
    ("tests.unit.helper", "libs.a"),
    ("tests.ats.test_e", "libs.a"),
)
_ALONE = ("libs", "libs.store", "tests.unit", "tests.unit.deep", "tests.unit.deep.test_d", "tests.ats", "tests")


@pytest.fixture
def graph() -> grimp.ImportGraph:
    """Two steps, a conftest, a helper that is no test, a test that has a target of its own."""
    made = grimp.ImportGraph()
    for module in {*_ALONE, *(module for each in _IMPORTS for module in each)}:
        made.add_module(module)
    for importer, imported in _IMPORTS:
        made.add_import(importer=importer, imported=imported)
    return made


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ([], []),
        (["libs/a.py"], ["tests/unit/test_b.py"]),
        (["libs/c.py", "libs/b.py"], ["tests/unit/test_b.py", "tests/unit/test_c.py"]),
        (["tests/unit/test_c.py"], ["tests/unit/test_c.py"]),
        # Through a conftest, and a conftest itself.
        (["libs/d.py"], ["tests/unit/deep/test_d.py"]),
        (["tests/unit/deep/conftest.py"], ["tests/unit/deep/test_d.py"]),
        # No module, or no longer one: its package.
        (["tests/unit/deep/example.json"], ["tests/unit/deep/test_d.py"]),
        (["tests/unit/deep/gone.py"], ["tests/unit/deep/test_d.py"]),
    ],
)
def test_what_imports_it(graph: grimp.ImportGraph, changed: list[str], tests: list[str]) -> None:
    assert found(graph, changed) == (tests, [])


def test_what_no_import_leads_to_is_told(graph: grimp.ImportGraph) -> None:
    assert found(graph, ["pyproject.toml", "protos/masspayout/a.proto"]) == (
        [],
        ["protos/masspayout/a.proto", "pyproject.toml"],
    )
