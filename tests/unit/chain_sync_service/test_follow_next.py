"""Following a token: windows, failures, reorgs, two workers; on fakes of our ports."""

import asyncio
import itertools
from uuid import UUID, uuid4

import pytest

from chain_sync_service.application.ports import ChainChangedError
from chain_sync_service.domain.followed_token import FollowState
from libs.errors import AppError, Reason
from tests.unit.chain_sync_service.fakes import NOBODY, CrashError, Follower, holder

ASSET = UUID("11111111-1111-4111-8111-111111111111")


def seeded(follower: Follower, holders: int = 3, blocks: int = 20) -> Follower:
    """A chain on which holders were issued 100 each, and then passed 1 along in every block."""
    follower.chain.mine(*[(NOBODY, holder(number), 100) for number in range(1, holders + 1)])
    for number in range(blocks):
        follower.chain.mine((holder(number % holders + 1), holder((number + 1) % holders + 1), 1))
    follower.follow(ASSET)
    return follower


def assert_register_is_right(follower: Follower, asset_id: UUID = ASSET) -> None:
    position = follower.token(asset_id).position
    assert position is not None
    assert position.number == follower.safe_block()
    assert follower.store.register(asset_id) == follower.chain.balances(position.number)


async def test_the_backfill_reads_everything_that_is_confirmed() -> None:
    follower = seeded(Follower())
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert follower.token(ASSET).state is FollowState.FOLLOWING
    last = follower.store.state.events[-1]
    assert last.is_range_complete
    assert last.to_block == follower.token(ASSET).position


async def test_ranges_of_events_join_without_holes() -> None:
    follower = seeded(Follower(window_blocks=4))
    await follower.run_until_idle()
    events = follower.store.state.events
    assert events[0].from_block == 1
    for before, after in itertools.pairwise(events):
        assert after.from_block == before.to_block.number + 1


async def test_many_changes_come_in_chunks_of_a_thousand() -> None:
    follower = Follower()
    follower.chain.mine(*[(NOBODY, holder(number), number) for number in range(1, 2502)])
    follower.chain.mine_empty(2)
    follower.follow(ASSET)
    await follower.run_until_idle()
    events = follower.store.state.events
    assert [len(event.changes) for event in events] == [1000, 1000, 501]
    assert [event.is_range_complete for event in events] == [False, False, True]
    assert_register_is_right(follower)


async def test_an_asset_without_any_transfer_is_announced_once_the_backfill_ends() -> None:
    follower = Follower(position_event_blocks=1000)
    follower.chain.mine_empty(50)
    follower.follow(ASSET)
    await follower.run_until_idle()
    (event,) = follower.store.state.events
    assert (event.sequence, event.from_block, event.to_block.number) == (1, 1, 48)
    assert event.changes == ()
    assert event.is_range_complete


async def test_while_nobody_trades_the_position_is_announced_every_few_blocks_only() -> None:
    follower = Follower(position_event_blocks=5)
    follower.chain.mine_empty(10)
    follower.follow(ASSET)
    for _ in range(11):
        await follower.run_until_idle()
        follower.chain.mine()
    assert [event.to_block.number for event in follower.store.state.events] == [8, 13, 18]


async def test_a_start_block_leaves_out_what_was_before() -> None:
    follower = Follower()
    follower.chain.mine((NOBODY, holder(1), 5))
    follower.chain.mine((NOBODY, holder(2), 7))
    follower.chain.mine_empty(5)
    follower.follow(ASSET, start_block=2)
    await follower.run_until_idle()
    assert follower.store.register(ASSET) == {holder(2): 7}


async def test_a_start_block_in_the_future_is_waited_for() -> None:
    follower = Follower()
    follower.chain.mine_empty(5)
    follower.follow(ASSET, start_block=5)
    follower.clock.pass_time(2)
    assert await follower.follow_next()
    assert not await follower.follow_next()
    follower.chain.mine((NOBODY, holder(1), 5))
    follower.chain.mine_empty(5)
    await follower.run_until_idle()
    assert follower.store.register(ASSET) == {holder(1): 5}


async def test_a_refused_window_is_halved_until_it_is_served_and_grows_again() -> None:
    follower = seeded(Follower(window_blocks=16), blocks=60)
    follower.chain.most_blocks = 3
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert follower.token(ASSET).window_blocks <= 4
    follower.chain.most_blocks = 10**9
    follower.chain.mine_empty(200)
    await follower.run_until_idle()
    assert follower.token(ASSET).window_blocks == 16
    assert follower.alarms.raised == []


async def test_a_single_block_that_is_refused_waits_and_is_an_alarm() -> None:
    follower = seeded(Follower())
    follower.chain.most_blocks = 0
    for _ in range(10):
        follower.clock.pass_time(2)
        await follower.follow_next()
    assert follower.token(ASSET).position is None
    assert "refuses" in follower.token(ASSET).last_error
    assert "WINDOW_REFUSED" in follower.alarms.raised
    follower.chain.most_blocks = 10**9
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert follower.token(ASSET).last_error == ""


async def test_a_window_with_too_many_logs_is_halved_but_a_single_block_is_read_whole() -> None:
    follower = Follower(window_logs=10, window_blocks=8)
    follower.chain.mine_empty(4)
    follower.chain.mine(*[(NOBODY, holder(number), 1) for number in range(1, 50)])
    follower.chain.mine_empty(4)
    follower.follow(ASSET)
    await follower.run_until_idle()
    assert_register_is_right(follower)
    ends = [number for _, number in follower.store.state.ends]
    assert {4, 5} <= set(ends), "the block with the many logs is a window of its own"


@pytest.mark.parametrize("at", range(1, 12))
async def test_a_node_that_goes_away_at_any_request_moves_nothing(at: int) -> None:
    follower = seeded(Follower())
    seen = 0

    def count(request: str) -> None:
        nonlocal seen
        seen += 1
        follower.chain.is_away = at <= seen < at + 3

    follower.chain.before = count
    failures = 0
    for _ in range(40):
        follower.clock.pass_time(2)
        before = follower.token(ASSET)
        failure = await failure_of(follower)
        if failure is not None:
            failures += 1
            assert failure.reason is Reason.CHAIN_UNAVAILABLE
            assert follower.token(ASSET).position == before.position
            assert "away" in follower.store.state.look.error
    assert failures
    assert_register_is_right(follower)
    assert follower.store.state.look.error == ""
    assert follower.token(ASSET).last_error == ""


async def failure_of(follower: Follower) -> AppError | None:
    """The error of one step."""
    try:
        await follower.follow_next()
    except AppError as error:
        return error
    return None


async def test_a_crash_before_the_commit_loses_and_doubles_nothing() -> None:
    follower = seeded(Follower(window_blocks=4))
    follower.clock.pass_time(1)
    await follower.follow_next()
    before = follower.token(ASSET)

    def arm(request: str) -> None:
        # The commit that follows the reading of logs is the window's.
        follower.store.crash_at_commit |= request == "transfers"

    follower.chain.before = arm
    with pytest.raises(CrashError):
        await follower.follow_next()
    assert follower.token(ASSET).position == before.position
    follower.chain.before = lambda request: None
    follower.store.crash_at_commit = False
    follower.follow_next = follower.new_process()
    assert not await follower.follow_next(), "the dead worker's lease still holds"
    follower.clock.pass_time(20)
    await follower.run_until_idle()
    assert_register_is_right(follower)


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_reorg_within_the_confirmations_is_not_noticed(depth: int) -> None:
    follower = seeded(Follower())
    await follower.run_until_idle()
    follower.chain.drop(depth)
    follower.chain.mine_empty(depth)
    follower.chain.mine((holder(1), holder(2), 3))
    follower.chain.mine_empty(3)
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert follower.alarms.raised == []


@pytest.mark.parametrize("depth", [3, 4, 7, 12, 21])
async def test_a_deeper_reorg_is_taken_back(depth: int) -> None:
    follower = seeded(Follower(window_blocks=3))
    await follower.run_until_idle()
    before = follower.token(ASSET)
    follower.chain.drop(depth)
    follower.chain.mine((NOBODY, holder(9), 77))
    follower.chain.mine_empty(depth + 3)
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert "REORG_DEEPER_THAN_CONFIRMATIONS" in follower.alarms.raised
    compensation = follower.store.state.events[before.last_sequence]
    assert before.position is not None
    # Not further than to the end of the window before the fork.
    assert before.position.number - depth - 3 <= compensation.to_block.number < before.position.number
    assert compensation.from_block == compensation.to_block.number
    assert compensation.to_block.hash == follower.chain.blocks_now[compensation.to_block.number].hash


async def test_a_reorg_of_everything_begins_again() -> None:
    follower = seeded(Follower(window_blocks=100))
    await follower.run_until_idle()
    follower.chain.drop(1000)
    for number in range(1, 40):
        follower.chain.mine((NOBODY, holder(number), number))
    await follower.run_until_idle()
    assert_register_is_right(follower)


async def test_a_head_that_goes_back_without_a_fork_is_waited_for() -> None:
    follower = seeded(Follower())
    await follower.run_until_idle()
    position = follower.token(ASSET).position
    dropped = follower.chain.drop(6)
    await follower.run_until_idle()
    assert follower.token(ASSET).position == position
    follower.chain.blocks_now += dropped
    follower.chain.mine_empty(3)
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert follower.alarms.raised == []


async def test_a_fork_that_changes_while_logs_are_read_is_not_mixed() -> None:
    follower = seeded(Follower(window_blocks=100))
    follower.chain.mine_empty(5)

    def fork_once(request: str) -> None:
        if request == "transfers":
            follower.chain.before = lambda request: None
            follower.chain.drop(10)
            follower.chain.mine((holder(1), holder(2), 50))
            follower.chain.mine_empty(12)

    follower.chain.before = fork_once
    follower.clock.pass_time(1)
    assert await follower.follow_next()
    assert follower.token(ASSET).position is None
    await follower.run_until_idle()
    assert_register_is_right(follower)


async def test_an_odd_log_is_kept_and_passed() -> None:
    follower = seeded(Follower())
    follower.chain.mine((holder(1), holder(2), 1), odd_logs=2)
    follower.chain.mine_empty(3)
    await follower.run_until_idle()
    assert_register_is_right(follower)
    assert len(follower.store.state.undecodable) == 2
    assert follower.alarms.raised == ["UNDECODABLE_LOG", "UNDECODABLE_LOG"]


async def test_a_slow_worker_whose_lease_ran_out_writes_nothing() -> None:
    follower = seeded(Follower(window_blocks=100))
    release = asyncio.Event()
    follower.chain.hold = release
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    assert not await follower.new_process()()
    follower.clock.pass_time(11)
    assert await follower.new_process()()
    done = follower.token(ASSET)
    assert done.position is not None
    release.set()
    await slow
    assert follower.token(ASSET) == done
    assert_register_is_right(follower)


@pytest.mark.parametrize("most_blocks", [0, 10**9])
async def test_a_slow_worker_that_meets_an_error_changes_nothing_either(most_blocks: int) -> None:
    follower = seeded(Follower(window_blocks=100))
    release = asyncio.Event()
    follower.chain.hold = release
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    follower.clock.pass_time(11)
    assert await follower.new_process()()
    done = follower.token(ASSET)
    follower.chain.most_blocks = most_blocks
    follower.chain.is_away = most_blocks > 0
    release.set()
    (outcome,) = await asyncio.gather(slow, return_exceptions=True)
    assert isinstance(outcome, AppError) is follower.chain.is_away
    assert follower.token(ASSET) == done


async def test_a_slow_worker_takes_nothing_back_that_another_took_back() -> None:
    follower = seeded(Follower(window_blocks=3))
    await follower.run_until_idle()
    follower.chain.drop(8)
    follower.chain.mine_empty(12)
    release = asyncio.Event()

    def hold_when_verified(request: str) -> None:
        # The slow one has found the fork then, and is about to look for the ancestor.
        if request == "identity" and follower.chain.hold is None:
            follower.chain.hold, follower.chain.hold_at = release, "blocks"

    follower.chain.before = hold_when_verified
    follower.clock.pass_time(2)
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    follower.chain.before = lambda request: None
    follower.clock.pass_time(11)
    await follower.run_until_idle_as(follower.new_process())
    done, events = follower.token(ASSET), list(follower.store.state.events)
    release.set()
    await slow
    assert follower.token(ASSET) == done
    assert follower.store.state.events == events
    assert_register_is_right(follower)


async def test_several_workers_share_several_tokens() -> None:
    follower = seeded(Follower(window_blocks=3))
    assets = [ASSET, *(uuid4() for _ in range(4))]
    for asset_id in assets[1:]:
        follower.follow(asset_id)
    processes = [follower.new_process() for _ in range(3)]
    for _ in range(60):
        follower.clock.pass_time(2)
        await asyncio.gather(*(process() for process in processes))
    for asset_id in assets:
        assert_register_is_right(follower, asset_id)


async def test_another_chain_stops_everything_and_says_so() -> None:
    follower = seeded(Follower())
    await follower.run_until_idle()
    before = follower.token(ASSET)
    blocks = follower.chain.blocks_now
    follower.chain.blocks_now = [follower.chain.blocks_now[1]]
    follower.chain.mine_empty(60)
    for _ in range(3):
        follower.clock.pass_time(20)
        with pytest.raises(ChainChangedError):
            await follower.follow_next()
    assert follower.token(ASSET).position == before.position
    assert follower.token(ASSET).last_sequence == before.last_sequence
    assert "CHAIN_CHANGED" in follower.store.state.look.error
    assert follower.alarms.raised == ["CHAIN_CHANGED"]
    follower.chain.blocks_now = blocks
    follower.chain.mine_empty(1)
    await follower.run_until_idle()
    assert_register_is_right(follower)


async def test_a_shorter_other_chain_is_told_apart_from_a_lagging_node() -> None:
    follower = seeded(Follower())
    await follower.run_until_idle()
    follower.chain.blocks_now = [follower.chain.blocks_now[1]]
    with pytest.raises(ChainChangedError):
        await follower.follow_next()


async def test_a_node_of_another_chain_id_is_refused_by_the_settings_name() -> None:
    follower = seeded(Follower())
    follower.chain.told_chain_id = 1
    with pytest.raises(ChainChangedError, match="CHAIN_SYNC_SERVICE_CHAIN_ID is 298"):
        await follower.follow_next()
    assert follower.store.state.identity is None
