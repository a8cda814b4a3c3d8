"""Tells whether a batch or sweep may have moved money that is still counted as promised."""

from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.sweep import SweepState
from payout_service.domain.transaction import IntentState
from payout_service.domain.treasury import TreasuryKey

# Payouts and sweeps with a promise in one treasury; more than this many at once are not expected.
_MOST_OWNERS = 10_000


async def is_money_under_way(work: UnitOfWork, key: TreasuryKey) -> bool:
    """Returns True while a batch or sweep may have been sent and is not settled.

    Call it under the treasury's lock.
    """
    for owner_id, _ in await work.treasury.commitments(key, _MOST_OWNERS):
        batches = await work.batches.open_batches(owner_id)
        keys = [batch.intent_key for batch in batches]
        sweep = await work.sweeps.get(owner_id)
        if sweep and sweep.state is SweepState.SENDING:
            keys.append(sweep.intent_key)
        for intent_key in keys:
            intent = await work.journal.find(intent_key)
            if intent and intent.state is not IntentState.CREATED:
                return True
    return False
