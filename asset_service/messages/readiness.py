"""Converts readiness conditions to and from protobuf."""

from collections.abc import Iterable

from masspayout.type.v1 import readiness_pb2

from asset_service.domain.readiness import ConditionKind, ReadinessCondition

_PREFIX = "KIND_"


def condition_message(condition: ReadinessCondition) -> readiness_pb2.ReadinessCondition:
    """Returns the message for a condition, as answers and events show it."""
    return readiness_pb2.ReadinessCondition(
        kind=_PREFIX + condition.kind.value,
        satisfied=condition.is_satisfied,
        detail=condition.detail,
        remedy=condition.remedy,
    )


def read_conditions(
    messages: Iterable[readiness_pb2.ReadinessCondition],
) -> tuple[ReadinessCondition, ...]:
    """Returns the conditions in an answer or event.

    Raises ValueError for a kind that this version does not know.
    """
    return tuple(
        ReadinessCondition(
            kind=ConditionKind(readiness_pb2.ReadinessCondition.Kind.Name(message.kind).removeprefix(_PREFIX)),
            is_satisfied=message.satisfied,
            detail=message.detail,
            remedy=message.remedy,
        )
        for message in messages
    )
