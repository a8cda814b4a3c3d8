"""Builds events as other services send them: a message in its envelope."""

from uuid import UUID, uuid4

from google.protobuf.message import Message

from libs.events import IncomingEvent, event_subject
from libs.messaging.reading import event_name_of


def event_headers(subject: str, version: int, event_id: UUID | None = None) -> dict[str, str]:
    """Returns the headers without JetStream's id, which would drop the duplicates that a test wants to see."""
    event_type, _, aggregate_id = subject.rpartition(".")
    return {
        "ce-id": str(event_id or uuid4()),
        "ce-type": event_type,
        "ce-subject": aggregate_id,
        "masspayout-aggregate-version": str(version),
    }


def sent(aggregate_id: UUID, message: Message) -> IncomingEvent:
    """Returns a message as an event, in the envelope in which it is sent."""
    descriptor = message.DESCRIPTOR
    context, version = descriptor.file.package.split(".")[1], descriptor.fields_by_number[2].name
    name = event_name_of(type(message))
    return IncomingEvent(
        event_id=uuid4(),
        subject=event_subject(context, name, str(aggregate_id)),
        event_name=name,
        aggregate_id=aggregate_id,
        aggregate_version=getattr(message, version),
        payload=message.SerializeToString(),
    )
