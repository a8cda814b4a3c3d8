"""What a payout would pay now, from live balances at one block. Changes nothing."""

import heapq
from dataclasses import dataclass
from uuid import UUID

from libs.errors import AppError, Reason
from payout_service.application.check_readiness import check_readiness
from payout_service.application.commit_funds import treasury_key
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import Condition, LifecycleContract
from payout_service.domain.plan import PlannedPayment, PlanSum, PlanTotals, plan_payments

_LARGEST = 10


@dataclass(frozen=True, slots=True)
class PayoutPreview:
    """Figures in base units of the payment token. `plan` is None when not asked for, or when nobody holds."""

    holder_count: int
    plan: PlanTotals | None
    largest: tuple[PlannedPayment, ...]
    available_base_units: int
    shortfall_base_units: int
    block_number: int
    readiness: tuple[Condition, ...]


async def preview_payout(
    engine: Engine, asset_id: UUID, total_base_units: int, *, with_amounts: bool
) -> PayoutPreview:
    """Raises AppError ASSET_NOT_YET_KNOWN or CHAIN_UNAVAILABLE."""
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.get(asset_id)
    if contract is None:
        raise AppError(
            Reason.ASSET_NOT_YET_KNOWN, f"asset {asset_id} is not known to payout_service yet", field="asset"
        )
    readiness = await check_readiness(engine, contract.token, contract.payment_token, contract.address)
    head = await engine.rail.head()
    holder_count, supply = await engine.contracts.live_totals(contract.token, head.number)
    plan: PlanTotals | None = None
    largest: tuple[PlannedPayment, ...] = ()
    if with_amounts and holder_count and supply:
        plan, largest = await _amounts(engine, contract, total_base_units, holder_count, supply, head.number)
    available = await _available(engine, contract)
    return PayoutPreview(
        holder_count=holder_count,
        plan=plan,
        largest=largest,
        available_base_units=available,
        shortfall_base_units=max(0, total_base_units - available),
        block_number=head.number,
        readiness=readiness,
    )


async def _amounts(
    engine: Engine,
    contract: LifecycleContract,
    total_base_units: int,
    holder_count: int,
    supply: int,
    block_number: int,
) -> tuple[PlanTotals, tuple[PlannedPayment, ...]]:
    """Streams pages; keeps sums and the largest payments only."""
    length = engine.settings.plan_page_size
    total = PlanSum(total_base_units, supply)
    largest: list[tuple[int, int, PlannedPayment]] = []
    for page in range(-(-holder_count // length)):
        balances = await engine.contracts.live_page(contract.token, page, length, block_number)
        for row in plan_payments(page * length, balances, total_base_units, supply):
            total.add(row)
            entry = (row.amount_base_units, -row.ordinal, row)
            if len(largest) < _LARGEST:
                heapq.heappush(largest, entry)
            else:
                heapq.heappushpop(largest, entry)
    return total.totals(), tuple(row for _, _, row in sorted(largest, reverse=True))


async def _available(engine: Engine, contract: LifecycleContract) -> int:
    if contract.address is None:
        return 0
    key = treasury_key(contract)
    # Commitments first: were they read later, one that was paid and reduced in between would count twice.
    async with engine.unit_of_work() as work:
        committed = await work.treasury.committed(key)
    balance = await engine.contracts.payment_token_balance(key.payment_token, key.lifecycle_contract)
    return max(0, balance - committed)
