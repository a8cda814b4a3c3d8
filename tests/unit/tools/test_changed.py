"""Which tests `make test-changed` finds."""

from __future__ import annotations

import grimp
import pytest

from tests.support.changed import PACKAGES, told
from tests.support.changed import tests_of as found

_IMPORTS = (
    ("libs.b", "libs.a"),
    ("tests.unit.test_b", "libs.b"),
    ("tests.unit.test_c", "libs.c"),
    ("tests.unit.deep.conftest", "libs.d"),
    ("tests.unit.helper", "libs.a"),
    ("tests.ats.test_e", "libs.a"),
    ("tests.unit.test_f", "libs.store.rows"),
    ("libs.deep", "libs.e"),
    ("tests.unit.test_g", "libs.deep.inner"),
    ("tests.unit.test_wire", "masspayout.pay.v1.pay_service_pb2"),
    ("masspayout.pay.v1.pay_service_pb2", "masspayout.type.v1.rules_pb2"),
    ("tests.unit.test_call", "masspayout.pay.v1.pay_service_pb2_grpc"),
    ("tests.unit.test_typed", "libs.protogen.typed.masspayout.type.v1"),
    ("tests.unit.test_pages", "deploy.docs.descriptors"),
)
_ALONE = (
    "libs",
    "libs.store",
    "masspayout.type.v1",
    "masspayout.pay.v1",
    "tests.unit",
    "tests.unit.deep",
    "tests.unit.deep.test_d",
    "tests.ats",
    "tests",
)


@pytest.fixture
def graph() -> grimp.ImportGraph:
    """Two steps, a conftest, a helper that is no test, a test that has a target of its own, packages, protos."""
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
        # Who imports a module runs the packages above it, and so what those import.
        (["libs/store/__init__.py"], ["tests/unit/test_f.py"]),
        (["libs/e.py"], ["tests/unit/test_g.py"]),
        (["tests/unit/deep/__init__.py"], ["tests/unit/deep/test_d.py"]),
        # A proto: the code that is generated from it, and the pages.
        (
            ["protos/masspayout/type/v1/rules.proto"],
            ["tests/unit/test_pages.py", "tests/unit/test_typed.py", "tests/unit/test_wire.py"],
        ),
        (
            ["protos/masspayout/pay/v1/pay_service.proto"],
            ["tests/unit/test_call.py", "tests/unit/test_pages.py", "tests/unit/test_wire.py"],
        ),
    ],
)
def test_what_imports_it(graph: grimp.ImportGraph, changed: list[str], tests: list[str]) -> None:
    assert found(graph, changed) == (tests, [])


def test_what_no_import_leads_to_is_told(graph: grimp.ImportGraph) -> None:
    graph.remove_module("deploy.docs.descriptors")
    assert found(graph, ["pyproject.toml", "protos/masspayout/a.proto"]) == (
        [],
        ["protos/masspayout/a.proto", "pyproject.toml"],
    )


def test_the_real_packages_and_protos_lead_to_tests() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    for path, expected in (
        ("payout_service/domain/__init__.py", "tests/unit/payout_service/test_payout_transitions.py"),
        ("protos/masspayout/type/v1/rules.proto", "tests/unit/libs/test_payout_terms.py"),
        ("protos/masspayout/type/v1/rules.proto", "tests/unit/docs/test_generated.py"),
    ):
        tests, unknown = found(graph, [path])
        assert unknown == []
        assert expected in tests


def test_it_is_told_when_nothing_is_run() -> None:
    assert told(["docs.txt"], [], ["docs.txt"]) == (
        "1 files changed, 0 test files import them\n"
        "in no package, so in no import: docs.txt; `make test` runs everything\n"
        "no test was run\n"
    )
    assert told(["libs/a.py"], ["tests/unit/test_b.py"], []) == "1 files changed, 1 test files import them\n"
    assert told([], [], []) == "0 files changed, 0 test files import them\n"
