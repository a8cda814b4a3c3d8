"""Hypothesis plays node, chain, operator and process against the follower; the register must come out right."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain_sync_service.application.administer import RefreshScope
from chain_sync_service.domain.listener import HolderSource
from libs.chain.quantities import BlockNumber
from libs.errors import AppError
from libs.idempotency import RequestKey
from tests.unit.chain_sync_service import fake_chain
from tests.unit.chain_sync_service.fake_chain import NOTHING, FakeBlock, Operation, holder
from tests.unit.chain_sync_service.fakes import CrashError, Follower

ASSET = UUID("22222222-2222-4222-8222-222222222222")
REQUESTS = ("head", "identity", "blocks", "logs", "supplies", "holdings", "holder_count", "holder_page", "coupons")
SEEDS = st.integers(0, 10**6)
HOLDERS = 6


def operation(seed: int) -> Operation:
    """What happens in a transaction; what there is not enough for is reverted."""
    account, other, amount = holder(seed % HOLDERS + 1), holder(seed // 7 % HOLDERS + 1), seed // 50 % 9 + 1
    choices: list[Callable[[], Operation]] = [
        lambda: fake_chain.issue(account, amount * 3),
        lambda: fake_chain.issue(account, amount * 3),
        lambda: fake_chain.transfer(account, other, amount),
        lambda: fake_chain.transfer(account, other, amount),
        lambda: fake_chain.redeem(account, amount),
        lambda: fake_chain.redeem_at_maturity(account, amount),
        lambda: fake_chain.transfer_by_partition(account, other, amount),
        lambda: fake_chain.freeze(account, amount),
        lambda: fake_chain.freeze(account, -amount),
        lambda: fake_chain.lock(account, amount),
        lambda: fake_chain.lock(account, -amount),
        lambda: fake_chain.hold(account, amount),
        lambda: fake_chain.adjust(2),
        lambda: fake_chain.adjust_silently(2),
        lambda: fake_chain.tell_adjustment(),
        lambda: fake_chain.announce_coupon(seed % 5 + 1),
        lambda: fake_chain.set_rate(seed % 5 + 1, amount),
        lambda: fake_chain.deposit(amount),
        lambda: fake_chain.tell_nonsense(),
    ]
    return choices[seed // 3 % len(choices)]()


class FollowerMachine(RuleBasedStateMachine):
    """Blocks, reorgs (also in the middle of reading), outages, refusals, pruned states, crashes, operators."""

    @initialize(
        confirmations=st.integers(0, 3),
        window=st.integers(1, 9),
        logs=st.integers(1, 12),
        page=st.integers(1, 4),
        source=st.sampled_from(HolderSource),
        has_list=st.booleans(),
        start_block=st.integers(0, 3),
        seeds=st.lists(SEEDS, min_size=4, max_size=8),
    )
    def begin(
        self,
        confirmations: int,
        window: int,
        logs: int,
        page: int,
        source: HolderSource,
        has_list: bool,
        start_block: int,
        seeds: list[int],
    ) -> None:
        # Without a list, nobody could know who held tokens before the first block that is read.
        knows_early_holders = has_list or source is HolderSource.LOGS
        self.loop = asyncio.new_event_loop()
        self.follower = Follower(
            confirmations=confirmations,
            window_blocks=window,
            window_logs=logs,
            page_size=page,
            holder_source=source if knows_early_holders else HolderSource.LOGS,
            start_block=start_block if has_list else 0,
        )
        self.follower.chain.has_list = has_list
        self.follower.chain.mine(*(fake_chain.issue(holder(number), 20) for number in range(1, HOLDERS)))
        self.mine(seeds)
        self.follower.follow(ASSET)
        self.request_count = 0

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                self.settle()
            finally:
                self.loop.close()

    # --- the chain

    def mine(self, seeds: list[int]) -> None:
        for seed in seeds:
            self.follower.chain.mine(*(operation(seed * number) for number in range(1, seed % 4)))

    @rule(seeds=st.lists(SEEDS, min_size=1, max_size=6), steps=st.integers(0, 9))
    def trade(self, seeds: list[int], steps: int) -> None:
        self.mine(seeds)
        self.work(steps)

    @rule(count=st.integers(1, 8))
    def mine_empty(self, count: int) -> None:
        self.follower.chain.mine_empty(count)

    @rule(seconds=st.sampled_from([60, 4000]))
    def let_time_pass(self, seconds: int) -> None:
        self.follower.chain.mine(seconds=seconds)

    @rule(
        depth=st.integers(1, 12), seeds=st.lists(SEEDS, max_size=8), keeps=st.booleans(), steps=st.integers(0, 9)
    )
    def reorganize(self, depth: int, seeds: list[int], keeps: bool, steps: int) -> None:
        """Other blocks instead of the newest; `keeps`: some of their transactions happen again, later."""
        dropped = self.follower.chain.drop(depth)
        self.mine(seeds)
        self.mine_again(dropped, keeps)
        self.work(steps)

    def mine_again(self, dropped: list[FakeBlock], keeps: bool) -> None:
        if keeps:
            for block in dropped[::2]:
                self.follower.chain.mine_transactions(block.transactions)

    @rule(depth=st.integers(1, 9))
    def lag(self, depth: int) -> None:
        """The node falls back for a moment, and is on the same fork again."""
        dropped = self.follower.chain.drop(depth)
        self.step()
        self.follower.chain.blocks_now += dropped[: max(depth - 1, 1)]

    # --- faults in the middle

    @rule(
        request=st.sampled_from(REQUESTS), depth=st.integers(1, 9), seeds=st.lists(SEEDS, min_size=1, max_size=9)
    )
    def reorganize_while_it_reads(self, request: str, depth: int, seeds: list[int]) -> None:
        def fork(asked: str) -> None:
            if asked == request:
                self.follower.chain.before = lambda asked: None
                dropped = self.follower.chain.drop(depth)
                self.mine(seeds)
                self.mine_again(dropped, keeps=True)

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

    @rule(request=st.sampled_from(REQUESTS), is_written=st.booleans())
    def crash_at_the_commit_after(self, request: str, is_written: bool) -> None:
        store = self.follower.store

        def arm(asked: str) -> None:
            store.crash_after_commit |= is_written and asked == request
            store.crash_at_commit |= not is_written and asked == request

        self.follower.chain.before = arm
        self.step()
        self.follower.chain.before = lambda asked: None
        store.crash_at_commit = store.crash_after_commit = False
        self.follower.follow_next = self.follower.new_process()
        self.follower.clock.pass_time(15)

    @rule(most=st.integers(1, 5), steps=st.integers(1, 9))
    def work_with_refused_windows(self, most: int, steps: int) -> None:
        self.follower.chain.most_blocks = most
        self.work(steps)
        self.follower.chain.most_blocks = 10**9

    @rule(kept=st.integers(0, 4), steps=st.integers(1, 9))
    def work_without_old_states(self, kept: int, steps: int) -> None:
        self.follower.chain.kept_states = kept
        self.work(steps)
        self.follower.chain.kept_states = 10**9

    # --- operators

    @rule(steps=st.integers(1, 5))
    def stop_and_start(self, steps: int) -> None:
        self.administer(lambda key: self.follower.administer.stop(key, ASSET))
        before = self.follower.listener(ASSET)
        self.work(steps)
        assert self.follower.listener(ASSET) == before
        self.administer(lambda key: self.follower.administer.start(key, ASSET))

    @rule(from_block=st.integers(0, 20))
    def replay(self, from_block: int) -> None:
        self.administer(lambda key: self.follower.administer.replay(key, ASSET, BlockNumber(from_block)))

    @rule(scope=st.sampled_from(RefreshScope), number=st.integers(1, HOLDERS))
    def refresh(self, scope: RefreshScope, number: int) -> None:
        self.administer(lambda key: self.follower.administer.refresh(key, ASSET, scope, [holder(number)]))

    def administer(self, call: Callable[[RequestKey], Awaitable[None]]) -> None:
        async def carry_out() -> None:
            self.request_count += 1
            try:
                await call(RequestKey(UUID(int=self.request_count), "Method", b"hash", "caller"))
            except AppError:
                # A replay of what was not read yet is refused.
                return

        self.loop.run_until_complete(carry_out())

    # --- the worker

    @rule(steps=st.integers(1, 30))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        async def move() -> None:
            self.follower.clock.pass_time(2)
            try:
                await self.follower.follow_next()
            except (AppError, CrashError):
                # As the worker does: the step is tried again.
                return

        self.loop.run_until_complete(move())

    # --- what must be so

    @invariant()
    def what_was_told_is_right_and_whole(self) -> None:
        """Also asserts that every complete range equals the chain at its end, on the fork that it was read on."""
        if not hasattr(self, "follower"):
            return
        register = self.follower.register(ASSET)
        listener = self.follower.listener(ASSET)
        assert register.last_sequence == listener.last_sequence
        assert listener.total_base_units == sum(has.total for has in register.holdings.values())
        rows = self.follower.store.state.holdings
        for (_, account), row in rows.items():
            assert register.holdings.get(account, NOTHING) == row.told
        self.follower.facts_alive(ASSET)
        if listener.holder_source is HolderSource.LOGS:
            assert listener.start_block <= self.follower.new_listeners.start_block, "no block is left out"

    def settle(self) -> None:
        chain = self.follower.chain
        self.follower.clock.pass_time(60)
        chain.mine_empty(20)
        # Twice: by the chain's clock, rates are asked for less and less often.
        for _ in range(2):
            chain.mine(seconds=4000)
            chain.mine_empty(self.follower.confirmations)
            self.loop.run_until_complete(self.follower.run_until_idle())
        self.what_was_told_is_right_and_whole()
        # Nothing happens for long enough that holdings are compared with the supply once more.
        chain.mine_empty(10)
        self.loop.run_until_complete(self.follower.run_until_idle())
        self.follower.assert_settled(ASSET)


TestFollower = FollowerMachine.TestCase
TestFollower.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
