"""Creates a distribution and releases it for payment."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from distribution_service.application.ports import (
    PayoutPeer,
    PayoutPreview,
    UnitOfWork,
    UnitOfWorkFactory,
)
from distribution_service.application.written_terms import WrittenTerms, payable_asset
from distribution_service.domain.asset import KnownAsset
from distribution_service.domain.distribution import Distribution
from libs.clock import Clock
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id
from libs.payout_terms.terms import (
    Coupon,
    Dividend,
    FixedTotal,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
)


@dataclass(frozen=True, slots=True)
class CreateDistributionCommand:
    """The command: pay the holders of an asset what the terms say, as soon as it can be paid."""

    key: RequestKey
    asset_id: UUID
    terms: WrittenTerms
    allow_unfunded: bool


class CreateDistribution:
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

    async def __call__(self, command: CreateDistributionCommand) -> Distribution:
        """The new distribution, or the one that the same request made before, in its present state.

        Raises AppError REQUEST_ID_REUSED, ASSET_NOT_YET_KNOWN, NO_HOLDERS, INSUFFICIENT_FUNDS, and the errors of
        `WrittenTerms.in_token` and of `PayoutPeer.preview`.
        """
        async with self._new_unit_of_work() as uow:
            repeated = await self._repeated(uow, command.key)
            if repeated:
                return repeated
            asset = await payable_asset(uow, command.asset_id)
        terms = command.terms.in_token(asset.payment_token)
        # What the asset computes holder by holder is known only when all of it is read.
        with_amounts = terms.kind is not PayoutKind.SNAPSHOT and not command.allow_unfunded
        preview = await self._payouts.preview(asset.asset_id, terms, with_amounts=with_amounts)
        if not preview.is_pending:
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


def _require_funds(preview: PayoutPreview, terms: PayoutTerms, asset: KnownAsset) -> None:
    """What payout_service would pay must be there, by its own shortfall; a share must be worth a base unit."""
    available = preview.available_base_units
    if isinstance(terms.pays, ShareOfAvailable):
        shortfall = max(0, terms.pays.least_available_base_units - available)
        advice = "set allow_unfunded if they will be there when the plan is made"
    else:
        shortfall = preview.shortfall_base_units
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
        field=_field_of(terms),
        metadata=metadata,
    )


def _field_of(terms: PayoutTerms) -> str:
    """The field of the request that says what is paid."""
    match terms.pays:
        case FixedTotal():
            return "terms.total_amount"
        case ShareOfAvailable():
            return "terms.percentage"
        case Dividend():
            return "terms.dividend_id"
        case Coupon():
            return "terms.coupon_id"
        case Redemption():
            return "terms.redemption"
