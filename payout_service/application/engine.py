"""The ports, settings and signers that every step of the payout engine shares."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.clock import Clock
from libs.failpoints import Failpoints
from payout_service.application.engine_settings import EngineSettings
from payout_service.application.ports.lifecycle_artifact import LifecycleArtifact
from payout_service.application.ports.lifecycle_contract import LifecycleContractPort
from payout_service.application.ports.payment_token import PaymentToken
from payout_service.application.ports.rail import Head, Rail
from payout_service.application.ports.security_token import SecurityToken
from payout_service.application.ports.unit_of_work import Ids, UnitOfWorkFactory
from payout_service.domain.transaction import OWNER_OF, ContractCall, Purpose, TransactionIntent
from payout_service.domain.waits import Wait, WaitFor


def _nobody() -> None:
    """Does nothing, because nobody waits for a nudge."""


@dataclass(frozen=True)
class Engine:
    """All ports except the keys, the settings, and the addresses that sign. Steps await nothing but ports.

    `signers` share the batches of payouts, a nonce lane each; the first also deploys, takes snapshots and sweeps.
    `nudge` tells the workers that there may be work at once; they find it without, a poll later.
    """

    unit_of_work: UnitOfWorkFactory
    rail: Rail
    security_token: SecurityToken
    lifecycle_contract: LifecycleContractPort
    payment_token: PaymentToken
    clock: Clock
    ids: Ids
    failpoints: Failpoints
    settings: EngineSettings
    chain_id: int
    signers: tuple[EvmAddress, ...]
    artifact: LifecycleArtifact | None
    devnet_genesis_hash: str
    nudge: Callable[[], None] = field(default=_nobody)

    @property
    def signer(self) -> EvmAddress:
        """The signer of everything except batches."""
        return self.signers[0]

    def signer_of_batch(self, number: int) -> EvmAddress:
        """Returns the signer of a payout's batch. Signers take turns."""
        return self.signers[number % len(self.signers)]

    @property
    def max_open_batches(self) -> int:
        """The number of batches that one payout may have open: as many as the lanes can have under way."""
        return self.settings.max_in_flight_transactions * len(self.signers)

    def new_intent(
        self,
        purpose: Purpose,
        owner_id: UUID,
        key: str,
        call: ContractCall,
        *,
        signer: EvmAddress | None = None,
        gas_limit: int = 0,
    ) -> TransactionIntent:
        """Returns an intent to be journaled, of the first signer if none is named.

        With gas 0 it is estimated before signing.
        """
        return TransactionIntent(
            intent_id=self.ids.new(),
            key=key,
            purpose=purpose,
            owner_kind=OWNER_OF[purpose],
            owner_id=owner_id,
            chain_id=self.chain_id,
            signer=signer or self.signer,
            call=call,
            gas_limit=gas_limit,
            create_time=self.now(),
        )

    async def final_block(self) -> BlockNumber:
        """Returns the newest block that no reorg is expected to take back. Raises AppError CHAIN_UNAVAILABLE."""
        return self.final_block_at(await self.rail.head())

    def final_block_at(self, head: Head) -> BlockNumber:
        """Returns the final block for the time when this block was the newest."""
        return BlockNumber(max(0, head.number - self.settings.confirmations))

    def now(self) -> datetime:
        """The present time."""
        return self.clock.now()

    def after(self, seconds: float) -> datetime:
        """A time from now."""
        return self.clock.now() + timedelta(seconds=seconds)


def what_it_waits_for(engine: Engine, intent: TransactionIntent) -> Wait | None:
    """Returns why a transaction is not making progress, for its owner; None when it is."""
    if intent.chain_id != engine.chain_id or intent.signer not in engine.signers:
        # Its lane is driven only by a service that has its key.
        detail = f"{intent.key} belongs to {intent.signer} on chain {intent.chain_id}"
        return Wait(WaitFor.SIGNER_CHANGED, detail)
    return replace(intent.problem, detail=f"{intent.problem.detail} ({intent.key})") if intent.problem else None


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step: when to look again, and what is waited for (None when nothing is wrong)."""

    delay_seconds: float
    waiting_for: Wait | None = None
