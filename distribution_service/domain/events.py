"""The events of a distribution. Each carries the distribution in the version that caused it."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class DistributionReleased:
    """The distribution may be paid."""


@dataclass(frozen=True, slots=True)
class DistributionCompleted:
    """Every payee was paid on evidence, or is due zero."""


@dataclass(frozen=True, slots=True)
class DistributionIncomplete:
    """Some payees could not be paid. An operator is needed."""


@dataclass(frozen=True, slots=True)
class DistributionFailed:
    """Nothing was paid and nothing will be."""


@dataclass(frozen=True, slots=True)
class DistributionCancelled:
    """Some payees may have been paid; the others never will be."""


@dataclass(frozen=True, slots=True)
class DistributionDeferred:
    """Everybody is paid except those below the minimum, who are paid later."""


DomainEvent: TypeAlias = (
    DistributionReleased
    | DistributionCompleted
    | DistributionIncomplete
    | DistributionFailed
    | DistributionCancelled
    | DistributionDeferred
)
