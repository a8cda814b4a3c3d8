"""docs/errors.md and the protos' comments against the code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deploy.docs.descriptors import Method, load
from deploy.docs.generate import DOCS
from libs.errors import Code, Reason, code_of
from payout_service.domain.payments import FailureReason, PaymentState

_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| (.+) \| (.+) \|$", re.MULTILINE)
_NAME = re.compile(r"\b[A-Z][A-Z_]{3,}\b")
_AS_ANOTHER = re.compile(r"Errors: as (\w+)")
# States that a comment mentions.
_NO_ERRORS = frozenset({"ACTIVE"})


def test_the_table_of_reasons_is_the_codes_in_both_directions() -> None:
    told = dict(_rows("## Reasons of refused calls"))
    assert told == {reason.value: code_of(reason).name for reason in Reason}


def test_the_table_of_failed_payments_is_the_codes_in_both_directions() -> None:
    told = dict(_rows("## Reasons of failed payments"))
    assert set(told) == {reason.value for reason in FailureReason}
    assert set(told.values()) <= {state.value for state in PaymentState}


def test_rpcs_name_only_reasons_that_exist_under_their_own_code() -> None:
    methods = {method.name: method for file in load() for service in file.services for method in service.methods}
    assert len(methods) > 10
    for method in methods.values():
        assert "Errors:" in method.comment, f"{method.name} does not say how it is refused"
        problems = list(_problems(method, methods))
        assert problems == []


def test_the_check_of_comments_finds_what_is_wrong() -> None:
    comment = "Errors: NOT_FOUND (ASSET_NOT_FOUND, INVALID_AMOUNT), UNAVAILABLE (NO_SUCH_REASON)."
    method = Method("Do", comment, "", "", is_streaming=False)
    assert list(_problems(method, {})) == [
        "Do: INVALID_AMOUNT is INVALID_ARGUMENT, not NOT_FOUND",
        "Do: NO_SUCH_REASON is neither a code nor a reason",
    ]


def _rows(section: str) -> list[tuple[str, str]]:
    text = (DOCS / "errors.md").read_text(encoding="utf-8").split(section)[1].split("\n## ")[0]
    rows = [(match[1], match[2]) for match in _ROW.finditer(text)]
    assert len(rows) == len(dict(rows)), "a reason stands twice"
    return rows


def _problems(method: Method, methods: Mapping[str, Method]) -> Iterator[str]:
    told = method.comment.split("Errors:", 1)[1]
    other = _AS_ANOTHER.search(method.comment)
    if other and other[1] not in methods:
        yield f"{method.name}: there is no {other[1]}"
    code = ""
    for name in _NAME.findall(told):
        # INTERNAL is both.
        if name in Code.__members__:
            code = name
        elif name in Reason.__members__:
            actual = code_of(Reason(name)).name
            if actual != code:
                yield f"{method.name}: {name} is {actual}, not {code or 'without a code'}"
        elif name not in _NO_ERRORS:
            yield f"{method.name}: {name} is neither a code nor a reason"
