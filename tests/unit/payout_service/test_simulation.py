"""Kills, forks, lost replies and racing replicas, from a seed: nobody is ever paid twice or short."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from libs.errors import AppError
from payout_service.application.advance_payout import advance_one_payout
from payout_service.application.drive_transactions import drive_transactions
from payout_service.application.engine import Engine
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import WORKED_STATES, PayoutState
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import Stage, engine_settings

SEEDS = range(60)
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
    """Kills at a place, or at any place now and then."""

    def __init__(self, place: str = "", chance: float = 0.0, seed: int = 0) -> None:
        self._place = place
        self._chance = chance
        self._random = random.Random(seed)
        self.reached: list[str] = []
        self.kills = 0

    async def reach(self, name: str) -> None:
        self.reached.append(name)
        is_first = name == self._place and self.reached.count(name) == 1
        if is_first or self._random.random() < self._chance:
            self.kills += 1
            raise KilledError(name)


async def survive(step: Callable[[Engine], Awaitable[bool]], engine: Engine) -> None:
    """A worker's step: an error is logged there, a kill ends the process and another takes over."""
    try:
        await step(engine)
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
        await survive(advance_one_payout, stage.engine)
        await survive(drive_transactions, stage.engine)
        stage.chain.mine()
        if stage.payout(payout_id).state not in WORKED_STATES:
            break
    assert failpoints.kills == 1
    assert stage.payout(payout_id).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert len(stage.chain.state.snapshots) == 1, "one snapshot"
    assert len(set(stage.chain.signed)) == len(stage.chain.signed) or "before_journal_commit" in place
    assert len(set(stage.chain.broadcasts)) == len(stage.database.intents())


@pytest.mark.parametrize("seed", SEEDS)
async def test_faults_from_a_seed(seed: int) -> None:
    chance = random.Random(seed)
    failpoints = Killing(chance=0.03, seed=seed)
    count = chance.randrange(1, 15)
    stage = Stage(
        [chance.randrange(1, 1000) for _ in range(count)],
        seed=seed,
        failpoints=failpoints,
        settings=engine_settings(max_batch_tries=50),
    )
    stage.chain.blocked_payees = {holder(number) for number in range(count) if chance.random() < 0.1}
    stage.chain.deposit(chance.randrange(0, 40_000))
    payouts = [await stage.request(chance.randrange(1, 20_000)) for _ in range(2)]
    for _ in range(_MOST_ROUNDS):
        stage.clock.advance(chance.choice([1, 5, 30]))
        stage.chain.is_down = chance.random() < 0.1
        if chance.random() < 0.3:
            stage.chain.faults = [chance.choice(["", "lost before", "lost after", "not taken"])]
        if chance.random() < 0.05:
            stage.chain.reverting_batches += 1
        # Two replicas with three workers each, all at once.
        await asyncio.gather(
            *(survive(step, stage.engine) for step in [advance_one_payout, drive_transactions] * 2)
        )
        if chance.random() < 0.7:
            stage.chain.mine()
        if chance.random() < 0.1 and len(stage.chain.blocks) > 6:
            stage.chain.reorg(chance.randrange(1, stage.engine.settings.confirmations + 1))
        if chance.random() < 0.1:
            stage.chain.deposit(5_000)
        if all(stage.payout(each).state not in WORKED_STATES for each in payouts):
            break
    stage.chain.is_down = False
    await asyncio.gather(*(survive(drive_transactions, replace(stage.engine)) for _ in range(2)))
    check_the_books(stage, payouts, seed)


def check_the_books(stage: Stage, payouts: list[UUID], seed: int) -> None:
    """Ledger and chain, payee by payee."""
    ledger: dict[str, int] = {}
    for payout_id in payouts:
        payout = stage.payout(payout_id)
        assert payout.state in (PayoutState.COMPLETED, PayoutState.INCOMPLETE), (seed, payout)
        assert payout.plan
        rows = stage.payments(payout_id)
        owed = sum(row.planned.amount_base_units for row in rows if row.state is PaymentState.FAILED)
        payout.plan.assert_identity(
            declared_base_units=payout.total_base_units,
            paid_base_units=payout.progress.paid_base_units,
            open_base_units=owed,
        )
        for row in rows:
            assert row.state in (PaymentState.PAID, PaymentState.FAILED, PaymentState.ZERO_DUE), (seed, row)
            if row.state is PaymentState.PAID:
                payee = row.planned.holder
                ledger[payee] = ledger.get(payee, 0) + row.planned.amount_base_units
            elif row.state is PaymentState.FAILED:
                assert row.planned.holder in stage.chain.blocked_payees, (seed, row)
    on_chain = {payee: stage.chain.money_of(payee) for payee, _ in stage.chain.balances}
    assert on_chain == {payee: ledger.get(payee, 0) for payee in on_chain}, seed
    assert len(set(stage.chain.signed)) == len({intent.nonce for intent in stage.database.intents()}), seed
    assert len(stage.chain.state.snapshots) == len(payouts), seed
