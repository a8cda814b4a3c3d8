"""The state of an aggregate changes only by its verbs: nothing outside of the domain sets a field of one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.docs.descriptors import REPOSITORY

# The aggregates that are frozen: their verbs return another one. All others are the dataclasses that are not.
FROZEN = {"Asset", "Register", "Distribution", "Listener"}
SERVICES = ["asset_service", "distribution_service", "payout_service", "chain_sync_service"]


def fields_of_aggregates(domain: Path, *, frozen: bool) -> set[str]:
    return {
        each.target.id
        for path in domain.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and (node.name in FROZEN if frozen else is_mutable(node))
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def is_mutable(node: ast.ClassDef) -> bool:
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return any("dataclass" in each and "frozen=True" not in each for each in decorators)


def assigned(code: str) -> Iterator[tuple[int, str]]:
    """Lines, and the fields of other objects that they assign to."""
    for node in ast.walk(ast.parse(code)):
        is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)
        if isinstance(node, ast.Attribute) and is_set and ast.unparse(node.value) != "self":
            yield node.lineno, node.attr


def replaced(code: str) -> Iterator[tuple[int, str]]:
    """Lines, and the fields that a copy gets another value of."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("replace", "dataclasses.replace"):
            yield from ((node.lineno, each.arg or "**") for each in node.keywords)


@pytest.mark.parametrize("service", SERVICES)
def test_no_field_of_an_aggregate_is_set_outside_of_the_domain(service: str) -> None:
    domain = REPOSITORY / service / "domain"
    mutable, frozen = fields_of_aggregates(domain, frozen=False), fields_of_aggregates(domain, frozen=True)
    assert mutable or frozen
    found = []
    for path in sorted((REPOSITORY / service).rglob("*.py")):
        if domain not in path.parents:
            code = path.read_text(encoding="utf-8")
            found += [(path.name, *each) for each in assigned(code) if each[1] in mutable]
            found += [(path.name, *each) for each in replaced(code) if each[1] in frozen]
    assert not found, "give the aggregate a verb for it"


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("payout.state = x", ["state"]),
        ("a.nonce, b.version = x", ["nonce", "version"]),
        ("lane.next_nonce += 1", ["next_nonce"]),
        ("earlier = replace(listener, start_block=0)", ["start_block"]),
        ("self.state = x\nstate = payout.state", []),
    ],
)
def test_what_sets_a_field(code: str, fields: list[str]) -> None:
    assert [field for _, field in (*assigned(code), *replaced(code))] == fields
