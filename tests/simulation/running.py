"""One run from a seed: trouble for a while, then a healed world until everything has come to rest."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from payout_service.domain.payments import OPEN_STATES, PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import IntentState
from payout_service.domain.waits import told
from tests.simulation.dice import Dice
from tests.simulation.dues import principal_told
from tests.simulation.faults import Faults
from tests.simulation.invariants import check_end, check_tick, is_at_rest_by_name
from tests.simulation.issuing import Issuer
from tests.simulation.operators import Events, Operators
from tests.simulation.pausing import Pauser
from tests.simulation.staging import Staging
from tests.simulation.themes import theme_of
from tests.simulation.watching import InvariantError, Transition
from tests.simulation.world import World, make_world, payout_ids
from tests.support.payout.memory_chain import CONTRACT
from tests.support.payout.pauses import Pauses

_MOST_HEALED_TICKS = 600
# About so many objects of ten runs or so are alive before Python looks which of them nobody needs.
_OBJECTS_PER_LOOK = 100_000


@dataclass(slots=True)
class Result:
    """What a run has seen. `failure` is empty when every invariant held."""

    seed: int
    theme: str
    faults: Counter[str] = field(default_factory=Counter)
    transitions: Counter[Transition] = field(default_factory=Counter)
    payouts: Counter[str] = field(default_factory=Counter)
    invariant: str = ""
    failure: str = ""
    ticks: int = 0
    log: list[str] = field(default_factory=list)


def simulate(seed: int) -> Result:
    """Must be called in a running event loop, which the steps' locks want to know; it is never given control."""
    theme, odds = theme_of(seed)
    return play(make_world(seed, theme, odds, Dice(seed), Pauses(seed)))


def play(world: World) -> Result:
    """The run of a world that was made for it."""
    result = Result(world.seed, world.theme)
    try:
        _Run(world).play()
    except InvariantError as error:
        result.invariant, result.failure = error.name, str(error)
    except Exception as error:
        result.invariant, result.failure = "defect", f"{type(error).__name__}: {error}"
    for replica in (-1, 0, 1):
        world.scheduler.kill(replica)
    result.faults = world.happened + world.chain.happened
    result.faults["fee_cap_reached"] += world.database.caps_reached
    result.faults += world.database.happened
    result.transitions = world.database.transitions
    result.payouts.update(each.state.value for each in world.database.rows("payout").values())
    result.ticks, result.log = world.tick, world.log
    return result


def simulate_piece(seeds: Iterable[int]) -> list[Result]:
    """Some seeds in one event loop; each run begins with nothing of the one before."""
    return in_a_loop([partial(simulate, seed) for seed in seeds])


def in_a_loop(runs: Iterable[Callable[[], Result]]) -> list[Result]:
    """Runs in an event loop of their own, one after the other."""

    async def run_all() -> list[Result]:
        results = []
        for run in runs:
            results.append(run())
            # Lets the loop drop the timers that the run's locks have cancelled.
            await asyncio.sleep(0)
        return results

    with _seldom_looking_for_garbage():
        return asyncio.run(run_all())


@contextmanager
def _seldom_looking_for_garbage() -> Iterator[None]:
    """A run leaves its garbage when it has ended, and what was imported before never becomes any."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_LOOK)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class _Run:
    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults(world)
        self.events = Events(world)
        self.operators = Operators(world)
        self.staging = Staging(world, self.events)
        self.issuer = Issuer(world, self.staging)
        self.pauser = Pauser(world, self.events)
        self._checked_at = (-1, -1)
        self._restored = 0

    def play(self) -> None:
        with self.world.dice.at("staging"):
            self.staging.stage()
            disturbed_ticks = self.world.dice.choice((50, 90, 140), "ticks")
        self.faults.begin()
        for _ in range(disturbed_ticks):
            self._disturbed_tick()
        with self.world.dice.at("heal"):
            self._heal()
        for _ in range(_MOST_HEALED_TICKS):
            if self._is_at_rest() and not self._last_calls():
                break
            self._healed_tick()
        self.issuer.count_effects()
        check_end(self.world)
        self.pauser.check_end()

    def _last_calls(self) -> bool:
        """What an operator does once more before everything counts as at rest. False when it is done."""
        return self.operators.try_redemptions_again() or self.operators.reconcile_each()

    def _disturbed_tick(self) -> None:
        world, dice = self.world, self.world.dice
        self.faults.tick()
        if world.happened["restored_backup"] > self._restored:
            self._restored += 1
            self.events.forget_under_way()
            self.operators.forget_under_way()
            self.events.replay()
        self.issuer.tick()
        self.pauser.tick()
        self.events.tick()
        self.operators.tick()
        with dice.at("tick"):
            awaits = dice.choice((10, 40, 150, 400), "awaits")
            seconds = dice.choice((1.0, 2.0, 5.0, 12.0, 25.0), "seconds")
        world.run_tick(awaits, seconds)
        with dice.at("mining"):
            if dice.happens(world.odds.mining):
                world.chain.mine(dice.choice((1, 1, 1, 2), "blocks"))
        self._check()

    def _heal(self) -> None:
        """Trouble ends, money comes, most payees can be paid again."""
        world, dice = self.world, self.world.dice
        self.faults.end()
        self.issuer.end()
        self.pauser.end()
        chain = world.chain
        chain.poison_payees.clear()
        # Sorted: a set of strings has another order in every process, and dice are thrown for each.
        chain.blocked_payees = {each for each in sorted(chain.blocked_payees) if dice.happens(0.3, each)}
        if not world.has_exact_money:
            chain.move_money(100_000)
        for payout_id in payout_ids(world):
            state = world.database.payout(payout_id).state
            if state is PayoutState.PAUSED and dice.happens(0.8, f"{payout_id}"):
                self.operators.call("resume", payout_id)
            elif state is PayoutState.INCOMPLETE and dice.happens(0.6, f"{payout_id}"):
                self.operators.call("retry", payout_id)
            elif state is PayoutState.DEFERRED and dice.happens(0.2, f"{payout_id}"):
                self.operators.call("retry named", payout_id)

    def _healed_tick(self) -> None:
        world = self.world
        self.events.tick()
        self.operators.look_after_signers()
        self.pauser.look_after()
        self.operators.give_up_what_cannot_go_on()
        with world.dice.at("rates"):
            self.issuer.set_rates()
        for payout in world.database.rows("payout").values():
            if "INSUFFICIENT_FUNDS" in payout.waiting_for:
                world.chain.move_money(self._lacking(payout))
        if any("NotEnoughBalance" in told(intent.problem) for intent in world.database.intents()):
            # Somebody took what the treasurer was to get.
            world.chain.move_money(1_000)
        world.run_tick(2_000, 15.0)
        world.chain.mine()
        self._check()

    def _lacking(self, payout: Payout) -> int:
        """What a depositor gives to a payout that waits: plenty; or what the tokens of a redemption are worth."""
        world, plan = self.world, payout.plan
        if not world.has_exact_money or plan is None:
            return 20_000
        money, committed = world.chain.money_of(CONTRACT.value), world.database.committed_base_units()
        if payout.state is PayoutState.WAITING_FOR_FUNDS:
            own: int = world.database.rows("commitment").get(payout.payout_id, (None, 0))[1]
            needed = committed - own + plan.payable_base_units - payout.progress.paid_base_units
        else:
            rows = world.database.payments(payout.payout_id)
            needed = sum(
                principal_told(world.chain, row.planned.holder)
                if row.state in (PaymentState.PLANNED, PaymentState.IN_FLIGHT)
                else row.planned.amount_base_units
                for row in rows
                if row.state in OPEN_STATES
            )
        return max(0, needed - money)

    def _is_at_rest(self) -> bool:
        """Nothing more can come, as far as states tell; the checks look closer."""
        world = self.world
        if not self.events.is_done or any(task.replica < 0 for task in world.scheduler.tasks):
            return False
        if any(lane.halted_because for lane in world.database.rows("lane").values()):
            return False
        if not all(is_at_rest_by_name(world, each) for each in world.database.rows("payout").values()):
            return False
        if world.database.deferrals_due() or not self.pauser.is_done():
            return False
        if any(batch.batch.settled_state is None for batch in world.database.rows("batch").values()):
            return False
        if any(sweep.state.value == "SENDING" for sweep in world.database.sweeps()):
            return False
        return all(
            intent.is_final or intent.state is IntentState.NONCE_LOST for intent in world.database.intents()
        )

    def _check(self) -> None:
        now = (self.world.database.commits, len(self.world.chain.blocks))
        if now != self._checked_at:
            self._checked_at = now
            check_tick(self.world)
