"""One run: two replicas of the engine over one chain and one database, all of it from a seed."""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import HolderAddress, Wei
from libs.errors import AppError, Code
from libs.failpoints import NoFailpoints
from payout_service.application.audit.reconcile_payout import reconcile_one
from payout_service.application.contract.advance_lifecycle import advance_one_lifecycle
from payout_service.application.engine import Engine
from payout_service.application.engine_settings import EngineSettings
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.application.sending.lanes import lanes_of
from payout_service.application.treasury.sweep_leftover import advance_one_sweep
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.payout import Payout
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.transaction import ContractCall
from tests.simulation.dice import Dice
from tests.simulation.scheduling import Scheduler, Task
from tests.simulation.themes import Odds
from tests.simulation.watching import InvariantError, WatchedDatabase
from tests.support.payout.memory_chain import CHAIN_ID, CONTRACT, GWEI, OTHER_SIGNER, SIGNER, MemoryChain, holder
from tests.support.payout.memory_contract import Mined, State
from tests.support.payout.memory_database import CountingIds, MemoryClock
from tests.support.payout.pauses import Pauses
from tests.support.payout.stage import ASSET_ID, MAX_BATCH_GAS

FEE_CAP_WEI = 500 * GWEI
# One, two or four payees fill a batch.
_MAX_BATCH_GAS = (180_000, 250_000, MAX_BATCH_GAS)
_REPLICAS = (0, 1)
_STEPS_PER_TICK = 4
_NEWCOMERS = 3
# A worker's name, and what makes its next step.
Worker = tuple[str, Callable[[], Coroutine[Any, Any, bool]]]


class Alarms:
    """Hears of differences."""

    def discrepancy_found(self, discrepancy: Discrepancy) -> None:
        """Stored by the engine as well; looked at in the end."""

    def discrepancies_open(self, count: int) -> None:
        """Not looked at."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A payout, the table of its payments with how often that was changed, and its promise: at one look."""

    payout: Payout
    payments: object
    changes: int
    promise: object


@dataclass(slots=True)
class World:
    """What a run is made of, and what is remembered of it beyond the database."""

    seed: int
    theme: str
    odds: Odds
    dice: Dice
    settings: EngineSettings
    signers: tuple[EvmAddress, ...]
    database: WatchedDatabase
    chain: MemoryChain
    clock: MemoryClock
    ids: CountingIds
    scheduler: Scheduler
    engines: dict[int, Engine] = field(default_factory=dict)
    workers: dict[int, list[Worker]] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    # Replicas that are down, and until which tick.
    down_until: dict[int, int] = field(default_factory=dict)
    tick: int = 0
    # Somebody else has moved the contract's money, or the database has forgotten: promises may be uncovered.
    is_money_excused: bool = False
    is_restored: bool = False
    # One redemption, and whoever deposits for it gives not a base unit more than the principal of the tokens left.
    has_exact_money: bool = False
    # Somebody has used our key, or paid from our snapshots.
    is_meddled_with: bool = False
    # Base units that redemptions may pay beyond what was promised: tokens that became free, and rounding.
    unpromised_base_units: int = 0
    # Everybody who holds tokens at some time, or may.
    people: list[HolderAddress] = field(default_factory=list)
    # Executions that were judged, by hash, as they were mined.
    judged: dict[str, Mined] = field(default_factory=dict)
    # The chain's state, and how often it was learned whose a transaction is, when executions were looked at last.
    executions_checked: tuple[State | None, int] = (None, 0)
    # Of each payout what was there when it was looked at last.
    checked: dict[UUID, "Checked"] = field(default_factory=dict)
    # Begun in this tick, by replica and worker.
    _steps: dict[tuple[int, str], int] = field(default_factory=dict)
    _log: list[str] = field(default_factory=list)

    # ------------------------------------------------------------------------------------ time

    def run_tick(self, awaits: int, seconds: float) -> None:
        """Some awaits of whatever is under way, then time goes on."""
        self.tick += 1
        self.dice.tick = self.tick
        self._steps.clear()
        self._start_steps()
        self.scheduler.run(awaits, self.database.broken)
        self.dice.rest()
        self._count_races()
        self.clock.advance(seconds)

    def _start_steps(self) -> None:
        busy = {(task.replica, task.name) for task in self.scheduler.tasks}
        for replica in _REPLICAS:
            if self.down_until.get(replica, 0) > self.tick:
                continue
            for name, step in self.workers[replica]:
                if (replica, name) not in busy:
                    self._start_worker(replica, name, step)

    def _start_worker(self, replica: int, name: str, step: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        slot = (replica, name)
        steps = self._steps.get(slot, 0)
        if steps >= _STEPS_PER_TICK:
            return
        self._steps[slot] = steps + 1

        def ended(task: Task, result: object, error: BaseException | None) -> None:
            self.judge_end(task.name, error)
            # A worker whose step has moved something begins the next one at once.
            if error is None and result:
                self._start_worker(replica, name, step)

        self.scheduler.start(Task(name, replica, step(), ended, len(self.chain.blocks) - 1, self.database.commits))

    def start(
        self,
        name: str,
        replica: int,
        coroutine: Coroutine[Any, Any, Any],
        ended: Callable[[object, BaseException | None], None] | None = None,
    ) -> None:
        """A step that is no worker's: an operator's call, an event's delivery."""

        def on_end(task: Task, result: object, error: BaseException | None) -> None:
            if ended is None:
                self.judge_end(name, error)
            else:
                ended(result, error)

        newest_block, commits = len(self.chain.blocks) - 1, self.database.commits
        self.scheduler.start(Task(name, replica, coroutine, on_end, newest_block, commits))

    def judge_end(self, name: str, error: BaseException | None) -> None:
        """A step may find the node away, or on another chain. Anything else is a defect."""
        if error is None or isinstance(error, WrongChainError):
            return
        if isinstance(error, AppError) and error.code is Code.UNAVAILABLE:
            return
        if isinstance(error, AssertionError) and "committed journal" in str(error):
            raise InvariantError("bytes_durable_before_sent", str(error)) from error
        raise InvariantError("defect", f"{name}: {type(error).__name__}: {error}") from error

    def kill(self, replica: int, ticks: int = 0) -> None:
        """A replica's process ends where it is; another begins in its place, at once or later."""
        if self.scheduler.kill(replica):
            self.happened["crash"] += 1
        self.down_until[replica] = self.tick + ticks
        if replica in _REPLICAS:
            self.begin(replica)

    def begin(self, replica: int) -> None:
        """A fresh process in a replica's place."""
        engine = make_engine(self)
        self.engines[replica] = engine
        self.workers[replica] = _workers(self, engine)

    def _count_races(self) -> None:
        """Both replicas have a step under way on the same lane; each pair of steps counts once."""
        lanes: dict[str, list[Task]] = {}
        for task in self.scheduler.tasks:
            if task.awaits and task.name.startswith("lane"):
                lanes.setdefault(task.name, []).append(task)
        for tasks in lanes.values():
            if len(tasks) > 1 and not all(task.has_raced for task in tasks):
                self.happened["two_replicas_raced"] += 1
                for task in tasks:
                    task.has_raced = True

    def note(self, what: str) -> None:
        """For whoever replays the seed."""
        self._log.append(f"{self.tick:4} {what}")

    @property
    def log(self) -> list[str]:
        return self._log


class Artifact:
    """Two creations, the second of which is the lifecycle contract."""

    is_devnet_only = False
    creation_names = ("implementation", "proxy")
    contract_name = "proxy"

    def __init__(self, chain: MemoryChain) -> None:
        chain.creations[b"proxy"] = CONTRACT

    def creation(
        self,
        name: str,
        operator: EvmAddress,
        token: EvmAddress,
        payment_token: EvmAddress,
        created: Mapping[str, EvmAddress],
    ) -> ContractCall:
        return ContractCall(None, name.encode())


def make_world(seed: int, theme: str, odds: Odds, dice: Dice, pauses: Pauses) -> World:
    """Everything that is decided before the first tick. Who decides it, and when steps pause, is given."""
    with dice.at("world"):
        is_relay = dice.happens(odds.is_relay, "is_relay")
        settings = _settings(dice, odds, is_relay=is_relay)
        database = WatchedDatabase(settings.confirmations, pauses)
        holders = dice.number(1, 14, "holders")
        balances = [(holder(number), dice.number(1, 1000, "balances")) for number in range(holders)]
        chain = MemoryChain(database, balances)
        database.chain = chain
        chain.frozen = dice.choice((0, 0, dice.number(1, 500, "unlisted")), "frozen")
        chain.is_relay = is_relay
        chain.is_legacy = dice.happens(0.25, "is_legacy")
        chain.refuses_below_base_fee = dice.happens(0.5, "refuses_below_base_fee")
        clock = MemoryClock()
        chain.now = clock.now
        chain.mine(10)
        world = World(
            seed=seed,
            theme=theme,
            odds=odds,
            dice=dice,
            settings=settings,
            signers=(SIGNER, OTHER_SIGNER)[: dice.choice((1, 2), "signers")],
            database=database,
            chain=chain,
            clock=clock,
            # Far from those of payouts and requests: a sweep once had the id of a payout.
            ids=CountingIds(behind=1 << 24),
            scheduler=Scheduler(dice),
            people=[holder(number) for number in range(len(balances) + _NEWCOMERS)],
        )
    database.scheduler = world.scheduler
    for replica in _REPLICAS:
        world.begin(replica)
    return world


def _settings(dice: Dice, odds: Odds, *, is_relay: bool) -> EngineSettings:
    confirmations = dice.choice((0, 0, 1, 2) if is_relay else (0, 1, 2, 2, 3), "confirmations")
    if odds.reorg > 0.1:
        confirmations = max(1, confirmations)
    return EngineSettings(
        confirmations=confirmations,
        batch_limits=BatchLimits(
            max_gas=dice.choice(_MAX_BATCH_GAS, "max_gas"), max_calldata_bytes=100_000, max_payees=100
        ),
        max_in_flight_transactions=dice.choice((2, 4) if is_relay else (1, 2, 4), "max_in_flight"),
        max_transaction_gas=3_000_000,
        max_fee_per_gas_wei=Wei(FEE_CAP_WEI),
        max_attempts=dice.choice((3, 8), "max_attempts"),
        replace_after_seconds=dice.choice((10.0, 30.0), "replace_after"),
        rebroadcast_seconds=dice.choice((3.0, 10.0), "rebroadcast"),
        stale_batch_seconds=dice.choice((20.0, 60.0), "stale_batch"),
        retry=RetryPolicy(
            max_tries=dice.choice((2, 3, 5), "max_tries"), first_delay_seconds=5.0, longest_delay_seconds=40.0
        ),
        plan_page_size=3,
        reconcile_seconds=dice.choice((20.0, 120.0), "reconcile"),
    )


def _workers(world: World, engine: Engine) -> list[Worker]:
    """A replica's, by name."""
    lanes = lanes_of(engine, world.chain)
    drivers = [
        (f"lane {signer.value[:4]}", partial(drive_transactions, lanes, signer)) for signer in engine.signers
    ]
    return [
        ("payout", lambda: advance_one_payout(engine)),
        *drivers,
        ("sweep", lambda: advance_one_sweep(engine)),
        ("lifecycle", lambda: advance_one_lifecycle(engine)),
        ("reconcile", lambda: reconcile_one(engine, Alarms())),
    ]


def make_engine(world: World) -> Engine:
    """A fresh process."""
    return Engine(
        unit_of_work=world.database.unit_of_work,
        rail=world.chain,
        security_token=world.chain,
        lifecycle_contract=world.chain,
        payment_token=world.chain,
        clock=world.clock,
        ids=world.ids,
        failpoints=NoFailpoints(),
        settings=world.settings,
        chain_id=CHAIN_ID,
        signers=world.signers,
        artifact=Artifact(world.chain),
        devnet_genesis_hash="",
    )


def payout_ids(world: World) -> list[UUID]:
    """Payouts that the database knows now."""
    return list(world.database.rows("payout"))


__all__ = ["ASSET_ID", "FEE_CAP_WEI", "World", "make_engine", "make_world", "payout_ids"]
