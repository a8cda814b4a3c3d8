"""docs/contract-surprises.md: every surprise has a row, and every test that it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deploy.docs.descriptors import REPOSITORY
from deploy.docs.generate import DOCS

SURPRISES = 23
# These are of nodes, not of contracts.
SURPRISES_OF_NODES = {18, 19}
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_DEVNET = "tests/integration/devnet/"


def test_every_surprise_has_a_row_in_order() -> None:
    assert [number for number, _ in _rows()] == list(range(1, SURPRISES + 1))


def test_every_test_that_is_named_exists() -> None:
    for number, named in _rows():
        assert _missing(named) == [], f"surprise {number}"


def test_a_test_that_does_not_exist_is_found() -> None:
    here = "tests/unit/docs/test_surprises.py"
    named = [(here, "test_every"), (here, "test_never_written"), ("tests/no_such_file.py", "test_it")]
    assert _missing(named) == [f"{path}::{name}" for path, name in named]


def test_every_surprise_has_a_test_of_our_own_behaviour() -> None:
    """That the devnet does what the real contracts do shows the surprise, and not that we are immune."""
    for number, named in _rows():
        assert [path for path, _ in named if not path.startswith(_DEVNET)], f"surprise {number}"


def test_the_devnet_shows_every_surprise_of_the_contracts_by_its_number() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / _DEVNET).glob("test_*.py")]
    shown = {int(number) for source in sources for number in re.findall(r"def test_(\d+)_", source)}
    assert shown == set(range(1, SURPRISES + 1)) - SURPRISES_OF_NODES


def _rows() -> list[tuple[int, list[tuple[str, str]]]]:
    """Each surprise's number, with the paths and names of its tests."""
    text = (DOCS / "contract-surprises.md").read_text(encoding="utf-8")
    return [(int(row[1]), [_named(each) for each in row[4].split("<br>")]) for row in _ROW.finditer(text)]


def _named(reference: str) -> tuple[str, str]:
    """Path and name of a test. Raises ValueError for anything else."""
    path, name = reference.strip("`").split("::")
    return path, name


def _missing(named: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{path}::{name}" for path, name in named if not _exists(path, name)]


def _exists(path: str, name: str) -> bool:
    file = REPOSITORY / path
    if not file.is_file():
        return False
    source = file.read_text(encoding="utf-8")
    return re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE) is not None
