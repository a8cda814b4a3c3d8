"""A short run of the simulation (`make simulate`), its own soundness, and a kill at every named place."""

import os
import random
from collections.abc import Awaitable, Iterable
from pathlib import Path

import pytest

from libs.errors import AppError
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.domain.payout import WORKED_STATES, PayoutState
from tests.simulation.known_seeds import FIRST_SEED, FOUND, KNOWN, keep, known_seeds
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants.hunting import changed_source
from tests.simulation.recording import SAVED, load
from tests.simulation.replaying import replay
from tests.simulation.running import simulate, simulate_piece
from tests.simulation.themes import FAULTS
from tests.support.payout.memory_chain import SIGNER
from tests.support.payout.stage import Stage

PIECES, SEEDS_PER_PIECE = 6, 50
_MOST_ROUNDS = 400
PLACES = [
    "payout.snapshot_requested",
    "snapshot.before_journal_commit",
    "snapshot.journaled",
    "snapshot.before_broadcast",
    "snapshot.broadcast",
    "snapshot.broadcast_recorded",
    "snapshot.before_outcome_commit",
    "snapshot.outcome_recorded",
    "payout.before_snapshot_commit",
    "payout.snapshot_recorded",
    "plan.before_page_commit",
    "plan.page_stored",
    "plan.before_freeze_commit",
    "plan.frozen",
    "funds.before_commit",
    "funds.committed",
    "batch.before_store_commit",
    "batch.stored",
    "batch.before_journal_commit",
    "batch.journaled",
    "batch.before_broadcast",
    "batch.broadcast",
    "batch.broadcast_recorded",
    "batch.before_outcome_commit",
    "batch.outcome_recorded",
    "batch.before_settle_commit",
    "batch.settled",
    "payout.before_finish_commit",
    "payout.finished",
]


class KilledError(BaseException):
    """kill -9: no handler of the engine catches it."""


class Killing:
    """Kills once, at a place."""

    def __init__(self, place: str = "") -> None:
        self._place = place
        self.reached: list[str] = []
        self.kills = 0

    async def reach(self, name: str) -> None:
        self.reached.append(name)
        if name == self._place and self.reached.count(name) == 1:
            self.kills += 1
            raise KilledError(name)


async def survive(step: Awaitable[bool]) -> None:
    """A worker's step: an error is logged there, a kill ends the process and another takes over."""
    try:
        await step
    except (AppError, KilledError):
        return


async def test_the_places_to_kill_at_are_all_there_are() -> None:
    failpoints = Killing()
    stage = Stage(failpoints=failpoints)
    stage.chain.deposit(10_000)
    await stage.run(await stage.request())
    assert set(failpoints.reached) == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
async def test_a_kill_at_any_place_is_survived(place: str) -> None:
    failpoints = Killing(place)
    stage = Stage(failpoints=failpoints)
    stage.chain.deposit(10_000)
    payout_id = await stage.request()
    for _ in range(_MOST_ROUNDS):
        stage.clock.advance(5)
        await survive(advance_one_payout(stage.engine))
        await survive(drive_transactions(stage.lanes, SIGNER))
        stage.chain.mine()
        if stage.payout(payout_id).state not in WORKED_STATES:
            break
    assert failpoints.kills == 1
    assert stage.payout(payout_id).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert len(stage.chain.state.snapshots) == 1, "one snapshot"
    assert len(set(stage.chain.signed)) == len(stage.chain.signed) or "before_journal_commit" in place
    assert len(set(stage.chain.broadcasts)) == len(stage.database.intents())


def broken_by(seeds: Iterable[int]) -> str:
    """What broke, with how to replay it; empty when every invariant held."""
    broken = []
    for result in simulate_piece(seeds):
        assert not set(result.faults) - set(FAULTS), "a fault that no table shows"
        if result.failure:
            kept = keep(result.seed, result.failure)
            broken.append(f"{result.failure}\nreplay: make simulate SEED={result.seed}")
            broken += [f"kept in {FOUND}; move it to {KNOWN}, which is committed"] if kept else []
            broken += result.log
    return "\n".join(broken)


@pytest.mark.parametrize("seed", [each.seed for each in known_seeds(KNOWN)])
def test_a_seed_that_failed_once_holds(seed: int) -> None:
    assert not (broken := broken_by([seed])), broken


def test_the_seeds_that_failed_here_hold() -> None:
    """Those that are not committed yet."""
    assert not (broken := broken_by(each.seed for each in known_seeds(FOUND))), broken


@pytest.mark.parametrize("file", sorted(SAVED.glob("*.json")), ids=lambda file: file.stem)
def test_a_saved_run_holds(file: Path) -> None:
    result, fit = replay(load(file))
    assert not result.failure, f"{result.failure}\nreplay: make simulate REPLAY={file}\n{fit}"


@pytest.mark.parametrize("piece", range(PIECES))
def test_every_invariant_holds(piece: int) -> None:
    """Seeds that nobody has run; the end of the session tells which."""
    first = int(os.environ[FIRST_SEED]) + piece * SEEDS_PER_PIECE
    assert not (broken := broken_by(range(first, first + SEEDS_PER_PIECE))), broken


async def test_a_seed_replays_exactly() -> None:
    seed = random.Random(1).randrange(1_000_000)
    first, second = simulate(seed), simulate(seed)
    assert first == second


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_applies(mutant: object) -> None:
    """Whether it is caught is asked by `make simulate-mutants`."""
    assert changed_source(mutant)  # type: ignore[arg-type]


def test_known_seeds_are_replayed_before_new_ones() -> None:
    """A module's tests run in the order in which they stand there."""
    order = [name for name in globals() if name.startswith("test_")]
    known = order.index(test_a_seed_that_failed_once_holds.__name__)
    found = order.index(test_the_seeds_that_failed_here_hold.__name__)
    saved = order.index(test_a_saved_run_holds.__name__)
    assert known < found < saved < order.index(test_every_invariant_holds.__name__)
