"""Checks a payout before it begins: fails what can never be paid, and waits by name for everything else."""

from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.planning.payout_conditions import UNPAYABLE_ACTION, payout_conditions
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import Payout, PayoutState

# A payout fails for these; no condition waits for them.
NEVER_READY = UNPAYABLE_ACTION | {Reason.NOT_A_BOND, Reason.RULE_NOT_SUPPORTED}


async def check_before_begin(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult | None:
    """Checks a payout that is REQUESTED. Returns None when nothing prevents its beginning."""
    if contract.state is LifecycleState.FAILED:
        # Also an asset of another chain: its addresses mean something else on this one.
        return await fail_payout(engine, payout, PayoutState.REQUESTED, contract_failed(contract))
    try:
        conditions = await payout_conditions(engine, contract, payout.terms)
    except AppError as error:
        if error.reason not in NEVER_READY:
            raise
        return await fail_payout(engine, payout, PayoutState.REQUESTED, Failure(error.reason, error.message))
    for condition in conditions:
        if not condition.is_satisfied:
            return StepResult(engine.settings.blocked_poll_seconds, condition.wait)
    return None


def contract_failed(contract: LifecycleContract) -> Failure:
    """Fails a payout whose lifecycle contract has failed."""
    return Failure(FailedBecause.LIFECYCLE_CONTRACT_FAILED, contract.failure_reason)


async def rival_of(work: UnitOfWork, payout: Payout) -> Payout | None:
    """Returns another payout that pays the same dividend, coupon or redemption. Takes the asset's row lock.

    Two of them would promise the same money twice, although the contract pays each holder once.
    """
    await work.lifecycle.lock(payout.asset_id)
    for other in await work.payouts.of_action(payout.asset_id, payout.kind, payout.action_id):
        has_begun = (other.paused_from or other.state) is not PayoutState.REQUESTED
        if other.payout_id != payout.payout_id and has_begun and not _is_over(other):
            return other
    return None


def _is_over(payout: Payout) -> bool:
    """Whether nothing of the action is under way, and another payout may pay what is left of it."""
    if payout.kind is not PayoutKind.REDEMPTION:
        return payout.state in (PayoutState.FAILED, PayoutState.CANCELLED)
    # What the chain did is disputed of a payee. No paid flag keeps the contract from paying its tokens once more.
    is_disputed = payout.state is PayoutState.CANCELLED and payout.progress.failed_count > 0
    return not is_disputed and payout.state in (PayoutState.FAILED, PayoutState.CANCELLED, PayoutState.COMPLETED)


async def fail_payout(engine: Engine, payout: Payout, expected: PayoutState, reason: Failure) -> StepResult:
    """Ends a payout that has paid nobody, if it is still in the expected state."""
    async with engine.unit_of_work() as work:
        payout = await work.payouts.lock(payout.payout_id)
        if payout.state is expected:
            payout.fail(reason, engine.now())
            await work.payouts.save(payout)
            await work.commit()
    return StepResult(0)
