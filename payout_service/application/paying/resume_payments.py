"""Puts waiting payments back into the plan when their time has come and there is money for them."""

from libs.chain.quantities import BaseUnits
from payout_service.application.engine import Engine
from payout_service.application.ports.unsent_payments import WaitingPayment
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.treasury import money_lacks, treasury_key
from payout_service.domain.waits import Wait

_MOST_AT_ONCE = 1000


async def resume_payments(engine: Engine, payout: Payout, contract: LifecycleContract) -> Wait | None:
    """Resumes what can be resumed. Returns what the others that are due wait for; None if nothing."""
    async with engine.unit_of_work() as work:
        due = await work.unsent.due_waiting(payout.payout_id, engine.now(), _MOST_AT_ONCE)
        in_flight_base_units = await work.batches.in_flight_base_units(payout.payout_id)
    if not due:
        return None
    unfunded = [each for each in due if each.is_unfunded]
    ordinals = [each.ordinal for each in due if not each.is_unfunded]
    waiting_for: Wait | None = None
    if unfunded:
        key = treasury_key(contract)
        balance = await engine.payment_token.payment_token_balance(key.payment_token, key.lifecycle_contract)
        funded, lacking = _funded(unfunded, BaseUnits(balance - in_flight_base_units))
        ordinals += funded
        if lacking:
            waiting_for = money_lacks(key, lacking)
    if ordinals:
        await _resume(engine, payout, sorted(ordinals))
    return waiting_for


def _funded(payments: list[WaitingPayment], available_base_units: BaseUnits) -> tuple[list[int], BaseUnits]:
    """Returns the payments that the money suffices for, in order, and what is lacking for the others together."""
    funded: list[int] = []
    left, unmet = max(0, available_base_units), 0
    for each in payments:
        if each.amount_base_units <= left:
            funded.append(each.ordinal)
            left -= each.amount_base_units
        else:
            unmet += each.amount_base_units
    return funded, BaseUnits(max(0, unmet - left))


async def _resume(engine: Engine, payout: Payout, ordinals: list[int]) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING:
            return
        tally = await work.unsent.resume(payout.payout_id, ordinals, engine.now())
        locked.move_payments({}, {PaymentState.WAITING: tally}, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("payment.before_resume_commit")
        await work.commit()
    await engine.failpoints.reach("payment.resumed")
