"""Helpers that write small pieces of Markdown: tables, cells, anchors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PLACED = re.compile(r"<a id=\"([^\"]+)\"></a>")


def generated_note(source: str) -> str:
    """Returns the line under the title of a generated page."""
    return f"<!-- Made from {source} by `python -m deploy.docs.generate`. Do not edit. -->"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns a table's lines, followed by an empty one."""
    lines = [_row(header), _row(["---"] * len(header))]
    lines += [_row([cell(each) for each in row]) for row in rows]
    return [*lines, ""]


def cell(text: str) -> str:
    """Returns text that may stand in a table's cell."""
    return text.replace("\n\n", "<br>").replace("\n", " ").replace("|", "\\|")


def anchor(heading: str) -> str:
    """Returns the anchor that Markdown viewers give to a heading of letters, digits, dots and underscores."""
    return heading.lower().replace(".", "").replace(" ", "-").replace("`", "")


def anchors(text: str) -> set[str]:
    """Returns the anchors that a link into a page may name: its headings, and those that it places itself."""
    headings = {re.sub(r"[^\w -]", "", anchor(heading)) for heading in _HEADING.findall(text)}
    return headings | set(_PLACED.findall(text))


def document(lines: Iterable[str]) -> str:
    """Returns a file's text."""
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
