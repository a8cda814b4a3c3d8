"""What the stage `sending` works with. Only it has the port that signs, so nothing else can sign."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.clock import Clock
from libs.failpoints import Failpoints
from libs.unit_of_work import Transaction
from payout_service.application.engine import Engine
from payout_service.application.engine_settings import EngineSettings
from payout_service.application.ports.journal import JournalRepository
from payout_service.application.ports.rail import Rail
from payout_service.application.ports.sender import Sender
from payout_service.domain.transaction import OwnerKind, TransactionIntent


class Wakes(Protocol):
    """Wakes those that wait for a transaction: payouts, lifecycle contracts, sweeps."""

    async def wake(self, owner_id: UUID, now: datetime, /) -> None:
        """Makes the owner due now. Takes its row lock."""
        ...


class JournalWork(Transaction, Protocol):
    """One transaction on the journal. Leaving without `commit` rolls back. No network waits inside."""

    @property
    def journal(self) -> JournalRepository:
        """The intents, attempts and lanes."""
        ...

    @property
    def payouts(self) -> Wakes:
        """The payouts, which own snapshots and batches."""
        ...

    @property
    def lifecycle(self) -> Wakes:
        """The lifecycle contracts, which own deployments and pauses."""
        ...

    @property
    def sweeps(self) -> Wakes:
        """The sweeps, which own their transactions."""
        ...


@dataclass(frozen=True)
class Lanes:
    """The nonce lanes of our signers on one chain, with the ports to sign and send."""

    unit_of_work: Callable[[], JournalWork]
    rail: Rail
    sender: Sender
    clock: Clock
    failpoints: Failpoints
    settings: EngineSettings
    chain_id: int
    devnet_genesis_hash: str
    nudge: Callable[[], None]

    def now(self) -> datetime:
        """The present time."""
        return self.clock.now()


def lanes_of(engine: Engine, sender: Sender) -> Lanes:
    """Returns the lanes of an engine, with the keys that the engine does not have."""
    return Lanes(
        unit_of_work=engine.unit_of_work,
        rail=engine.rail,
        sender=sender,
        clock=engine.clock,
        failpoints=engine.failpoints,
        settings=engine.settings,
        chain_id=engine.chain_id,
        devnet_genesis_hash=engine.devnet_genesis_hash,
        nudge=engine.nudge,
    )


async def wake_owner(work: JournalWork, intent: TransactionIntent, now: datetime) -> None:
    """Makes the owner of a transaction look at it at once. Takes the owner's row lock, before the intent's."""
    owners: dict[OwnerKind, Wakes] = {
        OwnerKind.PAYOUT: work.payouts,
        OwnerKind.LIFECYCLE_CONTRACT: work.lifecycle,
        OwnerKind.SWEEP: work.sweeps,
    }
    await owners[intent.owner_kind].wake(intent.owner_id, now)
