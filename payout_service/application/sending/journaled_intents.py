"""Finds an owner's newest intent in the journal. Payouts, sweeps and lifecycle contracts all use it."""

from collections.abc import Callable

from payout_service.application.ports.journal import JournalRepository
from payout_service.domain.transaction import IntentState, TransactionIntent

# Each one but the last has lost its nonce to a transaction that is not ours, and an operator has accounted for it.
MOST_INTENTS = 16


async def is_lost_and_accounted(journal: JournalRepository, intent: TransactionIntent) -> bool:
    """True if another transaction has used its nonce and ReconcileSigner has accounted for that one."""
    if intent.state is not IntentState.NONCE_LOST:
        return False
    lane = await journal.find_lane(intent.chain_id, intent.signer)
    return lane is not None and not lane.halted_because


async def newest_intent(
    journal: JournalRepository, key_of: Callable[[int], str]
) -> tuple[int, TransactionIntent | None]:
    """Returns the number and the newest of an owner's intents for one thing; 1 and None without any."""
    number, newest = 1, await journal.find(key_of(1))
    while newest and number < MOST_INTENTS:
        following = await journal.find(key_of(number + 1))
        if following is None:
            break
        number, newest = number + 1, following
    return number, newest


def numbered_key(base: str, number: int) -> str:
    """Returns the key of an owner's n-th intent for one thing."""
    return f"{base}/{number}" if number > 1 else base
