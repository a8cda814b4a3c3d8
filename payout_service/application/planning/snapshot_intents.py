"""Creates and finds the journaled transactions that take a payout's snapshot, or trigger a scheduled one."""

from payout_service.application.engine import Engine, StepResult
from payout_service.application.ports.journal import JournalRepository
from payout_service.application.sending.journaled_intents import MOST_INTENTS, newest_intent, numbered_key
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import IntentState, Purpose, TransactionIntent
from payout_service.domain.waits import Wait, WaitFor, told


def snapshot_key(payout: Payout, number: int) -> str:
    """Returns the key of the payout's n-th intent to take or trigger its snapshot."""
    return numbered_key(f"snapshot/{payout.payout_id}", number)


async def find_snapshot_intent(journal: JournalRepository, payout: Payout) -> tuple[int, TransactionIntent | None]:
    """Returns the number and the newest intent for the payout's snapshot; 1 and None without any."""
    return await newest_intent(journal, lambda number: snapshot_key(payout, number))


async def newest_snapshot_intent(journal: JournalRepository, payout: Payout) -> tuple[int, TransactionIntent]:
    """Returns the number and the newest of these intents. Raises RuntimeError when there is none."""
    number, newest = await find_snapshot_intent(journal, payout)
    if newest is None:
        raise RuntimeError(f"payout {payout.payout_id} lost its snapshot's intent")
    return number, newest


def snapshot_intent(engine: Engine, payout: Payout, contract: LifecycleContract, number: int) -> TransactionIntent:
    """Returns a new intent to take the payout's snapshot, or to trigger that of its corporate action."""
    token = engine.security_token
    call = token.trigger_snapshots if payout.kind.is_corporate_action else token.take_snapshot
    return engine.new_intent(
        Purpose.SNAPSHOT, payout.payout_id, snapshot_key(payout, number), call(contract.token)
    )


async def ask_again(engine: Engine, payout: Payout, contract: LifecycleContract, number: int) -> StepResult:
    """Journals another intent after the one before came to nothing; a bounded number of times."""
    if number > MOST_INTENTS:
        detail = "its nonces are lost again and again, or it never comes to be"
        return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.SNAPSHOT_NEVER_OURS, detail))
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is PayoutState.SNAPSHOTTING:
            await work.journal.add(snapshot_intent(engine, locked, contract, number))
            await work.commit()
    engine.nudge()
    return StepResult(engine.settings.poll_seconds)


def snapshot_failed(intent: TransactionIntent) -> Failure:
    """Fails a payout whose snapshot failed: the intent reverted or was given up."""
    is_revert = intent.state is IntentState.REVERTED
    newest = intent.attempts[-1].transaction_hash if intent.attempts else "never signed:"
    return Failure(
        FailedBecause.SNAPSHOT_REVERTED if is_revert else FailedBecause.SNAPSHOT_VOIDED,
        f"{newest} {told(intent.void_reason)}".rstrip(),
    )
