"""The journaled transactions that make a payout's snapshot: one of its own, or the trigger of a scheduled one."""

from payout_service.application.engine import Engine, StepResult
from payout_service.application.ports.journal import JournalRepository
from payout_service.application.sending.journaled_intents import MOST_INTENTS, newest_intent, numbered_key
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import Purpose, TransactionIntent


def snapshot_key(payout: Payout, number: int) -> str:
    """Key of the payout's n-th intent to take or trigger its snapshot."""
    return numbered_key(f"snapshot/{payout.payout_id}", number)


async def find_snapshot_intent(journal: JournalRepository, payout: Payout) -> tuple[int, TransactionIntent | None]:
    """The newest intent to take or trigger the payout's snapshot, and its number; 1 and None without any."""
    return await newest_intent(journal, lambda number: snapshot_key(payout, number))


async def newest_snapshot_intent(journal: JournalRepository, payout: Payout) -> tuple[int, TransactionIntent]:
    """The newest of these intents, and its number. Raises RuntimeError when there is none."""
    number, newest = await find_snapshot_intent(journal, payout)
    if newest is None:
        raise RuntimeError(f"payout {payout.payout_id} lost its snapshot's intent")
    return number, newest


def snapshot_intent(engine: Engine, payout: Payout, contract: LifecycleContract, number: int) -> TransactionIntent:
    """A new intent to take the payout's snapshot, or to trigger that of its corporate action."""
    token = engine.security_token
    call = token.trigger_snapshots if payout.kind.is_corporate_action else token.take_snapshot
    return engine.new_intent(
        Purpose.SNAPSHOT, payout.payout_id, snapshot_key(payout, number), call(contract.token)
    )


async def ask_again(engine: Engine, payout: Payout, contract: LifecycleContract, number: int) -> StepResult:
    """The intent before this number came to nothing: another one, a bounded number of times."""
    if number > MOST_INTENTS:
        what = "SNAPSHOT_NEVER_OURS: its nonces are lost again and again, or it never comes to be"
        return StepResult(engine.settings.blocked_poll_seconds, what)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is PayoutState.SNAPSHOTTING:
            await work.journal.add(snapshot_intent(engine, locked, contract, number))
            await work.commit()
    engine.nudge()
    return StepResult(engine.settings.poll_seconds)


def newest_hash(intent: TransactionIntent) -> str:
    """The transaction signed last, for people."""
    return intent.attempts[-1].transaction_hash if intent.attempts else "never signed:"
