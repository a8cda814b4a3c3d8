"""Who takes two numbers of one type takes them by keyword: mypy cannot tell when they are swapped."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeGuard

import pytest

from deploy.docs.descriptors import REPOSITORY
from libs.chain import quantities

PACKAGES = ["libs", "payout_service", "chain_sync_service"]
NUMBERS = {"int", *(name for name, each in vars(quantities).items() if hasattr(each, "__supertype__"))}
# With the reason why the order is enough.
ALLOWED = {
    "HederaId": "written everywhere in this order, 0.0.1234",
    "Holding": "made by the hundred thousand, of columns in this order",
}


def number_type(annotation: ast.expr | None) -> str | None:
    """The type of a number, or of one that may be missing; None for anything else."""
    name = ast.unparse(annotation).removesuffix(" | None") if annotation else ""
    return name if name in NUMBERS else None


def is_dataclass(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list)


def positional_fields(node: ast.ClassDef) -> Iterator[ast.expr]:
    """What the constructor of a dataclass takes by position."""
    if any("kw_only=True" in ast.unparse(each) for each in node.decorator_list):
        return
    for each in node.body:
        if isinstance(each, ast.AnnAssign):
            if ast.unparse(each.annotation) == "KW_ONLY":
                return
            yield each.annotation


def is_public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def takers(tree: ast.AST) -> Iterator[tuple[str, Sequence[ast.expr | None]]]:
    """Public functions, methods and constructors, with the types of what they take by position."""
    for node in ast.walk(tree):
        if is_dataclass(node):
            yield node.name, list(positional_fields(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(node.name):
            yield node.name, [each.annotation for each in (*node.args.posonlyargs, *node.args.args)]


def confusing(code: str) -> list[str]:
    """Who takes two numbers of one type by position."""
    return [
        name
        for name, annotations in takers(ast.parse(code))
        if any(count > 1 for count in Counter(filter(None, map(number_type, annotations))).values())
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_numbers_of_one_type_are_taken_by_keyword(package: str) -> None:
    found = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if "protogen" not in path.parts
        for name in confusing(path.read_text(encoding="utf-8"))
        if name not in ALLOWED
    }
    assert not found, "put a * before the numbers, or kw_only=True into the dataclass"


def test_what_is_allowed_exists() -> None:
    names = {
        name
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        if "protogen" not in path.parts
        for name in confusing(path.read_text(encoding="utf-8"))
    }
    assert set(ALLOWED) <= names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def f(a: int, b: int) -> None: ...", ["f"]),
        ("async def f(a: Nonce, key: str, b: Nonce | None) -> None: ...", ["f"]),
        ("def f(a: int, *, b: int) -> None: ...", []),
        ("def f(a: BlockNumber, b: SnapshotId, c: int) -> None: ...", []),
        ("def _f(a: int, b: int) -> None: ...", []),
        ("@dataclass(frozen=True)\nclass C:\n    a: Wei\n    b: Wei = Wei(0)", ["C"]),
        ("@dataclass(kw_only=True)\nclass C:\n    a: Wei\n    b: Wei", []),
        ("@dataclass\nclass C:\n    a: Wei\n    _: KW_ONLY\n    b: Wei", []),
    ],
)
def test_what_is_confusing(code: str, names: list[str]) -> None:
    assert confusing(code) == names
