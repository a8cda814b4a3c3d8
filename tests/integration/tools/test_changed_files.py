"""What git says has changed: committed on this branch, not committed, new, gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.changed import changed_files


def test_what_differs_from_where_the_branch_began(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        settings = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *settings, *arguments], check=True, capture_output=True)

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(text, encoding="utf-8")

    git("init", "--initial-branch=main")
    for name in ("same", "committed", "edited", "gone", "elsewhere"):
        write(name, "old")
    git("add", ".")
    git("commit", "-m", "first")
    git("checkout", "-b", "work")
    write("committed", "new")
    git("commit", "-am", "second")
    git("checkout", "main")
    write("elsewhere", "new")
    git("commit", "-am", "third")
    git("checkout", "work")
    assert changed_files(tmp_path) == ["committed"]
    write("edited", "new")
    write("ä file", "new")
    write(".gitignore", "ignored")
    write("ignored", "new")
    (tmp_path / "gone").unlink()
    assert changed_files(tmp_path) == [".gitignore", "committed", "edited", "gone", "ä file"]
