"""From and to protobuf."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import DecodeError
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events
from masspayout.payout.v1 import events_pb2 as payout_events
from masspayout.type.v1 import readiness_pb2

from asset_service.api.consumers import HolderBalancesChangedHandler, LifecycleContractChangedHandler
from asset_service.application.apply_balance_changes import ApplyBalanceChanges
from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport
from asset_service.domain.asset import AssetEvent, LifecycleState
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from asset_service.domain.register import BlockPosition, Register
from asset_service.infrastructure.readiness_mapping import condition_message, read_conditions
from asset_service.infrastructure.resource_mapping import asset_message, outgoing_events
from libs.grpc_kit.accounts import account_message, checksummed
from tests.unit.asset_service.fakes import FakeClock, MemoryDatabase
from tests.unit.asset_service.samples import (
    BLOCK_HASH,
    CONTRACT,
    LATER,
    NOW,
    TOKEN,
    incoming,
    new_asset,
    report,
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
        block_number=9, block_hash=BLOCK_HASH, holder_count=2, total_balance_base_units=str(2**256 - 1)
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


def holder_changes(of_asset: UUID, **fields: object) -> chain_sync_events.HolderBalancesChanged:
    values = {
        "asset_id": str(of_asset),
        "sequence": 1,
        "to_block": 9,
        "to_block_hash": BLOCK_HASH,
        "range_complete": True,
        "changes": [
            chain_sync_events.HolderBalanceChange(
                holder=checksummed("0x" + "ab" * 20), delta_base_units="5", block_number=3
            )
        ],
        **fields,
    }
    return chain_sync_events.HolderBalancesChanged(**values)  # type: ignore[arg-type]


def change(holder: str, delta: str) -> list[chain_sync_events.HolderBalanceChange]:
    return [chain_sync_events.HolderBalanceChange(holder=holder, delta_base_units=delta)]


async def test_holder_changes_are_read() -> None:
    database = MemoryDatabase()
    asset_id = uuid4()
    database.state.registers[asset_id] = Register.empty(asset_id, NOW)
    handler = HolderBalancesChangedHandler(ApplyBalanceChanges(database.unit_of_work, FakeClock()))
    await handler(incoming(asset_id, holder_changes(asset_id).SerializeToString()))
    assert database.state.balances == {(asset_id, "0x" + "ab" * 20): 5}
    assert database.state.registers[asset_id].position == BlockPosition(9, BLOCK_HASH)
    more = holder_changes(asset_id, sequence=2, to_block=10, range_complete=False)
    await handler(incoming(asset_id, more.SerializeToString()))
    assert database.state.registers[asset_id].position == BlockPosition(9, BLOCK_HASH)


HOLDER = "0x" + "ab" * 20


@pytest.mark.parametrize(
    "fields",
    [
        {"sequence": 0},
        {"asset_id": str(UUID(int=1))},
        {"asset_id": "x"},
        {"to_block_hash": "0x12"},
        {"changes": change("0x12", "1")},
        {"changes": change(HOLDER, "")},
        {"changes": change(HOLDER, "1.5")},
        {"changes": change(HOLDER, "+1")},
        {"changes": change(HOLDER, "-0")},
        {"changes": change(HOLDER, str(2**256))},
        {"changes": change(HOLDER, "1") + change(checksummed(HOLDER), "1")},
    ],
)
async def test_malformed_holder_changes_are_refused(fields: dict[str, object]) -> None:
    database = MemoryDatabase()
    asset_id = uuid4()
    database.state.registers[asset_id] = Register.empty(asset_id, NOW)
    handler = HolderBalancesChangedHandler(ApplyBalanceChanges(database.unit_of_work, FakeClock()))
    with pytest.raises(ValueError):
        await handler(incoming(asset_id, holder_changes(asset_id, **fields).SerializeToString()))
    assert not database.state.inbox


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
            await handler(incoming(asset.asset_id, message.SerializeToString()))
    with pytest.raises(DecodeError):
        await handler(incoming(asset.asset_id, b"\xff"))
    message = payout_events.LifecycleContractChanged(
        asset_id=asset_id, version=1, state="STATE_NOT_READY", lifecycle_contract=account_message(CONTRACT)
    )
    await handler(incoming(asset.asset_id, message.SerializeToString()))
    assert database.state.assets[asset.asset_id].lifecycle_contract == CONTRACT
