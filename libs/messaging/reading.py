"""Reads an event's payload strictly: it must agree with the event's subject and headers.

What does not is a defect of the sender, or no service has sent it: ValueError, and the consumer makes it a dead
letter.
"""

import re
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from libs.events import IncomingEvent, event_subject

_Payload = TypeVar("_Payload", bound=Message)
# The first fields of every event: what it is about, and its version or its place in a sequence.
_ID_FIELD, _VERSION_FIELD = 1, 2
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def read_event(event: IncomingEvent, payload_type: type[_Payload]) -> _Payload:
    """Returns the payload. Raises ValueError when it is not of this type or contradicts the envelope."""
    descriptor = payload_type.DESCRIPTOR
    _, context, _ = descriptor.file.package.split(".")
    subject = event_subject(context, event_name_of(payload_type), str(event.aggregate_id))
    if event.subject != subject:
        raise ValueError(f"the event came as {event.subject}, and {descriptor.name} is sent as {subject}")
    try:
        payload = payload_type.FromString(event.payload)
    except DecodeError as error:
        raise ValueError(f"{event.subject}: the payload is no {descriptor.name}: {error}") from error
    _compare(event, payload)
    return payload


def event_name_of(payload_type: type[Message]) -> str:
    """Returns the message's name in snake case, as it appears in subjects."""
    return _WORD.sub("_", payload_type.DESCRIPTOR.name).lower()


def _compare(event: IncomingEvent, payload: Message) -> None:
    descriptor = payload.DESCRIPTOR
    id_field = descriptor.fields_by_number[_ID_FIELD].name
    version_field = descriptor.fields_by_number[_VERSION_FIELD].name
    told = {id_field: getattr(payload, id_field), version_field: getattr(payload, version_field)}
    expected = {id_field: str(event.aggregate_id), version_field: event.aggregate_version}
    resource = id_field.removesuffix("_id")
    if resource in descriptor.fields_by_name:
        told[f"{resource}.name"] = getattr(payload, resource).name
        expected[f"{resource}.name"] = f"{resource}s/{event.aggregate_id}"
    for field, value in told.items():
        if value != expected[field]:
            raise ValueError(f"{event.subject}: {field} is {value!r}, the envelope says {expected[field]!r}")
