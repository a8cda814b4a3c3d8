"""From and to protobuf."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events
from masspayout.payout.v1 import events_pb2 as payout_events
from masspayout.type.v1 import readiness_pb2

from asset_service.api.consumers import (
    BalancesAdjustedHandler,
    ChainEventRetractedHandler,
    LifecycleContractChangedHandler,
    PauseChangedHandler,
)
from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport
from asset_service.application.apply_pause_seen import ApplyPauseSeen
from asset_service.application.ports import TokenDescription, TokenInfo
from asset_service.application.sync_asset import SyncAsset
from asset_service.domain.asset import (
    AssetEvent,
    AssetState,
    LifecycleState,
    PauseSeen,
    PauseState,
    SecurityType,
    SyncState,
)
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from asset_service.domain.register import BlockPosition, Register
from asset_service.messages.readiness import condition_message, read_conditions
from asset_service.messages.resources import asset_message, outgoing_events, token_info_message
from libs.chain.address import EvmAddress
from libs.grpc_kit.accounts import account_message, checksummed
from tests.support.sent_events import sent
from tests.unit.asset_service.fakes import CHAIN_ID, FakeChain, FakeClock, MemoryDatabase
from tests.unit.asset_service.samples import (
    BLOCK_HASH,
    CONTRACT,
    LATER,
    NOW,
    TOKEN,
    new_asset,
    report,
    security_token,
)


def test_an_asset_without_contract_and_register() -> None:
    asset = new_asset()
    message = asset_message(asset, Register.empty(asset.asset_id, NOW))
    assert message.name == f"assets/{asset.asset_id}"
    assert message.token.evm_address == checksummed(TOKEN)
    assert not message.HasField("lifecycle_contract")
    assert not message.HasField("register")
    assert message.create_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW


def test_an_asset_with_all() -> None:
    asset = new_asset().apply_lifecycle_report(report(1, LifecycleState.READY), NOW)
    register = Register(asset.asset_id, 7, BlockPosition(9, BLOCK_HASH), 2, 2**256 - 1, LATER)
    message = asset_message(asset, register)
    assert message.state == pb.Asset.STATE_ACTIVE
    assert message.lifecycle_contract.evm_address == checksummed(CONTRACT)
    assert message.register == pb.RegisterPosition(
        block_number=9,
        block_hash=BLOCK_HASH,
        holder_count=2,
        total_balance_base_units=str(2**256 - 1),
        total_restricted_base_units="0",
    )
    assert message.update_time.ToDatetime(tzinfo=NOW.tzinfo) == LATER


def test_the_etag_changes_with_asset_and_register() -> None:
    asset = new_asset()
    register = Register.empty(asset.asset_id, NOW)
    etags = {
        asset_message(asset, register).etag,
        asset_message(replace(asset, version=2), register).etag,
        asset_message(asset, replace(register, last_sequence=1)).etag,
    }
    assert len(etags) == 3


def test_every_event_has_its_message() -> None:
    classes: dict[AssetEvent, Any] = {
        AssetEvent.IMPORT_STARTED: events_pb2.AssetImportStarted,
        AssetEvent.IMPORTED: events_pb2.AssetImported,
        AssetEvent.IMPORT_FAILED: events_pb2.AssetImportFailed,
        AssetEvent.PAUSE_REQUESTED: events_pb2.AssetPauseRequested,
        AssetEvent.SYNC_CHANGED: events_pb2.AssetSyncChanged,
        AssetEvent.CHANGED: events_pb2.AssetChanged,
    }
    for kind in AssetEvent:
        asset = replace(new_asset(), events=(kind,), version=4)
        register = Register.empty(asset.asset_id, NOW)
        [event] = outgoing_events(asset, register, LATER, uuid4)
        assert event.subject == f"masspayout.asset.v1.{kind.value}.{asset.asset_id}"
        assert (event.aggregate_id, event.aggregate_version, event.create_time) == (asset.asset_id, 4, LATER)
        message = classes[kind].FromString(event.payload)
        assert (message.asset_id, message.version) == (str(asset.asset_id), 4)
        assert message.asset == asset_message(asset, register)


def test_a_pause_request_says_which_way() -> None:
    asset = new_asset(CONTRACT).request_pause(NOW)
    for requested, is_paused in ((asset, True), (asset.request_unpause(NOW), False)):
        event = outgoing_events(requested, Register.empty(asset.asset_id, NOW), LATER, uuid4)[0]
        message = events_pb2.AssetPauseRequested.FromString(event.payload)
        assert (message.paused, message.version) == (is_paused, requested.pause_request)


def test_an_asset_shows_what_its_token_told_and_whether_it_is_paused() -> None:
    asset = new_asset(CONTRACT).sync(replace(security_token(), hedera_id="0.0.7", is_paused=True), LATER)
    asset = replace(asset, payment_token=replace(asset.payment_token, hedera_id="0.0.8"))
    asset = asset.change_sync(SyncState.DISABLED, LATER).request_pause(LATER)
    asset = replace(asset, pause_problem="PAUSER_ROLE_MISSING")
    message = asset_message(asset, Register.empty(asset.asset_id, NOW))
    assert (message.token.hedera_id, message.payment_token.hedera_id) == ("0.0.7", "0.0.8")
    assert message.sync_state == pb.Asset.SYNC_STATE_DISABLED
    assert message.sync_time.ToDatetime(tzinfo=NOW.tzinfo) == LATER
    assert (message.pause_state, message.pause_problem) == (pb.Asset.PAUSE_STATE_PAUSING, "PAUSER_ROLE_MISSING")
    assert (message.token_paused, message.total_supply_base_units) == (True, "1000")


def test_what_was_never_read_of_an_old_asset_is_left_out() -> None:
    asset = new_asset()
    asset = replace(asset, token=replace(asset.token, total_supply_base_units=None), sync_time=None)
    message = asset_message(asset, Register.empty(asset.asset_id, NOW))
    assert message.total_supply_base_units == ""
    assert not message.HasField("sync_time")


def test_every_state_has_its_wire_form() -> None:
    for ours, theirs in (
        (SyncState, pb.Asset.SyncState),
        (PauseState, pb.Asset.PauseState),
        (AssetState, pb.Asset.State),
        (SecurityType, pb.Asset.SecurityType),
    ):
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", theirs.DESCRIPTOR.name).upper()
        names = {name.removeprefix(f"{prefix}_") for name in theirs.DESCRIPTOR.values_by_name}
        assert names - {"UNSPECIFIED"} == set(ours.__members__)


def test_a_token_is_shown_with_its_asset() -> None:
    description = TokenDescription(replace(security_token(), hedera_id="0.0.7"), 3, 9)
    asset_id = uuid4()
    message = token_info_message(TokenInfo(description, asset_id))
    assert message == pb.TokenInfo(
        chain_id=CHAIN_ID,
        token={"evm_address": checksummed(TOKEN), "hedera_id": "0.0.7"},
        display_name="Acme Shares",
        symbol="ACME",
        isin="CH0000000001",
        decimals=6,
        security_type="SECURITY_TYPE_EQUITY",
        total_supply_base_units="1000",
        holder_count=3,
        block_number=9,
        paused=False,
        asset=f"assets/{asset_id}",
    )
    assert token_info_message(TokenInfo(description, None)).asset == ""


def test_conditions_survive_the_way_there_and_back() -> None:
    conditions = tuple(
        ReadinessCondition(kind, is_satisfied=bool(number % 2), detail=f"seen {number}", remedy=f"do {number}")
        for number, kind in enumerate(ConditionKind)
    )
    assert read_conditions([condition_message(condition) for condition in conditions]) == conditions
    wire_kinds = {
        name.removeprefix("KIND_") for name in readiness_pb2.ReadinessCondition.Kind.DESCRIPTOR.values_by_name
    }
    assert wire_kinds - {"UNSPECIFIED"} == {kind.value for kind in ConditionKind}


async def test_what_chain_sync_service_saw_of_a_pause_is_read() -> None:
    database = MemoryDatabase()
    asset = new_asset(CONTRACT)
    asset_id = asset.asset_id
    database.state.assets[asset_id] = asset
    handler = PauseChangedHandler(ApplyPauseSeen(database.unit_of_work, FakeClock()))
    await handler(sent(asset_id, pause_changed(asset_id, 1, CONTRACT)))
    await handler(sent(asset_id, pause_changed(asset_id, 2, TOKEN)))
    seen = database.state.assets[asset_id]
    assert (seen.pause_state, seen.token.is_paused) == (PauseState.PAUSED, True)
    for malformed in (
        pause_changed(asset_id, 0, CONTRACT),
        pause_changed(uuid4(), 3, CONTRACT),
        pause_changed(asset_id, 3, "0x12"),
    ):
        with pytest.raises(ValueError):
            await handler(sent(asset_id, malformed))
    assert database.state.assets[asset_id] is seen


def pause_changed(asset_id: UUID, sequence: int, contract: EvmAddress | str) -> chain_sync_events.PauseChanged:
    return chain_sync_events.PauseChanged(
        asset_id=str(asset_id), sequence=sequence, position={"contract": checksummed(contract)}, paused=True
    )


async def test_what_changes_the_token_has_it_read_again() -> None:
    database, chain = MemoryDatabase(), FakeChain()
    asset = new_asset(CONTRACT)
    asset_id = asset.asset_id
    database.state.assets[asset_id] = asset.see_pause(PauseSeen(1, CONTRACT, is_paused=True), NOW)
    sync_asset = SyncAsset(database.unit_of_work, chain, FakeClock())
    chain.decimals = 9
    adjusted = chain_sync_events.BalancesAdjusted(asset_id=str(asset_id), sequence=2, factor="10", more_decimals=3)
    await BalancesAdjustedHandler(sync_asset)(sent(asset_id, adjusted))
    assert database.state.assets[asset_id].token.decimals == 9
    assert database.state.assets[asset_id].pause_state is PauseState.PAUSED
    retracted = ChainEventRetractedHandler(sync_asset)
    for kind, decimals, pause_state in (
        ("KIND_SNAPSHOT_TAKEN", 9, PauseState.PAUSED),
        ("KIND_BALANCES_ADJUSTED", 6, PauseState.PAUSED),
        ("KIND_PAUSE_CHANGED", 6, PauseState.UNPAUSED),
    ):
        chain.decimals = 6
        message = chain_sync_events.ChainEventRetracted(asset_id=str(asset_id), sequence=3, kind=kind)
        await retracted(sent(asset_id, message))
        after = database.state.assets[asset_id]
        assert (after.token.decimals, after.pause_state) == (decimals, pause_state), kind


async def test_malformed_lifecycle_reports_are_refused() -> None:
    database = MemoryDatabase()
    asset = new_asset()
    database.state.assets[asset.asset_id] = asset
    handler = LifecycleContractChangedHandler(ApplyLifecycleReport(database.unit_of_work, FakeClock()))
    asset_id = str(asset.asset_id)
    for message in (
        payout_events.LifecycleContractChanged(asset_id=asset_id, version=1),
        payout_events.LifecycleContractChanged(asset_id=str(uuid4()), version=1, state="STATE_READY"),
        payout_events.LifecycleContractChanged(asset_id=asset_id, version=1, state="STATE_READY"),
    ):
        with pytest.raises(ValueError):
            await handler(sent(asset.asset_id, message))
    with pytest.raises(ValueError, match="the payload is no LifecycleContractChanged"):
        await handler(replace(sent(asset.asset_id, payout_events.LifecycleContractChanged()), payload=b"\xff"))
    message = payout_events.LifecycleContractChanged(
        asset_id=asset_id, version=1, state="STATE_NOT_READY", lifecycle_contract=account_message(CONTRACT)
    )
    await handler(sent(asset.asset_id, message))
    assert database.state.assets[asset.asset_id].lifecycle_contract == CONTRACT
    asked = database.state.assets[asset.asset_id].request_pause(NOW)
    database.state.assets[asset.asset_id] = asked
    message = payout_events.LifecycleContractChanged(
        asset_id=asset_id, version=2, state="STATE_NOT_READY", pause_problem="PAUSER_ROLE_MISSING"
    )
    await handler(sent(asset.asset_id, message))
    assert database.state.assets[asset.asset_id].pause_problem == "PAUSER_ROLE_MISSING"
    message = payout_events.LifecycleContractChanged(
        asset_id=asset_id,
        version=3,
        state="STATE_NOT_READY",
        paused=True,
        pause_request_version=asked.version,
    )
    await handler(sent(asset.asset_id, message))
    assert database.state.assets[asset.asset_id].pause_state is PauseState.PAUSED
