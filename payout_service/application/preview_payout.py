"""What a payout would pay now, from live balances at one block. Changes nothing."""

import heapq
from dataclasses import dataclass
from uuid import UUID

from libs.chain.amount import percentage_of
from payout_service.application.check_readiness import check_readiness
from payout_service.application.engine import Engine
from payout_service.application.treasury import balance_and_committed, known_contract
from payout_service.domain.lifecycle import Condition, LifecycleContract
from payout_service.domain.plan import PlannedPayment, PlanSum, PlanTotals, plan_payments

_LARGEST = 10


@dataclass(frozen=True, slots=True)
class PayoutPreview:
    """Figures in base units of the payment token. `plan` is None when not asked for, or when nobody holds."""

    total_base_units: int
    holder_count: int
    plan: PlanTotals | None
    largest: tuple[PlannedPayment, ...]
    available_base_units: int
    shortfall_base_units: int
    block_number: int
    readiness: tuple[Condition, ...]


async def preview_payout(
    engine: Engine,
    asset_id: UUID,
    total_base_units: int | None,
    percentage_basis_points: int | None = None,
    *,
    with_amounts: bool,
) -> PayoutPreview:
    """Of a total, or of a percentage of the available money; one of the two is given.

    Raises AppError ASSET_NOT_YET_KNOWN or CHAIN_UNAVAILABLE.
    """
    contract = await known_contract(engine, asset_id)
    readiness = await check_readiness(engine, contract.token, contract.payment_token, contract.address)
    head = await engine.rail.head()
    holder_count, supply = await engine.contracts.live_totals(contract.token, head.number)
    balance, committed = await balance_and_committed(engine, contract)
    available = max(0, balance - committed)
    total = total_base_units or percentage_of(available, percentage_basis_points or 0)
    plan: PlanTotals | None = None
    largest: tuple[PlannedPayment, ...] = ()
    if with_amounts and holder_count and supply and total:
        plan, largest = await _amounts(engine, contract, total, holder_count, supply, head.number)
    return PayoutPreview(
        total_base_units=total,
        holder_count=holder_count,
        plan=plan,
        largest=largest,
        available_base_units=available,
        shortfall_base_units=max(0, total - available),
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
