"""The types of outgoing and incoming events, independent of how they are transported."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event to be put into the outbox.

    `context` is the proto package's middle part (`asset`, `payout`), `event_name` the message's name in snake
    case (`asset_imported`). `payload` is the serialized message.
    """

    event_id: UUID
    context: str
    event_name: str
    aggregate_id: UUID
    aggregate_version: int
    payload: bytes
    create_time: datetime

    @property
    def subject(self) -> str:
        """The NATS subject, `masspayout.<context>.v1.<event>.<aggregate id>`."""
        return event_subject(self.context, self.event_name, str(self.aggregate_id))


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """An event that a consumer passes to its handler."""

    event_id: UUID
    subject: str
    event_name: str
    aggregate_id: UUID
    aggregate_version: int
    payload: bytes


class EventNotReadyError(Exception):
    """A handler cannot process the event yet, for example because an earlier one is missing.

    The event is delivered again later and counts towards its bound of tries.
    """


def event_subject(context: str, event_name: str, aggregate_id: str) -> str:
    """Returns the subject of an event. `aggregate_id` may be a wildcard."""
    return f"masspayout.{context}.v1.{event_name}.{aggregate_id}"
