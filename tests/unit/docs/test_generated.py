"""The generated pages are what the code says now."""

from __future__ import annotations

import re

import pytest

from deploy.docs.descriptors import load
from deploy.docs.events_reference import SubjectMissingError, events
from deploy.docs.generate import DOCS, outdated, render
from deploy.docs.markdown import anchors
from deploy.docs.subscriptions import consumers


def test_generated_pages_are_up_to_date() -> None:
    assert outdated(render()) == [], "run: python -m deploy.docs.generate"


def test_a_page_that_differs_is_named() -> None:
    assert outdated({"api.md": "something else"}) == ["api.md"]
    assert outdated({"missing.md": ""}) == ["missing.md"]


def test_every_rpc_and_event_is_in_its_reference() -> None:
    api = (DOCS / "api.md").read_text(encoding="utf-8")
    events_page = (DOCS / "events.md").read_text(encoding="utf-8")
    asyncapi = (DOCS / "asyncapi.yaml").read_text(encoding="utf-8")
    files = load()
    methods = [method for file in files for service in file.services for method in service.methods]
    assert methods
    for method in methods:
        assert f"\n### {method.name}\n" in api
        assert method.comment
    for event in events(files, consumers()):
        assert f"`{event.subject}`" in events_page
        assert f'address: "{event.subject}"' in asyncapi


def test_every_type_that_is_named_in_the_api_is_linked_to_its_section() -> None:
    api = (DOCS / "api.md").read_text(encoding="utf-8")
    types = re.findall(r"^\| `\w+` \| (?:repeated )?(.*?\S) \|", api, re.MULTILINE)
    types += [name for line in re.findall(r"^.+ → .+$", api, re.MULTILINE) for name in line.split(" → ")]
    assert [name for name in types if name.startswith("masspayout.")] == [], "named, but not linked"
    links = {fragment for name in types for fragment in re.findall(r"\]\(#([^)]+)\)", name)}
    assert len(links) > 100
    assert links - anchors(api) == set()


def test_every_subscription_is_to_an_event_that_somebody_publishes() -> None:
    published = {tuple(event.subject.split(".")[1:4:2]) for event in events(load(), {})}
    assert set(consumers()) <= published


def test_a_subject_that_is_not_told_is_an_error() -> None:
    (file,) = [each for each in load() if each.path == "masspayout/asset/v1/events.proto"]
    (message, *_) = file.messages
    untold = type(file)(
        path=file.path,
        package=file.package,
        services=(),
        messages=[type(message)(message.full_name, "An event.", message.fields, message.enums)],
    )
    with pytest.raises(SubjectMissingError):
        events([untold], {})
