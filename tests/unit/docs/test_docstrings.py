"""A docstring says something itself. One that only points elsewhere is left out."""

from __future__ import annotations

import ast
from pathlib import Path

from deploy.docs.descriptors import REPOSITORY

_FOLDERS = (
    "libs",
    "asset_service",
    "distribution_service",
    "payout_service",
    "chain_sync_service",
    "deploy",
    "tests",
)
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
    found = (file for folder in _FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
    return [file for file in found if _GENERATED not in file.parents]
