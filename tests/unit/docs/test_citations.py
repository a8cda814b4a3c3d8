"""Comments, docstrings and pages cite only pages of this repository, and only anchors that these pages have."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from deploy.docs.descriptors import REPOSITORY
from deploy.docs.markdown import anchors

_CITATION = re.compile(r"(?<![\w/.-])([\w./-]*\w\.md)\b(?:#([\w-]+))?")
# Of a link counts where it leads.
_LINK_TEXT = re.compile(r"\[[^\]]*\]\(")
_FOLDERS = (
    *("libs", "asset_service", "distribution_service", "payout_service", "chain_sync_service"),
    *("protos", "deploy", "docs", "tests", ".ci"),
)
_TEXTS = {".py", ".proto", ".sol", ".mjs", ".sh", ".json", ".toml", ".yaml", ".yml", ".txt", ".md", ""}
_GENERATED = ("libs/protogen/wire/", "libs/protogen/typed/")
# Pages of others, named with where they are.
_ELSEWHERE = {
    "HIP/hip-1008.md",
    "hiero-ledger/hiero-json-rpc-relay/docs/nonce-management-and-tx-pool.md",
    "hiero-ledger/hiero-json-rpc-relay/docs/rate-limiting.md",
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def test_what_is_cited_exists() -> None:
    cited, wrong = 0, []
    for file in _files():
        for citation in _CITATION.finditer(_prose(file)):
            cited += 1
            problem = _problem(file, citation[1], citation[2] or "")
            if problem:
                wrong.append(f"{file.relative_to(REPOSITORY)}: {citation[0]}: {problem}")
    assert wrong == []
    assert cited > 150


def test_a_citation_that_leads_nowhere_is_found() -> None:
    here = Path(__file__)
    assert _problem(here, "docs/architecture.md", "sending") == ""
    assert _problem(here, "docs/contract-surprises.md", "11") == ""
    assert _problem(here, "docs/contract-surprises.md", "99") == "no such anchor"
    assert _problem(here, "docs/no-such-page.md", "") == "no such page"
    # Of a page in docs/ a comment elsewhere names the folder, too.
    assert _problem(here, "architecture.md", "") == "no such page"
    assert _problem(REPOSITORY / "docs" / "errors.md", "architecture.md", "") == ""


def test_comments_and_docstrings_are_read_and_other_texts_are_not() -> None:
    source = '"""One."""\nname = "two"  # Three.\n\n\ndef do() -> None:\n    """Four."""\n    call("five")\n'
    assert [word for word in ("One", "two", "Three", "Four", "five") if word in _prose_of_python(source)] == [
        *("One", "Three", "Four")
    ]
    assert [each[0] for each in _CITATION.finditer("(docs/a-b.md#c-1); x.md, c.mdx and ../d/e.md.")] == [
        *("docs/a-b.md#c-1", "x.md", "../d/e.md")
    ]


def _problem(file: Path, page: str, anchor: str) -> str:
    """Why a citation in a file leads nowhere; empty if it leads somewhere."""
    if page in _ELSEWHERE:
        return ""
    folders = [REPOSITORY] if file.suffix == ".py" else [REPOSITORY, file.parent]
    found = [folder / page for folder in folders if (folder / page).is_file()]
    if not found:
        return "no such page"
    if anchor and anchor not in anchors(found[-1].read_text(encoding="utf-8")):
        return "no such anchor"
    return ""


def _files() -> Iterator[Path]:
    """What people write: the files at the top, and those of the folders that are not generated."""
    found = [path for path in REPOSITORY.iterdir() if path.name not in {"package-lock.json", ".git"}]
    for folder in _FOLDERS:
        found += (REPOSITORY / folder).rglob("*")
    for path in sorted(found):
        name = path.relative_to(REPOSITORY).as_posix()
        if path.is_file() and path.suffix in _TEXTS and not name.startswith(_GENERATED):
            yield path


def _prose(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    return _prose_of_python(text) if file.suffix == ".py" else _LINK_TEXT.sub("(", text)


def _prose_of_python(source: str) -> str:
    """The comments and docstrings of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = [token.string for token in tokens if token.type == tokenize.COMMENT]
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, _DOCUMENTED)]
    texts += [ast.get_docstring(node) or "" for node in nodes]
    return "\n".join(texts)
