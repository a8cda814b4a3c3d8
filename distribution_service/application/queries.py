"""Answers questions about distributions, and previews new ones, without changing anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from distribution_service.application.ports import (
    DistributionReader,
    ListPosition,
    PayoutPeer,
    PayoutPreview,
    UnitOfWorkFactory,
)
from distribution_service.application.written_terms import WrittenTerms, payable_asset
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payment_token import PaymentToken
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class DistributionPage:
    """A page of distributions, oldest first, and whether more follow."""

    distributions: Sequence[Distribution]
    has_more: bool


@dataclass(frozen=True, slots=True)
class DistributionPreview:
    """What a distribution would pay if it were created now."""

    payment_token: PaymentToken
    payout: PayoutPreview


class DistributionQueries:
    """Answers about distributions, and previews."""

    def __init__(
        self, reader: DistributionReader, new_unit_of_work: UnitOfWorkFactory, payouts: PayoutPeer
    ) -> None:
        self._reader = reader
        self._new_unit_of_work = new_unit_of_work
        self._payouts = payouts

    async def get(self, distribution_id: UUID) -> Distribution:
        """One distribution. Raises AppError DISTRIBUTION_NOT_FOUND."""
        distribution = await self._reader.find(distribution_id)
        if distribution is None:
            raise AppError(
                Reason.DISTRIBUTION_NOT_FOUND, f"there is no distribution {distribution_id}", field="name"
            )
        return distribution

    async def page(self, asset_id: UUID | None, after: ListPosition | None, size: int) -> DistributionPage:
        """A page of distributions of one asset or of all."""
        distributions = await self._reader.page(asset_id, after, size + 1)
        return DistributionPage(distributions[:size], len(distributions) > size)

    async def newer_than(self, versions: Mapping[UUID, int]) -> Sequence[Distribution]:
        """Those of the named distributions that changed since the given version."""
        return await self._reader.newer_than(versions)

    async def preview(self, asset_id: UUID, written: WrittenTerms) -> DistributionPreview:
        """What a distribution would pay. Raises as creating does, but for funds and holders."""
        async with self._new_unit_of_work() as uow:
            asset = await payable_asset(uow, asset_id)
        terms = written.in_token(asset.payment_token)
        preview = await self._payouts.preview(asset_id, terms, with_amounts=True)
        return DistributionPreview(asset.payment_token, preview)
