"""Sets up an engine over the chain and database in memory, and lets tests drive it."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from libs.chain.address import EvmAddress
from libs.events import IncomingEvent
from libs.failpoints import Failpoints, NoFailpoints
from payout_service.application.contract.advance_lifecycle import advance_one_lifecycle
from payout_service.application.engine import Engine
from payout_service.application.engine_settings import EngineSettings
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.request_payout import RequestPayoutCommand, request_payout
from payout_service.application.ports.lifecycle_artifact import LifecycleArtifact
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.application.sending.lanes import Lanes, lanes_of
from payout_service.application.treasury.sweep_leftover import advance_one_sweep
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from payout_service.domain.payout import WORKED_STATES, Payout, PayoutState
from payout_service.domain.transaction import OwnerKind, Purpose, TransactionIntent
from tests.support.payout.memory_chain import (
    CHAIN_ID,
    CONTRACT,
    GAS_BASE,
    GAS_PER_PAYEE,
    PAYMENT_TOKEN,
    SIGNER,
    TOKEN,
    MemoryChain,
    holder,
)
from tests.support.payout.memory_database import START, CountingIds, MemoryClock, MemoryDatabase, PaymentRow
from tests.support.payout.terms_of import terms_of

ASSET_ID = UUID(int=0xA55E7)
# Four payees fill a batch: 100,000 + 4 x 60,000 is nine tenths of it.
MAX_BATCH_GAS = 380_000
_MOST_ROUNDS = 500


class Stage:
    """One asset, ready to be paid, with holders of uneven balances."""

    def __init__(
        self,
        balances: Sequence[int] = (10, 20, 30, 40, 50, 60, 70, 80, 90, 101),
        *,
        seed: int | None = None,
        settings: EngineSettings | None = None,
        failpoints: Failpoints | None = None,
        artifact: LifecycleArtifact | None = None,
        devnet_genesis_hash: str = "",
        signers: tuple[EvmAddress, ...] = (SIGNER,),
    ) -> None:
        self.database = MemoryDatabase(seed)
        self.chain = MemoryChain(
            self.database, [(holder(number), balance) for number, balance in enumerate(balances)]
        )
        self.clock = MemoryClock()
        self.chain.now = self.clock.now
        self.engine = Engine(
            unit_of_work=self.database.unit_of_work,
            rail=self.chain,
            security_token=self.chain,
            lifecycle_contract=self.chain,
            payment_token=self.chain,
            clock=self.clock,
            ids=CountingIds(),
            failpoints=failpoints or NoFailpoints(),
            settings=settings or engine_settings(),
            chain_id=CHAIN_ID,
            signers=signers,
            artifact=artifact,
            devnet_genesis_hash=devnet_genesis_hash,
        )

    @property
    def lanes(self) -> Lanes:
        """The lanes of the present engine."""
        return lanes_of(self.engine, self.chain)

    async def add_asset(self, asset_id: UUID = ASSET_ID) -> None:
        async with self.database.unit_of_work() as work:
            await work.lifecycle.add(ready_contract(asset_id))
            await work.commit()

    async def request(
        self, total: int = 10_000, payout_id: UUID | None = None, percentage_basis_points: int | None = None
    ) -> UUID:
        """Requests a payout of a total or (total 0) of a percentage of the available money."""
        if ASSET_ID not in self.database.rows("lifecycle"):
            await self.add_asset()
        payout_id = payout_id or uuid4()
        terms = terms_of(total=total, percentage_basis_points=percentage_basis_points)
        command = RequestPayoutCommand(payout_id, ASSET_ID, self.clock.now(), terms)
        await request_payout(self.engine, command, incoming(payout_id))
        return payout_id

    async def round(self) -> None:
        """Does what the workers of one replica do between two blocks."""
        self.clock.advance(self.engine.settings.blocked_poll_seconds)
        await advance_one_lifecycle(self.engine)
        for _ in range(8):
            if not await advance_one_payout(self.engine):
                break
        await advance_one_sweep(self.engine)
        for signer in self.engine.signers:
            for _ in range(8):
                if not await drive_transactions(self.lanes, signer):
                    break

    async def run(self, payout_id: UUID) -> Payout:
        """Runs until the payout is final or makes no progress any more."""
        for _ in range(_MOST_ROUNDS):
            await self.round()
            self.chain.mine()
            if self.payout(payout_id).state not in WORKED_STATES:
                return self.payout(payout_id)
        raise AssertionError(f"not final: {self.payout(payout_id)}")

    async def run_to(self, payout_id: UUID, state: PayoutState) -> Payout:
        """Runs until the payout has reached a state."""
        for _ in range(_MOST_ROUNDS):
            if self.payout(payout_id).state is state:
                return self.payout(payout_id)
            self.clock.advance(self.engine.settings.blocked_poll_seconds)
            await advance_one_payout(self.engine)
            if self.payout(payout_id).state is state:
                return self.payout(payout_id)
            for signer in self.engine.signers:
                await drive_transactions(self.lanes, signer)
            self.chain.mine()
        raise AssertionError(f"not {state}: {self.payout(payout_id)}")

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.round()
            self.chain.mine()

    async def add_intent(
        self, key: str = "creation/x", *, gas_limit: int = 0, data: bytes = b"", signer: EvmAddress = SIGNER
    ) -> TransactionIntent:
        """Adds a journaled transaction without a payout: a contract creation."""
        if ASSET_ID not in self.database.rows("lifecycle"):
            await self.add_asset()
        call = self.chain.take_snapshot(TOKEN)
        intent = TransactionIntent(
            intent_id=self.engine.ids.new(),
            key=key,
            purpose=Purpose.CONTRACT_CREATION,
            owner_kind=OwnerKind.LIFECYCLE_CONTRACT,
            owner_id=ASSET_ID,
            chain_id=CHAIN_ID,
            signer=signer,
            call=type(call)(None, data),
            gas_limit=gas_limit,
            create_time=START,
        )
        async with self.database.unit_of_work() as work:
            assert await work.journal.add(intent)
            await work.commit()
        return intent

    async def drive(self, seconds: float = 0.0, signer: EvmAddress = SIGNER) -> bool:
        self.clock.advance(seconds)
        return await drive_transactions(self.lanes, signer)

    def payout(self, payout_id: UUID) -> Payout:
        return self.database.payout(payout_id)

    def payments(self, payout_id: UUID) -> list[PaymentRow]:
        return self.database.payments(payout_id)

    def assert_paid_as_planned(self, payout_id: UUID) -> None:
        """Compares the chain with floor(total x balance / supply), without using the ledger."""
        payout = self.payout(payout_id)
        supply = sum(balance for _, balance in self.chain.balances) + self.chain.frozen
        for payee, balance in self.chain.balances:
            assert self.chain.money_of(payee) == payout.total_base_units * balance // supply


def engine_settings(**changes: object) -> EngineSettings:
    values: dict[str, object] = {
        "confirmations": 2,
        "batch_limits": BatchLimits(max_gas=MAX_BATCH_GAS, max_calldata_bytes=100_000, max_payees=100),
        "plan_page_size": 3,
        "max_transaction_gas": 3_000_000,
        **changes,
    }
    return EngineSettings(**values)  # type: ignore[arg-type]


def ready_contract(asset_id: UUID = ASSET_ID) -> LifecycleContract:
    return LifecycleContract(
        asset_id=asset_id,
        chain_id=CHAIN_ID,
        token=TOKEN,
        payment_token=PAYMENT_TOKEN,
        payment_token_symbol="DUSD",
        payment_token_decimals=6,
        create_time=START,
        update_time=START,
        address=CONTRACT,
        state=LifecycleState.READY,
    )


def incoming(aggregate_id: UUID) -> IncomingEvent:
    subject = f"masspayout.distribution.v1.distribution_released.{aggregate_id}"
    return IncomingEvent(uuid4(), subject, "distribution_released", aggregate_id, 1, b"")


assert (GAS_BASE + 4 * GAS_PER_PAYEE) * 110 // 100 <= MAX_BATCH_GAS
