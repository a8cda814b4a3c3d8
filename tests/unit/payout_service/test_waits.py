"""The names of what is waited for: their texts, their explanations, and that nobody decides by a text."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import payout_service
from libs.errors import Code, Reason, code_of
from payout_service.application.planning.payout_conditions import UNPAYABLE_ACTION
from payout_service.domain.endings import (
    FailedBecause,
    Failure,
    VoidedBecause,
    VoidReason,
    read_void_reason,
)
from payout_service.domain.lifecycle import Condition, ConditionKind
from payout_service.domain.waits import (
    REASONS_WAITED_FOR,
    Explanation,
    Wait,
    WaitFor,
    read_wait,
    signer_stopped,
    told,
)

_SERVICE = Path(payout_service.__file__).parent
_MODULES = sorted(path for layer in ("domain", "application") for path in (_SERVICE / layer).rglob("*.py"))
# What decides by the beginning or the end of a text.
_ASKS_A_TEXT = frozenset(
    {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split"}
)
# Where stored texts become values.
_READS_TEXTS = frozenset({"waits.py", "endings.py"})


@pytest.mark.parametrize("what", [each for each in WaitFor if each is not WaitFor.OTHER])
def test_a_stored_wait_is_read_as_it_was(what: WaitFor) -> None:
    for detail in ("because: of that", ""):
        wait = Wait(what, detail)
        assert str(wait) == f"{what.name}: {detail}"
        assert read_wait(str(wait)) == wait


@pytest.mark.parametrize("what", [each for each in VoidedBecause if each is not VoidedBecause.OTHER])
def test_a_stored_void_reason_is_read_as_it_was(what: VoidedBecause) -> None:
    reason = VoidReason(what, "because: of that")
    assert str(reason) == f"{what.name}: because: of that"
    assert read_void_reason(str(reason)) == reason


@pytest.mark.parametrize(
    "text", ["because", "STALE", "NEVER_FITS", "GONE_SINCE: because", "OTHER: because", "x: y"]
)
def test_a_text_of_another_version_is_kept_as_it_is(text: str) -> None:
    wait, reason = read_wait(text), read_void_reason(text)
    assert wait == Wait(WaitFor.OTHER, text)
    assert reason == VoidReason(VoidedBecause.OTHER, text)
    assert (str(wait), str(reason)) == (text, text)


def test_nothing_is_stored_as_an_empty_text() -> None:
    assert (read_wait(""), read_void_reason(""), told(None)) == (None, None, "")


def test_texts_of_two_names_and_of_reasons() -> None:
    stopped = signer_stopped(WaitFor.NONCE_LOST, "nonce 5")
    assert stopped.what is WaitFor.SIGNER_NEEDS_RECONCILIATION
    assert told(stopped) == "SIGNER_NEEDS_RECONCILIATION: NONCE_LOST: nonce 5"
    assert str(Wait(Reason.CHAIN_UNAVAILABLE, "no answer")) == "CHAIN_UNAVAILABLE: no answer"
    assert str(Failure(Reason.NOT_A_BOND, "why")) == "NOT_A_BOND: why"
    assert str(Failure(FailedBecause.NO_HOLDERS, "")) == "NO_HOLDERS: "


def test_every_name_is_explained() -> None:
    for explained in [each.value for each in WaitFor] + list(REASONS_WAITED_FOR.values()):
        assert isinstance(explained, Explanation)
        assert all((explained.meaning, explained.ended_by, explained.way_out)), explained
    for meaning in [each.value for each in VoidedBecause] + [each.value for each in FailedBecause]:
        assert isinstance(meaning, str)
        assert meaning


def test_every_condition_is_waited_for() -> None:
    for kind in ConditionKind:
        wait = Condition(kind, is_satisfied=False, detail="so", remedy="do that").wait
        assert str(wait) == f"{kind.value}: so; do that"
        assert kind.name == kind.value == wait.what.name


def test_reasons_that_a_payout_waits_for() -> None:
    assert REASONS_WAITED_FOR.keys() >= UNPAYABLE_ACTION
    passing = REASONS_WAITED_FOR.keys() - UNPAYABLE_ACTION
    assert {code_of(reason) for reason in passing} == {Code.UNAVAILABLE}
    assert not {reason.name for reason in REASONS_WAITED_FOR} & WaitFor.__members__.keys()


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(_SERVICE)))
def test_nobody_decides_by_a_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = _ASKS_A_TEXT - (frozenset({"partition"}) if path.name in _READS_TEXTS else frozenset())
    assert [each.lineno for each in _attributes(tree) if each.attr in asked] == []
    assert [text for text in _texts(tree) if _begins_with_a_name(text)] == [], "a name is a member, not a text"


def test_the_look_for_texts_finds_them() -> None:
    tree = ast.parse('if why.startswith("PAUSED: "):\n    halt(f"NONCE_LOST: {nonce}")\n')
    assert [each.attr for each in _attributes(tree)] == ["startswith"]
    assert [text for text in _texts(tree) if _begins_with_a_name(text)] == ["PAUSED: ", "NONCE_LOST: "]


def _attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    return (each for each in ast.walk(tree) if isinstance(each, ast.Attribute))


def _texts(tree: ast.AST) -> Iterator[str]:
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _begins_with_a_name(text: str) -> bool:
    name, colon, _ = text.partition(":")
    return bool(colon) and name in WaitFor.__members__ | VoidedBecause.__members__ | FailedBecause.__members__
