"""`python -m deploy.docs.generate`: writes the generated pages of docs/; with `--check` it only compares them."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence

from deploy.docs import descriptors
from deploy.docs.api_reference import api_reference
from deploy.docs.descriptors import REPOSITORY
from deploy.docs.events_reference import asyncapi, events, events_reference
from deploy.docs.settings_reference import settings_reference
from deploy.docs.state_machines import state_machines
from deploy.docs.subscriptions import consumers
from deploy.docs.waits_reference import waits_reference

DOCS = REPOSITORY / "docs"


def render() -> dict[str, str]:
    """Returns every generated page by its name in docs/. Raises ProtocError and SubjectMissingError."""
    files = descriptors.load()
    found = events(files, consumers())
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return {
        "api.md": api_reference(files),
        "events.md": events_reference(found),
        "asyncapi.yaml": asyncapi(found, version),
        "state-machines.md": state_machines(files),
        "settings.md": settings_reference(),
        "waits.md": waits_reference(),
    }


def outdated(pages: dict[str, str]) -> list[str]:
    """Names of the pages that are missing or differ from what is given."""
    return [
        name
        for name, text in pages.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the script. Returns the process's exit status."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    options = parser.parse_args(arguments)
    pages = render()
    old = outdated(pages)
    if options.check:
        for name in old:
            print(f"docs/{name} is out of date: python -m deploy.docs.generate", file=sys.stderr)
        return 1 if old else 0
    DOCS.mkdir(exist_ok=True)
    for name in old:
        (DOCS / name).write_text(pages[name], encoding="utf-8")
    print(f"wrote {', '.join(old)}" if old else "nothing has changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
