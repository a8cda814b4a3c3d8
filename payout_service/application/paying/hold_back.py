"""Takes payees out of the plan for a while when they would make a call revert.

The others are paid without them.
"""

from collections.abc import Mapping

from payout_service.application.engine import Engine
from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState, Tally
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import Refusal, refused


async def hold_back(engine: Engine, payout: Payout, payees: Mapping[PlannedPayment, Refusal]) -> None:
    """Takes payees out of the plan for a while without sending anything; a bounded number of times."""
    now, policy = engine.now(), engine.settings.retry
    outcomes = {payee: refused(payee, payee.tries + 1, why, policy, now) for payee, why in payees.items()}
    entered: dict[PaymentState, Tally] = {}
    for payee, outcome in outcomes.items():
        entered[outcome.state] = entered.get(outcome.state, Tally()) + Tally(
            1, amount_base_units=payee.amount_base_units
        )
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            return
        await work.unsent.hold_back(payout.payout_id, list(outcomes.values()), now)
        locked.move_payments(entered, {}, now)
        await work.payouts.save(locked)
        await engine.failpoints.reach("payment.before_hold_back_commit")
        await work.commit()


def reverting_payee(engine: Engine, payee: PlannedPayment, tries: int, why: str) -> PaymentOutcome:
    """Returns the outcome for a payee with which alone the call reverts, after so many tries."""
    return refused(payee, tries, reverts_alone(why), engine.settings.retry, engine.now())


def reverts_alone(why: str) -> Refusal:
    """Returns the refusal for a payee with which alone the call reverts."""
    return Refusal(FailureReason.BATCH_REVERTED, why)
