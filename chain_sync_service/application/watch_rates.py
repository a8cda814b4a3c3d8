"""Use case: ask tokens for the rates of coupons that were announced without one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chain_sync_service.application.ports import Coupon, TokenReader, UnitOfWorkFactory
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import Fact, FactKind
from chain_sync_service.domain.listener import Listener
from chain_sync_service.domain.pending_rates import PendingRate

_MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class RatesAsked:
    """The answers of the tokens, by asset: rates that are set now, and coupons to be asked about again later."""

    answers: tuple[tuple[UUID, PendingRate, Fact | None], ...] = ()
    later: tuple[tuple[UUID, PendingRate], ...] = ()

    def facts(self, asset_id: UUID) -> list[Fact]:
        """The rates that are set now, as facts."""
        return [fact for asset, _, fact in self.answers if asset == asset_id and fact is not None]

    def settled(self, asset_id: UUID) -> list[PendingRate]:
        """The coupons that need not be asked about any more."""
        return [rate for asset, rate, _ in self.answers if asset == asset_id]

    def postponed(self, asset_id: UUID) -> list[PendingRate]:
        """The coupons to be asked about again later."""
        return [rate for asset, rate in self.later if asset == asset_id]


class WatchRates:
    """Asks tokens for the pending rates that are due at a block. Changes nothing."""

    def __init__(self, tokens: TokenReader, new_unit_of_work: UnitOfWorkFactory) -> None:
        self._tokens = tokens
        self._new_unit_of_work = new_unit_of_work

    async def __call__(self, listeners: Sequence[Listener], block: Block) -> RatesAsked:
        """Raises AppError CHAIN_UNAVAILABLE and StateUnavailableError."""
        tokens = {each.asset_id: each.contracts.token for each in listeners}
        async with self._new_unit_of_work() as uow:
            due = await uow.facts.due_pending_rates(list(tokens), block.time, _MOST_AT_ONCE)
        if not due:
            return RatesAsked()
        coupons = await self._tokens.coupons(
            [(tokens[asset_id], rate.action_id) for asset_id, rate in due], block.number
        )
        answered = list(zip(due, coupons, strict=True))
        return RatesAsked(
            answers=tuple(
                (asset_id, rate, _rate_set(rate, coupon, block))
                for (asset_id, rate), coupon in answered
                if coupon is None or coupon.is_rate_set
            ),
            later=tuple(
                (asset_id, rate.asked_in_vain(block.time))
                for (asset_id, rate), coupon in answered
                if coupon is not None and not coupon.is_rate_set
            ),
        )


def _rate_set(rate: PendingRate, coupon: Coupon | None, block: Block) -> Fact | None:
    """Returns the announcement with its rate, as seen at this block; None for a coupon that is gone."""
    if coupon is None:
        return None
    announced = rate.announcement
    return replace(
        announced,
        kind=FactKind.CORPORATE_ACTION_RATE_SET,
        log=replace(announced.log, block_number=block.number, block_hash=block.hash, topics=(), data=b""),
        details={
            **announced.details,
            "rate": str(coupon.rate),
            "rate_decimals": str(coupon.rate_decimals),
            "rate_set": "true",
        },
    )
