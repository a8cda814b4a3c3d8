"""Builds the events of a distribution for the outbox."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from uuid import uuid4

from masspayout.distribution.v1 import events_pb2 as pb

from distribution_service.domain import events
from distribution_service.domain.distribution import Distribution
from distribution_service.messages.resources import distribution_message
from libs.events import OutgoingEvent

_CONTEXT = "distribution"
_EventMessage: TypeAlias = (
    type[pb.DistributionReleased]
    | type[pb.DistributionCompleted]
    | type[pb.DistributionIncomplete]
    | type[pb.DistributionFailed]
    | type[pb.DistributionCancelled]
    | type[pb.DistributionDeferred]
)

_MESSAGES: Mapping[type[events.DomainEvent], tuple[str, _EventMessage]] = {
    events.DistributionReleased: ("distribution_released", pb.DistributionReleased),
    events.DistributionCompleted: ("distribution_completed", pb.DistributionCompleted),
    events.DistributionIncomplete: ("distribution_incomplete", pb.DistributionIncomplete),
    events.DistributionFailed: ("distribution_failed", pb.DistributionFailed),
    events.DistributionCancelled: ("distribution_cancelled", pb.DistributionCancelled),
    events.DistributionDeferred: ("distribution_deferred", pb.DistributionDeferred),
}


def outgoing_events(distribution: Distribution) -> Sequence[OutgoingEvent]:
    """The events that the aggregate's last verb recorded, with the aggregate as it was then."""
    return [_outgoing(event, distribution) for event in distribution.recorded_events]


def _outgoing(event: events.DomainEvent, distribution: Distribution) -> OutgoingEvent:
    event_name, message_class = _MESSAGES[type(event)]
    message = message_class(
        distribution_id=str(distribution.distribution_id),
        version=distribution.version,
        asset_id=str(distribution.asset_id),
        distribution=distribution_message(distribution),
    )
    return OutgoingEvent(
        event_id=uuid4(),
        context=_CONTEXT,
        event_name=event_name,
        aggregate_id=distribution.distribution_id,
        aggregate_version=distribution.version,
        payload=message.SerializeToString(deterministic=True),
        create_time=distribution.update_time,
    )
