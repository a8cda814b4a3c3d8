"""Checks that the ledger agrees with itself: frozen plan, payments, the payout's figures, money promised."""

from collections.abc import Mapping, Sequence

from libs.chain.amount import pro_rata_floor
from libs.chain.quantities import BaseUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.application.audit.reconcile_findings import Look
from payout_service.application.engine import Engine
from payout_service.domain.discrepancy import DiscrepancyKind, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import OPEN_STATES, Batch, PaymentState, Tallies, tally_of
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import (
    AccountingIdentityError,
    PlannedPayment,
    PlanTotals,
    Treatment,
    net_total,
)
from payout_service.domain.treasury import treasury_key

_S = PaymentState


async def compare_plan(engine: Engine, payout: Payout, plan: PlanTotals, look: Look) -> None:
    """Streams the stored rows and compares them with the frozen hash and sums. Finds PLAN_CHANGED.

    A redemption's amounts follow live balances, so its rows and its sums are read under the payout's lock; rows of
    a round that is not frozen yet are left out.
    """
    wrong_row = ""
    try:
        async with engine.unit_of_work() as work:
            if payout.kind is PayoutKind.REDEMPTION:
                payout = await work.payouts.lock(payout.payout_id)
                plan = payout.plan or plan
            total = payout.new_plan_sum()
            async for row in work.plan_rows.plan_rows(payout.payout_id):
                if row.ordinal < plan.holder_count or payout.kind is not PayoutKind.REDEMPTION:
                    total.add(row)
                    wrong_row = wrong_row or _wrong_amount(payout, row)
        totals = total.totals()
    except AccountingIdentityError as error:
        look.find(Finding(DiscrepancyKind.PLAN_CHANGED, "", _told(plan), str(error)))
        return
    if totals != plan:
        actual = "; ".join(filter(None, [_told(totals), wrong_row]))
        look.find(Finding(DiscrepancyKind.PLAN_CHANGED, "", _told(plan), actual))


async def compare_books(engine: Engine, payout: Payout, contract: LifecycleContract, look: Look) -> int:
    """Compares the payments with the payout's figures and its commitment. Returns how many payments there are.

    All of it is read under the payout's lock: a batch that settles in between is no difference.
    """
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        tallies = await work.plan_rows.tallies(payout.payout_id)
        open_batches = await work.batches.open_batches(payout.payout_id)
        committed = await work.treasury.committed_to(treasury_key(contract), payout.payout_id)
    if locked.plan is not None and not _is_between_rounds(locked):
        for finding in [
            *ledger_differences(locked, locked.plan, tallies, open_batches),
            *commitment_differences(locked, locked.plan, tallies, committed),
        ]:
            look.find(finding)
    return _count(tallies, *PaymentState)


def _is_between_rounds(payout: Payout) -> bool:
    """True while a redemption's next round is being listed: its rows are not yet promised nor in any sum."""
    state = payout.paused_from or payout.state
    is_planning = state in (PayoutState.PLANNING, PayoutState.WAITING_FOR_FUNDS, PayoutState.CANCELLING)
    return payout.round_number > 1 and is_planning


def ledger_differences(
    payout: Payout, plan: PlanTotals, tallies: Tallies, open_batches: Sequence[Batch]
) -> list[Finding]:
    """Returns LEDGER_DIFFERS for each figure that differs, and for a broken accounting identity. Pure."""
    told, counted = _figures_told(payout, plan, open_batches), _figures_counted(tallies)
    differing = [name for name in told if told[name] != counted[name]]
    broken = _broken_identity(payout, plan, tallies)
    if not differing and not broken:
        return []
    expected = ", ".join(f"{name} {told[name]}" for name in differing)
    actual = ", ".join(f"{name} {counted[name]}" for name in differing)
    return [
        Finding(
            DiscrepancyKind.LEDGER_DIFFERS,
            "",
            expected or f"parts that make the total {payout.total_base_units}",
            "; ".join(filter(None, [actual, broken])),
        )
    ]


def commitment_differences(
    payout: Payout, plan: PlanTotals, tallies: Tallies, committed_base_units: BaseUnits
) -> list[Finding]:
    """Returns COMMITMENT_DIFFERS when what is promised to the payout does not fit its state. Pure."""
    expected = _expected_commitments(payout, plan, tallies)
    if committed_base_units in expected:
        return []
    told = " or ".join(str(each) for each in expected)
    return [Finding(DiscrepancyKind.COMMITMENT_DIFFERS, "", told, str(committed_base_units))]


def _expected_commitments(payout: Payout, plan: PlanTotals, tallies: Tallies) -> tuple[int, ...]:
    """Returns the base units that may be promised.

    There are several when the state does not show whether money was committed.
    """
    # A percentage was promised its whole total when the total was fixed.
    uncommitted = payout.total_base_units if payout.terms.percentage_basis_points is not None else 0
    owed = tally_of(tallies, *OPEN_STATES).promised_base_units
    state = payout.paused_from or payout.state
    if state is PayoutState.WAITING_FOR_FUNDS:
        return (uncommitted,)
    if state is PayoutState.CANCELLED:
        # A disputed payee may have to be paid yet: what has not moved to it stays promised.
        return (tally_of(tallies, _S.DISPUTED).promised_base_units,)
    if state is PayoutState.CANCELLING:
        # What was given up is released at the end, together.
        committed = owed + _amount(tallies, _S.CANCELLED)
        return (committed,) if payout.progress.batch_count else tuple(dict.fromkeys((committed, uncommitted)))
    return (owed,)


def _figures_told(payout: Payout, plan: PlanTotals, open_batches: Sequence[Batch]) -> Mapping[str, int]:
    """Returns the figures that payout, plan and batches state."""
    progress = payout.progress
    return {
        "payments": plan.holder_count,
        "payable": plan.payable_base_units,
        "zero due": plan.zero_due_count,
        "paid": progress.paid_count,
        "paid base units": progress.paid_base_units,
        "failed": progress.failed_count,
        "waiting": progress.waiting_count,
        "cancelled": progress.cancelled_count,
        "cancelled base units": progress.cancelled_base_units,
        "excluded": plan.excluded_count,
        "deferred": progress.deferred_count,
        "deferred base units": progress.deferred_base_units,
        "in flight": sum(batch.holder_count for batch in open_batches),
        "in flight base units": sum(batch.amount_base_units for batch in open_batches),
    }


def _figures_counted(tallies: Tallies) -> Mapping[str, int]:
    """Returns the same figures, counted from the payments."""
    return {
        "payments": _count(tallies, *PaymentState),
        "payable": _amount(tallies, *PaymentState),
        "zero due": _count(tallies, _S.ZERO_DUE),
        "paid": _count(tallies, _S.PAID),
        "paid base units": _amount(tallies, _S.PAID),
        "failed": _count(tallies, _S.FAILED, _S.DISPUTED),
        "waiting": _count(tallies, _S.WAITING),
        "cancelled": _count(tallies, _S.CANCELLED),
        "cancelled base units": _amount(tallies, _S.CANCELLED),
        "excluded": _count(tallies, _S.EXCLUDED),
        "deferred": _count(tallies, _S.DEFERRED),
        "deferred base units": _amount(tallies, _S.DEFERRED),
        "in flight": _count(tallies, _S.IN_FLIGHT),
        "in flight base units": _amount(tallies, _S.IN_FLIGHT),
    }


def _broken_identity(payout: Payout, plan: PlanTotals, tallies: Tallies) -> str:
    """Returns why the parts do not add up (docs/architecture.md#accounting-identity); empty when they do."""
    try:
        plan.assert_identity(
            declared_base_units=payout.total_base_units,
            paid_base_units=_amount(tallies, _S.PAID),
            open_base_units=_amount(tallies, *OPEN_STATES),
            cancelled_base_units=_amount(tallies, _S.CANCELLED),
        )
    except AccountingIdentityError as error:
        return str(error)
    return ""


def _wrong_amount(payout: Payout, row: PlannedPayment) -> str:
    """Returns what is wrong with a row whose amount does not follow from its balance; empty when nothing is."""
    if payout.kind is not PayoutKind.SNAPSHOT or row.treatment is Treatment.EXCLUDE:
        return ""
    total = net_total(payout.call_total_base_units, row.withholding_basis_points)
    due = pro_rata_floor(total, balance=row.balance, supply=payout.total_supply)
    if row.amount_base_units == due:
        return ""
    return f"row {row.ordinal + 1} ({row.holder}) says {row.amount_base_units}, its balance makes {due}"


def _told(plan: PlanTotals) -> str:
    return (
        f"hash {plan.plan_hash}, {plan.holder_count} holders, {plan.zero_due_count} due zero, "
        f"payable {plan.payable_base_units}, dust {plan.rounding_dust_base_units}, "
        f"frozen share {plan.frozen_share_base_units}, withheld {plan.withheld_base_units}, "
        f"excluded {plan.excluded_base_units}, deferred {plan.deferred_base_units}"
    )


def _count(tallies: Tallies, *states: PaymentState) -> int:
    return tally_of(tallies, *states).count


def _amount(tallies: Tallies, *states: PaymentState) -> BaseUnits:
    return tally_of(tallies, *states).amount_base_units
