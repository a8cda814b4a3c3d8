"""What the hand-written pages say of the code: names, paths, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.docs.descriptors import REPOSITORY, load
from deploy.docs.generate import DOCS
from deploy.docs.markdown import anchors
from deploy.local.services import SERVICES
from deploy.local.settings import (
    ANVIL_PORT_VARIABLE,
    DATABASE_URL_VARIABLE,
    NATS_PORT_VARIABLE,
    NATS_URL_VARIABLE,
    POSTGRES_PORT_VARIABLE,
    RPC_URL_VARIABLE,
)
from deploy.setup.draw_stages import PICTURE, draw, read_arrows, read_layers
from libs.messaging.streams import DEAD_LETTER_RETENTION_SECONDS, RETENTION_SECONDS
from payout_service.application.planning.begin_payout import NEVER_READY
from payout_service.domain.endings import FailedBecause, VoidedBecause
from payout_service.domain.transaction import Purpose
from payout_service.domain.waits import REASONS_WAITED_FOR, WaitFor

_PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:libs|tests|deploy|\w+_service)/[\w./]+)`")
_RPC = re.compile(r"`(\w+Service)\.(\w+)`")
_FIELD_AND_VALUE = re.compile(r"`(\w+)`:? `?([A-Z][A-Z_]+)\b")
_REACH = re.compile(r"failpoints\.reach\(\s*f?\"([^\"]+)\"")
_DAY_SECONDS = 24 * 3600


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if fragment:
            assert fragment in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


def test_the_picture_of_the_stages_is_what_make_graph_draws() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(read_layers(), read_arrows())


def test_the_seed_map_names_what_exists() -> None:
    text = (DOCS / "seed-map.md").read_text(encoding="utf-8")
    paths = _PATH.findall(text)
    assert len(paths) > 30
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []
    methods = {
        (service.full_name.rsplit(".", 1)[1], method.name)
        for file in load()
        for service in file.services
        for method in service.methods
    }
    rpcs = _RPC.findall(text)
    assert len(rpcs) > 10
    assert set(rpcs) <= methods


def test_every_row_of_the_seed_map_has_a_module_or_is_to_come() -> None:
    rows = re.findall(
        r"^\| (?!name|---)(.+) \|$", (DOCS / "seed-map.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == 13 + 4 + 4 + 3 + 4 + 3
    for row in rows:
        assert (_PATH.search(row) and "`tests/" in row) or "to come" in row, row


def test_a_value_of_an_enum_is_told_as_the_api_takes_it() -> None:
    """What stands behind a field's name is copied into a request."""
    files = load()
    messages = [message for file in files for message in file.messages]
    enums = [enum for file in files for enum in file.enums] + [enum for each in messages for enum in each.enums]
    values = {enum.full_name: {value.name for value in enum.values} for enum in enums}
    allowed: dict[str, set[str]] = {}
    for field in (field for message in messages for field in message.fields):
        if field.type_name in values:
            allowed.setdefault(field.name, set()).update(values[field.type_name])
    told = [
        (page.name, field, value)
        for page in _PAGES
        for field, value in _FIELD_AND_VALUE.findall(page.read_text(encoding="utf-8"))
        if field in allowed
    ]
    assert told
    assert [each for each in told if each[2] not in allowed[each[1]]] == []


def test_the_failpoints_are_the_codes() -> None:
    section = _section("failpoints.md", "# Failpoints")
    (purposes,) = re.findall(r"`<purpose>` is (.+)\.$", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", purposes) == _purposes()
    told = {
        point
        for name in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        for point in ([name] if "<" not in name else [name.replace("<purpose>", each) for each in _purposes()])
    }
    assert told == {
        point
        for name in _found(_REACH)
        for point in ([name] if "{" not in name else [re.sub(r"{.*}", each, name) for each in _purposes()])
    }


def test_what_is_waited_for_is_told_in_one_place() -> None:
    page, errors = ((DOCS / name).read_text(encoding="utf-8") for name in ("waits.md", "errors.md"))
    told = re.findall(r"^\| `([A-Z][A-Z_]+)` \|", page, re.MULTILINE)
    names = [
        *(each.name for each in WaitFor if each is not WaitFor.OTHER),
        *(reason.name for reason in REASONS_WAITED_FOR),
        *(each.name for each in VoidedBecause if each is not VoidedBecause.OTHER),
        *(each.name for each in FailedBecause),
    ]
    assert told == names
    assert "(waits.md)" in _section("operations.md", "## What a payout waits for")
    assert "\n| `" not in _section("operations.md", "## What a payout waits for"), "the table is in waits.md alone"
    for name in REASONS_WAITED_FOR.keys() | NEVER_READY:
        assert f"`{name}`" in page
        assert f"| `{name}` |" in errors


def test_the_names_of_the_stack_are_told() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    variables = [
        *(spec.port_variable for spec in SERVICES),
        *(POSTGRES_PORT_VARIABLE, NATS_PORT_VARIABLE, ANVIL_PORT_VARIABLE),
        *(DATABASE_URL_VARIABLE, NATS_URL_VARIABLE, RPC_URL_VARIABLE),
    ]
    assert [name for name in variables if f"`{name}`" not in text] == []
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE):
        assert target == "help" or f"`make {target}`" in text, target
    alarms = _found(re.compile(r"raise_alarm\(\s*\"([A-Z_]+)\""), "chain_sync_service")
    assert set(alarms) == set(re.findall(r"^\| `([A-Z_]+)`", _section("operations.md", "## Alarms"), re.MULTILINE))


def test_retention_is_told_as_it_is() -> None:
    section = _section("operations.md", "## Dead letters and replay")
    assert f"events {RETENTION_SECONDS // _DAY_SECONDS} days" in section
    assert f"dead letters {DEAD_LETTER_RETENTION_SECONDS // _DAY_SECONDS} days" in section


def _section(page: str, heading: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8").split(f"{heading}\n")[1]
    return re.split(r"^#+ ", text, flags=re.MULTILINE)[0]


def _found(pattern: re.Pattern[str], package: str = "payout_service") -> list[str]:
    """All matches in domain and application of a service."""
    found = [
        match
        for layer in ("domain", "application")
        for path in sorted((REPOSITORY / package / layer).rglob("*.py"))
        for match in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert found
    return found


def _purposes() -> list[str]:
    return [purpose.value.lower() for purpose in Purpose]
