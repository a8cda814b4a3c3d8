"""What happened to a distribution that others may want to know. The aggregate of that version is the content."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class DistributionReleased:
    """It may be paid."""


@dataclass(frozen=True, slots=True)
class DistributionCompleted:
    """Every payee was paid on evidence, or is due zero."""


@dataclass(frozen=True, slots=True)
class DistributionIncomplete:
    """Some payees failed; an operator is needed."""


@dataclass(frozen=True, slots=True)
class DistributionFailed:
    """Nothing was paid and nothing will be."""


@dataclass(frozen=True, slots=True)
class DistributionCancelled:
    """Some payees may have been paid; the others never will be."""


@dataclass(frozen=True, slots=True)
class DistributionDeferred:
    """Everybody is paid but those whose payment is below the minimum; theirs are made later."""


DomainEvent: TypeAlias = (
    DistributionReleased
    | DistributionCompleted
    | DistributionIncomplete
    | DistributionFailed
    | DistributionCancelled
    | DistributionDeferred
)
