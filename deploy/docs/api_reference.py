"""Generates docs/api.md: services, RPCs, messages and fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.docs.descriptors import Enumeration, Message, MessageField, Method, ProtoFile
from deploy.docs.markdown import anchor, document, generated_note, table

_INTRODUCTION = """\
Every method of every service. All four services also serve `OperationsService`, `grpc.health.v1.Health` and
server reflection. Errors carry `google.rpc.ErrorInfo` with one of the reasons of [errors.md](errors.md); any
call may also end with `INTERNAL` or, where it needs the database, `UNAVAILABLE` (`DATABASE_UNAVAILABLE`).
Calls that change something take a `request_id`: the same id with the same content returns the same resource."""


def api_reference(files: Sequence[ProtoFile]) -> str:
    """Returns the text of docs/api.md."""
    shown = [each for each in files if not each.path.endswith("/events.proto")]
    names = {message.full_name for each in shown for message in each.messages}
    names |= {enum.full_name for each in shown for message in each.messages for enum in message.enums}
    names |= {enum.full_name for each in shown for enum in each.enums}
    lines = ["# API", "", generated_note("the comments in protos/"), "", _INTRODUCTION, ""]
    lines += [
        f"- [{service.full_name}](#{anchor(service.full_name)})" for each in shown for service in each.services
    ]
    lines += ["- [Shared types](#masspayouttypev1)", ""]
    with_services = [each for each in shown if each.services]
    for each in with_services:
        lines += _services(each, names)
        lines += _types(each, names)
    lines += ["## masspayout.type.v1", ""]
    for each in shown:
        if not each.services:
            lines += _types(each, names)
    return document(lines)


def _services(file: ProtoFile, names: set[str]) -> Iterator[str]:
    for service in file.services:
        yield from (f"## {service.full_name}", "", service.comment, "")
        for method in service.methods:
            yield from (f"### {method.name}", "", _signature(method, names), "", method.comment, "")


def _signature(method: Method, names: set[str]) -> str:
    stream = "stream of " if method.is_streaming else ""
    return f"{_link(method.request, names)} → {stream}{_link(method.response, names)}"


def _types(file: ProtoFile, names: set[str]) -> Iterator[str]:
    yield from _messages(file.messages, names)
    for enum in file.enums:
        yield from _enumeration(enum, "####")


def _messages(messages: Sequence[Message], names: set[str]) -> Iterator[str]:
    for message in messages:
        yield from (f"#### {message.full_name.removeprefix('masspayout.')}", "", message.comment, "")
        yield from table(
            ("field", "type", "meaning"),
            ((f"`{each.name}`", _field_type(each, names), _meaning(each)) for each in message.fields),
        )
        for enum in message.enums:
            yield from _enumeration(enum, "#####")


def _enumeration(enum: Enumeration, heading: str) -> Iterator[str]:
    yield from (f"{heading} {enum.full_name.removeprefix('masspayout.')}", "", enum.comment, "")
    values = [value for value in enum.values if not value.name.endswith("_UNSPECIFIED")]
    yield from table(("value", "meaning"), ((f"`{value.name}`", value.comment) for value in values))


def _meaning(each: MessageField) -> str:
    return f"{each.comment} (One of `{each.oneof}`.)" if each.oneof else each.comment


def _field_type(each: MessageField, names: set[str]) -> str:
    name = _link(each.type_name, names)
    return f"repeated {name}" if each.is_repeated else name


def _link(full_name: str, names: set[str]) -> str:
    if full_name not in names:
        return full_name
    heading = full_name.removeprefix("masspayout.")
    short = ".".join(part for part in heading.split(".")[1:] if part != "v1")
    return f"[{short}](#{anchor(heading)})"
