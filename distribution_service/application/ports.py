"""The ports of the use cases: repositories, readers and payout_service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.distribution import Distribution
from libs.chain.address import EvmAddress
from libs.payout_terms.terms import PayoutTerms
from libs.unit_of_work import RecordingTransaction


class AssetRepository(Protocol):
    """The local copy of assets."""

    async def find(self, asset_id: UUID) -> KnownAsset | None:
        """The asset, if it was announced."""
        ...

    async def keep_if_newer(self, asset: KnownAsset) -> bool:
        """Stores the asset unless the same or a newer version is stored; True when it was stored."""
        ...


class DistributionRepository(Protocol):
    """The distributions, inside a transaction. Recorded events leave with its commit."""

    async def add(self, distribution: Distribution) -> None:
        """Inserts a new distribution."""
        ...

    async def find(self, distribution_id: UUID) -> Distribution | None:
        """The distribution as it is."""
        ...

    async def find_for_update(self, distribution_id: UUID) -> Distribution | None:
        """The distribution, locked until the transaction ends; waits for another that holds the lock."""
        ...

    async def update(self, distribution: Distribution) -> None:
        """Stores a changed distribution that this transaction has locked. Raises LookupError if it is missing."""
        ...


class UnitOfWork(RecordingTransaction, Protocol):
    """One transaction: leaving it without `commit` undoes it. Use once, in `async with`."""

    @property
    def assets(self) -> AssetRepository:
        """The local copy of assets."""
        ...

    @property
    def distributions(self) -> DistributionRepository:
        """The distributions."""
        ...


UnitOfWorkFactory: TypeAlias = Callable[[], UnitOfWork]


@dataclass(frozen=True, slots=True)
class ListPosition:
    """A place in the list of distributions, oldest first."""

    create_time: datetime
    distribution_id: UUID


class DistributionReader(Protocol):
    """The distributions for reading only; holds no connection between calls."""

    async def find(self, distribution_id: UUID) -> Distribution | None:
        """The distribution, if it exists."""
        ...

    async def page(self, asset_id: UUID | None, after: ListPosition | None, limit: int) -> Sequence[Distribution]:
        """At most `limit` distributions behind a position, oldest first, of one asset or of all."""
        ...

    async def newer_than(self, versions: Mapping[UUID, int]) -> Sequence[Distribution]:
        """Those of the named distributions whose version is above the given one; unknown ids are left out."""
        ...


@dataclass(frozen=True, slots=True)
class ReadinessCondition:
    """A condition that must hold on the chain. `kind` is the protocol's number, passed on as it came."""

    kind: int
    satisfied: bool
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PreviewedPayment:
    """What one holder would be paid (net), and whether that would be deferred."""

    holder: EvmAddress
    balance_base_units: int
    amount_base_units: int
    withheld_base_units: int
    is_deferred: bool


@dataclass(frozen=True, slots=True)
class PayoutPreview:
    """What a payout would pay at `block_number`. Amounts are base units of the payment token.

    The total of a percentage is 0 when nothing is available. `is_pending`: who is due how much of a dividend or
    coupon is not known yet, because its record date is ahead or its rate is not set.
    """

    total_base_units: int
    holder_count: int
    zero_due_count: int
    payable_base_units: int
    rounding_dust_base_units: int
    frozen_share_base_units: int
    gross_base_units: int
    withheld_base_units: int
    excluded_base_units: int
    excluded_count: int
    deferred_base_units: int
    deferred_count: int
    available_base_units: int
    shortfall_base_units: int
    block_number: int
    is_pending: bool
    readiness: tuple[ReadinessCondition, ...]
    largest_payments: tuple[PreviewedPayment, ...]


class PayoutPeer(Protocol):
    """payout_service."""

    async def preview(self, asset_id: UUID, terms: PayoutTerms, *, with_amounts: bool) -> PayoutPreview:
        """What a payout would pay now. Reads the chain: never call it inside a transaction.

        Without amounts it is quick for any number of holders; the figures that need every balance are then 0, of
        what the asset computes holder by holder also total and shortfall.

        Raises AppError ASSET_NOT_YET_KNOWN, CHAIN_UNAVAILABLE, PEER_UNAVAILABLE, AMOUNT_TOO_LARGE,
        CORPORATE_ACTION_NOT_FOUND, CORPORATE_ACTION_CANCELLED, ASSET_VERSION_NOT_SUPPORTED, NOT_A_BOND, NO_HOLDERS
        (the rules exclude everybody), RULE_NOT_SUPPORTED (the contract cannot keep a rule for this kind; with and
        without amounts).
        """
        ...
