"""A payee that makes every call revert that it is in: the others are paid without it; it is tried again later."""

from payout_service.application.engine import Engine
from payout_service.domain.payments import FailureReason, PaymentOutcome, Tally
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import Refusal, refused


async def hold_back(engine: Engine, payout: Payout, payee: PlannedPayment, why: str) -> None:
    """Takes a payee out of the plan for a while without sending anything; a bounded number of times."""
    outcome = reverting_payee(engine, payee, payee.tries + 1, why)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            return
        await work.payments.hold_back(payout.payout_id, [outcome], engine.now())
        locked.move_payments({outcome.state: Tally(1, payee.amount_base_units)}, {}, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("payment.before_hold_back_commit")
        await work.commit()


def reverting_payee(engine: Engine, payee: PlannedPayment, tries: int, why: str) -> PaymentOutcome:
    """What becomes of a payee with which alone the call reverts, after so many tries."""
    return refused(payee, tries, Refusal(FailureReason.BATCH_REVERTED, why), engine.settings.retry, engine.now())
