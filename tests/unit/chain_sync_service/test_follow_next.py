"""Following an asset: windows, readings, listings, failures, reorgs, two workers; on fakes of our ports."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chain_sync_service.application.administer import RefreshScope
from chain_sync_service.application.ports import ChainLook
from chain_sync_service.application.source import ChainChangedError
from chain_sync_service.domain.facts import FactKind
from chain_sync_service.domain.listener import Contracts, HolderSource, ListenerState
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from tests.unit.chain_sync_service.fake_chain import (
    LIFECYCLE,
    PAYMENT_TOKEN,
    TOKEN,
    adjust,
    adjust_silently,
    announce_coupon,
    deposit,
    freeze,
    hold,
    holder,
    issue,
    lock,
    redeem,
    redeem_at_maturity,
    set_rate,
    tell_nonsense,
    transfer,
    transfer_by_partition,
)
from tests.unit.chain_sync_service.fakes import CrashError, Follower

ASSET = UUID("11111111-1111-4111-8111-111111111111")


def seeded(follower: Follower, holders: int = 3, blocks: int = 20) -> Follower:
    """A chain on which holders were issued 100 each, and then passed 1 along in every block."""
    follower.chain.mine(*(issue(holder(number), 100) for number in range(1, holders + 1)))
    for number in range(blocks):
        follower.chain.mine(transfer(holder(number % holders + 1), holder((number + 1) % holders + 1), 1))
    follower.follow(ASSET)
    return follower


async def settled(follower: Follower, asset_id: UUID = ASSET) -> None:
    """Runs until nothing is due; everything is right then."""
    await follower.run_until_idle()
    follower.assert_settled(asset_id)


async def carry_out(call: Callable[[RequestKey], Awaitable[None]]) -> None:
    await call(RequestKey(uuid4(), "Method", b"hash", "caller"))


async def look(follower: Follower) -> ChainLook:
    async with follower.store.new_unit_of_work() as uow:
        return await uow.chain.last_look()


async def run_until_state(follower: Follower, state: ListenerState) -> None:
    for _ in range(100):
        if follower.listener(ASSET).state is state:
            return
        follower.clock.pass_time(2)
        await follower.follow_next()
    raise AssertionError(f"never {state}")


# --- windows ---------------------------------------------------------------------------------------------------


async def test_the_backfill_reads_everything_that_is_confirmed() -> None:
    follower = seeded(Follower())
    await settled(follower)
    last = follower.store.state.events[-1]
    assert last.is_range_complete
    assert last.to_block == follower.listener(ASSET).position
    assert "holdings" not in follower.chain.requests, "transfers are folded"


async def test_ranges_of_events_join_without_holes() -> None:
    follower = seeded(Follower(window_blocks=4))
    await settled(follower)
    events = follower.store.state.events
    assert events[0].from_block == 1
    for before, after in itertools.pairwise(events):
        assert after.from_block == before.to_block.number + 1


async def test_many_changes_come_in_chunks_of_a_thousand() -> None:
    follower = Follower()
    follower.chain.mine(*(issue(holder(number), number) for number in range(1, 2502)))
    follower.chain.mine_empty(2)
    follower.follow(ASSET)
    await settled(follower)
    events = follower.store.state.events
    assert [len(event.changes) for event in events] == [1000, 1000, 501]
    assert [event.is_range_complete for event in events] == [False, False, True]


async def test_an_asset_without_any_transfer_is_announced_once_the_backfill_ends() -> None:
    follower = Follower(position_event_blocks=1000)
    follower.chain.mine_empty(50)
    follower.follow(ASSET)
    await settled(follower)
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


async def test_a_start_block_in_the_future_is_waited_for() -> None:
    follower = Follower()
    follower.chain.mine_empty(5)
    follower.follow(ASSET, start_block=5)
    follower.clock.pass_time(2)
    assert await follower.follow_next()
    assert not await follower.follow_next(), "it is put off"
    assert follower.listener(ASSET).position is None
    follower.chain.mine(issue(holder(1), 5))
    follower.chain.mine_empty(5)
    await settled(follower)


async def test_who_held_tokens_before_the_start_block_is_found_in_the_tokens_list() -> None:
    follower = Follower()
    follower.chain.mine(*(issue(holder(number), 5) for number in range(1, 8)))
    follower.chain.mine(issue(holder(9), 7))
    follower.chain.mine_empty(5)
    follower.follow(ASSET, start_block=2)
    await settled(follower)
    assert "holder_page" in follower.chain.requests


async def test_holders_that_nobody_knows_are_a_named_gap_that_is_told_once() -> None:
    follower = Follower()
    follower.chain.has_list = False
    follower.chain.mine(issue(holder(1), 5))
    follower.chain.mine(issue(holder(2), 7))
    follower.chain.mine_empty(5)
    follower.follow(ASSET, start_block=2)
    await follower.run_until_idle()
    listener = follower.listener(ASSET)
    assert (listener.state, listener.supply_gap_base_units) == (ListenerState.FOLLOWING, 5)
    assert follower.alarms.raised == ["NO_HOLDER_LIST", "HOLDINGS_DO_NOT_SUM_TO_SUPPLY"]
    follower.chain.mine(transfer(holder(2), holder(3), 2))
    follower.chain.mine_empty(5)
    await follower.run_until_idle()
    assert follower.alarms.raised.count("HOLDINGS_DO_NOT_SUM_TO_SUPPLY") == 1
    assert follower.listener(ASSET).state is ListenerState.FOLLOWING


async def test_a_refused_window_is_halved_until_it_is_served_and_grows_again() -> None:
    follower = seeded(Follower(window_blocks=16), blocks=60)
    follower.chain.most_blocks = 3
    await settled(follower)
    assert follower.listener(ASSET).window_blocks <= 4
    follower.chain.most_blocks = 10**9
    follower.chain.mine_empty(200)
    await settled(follower)
    assert follower.listener(ASSET).window_blocks == 16
    assert follower.alarms.raised == []


async def test_a_single_block_that_is_refused_waits_and_is_an_alarm() -> None:
    follower = seeded(Follower())
    follower.chain.most_blocks = 0
    for _ in range(10):
        follower.clock.pass_time(2)
        await follower.follow_next()
    assert follower.listener(ASSET).position is None
    assert "refuses" in follower.listener(ASSET).last_error
    assert "WINDOW_REFUSED" in follower.alarms.raised
    follower.chain.most_blocks = 10**9
    await settled(follower)


async def test_a_window_with_too_many_logs_is_halved_but_a_single_block_is_read_whole() -> None:
    follower = Follower(window_logs=10, window_blocks=8)
    follower.chain.mine_empty(4)
    follower.chain.mine(*(issue(holder(number), 1) for number in range(1, 50)))
    follower.chain.mine_empty(4)
    follower.follow(ASSET)
    await settled(follower)
    ends = {number for _, number in follower.store.state.ends}
    assert {4, 5} <= ends, "the block with the many logs is a window of its own"


async def test_a_log_of_a_foreign_layout_is_kept_and_passed() -> None:
    follower = seeded(Follower())
    follower.chain.mine(transfer(holder(1), holder(2), 1), tell_nonsense(), tell_nonsense())
    follower.chain.mine_empty(3)
    await settled(follower)
    kept = [seen for seen, _ in follower.store.state.facts.values()]
    assert [(seen.fact.kind, seen.sequence) for seen in kept] == [(FactKind.UNKNOWN, 0)] * 2
    assert follower.alarms.raised == ["UNDECODABLE_LOG", "UNDECODABLE_LOG"]


async def test_deposits_count_only_for_the_contract_they_go_to() -> None:
    follower = Follower(confirmations=0)
    other = EvmAddress(holder(77))
    other_asset = uuid4()
    follower.chain.mine(deposit(3), deposit(4, to=other))
    follower.follow(ASSET)
    follower.follow(other_asset, Contracts(EvmAddress(holder(78)), other, PAYMENT_TOKEN))
    await settled(follower)
    amounts = {
        asset_id: [seen.fact.details["amount_base_units"] for seen in follower.facts_alive(asset_id)]
        for asset_id in (ASSET, other_asset)
    }
    assert amounts == {ASSET: ["3"], other_asset: ["4"]}


# --- what transfers do not tell ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operations",
    [
        [freeze(holder(1), 30)],
        [freeze(holder(1), 30), transfer(holder(1), holder(2), 50), freeze(holder(1), -10)],
        [lock(holder(1), 30)],
        [lock(holder(1), 30), redeem(holder(1), 30), lock(holder(1), -30)],
        [hold(holder(1), 30)],
        [adjust(3)],
        [adjust(3), issue(holder(8), 4), transfer(holder(8), holder(9), 4)],
        [issue(holder(8), 4), adjust(3)],
        [adjust_silently(3)],
        [adjust_silently(3), redeem(holder(1), 200), transfer(holder(2), holder(3), 300)],
    ],
)
async def test_what_transfers_do_not_tell_is_read_from_the_chain(
    operations: list[Callable[..., None]],
) -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.mine(*operations)
    follower.chain.mine_empty(8)
    await settled(follower)
    assert "holdings" in follower.chain.requests


async def test_a_lock_and_a_redemption_of_the_same_amount_are_told_apart() -> None:
    follower = seeded(Follower(position_event_blocks=1000))
    await settled(follower)
    follower.chain.mine(lock(holder(1), 30), redeem(holder(2), 30))
    follower.chain.mine_empty(2)
    await settled(follower)
    register = follower.register(ASSET).present()
    assert register[holder(1)].locked == 30


async def test_what_version_7_tells_by_partition_alone_is_read() -> None:
    follower = seeded(Follower(position_event_blocks=1000))
    await settled(follower)
    before = follower.chain.holdings()
    everything = before[holder(1)].balance
    follower.chain.mine(redeem_at_maturity(holder(1), everything), transfer_by_partition(holder(2), holder(9), 5))
    follower.chain.mine_empty(2)

    await settled(follower)

    register = follower.register(ASSET).present()
    assert holder(1) not in register
    assert register[holder(2)].balance == before[holder(2)].balance - 5
    assert register[holder(9)].balance == 5


async def test_only_the_holders_in_doubt_are_read() -> None:
    follower = seeded(Follower(page_size=100), holders=9)
    await settled(follower)
    read: list[str] = []
    real = follower.chain.holdings_of

    async def watched(token: EvmAddress, holders: list[str], *rest: object) -> object:
        read.extend(holders)
        return await real(token, holders, *rest)  # type: ignore[arg-type]

    follower.chain.holdings_of = watched  # type: ignore[assignment,method-assign]
    follower.chain.mine(freeze(holder(4), 5), transfer(holder(5), holder(6), 1))
    follower.chain.mine_empty(2)
    await settled(follower)
    assert read == [holder(4)]


async def test_a_token_whose_holding_cannot_be_read_waits_and_is_an_alarm() -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.mine(freeze(holder(1), 5))
    follower.chain.mine_empty(2)
    follower.chain.unreadable = {holder(1)}
    await run_until_state(follower, ListenerState.READING)
    follower.clock.pass_time(2)
    await follower.follow_next()
    assert "TOKEN_UNREADABLE" in follower.listener(ASSET).last_error
    assert follower.alarms.raised == ["TOKEN_UNREADABLE"]
    # It is the token's fault, not the chain's; and what its logs tell goes on.
    assert (await look(follower)).error == ""
    left = follower.listener(ASSET).position
    assert left is not None
    follower.chain.mine_empty(3)
    follower.clock.pass_time(2)
    await follower.follow_next()
    moved = follower.listener(ASSET).position
    assert moved is not None
    assert moved.number > left.number
    follower.chain.unreadable = set()
    follower.chain.mine_empty(1)
    await settled(follower)


async def test_a_state_that_the_node_has_forgotten_is_read_at_a_later_block() -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.mine(freeze(holder(1), 5))
    follower.chain.mine_empty(2)
    await run_until_state(follower, ListenerState.READING)
    left = follower.listener(ASSET).position
    follower.chain.mine_empty(5)
    follower.chain.kept_states = 4
    follower.clock.pass_time(2)
    await follower.follow_next()
    assert "no state" in follower.listener(ASSET).last_error
    await settled(follower)
    complete = [event.to_block for event in follower.store.state.events if event.is_range_complete]
    assert left not in complete


# --- ghosts ----------------------------------------------------------------------------------------------------


async def test_a_log_whose_transaction_may_still_turn_up_is_waited_for() -> None:
    follower = seeded(Follower())
    await settled(follower)
    before = follower.listener(ASSET).position
    block = follower.chain.mine(transfer(holder(1), holder(2), 9))
    follower.clock.time = block.time
    follower.chain.ghosts = {block.transactions[0][0]}
    follower.chain.mine_empty(2)
    for _ in range(3):
        follower.clock.pass_time(2)
        await follower.follow_next()
    assert follower.listener(ASSET).position == before
    assert "has no result yet" in follower.listener(ASSET).last_error
    follower.chain.ghosts = set()
    await settled(follower)
    assert follower.alarms.raised == []


async def test_a_ghost_is_kept_as_unknown_in_the_end_and_who_it_names_is_read() -> None:
    follower = seeded(Follower())
    await settled(follower)
    # The log tells a transfer that never was.
    block = follower.chain.mine(lambda ledger: ledger.log(TOKEN, "Transfer", holder(1), holder(2), 9))
    follower.chain.ghosts = {block.transactions[0][0]}
    follower.chain.mine_empty(2)
    follower.clock.pass_time(200)
    await settled(follower)
    assert follower.alarms.raised == ["GHOST_LOG", "UNDECODABLE_LOG"]
    ((seen, _),) = follower.store.state.facts.values()
    assert (seen.fact.kind, seen.fact.problem) == (FactKind.UNKNOWN, "its transaction has no result")


async def test_a_ghost_holds_up_its_own_asset_only() -> None:
    follower = Follower(confirmations=0)
    other, other_token = uuid4(), EvmAddress(holder(77))
    follower.follow(ASSET, Contracts(TOKEN))
    follower.follow(other, Contracts(other_token))
    follower.chain.mine(issue(holder(1), 9), issue(holder(2), 9, other_token))
    await settled(follower)
    before = follower.listener(ASSET).position
    block = follower.chain.mine(transfer(holder(1), holder(2), 3), transfer(holder(2), holder(1), 3, other_token))
    follower.chain.ghosts = {block.transactions[0][0]}
    follower.clock.time = block.time
    for _ in range(4):
        follower.clock.pass_time(2)
        await follower.follow_next()
    assert follower.listener(ASSET).position == before
    follower.assert_settled(other)
    follower.chain.ghosts = set()
    await settled(follower)


# --- the list of holders -----------------------------------------------------------------------------------------


async def test_an_import_by_list_reads_no_log_of_before() -> None:
    follower = Follower(holder_source=HolderSource.LIST)
    follower.chain.mine(*(issue(holder(number), number) for number in range(1, 12)))
    follower.chain.mine(deposit(5), freeze(holder(2), 1), lock(holder(3), 2))
    follower.chain.mine_empty(2)
    follower.follow(ASSET)
    await settled(follower)
    assert "logs" not in follower.chain.requests
    listener = follower.listener(ASSET)
    assert (listener.start_block, listener.listing.listed_count, listener.listing.holder_count) == (3, 11, 11)
    assert follower.facts_alive(ASSET) == []
    follower.chain.mine(deposit(6), transfer(holder(2), holder(30), 1))
    follower.chain.mine_empty(2)
    await settled(follower)


async def test_an_import_by_list_begins_again_where_its_block_was_forgotten_or_left() -> None:
    for fault in ("forget", "fork"):
        follower = Follower(holder_source=HolderSource.LIST)
        follower.chain.mine(*(issue(holder(number), number) for number in range(1, 12)))
        follower.chain.mine_empty(2)
        follower.follow(ASSET)
        for _ in range(3):
            follower.clock.pass_time(2)
            await follower.follow_next()
        assert follower.listener(ASSET).listing.listed_count == 6
        if fault == "fork":
            follower.chain.drop(3)
            follower.chain.mine(*(issue(holder(number), number) for number in range(5, 18)))
        follower.chain.mine_empty(6)
        follower.chain.kept_states = 4
        await settled(follower)


@pytest.mark.parametrize("steps", range(1, 9))
async def test_a_crash_in_the_middle_of_an_import_by_list_loses_one_page_at_most(steps: int) -> None:
    follower = Follower(holder_source=HolderSource.LIST)
    follower.chain.mine(*(issue(holder(number), number) for number in range(1, 12)))
    follower.chain.mine_empty(2)
    follower.follow(ASSET)
    for _ in range(steps):
        follower.clock.pass_time(2)
        await follower.follow_next()
    before = follower.listener(ASSET)
    follower.store.crash_at_commit = True
    follower.clock.pass_time(2)
    with pytest.raises(CrashError):
        await follower.follow_next()
    follower.store.crash_at_commit = False
    assert follower.listener(ASSET).listing == before.listing
    follower.follow_next = follower.new_process()
    follower.clock.pass_time(20)
    await settled(follower)


# --- rates -----------------------------------------------------------------------------------------------------


def coupon_requests(follower: Follower) -> int:
    return follower.chain.requests.count("coupons")


async def test_a_pending_rate_is_asked_for_from_its_fixing_time_less_and_less_often() -> None:
    follower = Follower(confirmations=0)
    fixing_time = follower.chain.blocks_now[0].time + timedelta(seconds=100)
    follower.chain.mine(announce_coupon(1, fixing_time=int(fixing_time.timestamp())))
    follower.follow(ASSET)
    await settled(follower)
    assert coupon_requests(follower) == 0
    asked_at = []
    for second in range(40):
        follower.chain.mine(seconds=99 if second == 0 else 1)
        before = coupon_requests(follower)
        await follower.run_until_idle()
        if coupon_requests(follower) > before:
            asked_at.append(second)
    assert asked_at == [0, 1, 3, 7, 15, 31]
    follower.chain.mine(set_rate(1, 425))
    follower.chain.mine(seconds=3600)
    await settled(follower)
    asked = coupon_requests(follower)
    follower.chain.mine(seconds=7200)
    await settled(follower)
    assert coupon_requests(follower) == asked, "a rate that is told is not asked for again"


async def test_a_rate_that_a_reorg_took_back_is_asked_for_again() -> None:
    follower = Follower(confirmations=0)
    follower.chain.mine(announce_coupon(1))
    follower.chain.mine()
    follower.follow(ASSET)
    await settled(follower)
    follower.chain.mine(set_rate(1, 425), seconds=3600)
    await settled(follower)
    follower.chain.drop(1)
    follower.chain.mine(set_rate(1, 500), seconds=3600)
    follower.chain.mine(seconds=3600)
    await settled(follower)
    retracted = [
        event.seen.fact.details.get("rate") for event in follower.store.state.fact_events if event.is_retraction
    ]
    assert retracted == ["425"]


# --- many assets -----------------------------------------------------------------------------------------------


async def requests_for(assets: int, *, is_busy: bool) -> list[str]:
    """What is asked to move so many assets on by one window."""
    follower = Follower(confirmations=0)
    contracts = [
        Contracts(EvmAddress(holder(1000 + number)), LIFECYCLE, PAYMENT_TOKEN) for number in range(assets)
    ]
    for each in contracts:
        follower.follow(uuid4(), each)
    follower.chain.mine(*(issue(holder(1), 50, each.token) for each in contracts))
    await follower.run_until_idle()
    follower.chain.requests.clear()
    follower.chain.mine(*(transfer(holder(1), holder(2), 5, each.token) for each in contracts if is_busy))
    await follower.run_until_idle()
    positions = {each.position.number for each in follower.store.state.listeners.values() if each.position}
    assert positions == {follower.safe_block()}
    if is_busy:
        for asset_id in follower.store.state.listeners:
            follower.assert_settled(asset_id)
    return follower.chain.requests


@pytest.mark.parametrize("is_busy", [False, True])
async def test_fifty_assets_at_one_position_take_as_many_requests_as_one(is_busy: bool) -> None:
    assert await requests_for(50, is_busy=is_busy) == await requests_for(1, is_busy=is_busy)


async def test_a_contract_whose_logs_are_refused_holds_up_nobody_else() -> None:
    follower = Follower(confirmations=0, window_blocks=8)
    poison = EvmAddress(holder(666))
    assets = [uuid4() for _ in range(4)]
    for asset_id, token in zip(assets, (TOKEN, poison, EvmAddress(holder(5)), EvmAddress(holder(6))), strict=True):
        follower.follow(asset_id, Contracts(token))
    follower.chain.mine(issue(holder(1), 5), issue(holder(2), 6, poison))
    follower.chain.mine_empty(30)
    follower.chain.refused_contracts = {poison}
    for _ in range(80):
        follower.clock.pass_time(2)
        await follower.follow_next()
    for asset_id in (assets[0], assets[2], assets[3]):
        follower.assert_settled(asset_id)
    assert follower.listener(assets[1]).position is None
    assert set(follower.alarms.raised) == {"WINDOW_REFUSED"}
    follower.chain.refused_contracts = set()
    await settled(follower, assets[1])


async def test_several_workers_share_several_assets() -> None:
    follower = seeded(Follower(window_blocks=3))
    assets = [ASSET, *(uuid4() for _ in range(4))]
    for asset_id in assets[1:]:
        follower.follow(asset_id)
    processes = [follower.new_process() for _ in range(3)]
    for _ in range(60):
        follower.clock.pass_time(2)
        await asyncio.gather(*(process() for process in processes))
    for asset_id in assets:
        follower.assert_settled(asset_id)


# --- failures --------------------------------------------------------------------------------------------------


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
        before = follower.listener(ASSET)
        failure = await failure_of(follower)
        if failure is not None:
            failures += 1
            assert failure.reason is Reason.CHAIN_UNAVAILABLE
            assert follower.listener(ASSET).position == before.position
            assert "away" in follower.store.state.look.error
    assert failures
    follower.assert_settled(ASSET)
    assert follower.store.state.look.error == ""


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
    before = follower.listener(ASSET)

    def arm(request: str) -> None:
        # The commit that follows the reading of logs is the window's.
        follower.store.crash_at_commit |= request == "logs"

    follower.chain.before = arm
    with pytest.raises(CrashError):
        await follower.follow_next()
    assert follower.listener(ASSET).position == before.position
    follower.chain.before = lambda request: None
    follower.store.crash_at_commit = False
    follower.follow_next = follower.new_process()
    assert not await follower.follow_next(), "the dead worker's lease still holds"
    follower.clock.pass_time(20)
    await settled(follower)


# --- reorgs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_reorg_within_the_confirmations_is_not_noticed(depth: int) -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.drop(depth)
    follower.chain.mine_empty(depth)
    follower.chain.mine(transfer(holder(1), holder(2), 3))
    follower.chain.mine_empty(3)
    await settled(follower)
    assert follower.alarms.raised == []


@pytest.mark.parametrize("depth", [3, 4, 7, 12, 21])
async def test_a_deeper_reorg_is_taken_back(depth: int) -> None:
    follower = seeded(Follower(window_blocks=3))
    follower.chain.mine(deposit(5))
    follower.chain.mine_empty(2)
    await settled(follower)
    before = follower.listener(ASSET)
    follower.chain.drop(depth)
    follower.chain.mine(issue(holder(9), 77))
    follower.chain.mine_empty(depth + 3)
    await settled(follower)
    assert "REORG_DEEPER_THAN_CONFIRMATIONS" in follower.alarms.raised
    assert [event.is_retraction for event in follower.store.state.fact_events] == [False, True]
    back = follower.store.state.events[before.last_sequence]
    assert before.position is not None
    # Not further than to the end of the window before the fork.
    assert before.position.number - depth - 3 <= back.to_block.number < before.position.number


async def test_a_transaction_that_a_reorg_moved_to_another_block_is_told_anew() -> None:
    follower = seeded(Follower(window_blocks=3))
    follower.chain.mine(deposit(5), freeze(holder(1), 3))
    follower.chain.mine_empty(4)
    await settled(follower)
    dropped = follower.chain.drop(6)
    follower.chain.mine_empty(3)
    for block in dropped:
        follower.chain.mine_transactions(block.transactions)
    follower.chain.mine_empty(3)
    await settled(follower)
    kinds = [(event.seen.fact.kind.value[:7], event.is_retraction) for event in follower.store.state.fact_events]
    assert kinds == [
        ("PAYMENT", False),
        ("HOLDER_", False),
        ("PAYMENT", True),
        ("HOLDER_", True),
        ("PAYMENT", False),
        ("HOLDER_", False),
    ]


async def test_a_reorg_of_everything_begins_again() -> None:
    follower = seeded(Follower(window_blocks=100))
    await settled(follower)
    follower.chain.drop(1000)
    for number in range(1, 40):
        follower.chain.mine(issue(holder(number), number))
    await settled(follower)


async def test_a_head_that_goes_back_without_a_fork_is_waited_for() -> None:
    follower = seeded(Follower())
    await settled(follower)
    position = follower.listener(ASSET).position
    dropped = follower.chain.drop(6)
    await follower.run_until_idle()
    assert follower.listener(ASSET).position == position
    follower.chain.blocks_now += dropped
    follower.chain.mine_empty(3)
    await settled(follower)
    assert follower.alarms.raised == []


@pytest.mark.parametrize("request_name", ["blocks", "logs", "supplies"])
async def test_a_fork_that_changes_while_a_window_is_read_is_not_mixed(request_name: str) -> None:
    follower = seeded(Follower(window_blocks=100))
    follower.chain.mine_empty(5)

    def fork_once(request: str) -> None:
        if request == request_name:
            follower.chain.before = lambda request: None
            follower.chain.drop(10)
            follower.chain.mine(transfer(holder(1), holder(2), 50))
            follower.chain.mine_empty(12)

    follower.chain.before = fork_once
    await settled(follower)


async def test_a_fork_that_changes_while_holdings_are_read_is_not_mixed() -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.mine(adjust(2))
    follower.chain.mine_empty(3)

    def fork_once(request: str) -> None:
        if request == "holdings":
            follower.chain.before = lambda request: None
            follower.chain.drop(4)
            follower.chain.mine(adjust(5))
            follower.chain.mine_empty(5)

    follower.chain.before = fork_once
    await follower.run_until_idle()
    # What was read is thrown away; the lease runs out before it is read again.
    follower.clock.pass_time(10)
    await settled(follower)


# --- operators -------------------------------------------------------------------------------------------------


async def test_a_replay_tells_nothing_twice_and_finds_what_was_missed() -> None:
    follower = seeded(Follower(window_blocks=3))
    follower.chain.mine(deposit(5), tell_nonsense())
    follower.chain.mine_empty(4)
    await settled(follower)
    facts = list(follower.store.state.fact_events)
    # As a service of before may have left it: a fact and a holder are missing.
    lost = next(key for key, (seen, _) in follower.store.state.facts.items() if seen.fact.problem)
    del follower.store.state.facts[lost]
    await carry_out(lambda key: follower.administer.replay(key, ASSET, BlockNumber(2)))
    assert follower.listener(ASSET).state is ListenerState.BACKFILLING
    await settled(follower)
    assert follower.store.state.fact_events == facts
    assert lost in follower.store.state.facts


async def test_a_replay_takes_back_what_is_not_on_the_chain() -> None:
    follower = seeded(Follower())
    follower.chain.mine(deposit(5))
    follower.chain.mine_empty(4)
    await settled(follower)
    block = follower.chain.blocks_now[22]
    assert [log.topics for log in block.logs] == [(b"Deposit",)]
    object.__setattr__(block, "logs", ())
    await carry_out(lambda key: follower.administer.replay(key, ASSET, BlockNumber(2)))
    await settled(follower)
    assert [event.is_retraction for event in follower.store.state.fact_events] == [False, True]


async def test_a_reorg_in_the_middle_of_a_replay_loses_no_fact() -> None:
    follower = Follower(confirmations=0, window_blocks=2)
    follower.chain.mine(issue(holder(1), 10))
    follower.chain.mine_empty(8)
    follower.chain.mine(deposit(5))
    follower.chain.mine_empty(3)
    follower.follow(ASSET)
    await settled(follower)
    await carry_out(lambda key: follower.administer.replay(key, ASSET, BlockNumber(3)))
    # The deposit is mined again, in an earlier block; the replay's position stays on the chain.
    for block in follower.chain.drop(8):
        if block.transactions:
            follower.chain.mine_transactions(block.transactions)
    follower.chain.mine_empty(12)
    await settled(follower)


async def test_a_transfer_that_a_reorg_takes_back_behind_a_replays_position_leaves_no_holding_wrong() -> None:
    """The supply stays, and in the end no log names the two."""
    follower = Follower(confirmations=0, window_blocks=2)
    follower.chain.mine(issue(holder(1), 10), issue(holder(2), 10))
    follower.chain.mine_empty(8)
    follower.chain.mine(transfer(holder(1), holder(2), 3))
    follower.follow(ASSET)
    await settled(follower)
    await carry_out(lambda key: follower.administer.replay(key, ASSET, BlockNumber(3)))

    follower.chain.drop(1)
    follower.chain.mine_empty(12)

    await settled(follower)


@pytest.mark.parametrize("scope", RefreshScope)
async def test_a_refresh_tells_who_was_asked_for_changed_or_not(scope: RefreshScope) -> None:
    follower = seeded(Follower())
    await settled(follower)
    before = follower.listener(ASSET).last_sequence
    await carry_out(lambda key: follower.administer.refresh(key, ASSET, scope, [holder(2)]))
    await settled(follower)
    told = {change.holder for event in follower.store.state.events[before:] for change in event.changes}
    assert told == ({holder(2)} if scope is RefreshScope.HOLDERS else {holder(1), holder(2), holder(3)})
    assert ("holder_page" in follower.chain.requests) == (scope is RefreshScope.LIST_AGAIN)


async def test_a_stopped_listener_stands_still_and_goes_on_where_it_stopped() -> None:
    follower = seeded(Follower())
    await settled(follower)
    await carry_out(lambda key: follower.administer.stop(key, ASSET))
    stopped = follower.listener(ASSET)
    follower.chain.mine(transfer(holder(1), holder(2), 3))
    follower.chain.mine_empty(5)
    await follower.run_until_idle()
    assert follower.listener(ASSET) == stopped
    await carry_out(lambda key: follower.administer.start(key, ASSET))
    await settled(follower)


# --- two workers -----------------------------------------------------------------------------------------------


async def test_a_slow_worker_whose_lease_ran_out_writes_nothing() -> None:
    follower = seeded(Follower(window_blocks=100))
    release = asyncio.Event()
    follower.chain.hold = release
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    assert not await follower.new_process()()
    follower.clock.pass_time(11)
    assert await follower.new_process()()
    done = follower.listener(ASSET)
    assert done.position is not None
    release.set()
    await slow
    assert follower.listener(ASSET) == done
    follower.assert_settled(ASSET)


@pytest.mark.parametrize("most_blocks", [0, 10**9])
async def test_a_slow_worker_that_meets_an_error_changes_nothing_either(most_blocks: int) -> None:
    follower = seeded(Follower(window_blocks=100))
    release = asyncio.Event()
    follower.chain.hold = release
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    follower.clock.pass_time(11)
    assert await follower.new_process()()
    done = follower.listener(ASSET)
    follower.chain.most_blocks = most_blocks
    follower.chain.is_away = most_blocks > 0
    release.set()
    (outcome,) = await asyncio.gather(slow, return_exceptions=True)
    assert isinstance(outcome, AppError) is follower.chain.is_away
    assert follower.listener(ASSET) == done


@pytest.mark.parametrize("state", [ListenerState.READING, ListenerState.LISTING])
async def test_a_slow_reader_writes_nothing_that_another_wrote(state: ListenerState) -> None:
    follower = Follower(holder_source=HolderSource.LIST)
    follower.chain.mine(*(issue(holder(number), number) for number in range(1, 12)))
    follower.chain.mine_empty(2)
    follower.follow(ASSET)
    follower.clock.pass_time(2)
    await follower.follow_next()
    await run_until_state(follower, state)
    release = asyncio.Event()
    follower.chain.hold = release
    follower.chain.hold_at = "holdings" if state is ListenerState.READING else "holder_page"
    slow = asyncio.create_task(follower.follow_next())
    await follower.chain.is_holding.wait()
    follower.clock.pass_time(11)
    await follower.run_until_idle_as(follower.new_process())
    done, events = follower.listener(ASSET), list(follower.store.state.events)
    release.set()
    await slow
    assert follower.listener(ASSET) == done
    assert follower.store.state.events == events
    follower.assert_settled(ASSET)


async def test_a_slow_worker_takes_nothing_back_that_another_took_back() -> None:
    follower = seeded(Follower(window_blocks=3))
    await settled(follower)
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
    done, events = follower.listener(ASSET), list(follower.store.state.events)
    release.set()
    await slow
    assert follower.listener(ASSET) == done
    assert follower.store.state.events == events
    follower.assert_settled(ASSET)


# --- another chain ---------------------------------------------------------------------------------------------


async def test_another_chain_stops_everything_and_says_so() -> None:
    follower = seeded(Follower())
    await settled(follower)
    before = follower.listener(ASSET)
    blocks = follower.chain.blocks_now
    follower.chain.blocks_now = [blocks[1]]
    follower.chain.mine_empty(60)
    for _ in range(3):
        follower.clock.pass_time(20)
        with pytest.raises(ChainChangedError):
            await follower.follow_next()
    assert follower.listener(ASSET).position == before.position
    assert follower.listener(ASSET).last_sequence == before.last_sequence
    assert "CHAIN_CHANGED" in follower.store.state.look.error
    assert follower.alarms.raised == ["CHAIN_CHANGED"]
    follower.chain.blocks_now = blocks
    follower.chain.mine_empty(1)
    await settled(follower)


async def test_a_shorter_other_chain_is_told_apart_from_a_lagging_node() -> None:
    follower = seeded(Follower())
    await settled(follower)
    follower.chain.blocks_now = [follower.chain.blocks_now[1]]
    with pytest.raises(ChainChangedError):
        await follower.follow_next()


async def test_a_node_of_another_chain_id_is_refused_by_the_settings_name() -> None:
    follower = seeded(Follower())
    follower.chain.told_chain_id = 1
    with pytest.raises(ChainChangedError, match="CHAIN_SYNC_SERVICE_CHAIN_ID is 298"):
        await follower.follow_next()
    assert follower.store.state.identity is None
