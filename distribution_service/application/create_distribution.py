"""Creates a distribution and releases it for payment."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from distribution_service.application.amounts import (
    AmountText,
    check_amount_text,
    payable_asset,
    terms_in_token,
)
from distribution_service.application.ports import (
    PayoutPeer,
    PayoutPreview,
    UnitOfWork,
    UnitOfWorkFactory,
)
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.terms import ShareOfAvailable, Terms
from libs.clock import Clock
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id


@dataclass(frozen=True, slots=True)
class CreateDistribution:
    """The command: pay the holders of an asset a total, or a share of the available money, at once."""

    key: RequestKey
    asset_id: UUID
    amount: AmountText
    allow_unfunded: bool


class CreateDistributionUseCase:
    """Checks the funds with payout_service, then stores the distribution with its event. Refusals write nothing.

    Open readiness conditions do not refuse: the payout waits for them and names them.
    """

    def __init__(
        self, new_unit_of_work: UnitOfWorkFactory, payouts: PayoutPeer, clock: Clock, new_id: Callable[[], UUID]
    ) -> None:
        self._new_unit_of_work = new_unit_of_work
        self._payouts = payouts
        self._clock = clock
        self._new_id = new_id

    async def run(self, command: CreateDistribution) -> Distribution:
        """The new distribution, or the one that the same request made before, in its present state.

        Raises AppError REQUEST_ID_REUSED, ASSET_NOT_YET_KNOWN, NO_HOLDERS, INSUFFICIENT_FUNDS, those of
        `terms_in_token` and those of `PayoutPeer.preview`.
        """
        check_amount_text(command.amount)
        async with self._new_unit_of_work() as uow:
            repeated = await self._repeated(uow, command.key)
            if repeated:
                return repeated
            asset = await payable_asset(uow, command.asset_id)
        terms = terms_in_token(command.amount, asset.payment_token)
        preview = await self._payouts.preview(asset.asset_id, terms, with_amounts=False)
        _require_holders(preview)
        if not command.allow_unfunded:
            _require_funds(preview, terms, asset)
        return await self._store(
            Distribution.release(
                distribution_id=self._new_id(),
                asset_id=asset.asset_id,
                terms=terms,
                payment_token=asset.payment_token,
                allow_unfunded=command.allow_unfunded,
                now=self._clock.now(),
            ),
            command.key,
        )

    async def _store(self, distribution: Distribution, key: RequestKey) -> Distribution:
        async with self._new_unit_of_work() as uow:
            if await uow.add_request(key, distribution.distribution_id):
                await uow.distributions.add(distribution)
                await uow.commit()
                return distribution
        async with self._new_unit_of_work() as uow:
            # The same request ran twice at once and the other was first: its distribution is the answer.
            repeated = await self._repeated(uow, key)
        if repeated is None:
            raise LookupError(f"request {key.request_id} is recorded and cannot be read")
        return repeated

    async def _repeated(self, uow: UnitOfWork, key: RequestKey) -> Distribution | None:
        logged = await uow.find_request(key.request_id)
        return await uow.distributions.find(repeated_resource_id(key, logged)) if logged else None


def _require_holders(preview: PayoutPreview) -> None:
    if preview.holder_count == 0:
        raise AppError(
            Reason.NO_HOLDERS,
            f"nobody holds the asset at block {preview.block_number}",
            field="asset",
            metadata={"block_number": str(preview.block_number)},
        )


def _require_funds(preview: PayoutPreview, terms: Terms, asset: KnownAsset) -> None:
    """A total needs what payout_service would pay, by its own shortfall; a share must be worth a base unit."""
    available = preview.available_base_units
    if isinstance(terms, ShareOfAvailable):
        field, shortfall = "percentage", max(0, terms.least_available_base_units - available)
        advice = "set allow_unfunded if they will be there when the plan is made"
    else:
        field, shortfall = "total_amount", preview.shortfall_base_units
        advice = "set allow_unfunded to wait for them"
    if shortfall == 0:
        return
    metadata = {
        "required_base_units": str(available + shortfall),
        "available_base_units": str(available),
        "shortfall_base_units": str(shortfall),
        "payment_token": str(asset.payment_token.address),
    }
    if asset.lifecycle_contract:
        metadata["lifecycle_contract"] = str(asset.lifecycle_contract)
    raise AppError(
        Reason.INSUFFICIENT_FUNDS,
        f"the lifecycle contract has {available} base units to spend and lacks {shortfall}; deposit them, "
        f"or {advice}",
        field=field,
        metadata=metadata,
    )
