"""Computes what a payout would pay now, from live balances at one block. Changes nothing."""

import heapq
from dataclasses import dataclass
from uuid import UUID

from libs.chain.amount import percentage_of
from libs.chain.quantities import BaseUnits, BlockNumber, TokenUnits
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayoutKind, PayoutTerms
from payout_service.application.engine import Engine
from payout_service.application.planning.payout_conditions import entitlement_source, payout_conditions
from payout_service.application.treasury.treasury import balance_and_committed, known_contract
from payout_service.domain.lifecycle import Condition, ConditionKind, LifecycleContract
from payout_service.domain.payee_rules import spreads
from payout_service.domain.plan import (
    PlannedPayment,
    PlanSum,
    PlanTotals,
    plan_entitlements,
    plan_payments,
    spread_total,
)

_LARGEST = 10
# Before these hold, nobody knows what a corporate action pays.
_AMOUNTS_NEED = frozenset({ConditionKind.RECORD_DATE_REACHED, ConditionKind.RATE_SET})


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutPreview:
    """The result of a preview. Figures are base units of the payment token.

    `plan` is None when not asked for, when nobody holds, and before a corporate action's record date.
    """

    total_base_units: BaseUnits
    holder_count: int
    plan: PlanTotals | None
    largest: tuple[PlannedPayment, ...]
    available_base_units: BaseUnits
    shortfall_base_units: BaseUnits
    block_number: BlockNumber
    readiness: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class _Listing:
    """The list of holders that would be paid, as it is at a block."""

    contract: LifecycleContract
    terms: PayoutTerms
    block_number: BlockNumber
    holder_count: int
    supply: TokenUnits


async def preview_payout(
    engine: Engine, asset_id: UUID, terms: PayoutTerms, *, with_amounts: bool
) -> PayoutPreview:
    """What a payout on these terms would pay.

    Of what the asset computes holder by holder, total and shortfall are known only `with_amounts`: 0 without.

    Raises AppError RULE_NOT_SUPPORTED, ASSET_NOT_YET_KNOWN, CORPORATE_ACTION_NOT_FOUND,
    CORPORATE_ACTION_CANCELLED, ASSET_VERSION_NOT_SUPPORTED, NOT_A_BOND, NO_HOLDERS (the rules exclude everybody)
    or CHAIN_UNAVAILABLE.
    """
    contract = await known_contract(engine, asset_id)
    readiness = await payout_conditions(engine, contract, terms)
    head = await engine.rail.head()
    live_count, supply = await engine.security_token.live_totals(contract.token, head.number)
    balance, committed = await balance_and_committed(engine, contract)
    available = BaseUnits(max(0, balance - committed))
    plan: PlanTotals | None = None
    largest: tuple[PlannedPayment, ...] = ()
    if terms.kind is PayoutKind.SNAPSHOT:
        total = terms.total_base_units or percentage_of(available, terms.percentage_basis_points or 0)
        holder_count, is_known = live_count, with_amounts and bool(total)
    else:
        source = entitlement_source(contract, terms.kind, terms.action_id)
        is_listed = all(each.is_satisfied for each in readiness if each.kind in _AMOUNTS_NEED)
        # Before a record date the action has no list of its own.
        count = await engine.security_token.entitled_count(source, head.number) if is_listed else live_count
        total, holder_count, is_known = BaseUnits(0), count, is_listed and with_amounts
    if is_known and holder_count and supply:
        listing = _Listing(contract, terms, head.number, holder_count, supply)
        plan, largest = await _amounts(engine, listing, total)
    if plan and terms.kind is not PayoutKind.SNAPSHOT:
        total = BaseUnits(plan.payable_base_units + plan.excluded_base_units)
    return PayoutPreview(
        total_base_units=total,
        holder_count=holder_count,
        plan=plan,
        largest=largest,
        available_base_units=available,
        shortfall_base_units=BaseUnits(max(0, _needed(terms, total, plan) - available)),
        block_number=head.number,
        readiness=readiness,
    )


def _needed(terms: PayoutTerms, total_base_units: BaseUnits, plan: PlanTotals | None) -> BaseUnits:
    """Returns the money needed: a whole total (docs/adr/0006), or the sum that the asset computes."""
    return total_base_units if plan is None or terms.kind is PayoutKind.SNAPSHOT else plan.payable_base_units


async def _amounts(
    engine: Engine, listing: _Listing, total_base_units: BaseUnits
) -> tuple[PlanTotals, tuple[PlannedPayment, ...]]:
    """Computes the amounts by streaming pages. Keeps only sums and the largest payments."""
    length = engine.settings.plan_page_size
    kind, call_total = listing.terms.kind, BaseUnits(0)
    if kind is PayoutKind.SNAPSHOT:
        call_total = await _call_total(engine, listing, total_base_units)
        total = PlanSum(kind, total_base_units, listing.supply, call_total_base_units=call_total)
    else:
        total = PlanSum(kind, None, listing.supply)
    largest: list[tuple[int, int, PlannedPayment]] = []
    for page in range(-(-listing.holder_count // length)):
        for row in await _page(engine, listing, page, call_total):
            total.add(row)
            entry = (row.amount_base_units, -row.ordinal, row)
            if len(largest) < _LARGEST:
                heapq.heappush(largest, entry)
            else:
                heapq.heappushpop(largest, entry)
    return total.totals(), tuple(row for _, _, row in sorted(largest, reverse=True))


async def _page(engine: Engine, listing: _Listing, page: int, call_total: BaseUnits) -> list[PlannedPayment]:
    length = engine.settings.plan_page_size
    contract, terms = listing.contract, listing.terms
    if terms.kind is PayoutKind.SNAPSHOT:
        balances = await engine.security_token.live_page(
            contract.token, page=page, length=length, block_number=listing.block_number
        )
        return plan_payments(page * length, balances, call_total, listing.supply, terms.rules)
    source = entitlement_source(contract, terms.kind, terms.action_id)
    entitlements = await engine.security_token.entitled_page(
        source, page=page, length=length, block_number=listing.block_number
    )
    return plan_entitlements(page * length, entitlements, terms.rules)


async def _call_total(engine: Engine, listing: _Listing, total_base_units: BaseUnits) -> BaseUnits:
    """Returns the total to call the contract with. It is more than the total where excluded shares are spread."""
    rules = listing.terms.rules
    if not spreads(rules):
        return total_base_units
    balances = await engine.security_token.live_balances(
        listing.contract.token, sorted(rules.excluded), listing.block_number
    )
    excluded = TokenUnits(sum(balances.values()))
    if excluded >= listing.supply:
        raise AppError(Reason.NO_HOLDERS, "the rules exclude every holder", field="terms.rules.excluded_holders")
    return spread_total(total_base_units, total_supply=listing.supply, excluded_balance=excluded)
