"""Finds the payout that an on-chain execution belongs to.

It pays from the same snapshot, dividend, coupon or bond.
"""

from uuid import UUID

from libs.chain.quantities import SnapshotId
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.settlement import Execution, ExecutionKind

_NEVER_PAID = frozenset({PayoutState.REQUESTED, PayoutState.FAILED})


async def payout_of_execution(work: UnitOfWork, asset_id: UUID, execution: Execution) -> Payout | None:
    """Returns the payout of an asset that an execution pays for; the newest if several pay the same action."""
    if execution.kind is ExecutionKind.AMOUNT_SNAPSHOT:
        return await work.payouts.with_snapshot(asset_id, SnapshotId(execution.reference_id))
    is_cash_out = execution.kind is ExecutionKind.CASH_OUT
    found: list[Payout] = []
    for kind in [PayoutKind.REDEMPTION] if is_cash_out else [PayoutKind.DIVIDEND, PayoutKind.COUPON]:
        found += await work.payouts.of_action(asset_id, kind, execution.reference_id)
    begun = [payout for payout in found if (payout.paused_from or payout.state) not in _NEVER_PAID]
    return begun[-1] if begun else None


def told_reference(execution: Execution) -> str:
    """Describes for people what an execution pays from."""
    match execution.kind:
        case ExecutionKind.AMOUNT_SNAPSHOT:
            return f"snapshot {execution.reference_id}"
        case ExecutionKind.DISTRIBUTION:
            return f"distribution {execution.reference_id}"
        case ExecutionKind.CASH_OUT:
            return "live balances"
