"""The use cases that read an asset's token again, follow it or not, and pause it, on in-memory ports."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport, ApplyLifecycleReportCommand
from asset_service.application.apply_pause_seen import ApplyPauseSeen, ApplyPauseSeenCommand
from asset_service.application.change_pause import ChangePause, ChangePauseCommand
from asset_service.application.change_sync import ChangeSync, ChangeSyncCommand
from asset_service.application.ports import Account, TokenDescription
from asset_service.application.sync_asset import SyncAsset, SyncAssetCommand, SyncAssetOnEventCommand
from asset_service.domain.asset import Asset, AssetEvent, LifecycleState, PauseSeen, PauseState, SyncState
from libs.errors import AppError, Reason
from libs.events import EventNotReadyError
from libs.idempotency import RequestKey
from tests.unit.asset_service.fakes import FakeChain, FakeClock, MemoryDatabase
from tests.unit.asset_service.samples import CONTRACT, TOKEN, incoming, new_asset, report

SYNC_CHANGED = [AssetEvent.SYNC_CHANGED, AssetEvent.CHANGED]
PAUSE_REQUESTED = [AssetEvent.PAUSE_REQUESTED, AssetEvent.CHANGED]


class World:
    """The use cases on one in-memory database that holds one asset with a contract."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.chain = FakeChain()
        clock = FakeClock()
        uow = self.database.unit_of_work
        self.sync_asset = SyncAsset(uow, self.chain, clock)
        self.change_sync = ChangeSync(uow, clock)
        self.change_pause = ChangePause(uow, clock)
        self.apply_seen = ApplyPauseSeen(uow, clock)
        self.apply_report = ApplyLifecycleReport(uow, clock)
        asset = new_asset(CONTRACT)
        self.asset_id = asset.asset_id
        self.database.state.assets[asset.asset_id] = replace(asset, events=())

    def asset(self) -> Asset:
        return self.database.state.assets[self.asset_id]

    @property
    def events(self) -> list[AssetEvent]:
        return [event for _, event, _ in self.database.state.events]

    async def see(self, sequence: int, *, is_paused: bool, event_id: UUID | None = None) -> None:
        seen = PauseSeen(sequence, CONTRACT, is_paused)
        event = incoming(self.asset_id, event_id=event_id)
        await self.apply_seen(ApplyPauseSeenCommand(event, self.asset_id, seen))


@pytest.fixture
def world() -> World:
    return World()


def request_key(method: str = "SyncAsset", content: bytes = b"1", request_id: UUID | None = None) -> RequestKey:
    return RequestKey(request_id or uuid4(), method, content, "anonymous")


def sync_command(world: World) -> SyncAssetCommand:
    return SyncAssetCommand(request_key(), world.asset_id)


async def test_sync_takes_over_what_changed(world: World) -> None:
    world.chain.decimals, world.chain.total_supply_base_units = 9, 5_000_000
    await world.sync_asset(sync_command(world))
    assert (world.asset().token.decimals, world.asset().token.total_supply_base_units) == (9, 5_000_000)
    assert world.events == [AssetEvent.CHANGED]


async def test_sync_of_what_is_the_same_notes_the_time_alone(world: World) -> None:
    before = world.asset()
    await world.sync_asset(sync_command(world))
    assert world.asset().sync_time != before.sync_time
    assert replace(world.asset(), sync_time=before.sync_time) == before
    assert world.events == []


async def test_sync_is_repeated_without_asking_the_chain_again(world: World) -> None:
    wanted = sync_command(world)
    await world.sync_asset(wanted)
    before = world.database.state
    await world.sync_asset(wanted)
    assert world.chain.calls == ["describe_token"]
    assert world.database.state is before


class RacedChain(FakeChain):
    """While it is asked, a call with the same request id goes through."""

    def __init__(self, rival: SyncAsset, wanted: SyncAssetCommand) -> None:
        super().__init__()
        self._rival = rival
        self._wanted = wanted

    async def describe_token(self, token: Account) -> TokenDescription:
        await self._rival(self._wanted)
        self.decimals = 18
        return await super().describe_token(token)


async def test_sync_that_loses_the_race_changes_nothing(world: World) -> None:
    wanted = sync_command(world)
    raced = SyncAsset(world.database.unit_of_work, RacedChain(world.sync_asset, wanted), FakeClock())
    await raced(wanted)
    assert world.asset().token.decimals == 6


async def test_sync_writes_nothing_when_the_chain_does_not_answer(world: World) -> None:
    before = world.database.state
    world.chain.refusals["describe_token"] = AppError(Reason.CHAIN_UNAVAILABLE, "away")
    event = incoming(world.asset_id)
    for refused in (
        world.sync_asset(sync_command(world)),
        world.sync_asset.on_event(SyncAssetOnEventCommand(event, world.asset_id)),
    ):
        with pytest.raises(AppError) as caught:
            await refused
        assert caught.value.reason is Reason.CHAIN_UNAVAILABLE
    assert world.database.state is before


async def test_an_event_syncs_once(world: World) -> None:
    world.chain.decimals = 9
    wanted = SyncAssetOnEventCommand(incoming(world.asset_id), world.asset_id)
    await world.sync_asset.on_event(wanted)
    assert world.asset().token.decimals == 9
    world.chain.decimals = 12
    await world.sync_asset.on_event(wanted)
    assert world.asset().token.decimals == 9
    assert world.events == [AssetEvent.CHANGED]


async def test_an_event_of_an_unknown_asset_waits(world: World) -> None:
    event = incoming(uuid4())
    for waiting in (
        world.sync_asset.on_event(SyncAssetOnEventCommand(event, event.aggregate_id)),
        world.apply_seen(ApplyPauseSeenCommand(event, event.aggregate_id, PauseSeen(1, TOKEN, is_paused=True))),
    ):
        with pytest.raises(EventNotReadyError):
            await waiting
    assert not world.database.state.inbox


async def test_following_is_switched_once_per_request(world: World) -> None:
    off = ChangeSyncCommand(request_key("DisableSync"), world.asset_id, SyncState.DISABLED)
    on = ChangeSyncCommand(request_key("EnableSync"), world.asset_id, SyncState.ENABLED)
    await world.change_sync(off)
    assert world.asset().sync_state is SyncState.DISABLED
    await world.change_sync(on)
    # The first call comes again, late.
    await world.change_sync(off)
    assert world.asset().sync_state is SyncState.ENABLED
    assert world.events == SYNC_CHANGED * 2
    await world.change_sync(replace(on, key=request_key("EnableSync")))
    assert world.events == SYNC_CHANGED * 2


async def test_pausing_is_asked_for_once_per_request(world: World) -> None:
    pause = ChangePauseCommand(request_key("PauseAsset"), world.asset_id, is_paused=True)
    unpause = ChangePauseCommand(request_key("UnpauseAsset"), world.asset_id, is_paused=False)
    await world.change_pause(pause)
    assert (world.asset().pause_state, world.asset().pause_request) == (PauseState.PAUSING, 2)
    assert world.database.state.events == [(world.asset_id, event, 2) for event in PAUSE_REQUESTED]
    await world.change_pause(unpause)
    await world.change_pause(pause)
    assert (world.asset().pause_state, world.asset().pause_request) == (PauseState.UNPAUSING, 3)
    assert world.events == PAUSE_REQUESTED * 2


async def test_pausing_is_refused_in_the_wrong_state_and_leaves_nothing(world: World) -> None:
    world.database.state.assets[world.asset_id] = replace(world.asset(), lifecycle_contract=None)
    before = world.database.state
    for is_paused in (True, False):
        with pytest.raises(AppError) as caught:
            await world.change_pause(ChangePauseCommand(request_key("PauseAsset"), world.asset_id, is_paused))
        assert (caught.value.reason, caught.value.field) == (Reason.ASSET_STATE_FORBIDS, "name")
        assert caught.value.metadata == {"state": "IMPORTING"}
    assert world.database.state is before


async def test_calls_refuse_unknown_assets_and_reused_request_ids(world: World) -> None:
    unknown, key = uuid4(), request_key("EnableSync")
    await world.change_sync(ChangeSyncCommand(key, world.asset_id, SyncState.ENABLED))
    other = request_key("EnableSync", b"2", key.request_id)
    before = world.database.state
    for call, reason in [
        (world.sync_asset(SyncAssetCommand(request_key(), unknown)), Reason.ASSET_NOT_FOUND),
        (world.change_sync(ChangeSyncCommand(request_key(), unknown, SyncState.ENABLED)), Reason.ASSET_NOT_FOUND),
        (world.change_pause(ChangePauseCommand(request_key(), unknown, is_paused=True)), Reason.ASSET_NOT_FOUND),
        (world.sync_asset(SyncAssetCommand(other, world.asset_id)), Reason.REQUEST_ID_REUSED),
        (
            world.change_sync(ChangeSyncCommand(other, world.asset_id, SyncState.DISABLED)),
            Reason.REQUEST_ID_REUSED,
        ),
        (world.change_pause(ChangePauseCommand(other, world.asset_id, is_paused=True)), Reason.REQUEST_ID_REUSED),
    ]:
        with pytest.raises(AppError) as caught:
            await call
        assert caught.value.reason is reason
    assert world.database.state is before


async def test_a_pause_that_was_seen_is_applied_once(world: World) -> None:
    event_id = uuid4()
    await world.see(1, is_paused=True, event_id=event_id)
    assert world.asset().pause_state is PauseState.PAUSED
    assert event_id in world.database.state.inbox
    await world.see(2, is_paused=False)
    await world.see(1, is_paused=True, event_id=event_id)
    assert world.asset().pause_state is PauseState.UNPAUSED
    assert world.events == [AssetEvent.CHANGED] * 2


async def test_a_pause_that_left_the_chain_is_forgotten(world: World) -> None:
    await world.see(1, is_paused=True)
    retracted = SyncAssetOnEventCommand(incoming(world.asset_id), world.asset_id, is_pause_retracted=True)
    await world.sync_asset.on_event(retracted)
    assert world.asset().pause_state is PauseState.UNPAUSED
    assert world.events == [AssetEvent.CHANGED] * 2


async def test_an_adjustment_that_left_the_chain_leaves_the_pause_alone(world: World) -> None:
    await world.see(1, is_paused=True)
    await world.sync_asset.on_event(SyncAssetOnEventCommand(incoming(world.asset_id), world.asset_id))
    assert world.asset().pause_state is PauseState.PAUSED


async def test_a_retraction_that_changes_token_and_pause_announces_both(world: World) -> None:
    await world.see(1, is_paused=True)
    world.chain.is_token_paused = True
    retracted = SyncAssetOnEventCommand(incoming(world.asset_id), world.asset_id, is_pause_retracted=True)
    await world.sync_asset.on_event(retracted)
    assert (world.asset().token.is_paused, world.asset().pause_state) == (True, PauseState.UNPAUSED)
    assert world.database.state.events == [(world.asset_id, AssetEvent.CHANGED, version) for version in (2, 3, 4)]


async def test_a_retraction_that_changes_the_token_alone_announces_it_once(world: World) -> None:
    world.chain.is_token_paused = True
    retracted = SyncAssetOnEventCommand(incoming(world.asset_id), world.asset_id, is_pause_retracted=True)
    await world.sync_asset.on_event(retracted)
    assert world.events == [AssetEvent.CHANGED]


async def test_a_report_answers_the_request(world: World) -> None:
    await world.change_pause(ChangePauseCommand(request_key("PauseAsset"), world.asset_id, is_paused=True))
    answer = report(1, LifecycleState.NOT_READY, is_paused=True, pause_request_version=2)
    await world.apply_report(ApplyLifecycleReportCommand(incoming(world.asset_id), world.asset_id, answer))
    assert (world.asset().pause_state, world.asset().pause_request) == (PauseState.PAUSED, None)
    assert world.events == [*PAUSE_REQUESTED, AssetEvent.CHANGED]
