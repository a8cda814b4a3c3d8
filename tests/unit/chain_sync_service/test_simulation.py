"""Hypothesis plays node, chain and process against the follower; the register must come out right always."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from libs.errors import AppError
from tests.unit.chain_sync_service.fakes import NOBODY, CrashError, Follower, holder

ASSET = UUID("22222222-2222-4222-8222-222222222222")
REQUESTS = ("head", "identity", "blocks", "transfers")


class FollowerMachine(RuleBasedStateMachine):
    """Blocks with transfers, reorgs (also in the middle of reading), outages, refusals, crashes, idle time."""

    @initialize(confirmations=st.integers(0, 3), window=st.integers(1, 9), logs=st.integers(1, 12))
    def begin(self, confirmations: int, window: int, logs: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.follower = Follower(confirmations=confirmations, window_blocks=window, window_logs=logs)
        self.follower.follow(ASSET)
        self.mine(4)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.settle()
            self.loop.close()

    def run_async(self, work: Coroutine[Any, Any, bool]) -> bool:
        return self.loop.run_until_complete(work)

    def step(self) -> None:
        self.follower.clock.pass_time(2)
        try:
            self.run_async(self.follower.follow_next())
        except (AppError, CrashError):
            # As the worker does: the step is tried again.
            return

    def move(self, seed: int) -> tuple[str, str, int] | None:
        balances = self.follower.chain.balances()
        kind, account, amount = seed % 5, holder(seed % 7 + 1), seed % 11
        if kind == 0 or not balances:
            return (NOBODY, account, amount)
        sender, balance = sorted(balances.items())[seed % len(balances)]
        return (sender, NOBODY if kind == 1 else account, min(amount, balance))

    @rule(seed=st.integers(0, 10**6))
    def mine(self, seed: int) -> None:
        move = self.move(seed)
        self.follower.chain.mine(*[move] if move else [], odd_logs=seed % 97 == 0)

    @rule(count=st.integers(1, 8))
    def mine_empty(self, count: int) -> None:
        self.follower.chain.mine_empty(count)

    @rule(depth=st.integers(1, 12), seeds=st.lists(st.integers(0, 10**6), max_size=14))
    def reorganize(self, depth: int, seeds: list[int]) -> None:
        self.follower.chain.drop(depth)
        for seed in seeds:
            self.mine(seed)

    @rule(
        request=st.sampled_from(REQUESTS),
        depth=st.integers(1, 9),
        seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=12),
    )
    def reorganize_while_it_reads(self, request: str, depth: int, seeds: list[int]) -> None:
        def fork(asked: str) -> None:
            if asked == request:
                self.follower.chain.before = lambda asked: None
                self.reorganize(depth, seeds)

        self.follower.chain.before = fork
        self.step()
        self.follower.chain.before = lambda asked: None

    @rule(request=st.sampled_from(REQUESTS))
    def lose_the_node_while_it_reads(self, request: str) -> None:
        def fail(asked: str) -> None:
            self.follower.chain.is_away = asked == request

        self.follower.chain.before = fail
        self.step()
        self.follower.chain.before = lambda asked: None
        self.follower.chain.is_away = False

    @rule(request=st.sampled_from(REQUESTS))
    def crash_at_the_commit_after(self, request: str) -> None:
        def arm(asked: str) -> None:
            self.follower.store.crash_at_commit |= asked == request

        self.follower.chain.before = arm
        self.step()
        self.follower.chain.before = lambda asked: None
        self.follower.store.crash_at_commit = False
        self.follower.follow_next = self.follower.new_process()
        self.follower.clock.pass_time(15)

    @rule(most=st.integers(1, 5))
    def refuse_windows(self, most: int) -> None:
        self.follower.chain.most_blocks = most

    @rule(steps=st.integers(1, 6))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    @invariant()
    def the_register_is_never_wrong(self) -> None:
        """Every complete range equals the chain at its end, unless that block has left the chain since."""
        if not hasattr(self, "follower"):
            return
        register = self.follower.store.register(ASSET)
        position = self.follower.token(ASSET).position
        chain = self.follower.chain
        if position and position.number < len(chain.blocks_now):
            is_canonical = chain.blocks_now[position.number].hash == position.hash
            assert not is_canonical or register == chain.balances(position.number)

    def settle(self) -> None:
        self.follower.chain.most_blocks = 10**9
        self.follower.clock.pass_time(60)
        self.follower.chain.mine_empty(20)
        self.run_async(self.rest())
        position = self.follower.token(ASSET).position
        assert position is not None
        assert position.number == self.follower.safe_block()
        assert self.follower.store.register(ASSET) == self.follower.chain.balances(position.number)

    async def rest(self) -> bool:
        await self.follower.run_until_idle()
        return True


TestFollower = FollowerMachine.TestCase
TestFollower.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
