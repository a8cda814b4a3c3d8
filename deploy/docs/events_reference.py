"""Generates docs/events.md and docs/asyncapi.yaml: which events are published on NATS, by whom and for whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.docs.descriptors import Message, ProtoFile
from deploy.docs.markdown import document, generated_note, table
from libs.messaging.streams import (
    CONTEXTS,
    DEAD_LETTER_RETENTION_SECONDS,
    RETENTION_SECONDS,
    dead_letter_stream_name,
    dead_letter_subject,
    stream_name,
)

_DAY_SECONDS = 24 * 3600
_SUBJECT = re.compile(r"\s*Subject `([^`]+)`\.")
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its subject with a placeholder, its message, who publishes and who consumes it."""

    subject: str
    message: Message
    meaning: str
    proto_path: str
    publisher: str
    consumers: Sequence[str]

    @property
    def short_name(self) -> str:
        """The message's name without its package."""
        return self.message.full_name.rsplit(".", 1)[1]


class SubjectMissingError(Exception):
    """The comment of an event's message does not name its subject."""


def events(files: Sequence[ProtoFile], consumers: Mapping[tuple[str, str], Sequence[str]]) -> list[Event]:
    """All events in the order of the protos. Raises SubjectMissingError."""
    found = []
    for file in files:
        if not file.path.endswith("/events.proto"):
            continue
        for message in file.messages:
            match = _SUBJECT.search(message.comment)
            if match is None:
                # A part of an event, as HolderBalanceChange.
                if any(message.full_name == each.type_name for other in file.messages for each in other.fields):
                    continue
                raise SubjectMissingError(message.full_name)
            found.append(
                Event(
                    subject=match[1],
                    message=message,
                    meaning=_SUBJECT.sub("", message.comment).strip(),
                    proto_path=f"protos/{file.path}",
                    publisher=f"{file.context}_service",
                    consumers=consumers.get((file.context, match[1].split(".")[3]), ()),
                )
            )
    return found


def events_reference(found: Sequence[Event]) -> str:
    """Returns the text of docs/events.md."""
    lines = [
        "# Events",
        "",
        generated_note("protos/, the services' subscriptions and libs/messaging"),
        "",
        "Events travel on NATS JetStream. The subject is `masspayout.<context>.v1.<event>.<aggregate id>`; the",
        "payload is the protobuf message. The same in AsyncAPI 3: [asyncapi.yaml](asyncapi.yaml).",
        "",
        *table(
            ("event", "publisher", "consumers in this system", "meaning"),
            ((f"[{e.short_name}](#{e.short_name.lower()})", e.publisher, _who(e), e.meaning) for e in found),
        ),
        "Delivery is at least once, and in order for one aggregate. Treat an event whose `ce-id` you have seen as",
        "done. All events but `HolderBalancesChanged` carry the whole state at `version`, so a newer one replaces",
        "an older one. `HolderBalancesChanged` is a delta: apply it in the order of `sequence`, without gaps.",
        "",
        "## Headers",
        "",
        *table(("header", "value"), _headers()),
        "## Streams",
        "",
        *table(("stream", "subjects", "kept"), _streams()),
        "## Messages",
        "",
    ]
    for event in found:
        lines += [
            f"### {event.short_name}",
            "",
            f"`{event.subject}` · `{event.message.full_name}` in [{event.proto_path}](../{event.proto_path})",
            "",
            *table(("field", "type", "meaning"), _fields(event.message)),
        ]
    return document(lines)


def _who(event: Event) -> str:
    return ", ".join(event.consumers) or "none; for subscribers outside"


def _fields(message: Message) -> Iterator[tuple[str, str, str]]:
    for each in message.fields:
        repeated = "repeated " if each.is_repeated else ""
        yield f"`{each.name}`", repeated + each.type_name.removeprefix("masspayout."), each.comment


def _headers() -> Iterator[tuple[str, str]]:
    yield "`Nats-Msg-Id`, `ce-id`", "UUID of the event; JetStream drops a second one within two minutes"
    yield "`ce-specversion`", "`1.0` (CloudEvents)"
    yield "`ce-type`", "`masspayout.<context>.v1.<event>`"
    yield "`ce-source`", "`/masspayout/<context>`"
    yield "`ce-subject`", "the aggregate's UUID"
    yield "`ce-time`", "when the event was recorded, RFC 3339"
    yield "`ce-datacontenttype`", "`application/protobuf`"
    yield "`masspayout-aggregate-version`", "version (or sequence) of the aggregate"


def _streams() -> Iterator[tuple[str, str, str]]:
    for context in CONTEXTS:
        yield f"`{stream_name(context)}`", f"`masspayout.{context}.>`", f"{RETENTION_SECONDS // _DAY_SECONDS} days"
    for context in CONTEXTS:
        days = DEAD_LETTER_RETENTION_SECONDS // _DAY_SECONDS
        yield f"`{dead_letter_stream_name(context)}`", f"`{dead_letter_subject(context)}`", f"{days} days"


def asyncapi(found: Sequence[Event], version: str) -> str:
    """Returns the text of docs/asyncapi.yaml."""
    channels: dict[str, object] = {}
    operations: dict[str, object] = {}
    messages: dict[str, object] = {}
    for event in found:
        name = event.short_name
        parameter = re.findall(r"{(\w+)}", event.subject)[0]
        channels[name] = {
            "address": event.subject,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "parameters": {parameter: {"description": "UUID of the aggregate"}},
        }
        operations[f"publish{name}"] = {
            "action": "send",
            "summary": f"Published by {event.publisher}; consumed by {_who(event)}.",
            "channel": {"$ref": f"#/channels/{name}"},
        }
        messages[name] = {
            "contentType": "application/protobuf",
            "summary": event.meaning,
            "description": f"{event.message.full_name} in {event.proto_path}",
            "headers": {"$ref": "#/components/schemas/Headers"},
        }
    header_names = [name for names, _ in _headers() for name in re.findall(r"`([^`]+)`", names)]
    content = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mass Payout events",
            "version": version,
            "description": "Made by `python -m deploy.docs.generate`. See events.md.",
        },
        "defaultContentType": "application/protobuf",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {
                "Headers": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in header_names},
                    "required": header_names,
                }
            },
        },
    }
    return "\n".join(_yaml(content, "")) + "\n"


def _yaml(value: object, indent: str) -> Iterator[str]:
    """Writes a mapping or list as YAML. Scalars are written as JSON strings, which YAML allows."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = key if _SIMPLE_KEY.fullmatch(key) else json.dumps(key)
            if isinstance(inner, dict | list):
                yield f"{indent}{name}:"
                yield from _yaml(inner, indent + "  ")
            else:
                yield f"{indent}{name}: {json.dumps(inner, ensure_ascii=False)}"
    elif isinstance(value, list):
        yield from (f"{indent}- {json.dumps(inner, ensure_ascii=False)}" for inner in value)
