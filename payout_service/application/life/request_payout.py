"""A distribution was released: one payout for it, however often the event comes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.events import EventNotReadyError, IncomingEvent
from libs.payout_terms import NO_RULES, PayeeRules, PayoutKind
from payout_service.application.engine import Engine
from payout_service.domain.payout import Payout


@dataclass(frozen=True, slots=True)
class RequestPayout:
    """What the event tells. The payout carries its distribution's id."""

    distribution_id: UUID
    asset_id: UUID
    # When the distribution was created; also when the event is published again much later.
    request_time: datetime
    # 0 but for a fixed total.
    total_base_units: int
    percentage_basis_points: int | None = None
    kind: PayoutKind = PayoutKind.SNAPSHOT
    # Of a dividend or coupon.
    action_id: int = 0
    rules: PayeeRules = NO_RULES


async def request_payout(engine: Engine, command: RequestPayout, event: IncomingEvent) -> None:
    """Stores the payout. Raises EventNotReadyError while the asset's own event is on its way."""
    async with engine.unit_of_work() as work:
        if not await work.record_incoming(event):
            return
        if await work.lifecycle.get(command.asset_id) is None:
            raise EventNotReadyError(f"asset {command.asset_id} is not known here yet")
        now = engine.now()
        # False: the unique key says that the distribution has its payout already.
        await work.payouts.add(
            Payout(
                payout_id=command.distribution_id,
                asset_id=command.asset_id,
                total_base_units=command.total_base_units,
                percentage_basis_points=command.percentage_basis_points,
                kind=command.kind,
                action_id=command.action_id,
                rules=command.rules,
                create_time=command.request_time,
                update_time=now,
            )
        )
        await work.commit()
    engine.nudge()
