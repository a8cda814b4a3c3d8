"""A docstring says something itself. One that only points elsewhere is left out."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.changed import PACKAGES, REPOSITORY

_GENERATED = REPOSITORY / "libs" / "protogen"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def test_no_docstring_begins_with_a_pointer() -> None:
    looked_at, pointers = 0, []
    for file in _files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
                looked_at += 1
                if text.startswith("See "):
                    pointers.append(f"{file.relative_to(REPOSITORY)}: {text.splitlines()[0]}")
    assert looked_at > 1_000
    assert pointers == []


def _files() -> list[Path]:
    found = (file for package in PACKAGES for file in (REPOSITORY / package).rglob("*.py"))
    return [file for file in found if _GENERATED not in file.parents]
