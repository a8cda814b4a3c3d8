"""What the use cases need of the database. One contract suite holds for the real and the in-memory form.

What they need of the chain is in chain_ports.py.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.idempotency import LoggedRequest, RequestKey
from libs.messaging.events import IncomingEvent
from libs.payout_terms import PayoutKind
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.discrepancy import Discrepancy, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import (
    Batch,
    BatchState,
    FailureReason,
    PaymentOutcome,
    PaymentState,
    Tallies,
    Tally,
)
from payout_service.domain.payout import Payout
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.sweep import Sweep
from payout_service.domain.transaction import ForeignTransaction, NonceLane, TransactionIntent


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Bounds and rhythms of the engine; seconds unless named otherwise."""

    confirmations: int
    batch_limits: BatchLimits
    # Per signer.
    max_in_flight_transactions: int = 4
    max_transaction_gas: int = 15_000_000
    # Offered per gas at most.
    max_fee_per_gas_wei: int = 10**13
    # Sets of signed bytes for one nonce at most; the last one is sent again and again.
    max_attempts: int = 16
    # Without a receipt for so long, a transaction whose turn it is gets a higher fee.
    replace_after_seconds: float = 30.0
    rebroadcast_seconds: float = 10.0
    # A batch that waited for its signature for so long is made anew, with every check.
    stale_batch_seconds: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    plan_page_size: int = 500
    lease_seconds: float = 20.0
    poll_seconds: float = 1.0
    blocked_poll_seconds: float = 5.0
    ready_poll_seconds: float = 30.0
    # Between two comparisons of plan, ledger and chain of one payout.
    reconcile_seconds: float = 300.0
    min_gas_money_wei: int = 10**17


@dataclass(frozen=True, slots=True)
class TreasuryKey:
    """Money in one lifecycle contract, of one payment token."""

    chain_id: int
    lifecycle_contract: EvmAddress
    payment_token: EvmAddress


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment that waits for another try."""

    ordinal: int
    holder: str
    amount_base_units: int
    is_unfunded: bool


@dataclass(frozen=True, slots=True)
class DeferredPayment:
    """A deferred payment that has come due."""

    payout_id: UUID
    ordinal: int


@dataclass(frozen=True, slots=True)
class RecordedState:
    """What the ledger says of a payment."""

    ordinal: int
    holder: str
    amount_base_units: int
    state: PaymentState
    batch_number: int | None
    transaction_hash: str
    # Base units of the security token.
    balance: int


@dataclass(frozen=True, slots=True)
class DisputedPayment:
    """A payment in dispute, with the transaction that it is about.

    `batch_number` is None where an execution that is no batch of ours is in dispute. `moved_base_units` is what of
    the amount has moved to the payee as far as was seen.
    """

    planned: PlannedPayment
    batch_number: int | None
    transaction_hash: str
    reason: FailureReason
    detail: str
    moved_base_units: int

    @property
    def tally(self) -> Tally:
        """The payment alone."""
        return Tally(1, self.planned.amount_base_units, self.moved_base_units)


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

    async def waiting_for_snapshot(self, asset_id: UUID) -> list[Payout]:
        """Payouts of kind SNAPSHOT of an asset that have no snapshot yet and are not given up, oldest first."""
        ...

    async def with_snapshot(self, asset_id: UUID, snapshot_id: int) -> Payout | None:
        """The payout of kind SNAPSHOT that is paid from this snapshot of the asset."""
        ...

    async def of_action(self, asset_id: UUID, kind: PayoutKind, action_id: int) -> list[Payout]:
        """Payouts of an asset for one dividend or coupon, or its redemptions (id 0), oldest first."""
        ...

    async def claim_reconciliation(self, now: datetime, next_time: datetime) -> UUID | None:
        """Claims one payout with a plan whose comparison with the chain is due.

        It is due again at `next_time`; one that has not changed for long later, see `reconciliation_rest`.
        """
        ...


class PaymentRepository(Protocol):
    """Payments and batches of payouts."""

    async def add_planned(self, payout_id: UUID, payments: Sequence[PlannedPayment], now: datetime) -> None:
        """Stores rows of a plan, in bulk, each in its `first_state`."""
        ...

    def plan_rows(self, payout_id: UUID) -> AsyncIterator[PlannedPayment]:
        """The whole plan in the order of the ordinals, streamed."""
        ...

    async def drop_rows(self, payout_id: UUID, from_ordinal: int) -> None:
        """Forgets the rows of a redemption's round that was never frozen."""
        ...

    async def planned_holders(self, payout_id: UUID, round_number: int, holders: Sequence[str]) -> set[str]:
        """Those of the holders that have a row in this round of the plan."""
        ...

    async def open_holders(self, payout_id: UUID, holders: Sequence[str]) -> set[str]:
        """Those of the holders that have a payment in an open state (OPEN_STATES)."""
        ...

    async def reprice(self, payout_id: UUID, entitlements: Sequence[Entitlement], now: datetime) -> int:
        """PLANNED payments of a redemption get these balances and amounts, by holder.

        Returns by how many base units their sum rose.
        """
        ...

    async def conclude(
        self, payout_id: UUID, state: PaymentState, outcomes: Sequence[PaymentOutcome], now: datetime
    ) -> Tallies:
        """Payments in this state become what the outcomes say, by holder, without a batch of their own.

        Their amounts become the outcomes' amounts. Returns what they were due before, and what of it has moved
        (of DISPUTED), by their new state.
        """
        ...

    async def disputed(self, payout_id: UUID, after: int, limit: int) -> list[DisputedPayment]:
        """DISPUTED payments behind a place (from 1), in the order of the ordinals."""
        ...

    async def deferred(self, payout_id: UUID, after: int, limit: int) -> list[PlannedPayment]:
        """DEFERRED payments behind a place (from 1), in the order of the ordinals."""
        ...

    async def unbatched(self, payout_id: UUID, limit: int) -> list[PlannedPayment]:
        """Payments that are owed and in no batch, in the order of the ordinals, that may share one call.

        Payees of a batch that reverted come back with a cap on the size of their next batch; only payments with
        the same cap and the same withholding rate are given together, at most as many as the cap allows, those
        without one first.
        """
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
        """Records what became of each payee of a batch, in bulk; an outcome's amount replaces the planned one."""
        ...

    async def return_to_plan(
        self,
        payout_id: UUID,
        batch_number: int,
        state: BatchState,
        batch_cap: int | None,
        now: datetime,
        *,
        was_a_try: bool,
    ) -> Tally:
        """The batch reverted or was voided: its payees are owed again, in batches of at most `batch_cap`.

        None leaves the caps as they are. What was no try counts for nobody. Returns what returned.
        """
        ...

    async def cancel_batch(self, payout_id: UUID, batch_number: int, state: BatchState, now: datetime) -> Tally:
        """The batch paid nobody and its payout is cancelled: its payees are CANCELLED. Returns what was."""
        ...

    async def hold_back(self, payout_id: UUID, outcomes: Sequence[PaymentOutcome], now: datetime) -> None:
        """PLANNED payments become WAITING or FAILED without having been sent; it counts as a try."""
        ...

    async def due_waiting(self, payout_id: UUID, now: datetime, limit: int) -> list[WaitingPayment]:
        """WAITING payments whose time has come, in the order of the ordinals."""
        ...

    async def next_retry_time(self, payout_id: UUID) -> datetime | None:
        """When the next WAITING payment is due; None when there is none."""
        ...

    async def in_flight_base_units(self, payout_id: UUID) -> int:
        """What the payments in batches that are not settled are due together."""
        ...

    async def resume(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """WAITING payments go back into the plan. Returns what went."""
        ...

    async def retry(self, payout_id: UUID, holders: Sequence[str] | None, now: datetime) -> Tallies:
        """FAILED (for a reason that can pass) and WAITING payments go back into the plan, their tries forgotten.

        `holders` None: all of them; DEFERRED ones only where their holder is named. Returns how many left each
        state.
        """
        ...

    async def not_retriable(self, payout_id: UUID, holders: Sequence[str]) -> list[str]:
        """Those of the holders that `retry` would not touch, in the order given."""
        ...

    async def cancel_unsent(self, payout_id: UUID, now: datetime) -> Tallies:
        """PLANNED, WAITING, FAILED and DEFERRED payments become CANCELLED. Returns how many left each state."""
        ...

    async def deferrals_due(self, asset_id: UUID, limit: int) -> list[DeferredPayment]:
        """DEFERRED payments whose holder's deferrals reach their payout's minimum, of `limit` holders at most.

        Deferrals count together over the asset's payouts in a state of RELEASING_STATES. All due payments of a
        holder are given together, by holder.
        """
        ...

    async def release_deferred(self, payout_id: UUID, ordinals: Sequence[int], now: datetime) -> Tally:
        """DEFERRED payments go back into the plan. Returns what went."""
        ...

    async def tallies(self, payout_id: UUID) -> Tallies:
        """All payments by state."""
        ...

    async def settled_batches(self, payout_id: UUID, after: int, limit: int) -> list[Batch]:
        """Batches that are SETTLED, behind a number, in the order of their numbers."""
        ...

    async def recorded_payments(self, payout_id: UUID, after: int, limit: int) -> list[RecordedState]:
        """The ledger's rows behind a place (from 1), in the order of the ordinals, for comparing."""
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

    async def next_final(
        self, chain_id: int, signer: EvmAddress, from_nonce: int, limit: int
    ) -> list[TransactionIntent]:
        """Final intents with this nonce or a higher one, in the order of their nonces."""
        ...

    async def lost(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Intents in state NONCE_LOST whose nonce no ForeignTransaction accounts for yet, by nonce."""
        ...

    async def known_hashes(self, transaction_hashes: Sequence[str]) -> set[str]:
        """Those of the hashes that are attempts of the journal, or transactions that it adopted.

        Also foreign ones that were matched to a payout.
        """
        ...

    async def queued_count(self, chain_id: int, signer: EvmAddress) -> int:
        """Intents without a nonce."""
        ...

    async def add_foreign(self, transactions: Sequence[ForeignTransaction]) -> None:
        """Stores what the signer's unknown transactions were; once per nonce."""
        ...

    async def foreign(self, chain_id: int, signer: EvmAddress, find_time: datetime) -> list[ForeignTransaction]:
        """Those that were stored at this time, in the order of their nonces."""
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

    async def with_address(self, address: EvmAddress) -> list[LifecycleContract]:
        """Those whose contract, or whose token, has this address."""
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
    """Money promised to payouts and sweeps. `version` rises with every change of a treasury's commitments."""

    async def version(self, key: TreasuryKey) -> int:
        """The present version, 0 before the first commitment."""
        ...

    async def lock(self, key: TreasuryKey) -> int:
        """Locks the treasury's row until the end of the transaction and returns its version."""
        ...

    async def committed(self, key: TreasuryKey) -> int:
        """Base units promised to payouts and sweeps and not proven paid."""
        ...

    async def committed_to(self, key: TreasuryKey, owner_id: UUID) -> int:
        """Base units of it that are promised to one payout or sweep."""
        ...

    async def commitments(self, key: TreasuryKey, limit: int) -> list[tuple[UUID, int]]:
        """Owners and what is promised to them, above zero, largest first."""
        ...

    async def commit(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        """Promises money to a payout or sweep that has none promised yet, under the lock."""
        ...

    async def add(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        """Promises more to a payout that had something promised before, under the lock."""
        ...

    async def reduce(self, key: TreasuryKey, owner_id: UUID, amount_base_units: int) -> None:
        """So much of a promise is kept or given up, under the lock. Raises RuntimeError below zero."""
        ...

    async def settled_block(self, key: TreasuryKey) -> int:
        """The highest block whose payments are settled, or whose balances a redemption has followed; 0 for none.

        A balance from before it is too high, a list of live holders out of date.
        """
        ...

    async def raise_settled_block(self, key: TreasuryKey, block_number: int) -> None:
        """Payments of this block are being settled, or its balances followed, under the lock; never goes back."""
        ...

    async def checked_block(self, key: TreasuryKey) -> int | None:
        """Up to which block the money that left the contract was compared with the journal; None: not yet."""
        ...

    async def set_checked_block(self, key: TreasuryKey, block_number: int) -> None:
        """Moves that on."""
        ...


class SweepRepository(Protocol):
    """Sweeps."""

    async def add(self, sweep: Sweep) -> None:
        """Stores a new sweep."""
        ...

    async def get(self, sweep_id: UUID) -> Sweep | None:
        """A sweep as it is."""
        ...

    async def lock(self, sweep_id: UUID) -> Sweep:
        """A sweep, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, sweep: Sweep) -> None:
        """Stores a locked sweep."""
        ...

    async def sending(self, asset_id: UUID) -> list[Sweep]:
        """Sweeps of an asset that are not final, oldest first."""
        ...

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        """Claims one sweep that is due and not claimed by another worker, until the lease ends."""
        ...

    async def schedule(self, sweep_id: UUID, at: datetime) -> None:
        """Ends the claim; the sweep is due again at this time."""
        ...

    async def wake(self, sweep_id: UUID, now: datetime) -> None:
        """The sweep is due now."""
        ...


class DiscrepancyRepository(Protocol):
    """Differences between plan, ledger and chain."""

    async def open_of(self, asset_id: UUID, payout_id: UUID | None) -> list[Discrepancy]:
        """Open ones of a payout, or (None) of the asset's contract as a whole, oldest first."""
        ...

    async def add(self, discrepancy: Discrepancy) -> bool:
        """Stores and publishes an open one; False when the same difference is open already."""
        ...

    async def seen_again(self, discrepancy_id: UUID, finding: Finding, now: datetime) -> None:
        """It is still there."""
        ...

    async def resolve(self, discrepancy_id: UUID, now: datetime) -> None:
        """It is not found any more; published once."""
        ...

    async def open_count(self) -> int:
        """All that are open."""
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

    @property
    def sweeps(self) -> SweepRepository:
        """Sweeps."""
        ...

    @property
    def discrepancies(self) -> DiscrepancyRepository:
        """Discrepancies."""
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

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        """The call with this id, if it was carried out before."""
        ...

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        """Records a call with its effect; False when another transaction has recorded the same id."""
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
