"""A base folder per test, and one PostgreSQL for the tests of roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.settings import POSTGRES, StackSettings
from deploy.local.stack import Stack
from tests.integration.local_stack.support import Place, place, plain_environment


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    """Where a test's own stack lives: a folder whose name is no plain word."""
    with place(tmp_path / "rün é") as where:
        yield where


@pytest.fixture(scope="package")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of PostgreSQL alone."""
    stack = Stack(
        StackSettings(
            base_dir=tmp_path_factory.mktemp("database") / "run",
            environment=plain_environment(),
            infrastructure=(POSTGRES,),
            fsync=False,
        )
    )
    try:
        stack.start(services=False)
        yield stack
    finally:
        stack.destroy()
