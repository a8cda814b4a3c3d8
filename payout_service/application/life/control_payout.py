"""Carries out what an operator asks of a payout: pause, resume, cancel, retry. Each is one database transaction.

Only here it is decided what has left and what has not: a batch whose intent has no nonce has provably not left.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from libs.chain.quantities import HolderAddress
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.planning.snapshot_intents import newest_snapshot_intent, snapshot_key
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.payments import BatchState, PaymentState, Tally
from payout_service.domain.payout import (
    CANCELLABLE_STATES,
    PAUSABLE_STATES,
    Payout,
    PayoutState,
)
from payout_service.domain.transaction import IntentState

MAX_HOLDERS = 1000
_PAUSED = VoidReason(VoidedBecause.PAUSED, "an operator paused the payout")
_CANCELLED = VoidReason(VoidedBecause.CANCELLED, "an operator cancelled the payout")
_Verb = Callable[[UnitOfWork, Payout], Awaitable[None]]


async def pause_payout(engine: Engine, key: RequestKey, payout_id: UUID) -> Payout:
    """Pauses a payout. Nothing new begins; batches that have not been sent go back into the plan.

    Raises AppError PAYOUT_NOT_FOUND, PAYOUT_STATE_FORBIDS, REQUEST_ID_REUSED.
    """

    async def pause(work: UnitOfWork, payout: Payout) -> None:
        if payout.state is PayoutState.PAUSED:
            return
        _require_state(payout, PAUSABLE_STATES, "paused")
        for batch_number in await _void_unsent(work, payout, _PAUSED, also_sent=False):
            await work.batches.return_to_plan(
                payout.payout_id,
                batch_number,
                BatchState.VOIDED,
                batch_cap=None,
                now=engine.now(),
                was_a_try=False,
            )
            payout.settle_batch({}, engine.now())
        payout.pause(engine.now())

    return await _under_lock(engine, key, payout_id, pause)


async def resume_payout(engine: Engine, key: RequestKey, payout_id: UUID) -> Payout:
    """Resumes a payout where it was. Raises as `pause_payout`."""

    async def resume(work: UnitOfWork, payout: Payout) -> None:
        _require_state(payout, frozenset({PayoutState.PAUSED}), "resumed")
        payout.resume(engine.now())

    return await _under_lock(engine, key, payout_id, resume)


async def cancel_payout(engine: Engine, key: RequestKey, payout_id: UUID) -> Payout:
    """Cancels a payout: gives up what was provably not sent, and tries to replace the rest by no-ops.

    Raises as `pause_payout`.
    """

    async def cancel(work: UnitOfWork, payout: Payout) -> None:
        if payout.state is PayoutState.CANCELLING:
            return
        _require_state(payout, CANCELLABLE_STATES, "cancelled")
        cancelled = Tally()
        for batch_number in await _void_unsent(work, payout, _CANCELLED, also_sent=True):
            cancelled += await work.batches.cancel_batch(
                payout.payout_id, batch_number, BatchState.VOIDED, engine.now()
            )
            payout.settle_batch({}, engine.now())
        await _void_snapshot(work, payout)
        if payout.plan is not None and payout.planned_count > payout.plan.holder_count:
            # Rows of a redemption's round that was never frozen promised nothing either.
            await work.plan_rows.drop_rows(payout.payout_id, payout.plan.holder_count)
            payout.drop_unfrozen_rows()
        left = await work.unsent.cancel_unsent(payout.payout_id, engine.now())
        if payout.plan is None:
            # Rows of a plan that was never frozen promised nothing.
            payout.cancel({}, {}, engine.now())
            return
        cancelled = sum(left.values(), cancelled)
        payout.cancel({PaymentState.CANCELLED: cancelled}, left, engine.now())

    return await _under_lock(engine, key, payout_id, cancel)


async def retry_payments(
    engine: Engine, key: RequestKey, payout_id: UUID, holders: tuple[HolderAddress, ...]
) -> Payout:
    """Puts failed and waiting payments back into the plan: those of the given holders, or all if none are given.

    A deferred payment only where its holder is listed: it is made now, whatever the minimum. A redemption also
    lists the live holders once more, for tokens that have moved since it became INCOMPLETE.

    Raises as `pause_payout`; also AppError TOO_MANY_HOLDERS, PAYMENT_NOT_RETRIABLE naming the holder: nothing is
    retried then.
    """
    if len(holders) > MAX_HOLDERS:
        raise AppError(Reason.TOO_MANY_HOLDERS, f"at most {MAX_HOLDERS} holders in one call", field="holders")

    async def retry(work: UnitOfWork, payout: Payout) -> None:
        states = frozenset(
            {PayoutState.INCOMPLETE, PayoutState.DEFERRED, PayoutState.EXECUTING, PayoutState.PAUSED}
        )
        _require_state(payout, states, "retried")
        await _require_retriable(work, payout_id, holders)
        left = await work.unsent.retry(payout_id, holders or None, engine.now())
        # A redemption that is INCOMPLETE can always look again who holds tokens now.
        may_list = payout.kind is PayoutKind.REDEMPTION and payout.state is PayoutState.INCOMPLETE
        if not left and not may_list:
            raise AppError(
                Reason.PAYMENT_NOT_RETRIABLE, "no payment has failed for a reason that can pass", field="name"
            )
        payout.retry(left, engine.now())

    return await _under_lock(engine, key, payout_id, retry)


async def _under_lock(engine: Engine, key: RequestKey, payout_id: UUID, verb: _Verb) -> Payout:
    """Runs a verb once per request. The verb and the request's log are in one transaction."""
    async with engine.unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        if payout is None:
            raise AppError(Reason.PAYOUT_NOT_FOUND, f"there is no payouts/{payout_id}", field="name")
        logged = await work.find_request(key.request_id)
        if logged is None:
            payout = await work.payouts.lock(payout_id)
            # False: the same request ran at once and was first.
            if await work.add_request(key, payout_id):
                await verb(work, payout)
                await work.payouts.save(payout)
                await work.payouts.wake(payout_id, engine.now())
                await engine.failpoints.reach("control.before_commit")
                await work.commit()
                engine.nudge()
                return payout
    async with engine.unit_of_work() as work:
        logged = await work.find_request(key.request_id)
        payout = await work.payouts.get(repeated_resource_id(key, logged)) if logged else None
    if payout is None:
        raise LookupError(f"request {key.request_id} is recorded and cannot be read")
    return payout


async def _void_unsent(work: UnitOfWork, payout: Payout, reason: VoidReason, *, also_sent: bool) -> list[int]:
    """Gives up every open batch that has not been sent. Returns their numbers.

    With `also_sent` no-ops are wanted in the place of what may have left; without, it comes to its end.
    """
    unsent: list[int] = []
    keys = [(batch.number, batch.intent_key) for batch in await work.batches.open_batches(payout.payout_id)]
    for number, intent_key in keys:
        found = await work.journal.find(intent_key)
        if found is None:
            raise RuntimeError(f"batch {number} of {payout.payout_id} lost its intent")
        intent = await work.journal.lock(found.intent_id)
        if intent.state is IntentState.CREATED or (also_sent and not intent.is_final):
            if intent.void(reason):
                unsent.append(number)
            await work.journal.save(intent)
    return unsent


async def _void_snapshot(work: UnitOfWork, payout: Payout) -> None:
    """Gives up the snapshot of a payout that is given up, if it has asked for one."""
    if await work.journal.find(snapshot_key(payout, 1)) is None:
        return
    _, newest = await newest_snapshot_intent(work.journal, payout)
    snapshot = await work.journal.lock(newest.intent_id)
    if not snapshot.is_final:
        snapshot.void(_CANCELLED)
        await work.journal.save(snapshot)


async def _require_retriable(work: UnitOfWork, payout_id: UUID, holders: tuple[HolderAddress, ...]) -> None:
    refused = await work.unsent.not_retriable(payout_id, holders)
    if refused:
        raise AppError(
            Reason.PAYMENT_NOT_RETRIABLE,
            f"{refused[0]} has no payment here that failed for a reason that can pass",
            field=f"holders[{holders.index(refused[0])}]",
            metadata={"count": str(len(refused))},
        )


def _require_state(payout: Payout, allowed: frozenset[PayoutState], verb: str) -> None:
    if payout.state not in allowed:
        raise AppError(
            Reason.PAYOUT_STATE_FORBIDS,
            f"payouts/{payout.payout_id} is {payout.state} and cannot be {verb}",
            field="name",
            metadata={"state": payout.state.value},
        )
