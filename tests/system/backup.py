"""A backup of one schema of the stack's database, and going back to it, with PostgreSQL's own programs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local.postgres import packaged_installation
from deploy.local.stack import Stack

_SECONDS = 180.0


def dump_schema(stack: Stack, schema: str, path: Path) -> None:
    """Writes the schema as it is at one moment, while it may be used."""
    _run("pg_dump", "--format=custom", f"--schema={schema}", f"--file={path}", _database_url(stack))


def restore_schema(stack: Stack, schema: str, path: Path) -> None:
    """Puts the schema back as it was dumped; nobody may use it meanwhile."""
    url = _database_url(stack)
    _run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--command=DROP SCHEMA {schema} CASCADE", url)
    _run("pg_restore", "--exit-on-error", f"--dbname={url}", str(path))


def _database_url(stack: Stack) -> str:
    url = stack.endpoints.admin_database_url
    assert url
    return urlunsplit(urlsplit(url)._replace(path=f"/{stack.settings.database_name}"))


def _run(program: str, *arguments: str) -> None:
    command = [str(packaged_installation() / "bin" / program), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert result.returncode == 0, f"{program}: {result.stderr}"
