"""What the use cases need of the database. One contract suite holds for the real and the in-memory form.

What they need of the chain is in chain_ports.py.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.messaging.events import IncomingEvent
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import Batch, BatchState, PaymentOutcome
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.transaction import (
    NonceLane,
    TransactionIntent,
)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Bounds and rhythms of the engine; seconds unless named otherwise."""

    confirmations: int
    batch_limits: BatchLimits
    max_open_batches: int = 4
    max_in_flight_transactions: int = 4
    max_transaction_gas: int = 15_000_000
    max_batch_tries: int = 3
    plan_page_size: int = 500
    lease_seconds: float = 20.0
    poll_seconds: float = 1.0
    blocked_poll_seconds: float = 5.0
    ready_poll_seconds: float = 30.0
    rebroadcast_seconds: float = 10.0
    min_gas_money_wei: int = 10**17


@dataclass(frozen=True, slots=True)
class TreasuryKey:
    """Money in one lifecycle contract, of one payment token."""

    chain_id: int
    lifecycle_contract: EvmAddress
    payment_token: EvmAddress


class PayoutRepository(Protocol):
    """Payouts."""

    async def add(self, payout: Payout) -> bool:
        """Stores a new payout and publishes it; False when its distribution has one already."""
        ...

    async def get(self, payout_id: UUID) -> Payout | None:
        """A payout as it is."""
        ...

    async def lock(self, payout_id: UUID) -> Payout:
        """A payout, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, payout: Payout) -> None:
        """Stores a locked payout; publishes it when its version rose."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one payout that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, payout_id: UUID, at: datetime) -> None:
        """Ends the claim; the payout is due again at this time."""
        ...

    async def wake(self, payout_id: UUID, now: datetime) -> None:
        """The payout is due now."""
        ...


class PaymentRepository(Protocol):
    """Payments and batches of payouts."""

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        """Stores rows of a plan, in bulk; those of amount zero as ZERO_DUE."""
        ...

    def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        """The whole plan in the order of the ordinals, streamed."""
        ...

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """Payments that are owed and in no batch, in the order of the ordinals."""
        ...

    async def add_batch(self, payout_id: UUID, batch: Batch, payees: Sequence[PlannedPayment]) -> None:
        """Stores a batch and puts its payees into it. Raises RuntimeError if one is not free any more."""
        ...

    async def open_batches(self, payout_id: UUID) -> list[Batch]:
        """Batches that are not settled, in the order of their numbers."""
        ...

    async def payees_of(self, payout_id: UUID, batch_number: int) -> list[PlannedPayment]:
        """Payees of a batch, in the order of the call."""
        ...

    async def settle_batch(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        outcomes: Sequence[PaymentOutcome],
        transaction_hash: str,
        now: datetime,
    ) -> None:
        """Records what became of each payee of a batch, in bulk."""
        ...

    async def return_to_plan(
        self, payout_id: UUID, batch_number: int, transaction_hash: str, max_tries: int, now: datetime
    ) -> tuple[int, int]:
        """The batch reverted: its payees are owed again, or FAILED in this transaction after `max_tries` batches.

        Returns how many go on and how many failed.
        """
        ...

    async def open_sums(self, payout_id: UUID) -> tuple[int, int]:
        """Number of payments still to be made (planned or in flight), and base units owed to those that failed."""
        ...


class JournalRepository(Protocol):
    """Intents, attempts and nonce lanes."""

    async def add(self, intent: TransactionIntent) -> bool:
        """Stores a new intent; False when one with its key exists."""
        ...

    async def find(self, key: str) -> TransactionIntent | None:
        """The intent with this key."""
        ...

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        """An intent, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, intent: TransactionIntent) -> None:
        """Stores a locked intent with its attempts."""
        ...

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Intents with a nonce whose outcome is open, in the order of their nonces."""
        ...

    async def created(self, chain_id: int, signer: EvmAddress, limit: int) -> list[TransactionIntent]:
        """Intents without a nonce: those without a problem first, then by age."""
        ...

    async def note_problem(self, intent_id: UUID, problem: str) -> None:
        """Records why an intent without a nonce is not getting on; nothing when it has one by now."""
        ...

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: str) -> None:
        """Records why no intent of the lane gets a nonce."""
        ...

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane as it is."""
        ...

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane, its row locked until the end of the transaction."""
        ...

    async def add_lane(self, lane: NonceLane) -> None:
        """Stores a new lane; does nothing when another replica just did."""
        ...

    async def save_lane(self, lane: NonceLane) -> None:
        """Stores a locked lane."""
        ...


class LifecycleRepository(Protocol):
    """Lifecycle contracts, by asset."""

    async def add(self, contract: LifecycleContract) -> bool:
        """Stores a new contract and publishes it; False when the asset has one already."""
        ...

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        """An asset's contract as it is."""
        ...

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        """An asset's contract, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, contract: LifecycleContract) -> None:
        """Stores a locked contract; publishes it when its version rose."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one contract that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, asset_id: UUID, at: datetime) -> None:
        """Ends the claim; the contract is due again at this time."""
        ...

    async def wake(self, asset_id: UUID, now: datetime) -> None:
        """The contract is due now."""
        ...


class TreasuryRepository(Protocol):
    """Money promised to payouts. `version` rises with every change of a treasury's commitments."""

    async def version(self, key: TreasuryKey) -> int:
        """The present version, 0 before the first commitment."""
        ...

    async def lock(self, key: TreasuryKey) -> int:
        """Locks the treasury's row until the end of the transaction and returns its version."""
        ...

    async def committed(self, key: TreasuryKey) -> int:
        """Base units promised to payouts and not proven paid."""
        ...

    async def committed_to(self, key: TreasuryKey, payout_id: UUID) -> int:
        """Base units of it that are promised to one payout."""
        ...

    async def commit(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """Promises money to a payout, under the lock."""
        ...

    async def reduce(self, key: TreasuryKey, payout_id: UUID, amount_base_units: int) -> None:
        """So much of a payout's promise is proven paid, under the lock. Raises RuntimeError below zero."""
        ...


class UnitOfWork(Protocol):
    """One transaction. Leaving without `commit` rolls back. No network waits inside."""

    @property
    def payouts(self) -> PayoutRepository:
        """Payouts."""
        ...

    @property
    def payments(self) -> PaymentRepository:
        """Payments and batches."""
        ...

    @property
    def journal(self) -> JournalRepository:
        """Intents, attempts, lanes."""
        ...

    @property
    def lifecycle(self) -> LifecycleRepository:
        """Lifecycle contracts."""
        ...

    @property
    def treasury(self) -> TreasuryRepository:
        """Commitments."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None:
        """Makes everything durable at once, events with it."""
        ...

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that an event is processed by this transaction; False when it was before."""
        ...


class UnitOfWorkFactory(Protocol):
    """Makes a unit of work per use."""

    def __call__(self) -> UnitOfWork:
        """A new unit of work, to be entered once."""
        ...


class Ids(Protocol):
    """Makes ids."""

    def new(self) -> UUID:
        """A new UUID."""
        ...
