"""Watches: the state now, each change, the end; and nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID, uuid4

import pytest

from distribution_service.api.watches import DistributionWatches
from distribution_service.application.queries import DistributionQueries
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payout_report import Progress
from distribution_service.domain.states import DistributionState, PayoutState
from libs.errors import AppError, Reason
from tests.unit.distribution_service.fakes import (
    FakePayouts,
    FakeReader,
    Store,
    preview,
    progress,
    released,
    report,
)


class _World:
    def __init__(self, max_watches: int = 10) -> None:
        self.store = Store()
        distribution = released()
        self.distribution_id = distribution.distribution_id
        self.store.distributions[self.distribution_id] = distribution
        queries = DistributionQueries(FakeReader(self.store), self.store.new_unit_of_work, FakePayouts(preview()))
        self.watches = DistributionWatches(queries, max_watches)

    def follow(self, distribution_id: UUID | None = None) -> AsyncGenerator[Distribution, None]:
        return self.watches.follow(distribution_id or self.distribution_id)

    def change(self, version: int, state: PayoutState, paid: int = 0) -> None:
        self.tell(version, state, progress(paid=paid))

    def tell(self, version: int, state: PayoutState, figures: Progress) -> None:
        before = self.store.distributions[self.distribution_id]
        told = report(before, version, state, figures)
        self.store.distributions[self.distribution_id] = before.apply_payout(told, before.update_time)


async def test_the_state_now_then_each_change_then_the_end() -> None:
    world = _World()
    async with aclosing(world.follow()) as changes:
        assert (await anext(changes)).state is DistributionState.RELEASED
        world.change(1, PayoutState.EXECUTING, paid=1)
        await world.watches.step()
        assert (await anext(changes)).state is DistributionState.EXECUTING
        world.change(2, PayoutState.COMPLETED, paid=4)
        await world.watches.step()
        assert (await anext(changes)).state is DistributionState.COMPLETED
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
    assert world.watches.count == 0


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PayoutState.COMPLETED, progress(paid=4)),
        (PayoutState.INCOMPLETE, progress(paid=1)),
        (PayoutState.FAILED, progress()),
        (PayoutState.CANCELLED, progress(paid=4)),
        (PayoutState.DEFERRED, progress(paid=3, deferred=1)),
    ],
)
async def test_a_settled_distribution_is_sent_once(state: PayoutState, told: Progress) -> None:
    world = _World()
    world.tell(1, state, told)
    async with asyncio.timeout(5):
        assert [item.state async for item in world.follow()] == [DistributionState[state.name]]


async def test_a_watch_goes_on_while_the_payout_is_paused_and_being_cancelled() -> None:
    world = _World()
    async with aclosing(world.follow()) as changes:
        await anext(changes)
        for version, state in enumerate((PayoutState.PAUSED, PayoutState.CANCELLING, PayoutState.CANCELLED), 1):
            world.change(version, state, paid=4)
            await world.watches.step()
            async with asyncio.timeout(5):
                assert (await anext(changes)).state is DistributionState[state.name]
        with pytest.raises(StopAsyncIteration):
            await anext(changes)


async def test_changes_between_two_reads_are_sent_as_one_and_none_twice() -> None:
    world = _World()
    async with aclosing(world.follow()) as changes:
        await anext(changes)
        for version in (1, 2, 3):
            world.change(version, PayoutState.EXECUTING, paid=version)
            await world.watches.step()
        newest = await anext(changes)
        assert newest.progress is not None
        assert newest.progress.paid_count == 3
        following = asyncio.ensure_future(anext(changes))
        await world.watches.step()
        await asyncio.wait({following}, timeout=0.01)
        assert not following.done()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
    assert world.watches.count == 0


async def test_watches_of_one_distribution_that_have_seen_different_versions_are_both_served() -> None:
    world = _World()
    async with aclosing(world.follow()) as early, aclosing(world.follow()) as late:
        await anext(early)
        world.change(1, PayoutState.EXECUTING)
        assert (await anext(late)).version == 2
        await world.watches.step()
        async with asyncio.timeout(5):
            assert (await anext(early)).version == 2


async def test_an_unknown_distribution_is_not_found_and_leaves_nothing() -> None:
    world = _World()
    with pytest.raises(AppError) as caught:
        await anext(world.follow(uuid4()))
    assert caught.value.reason is Reason.DISTRIBUTION_NOT_FOUND
    assert world.watches.count == 0


async def test_stop_ends_waiting_watches_and_refuses_new_ones() -> None:
    world = _World()
    changes = world.follow()
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait({waiting}, timeout=0.01)
    world.watches.stop()
    for watch in (waiting, anext(world.follow())):
        with pytest.raises(AppError) as caught:
            await watch
        assert caught.value.reason is Reason.SERVICE_STOPPING
    assert world.watches.count == 0


async def test_a_change_at_hand_is_sent_even_while_stopping() -> None:
    world = _World()
    changes = world.follow()
    await anext(changes)
    world.change(1, PayoutState.COMPLETED, paid=4)
    await world.watches.step()
    world.watches.stop()
    assert (await anext(changes)).state is DistributionState.COMPLETED
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


async def test_cancelling_frees_the_place() -> None:
    world = _World(max_watches=1)
    changes = world.follow()
    await anext(changes)
    refused = world.follow()
    with pytest.raises(AppError, match="1 watches"):
        await anext(refused)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait({waiting}, timeout=0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert world.watches.count == 0
    async with aclosing(world.follow()) as again:
        assert (await anext(again)).version == 1


async def test_a_step_without_watches_does_not_read() -> None:
    world = _World()
    world.store.distributions = {}
    assert await world.watches.step() is False
