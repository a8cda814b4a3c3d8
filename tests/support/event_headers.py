"""The headers of an event that a test publishes, as the relay of a service sets them."""

from uuid import UUID, uuid4


def event_headers(subject: str, version: int, event_id: UUID | None = None) -> dict[str, str]:
    """Without JetStream's id: it would drop the duplicates that a test wants to see."""
    event_type, _, aggregate_id = subject.rpartition(".")
    return {
        "ce-id": str(event_id or uuid4()),
        "ce-type": event_type,
        "ce-subject": aggregate_id,
        "masspayout-aggregate-version": str(version),
    }
