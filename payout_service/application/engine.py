"""What every step of the engine shares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from libs.chain.address import EvmAddress
from libs.clock import Clock
from libs.failpoints import Failpoints
from payout_service.application.chain_ports import Contracts, LifecycleArtifact, Rail
from payout_service.application.ports import EngineSettings, Ids, UnitOfWorkFactory
from payout_service.domain.transaction import TransactionIntent


def _nobody() -> None:
    """Nobody waits for a nudge."""


@dataclass(frozen=True)
class Engine:
    """The ports, the settings, and the identity that signs. Steps await nothing but ports.

    `nudge` tells the workers that there may be work at once; they find it without, a poll later.
    """

    unit_of_work: UnitOfWorkFactory
    rail: Rail
    contracts: Contracts
    clock: Clock
    ids: Ids
    failpoints: Failpoints
    settings: EngineSettings
    chain_id: int
    signer: EvmAddress
    artifact: LifecycleArtifact | None
    devnet_genesis_hash: str
    nudge: Callable[[], None] = field(default=_nobody)

    def now(self) -> datetime:
        """The present time."""
        return self.clock.now()

    def after(self, seconds: float) -> datetime:
        """A time from now."""
        return self.clock.now() + timedelta(seconds=seconds)


def what_it_waits_for(engine: Engine, intent: TransactionIntent) -> str:
    """Why a transaction is not getting on, by name, for whoever waits for it; empty when it is."""
    if (intent.chain_id, intent.signer) != (engine.chain_id, engine.signer):
        # Its lane is driven only by a service that has its key.
        return f"SIGNER_CHANGED: {intent.key} belongs to {intent.signer} on chain {intent.chain_id}"
    return f"{intent.problem} ({intent.key})" if intent.problem else ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """When to look again, and what is waited for by name; empty when nothing is wrong."""

    delay_seconds: float
    waiting_for: str = ""
