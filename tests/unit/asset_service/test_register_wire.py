"""The register from and to protobuf."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events

from asset_service.api.consumers import HolderBalancesChangedHandler
from asset_service.application.apply_balance_changes import ApplyBalanceChanges
from asset_service.application.register_ports import HolderChangeRow, HolderRow
from asset_service.domain.register import BlockPosition, Holding, Register
from asset_service.domain.register_check import TOTAL, Discrepancy, DiscrepancyKind, Finding, holding_of
from asset_service.messages.register import (
    change_message,
    discrepancy_found_event,
    discrepancy_message,
    holder_message,
    register_message,
)
from libs.grpc_kit.accounts import checksummed
from tests.support.sent_events import sent
from tests.unit.asset_service.fakes import FakeClock, MemoryDatabase
from tests.unit.asset_service.register_fakes import FakeHoldingsChain
from tests.unit.asset_service.samples import BLOCK_HASH, LATER, NOW

HOLDER = "0x" + "ab" * 20
HOLDING = chain_sync_pb.Holding(
    balance_base_units="5",
    frozen_base_units="1",
    locked_base_units="2",
    held_base_units="3",
    cleared_base_units="4",
)


def holder_changes(of_asset: UUID, **fields: object) -> chain_sync_events.HolderBalancesChanged:
    values = {
        "asset_id": str(of_asset),
        "sequence": 1,
        "to_block": 9,
        "to_block_hash": BLOCK_HASH,
        "range_complete": True,
        "changes": [change(checksummed(HOLDER), "5", HOLDING)],
        **fields,
    }
    return chain_sync_events.HolderBalancesChanged(**values)  # type: ignore[arg-type]


def change(
    holder: str, delta: str, holding: chain_sync_pb.Holding | None = None
) -> chain_sync_events.HolderBalanceChange:
    return chain_sync_events.HolderBalanceChange(
        holder=holder, delta_base_units=delta, block_number=3, holding=holding
    )


def holding_with(**fields: str) -> chain_sync_pb.Holding:
    holding = chain_sync_pb.Holding()
    holding.CopyFrom(HOLDING)
    holding.MergeFrom(chain_sync_pb.Holding(**fields))
    return holding


class World:
    """The handler on an empty register."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.asset_id = uuid4()
        self.database.state.registers[self.asset_id] = Register.empty(self.asset_id, NOW)
        apply_changes = ApplyBalanceChanges(self.database.unit_of_work, FakeHoldingsChain(), FakeClock())
        self._handler = HolderBalancesChangedHandler(apply_changes)

    async def handle(self, **fields: object) -> None:
        message = holder_changes(self.asset_id, **fields)
        await self._handler(sent(self.asset_id, message))

    @property
    def register(self) -> Register:
        return self.database.state.registers[self.asset_id]


@pytest.fixture
def world() -> World:
    return World()


async def test_holdings_are_read(world: World) -> None:
    await world.handle()
    assert world.database.state.holders == {(world.asset_id, HOLDER): HolderRow(HOLDER, Holding(5, 1, 2, 3, 4), 3)}
    assert world.register.position == BlockPosition(9, BLOCK_HASH)
    await world.handle(sequence=2, to_block=10, range_complete=False)
    assert (world.register.position, world.register.is_complete) == (BlockPosition(9, BLOCK_HASH), False)


async def test_deltas_of_an_event_without_holdings_are_added(world: World) -> None:
    await world.handle()
    await world.handle(sequence=2, changes=[change(HOLDER, "-3")])
    assert world.database.state.holdings(world.asset_id) == {HOLDER: Holding(2, 1, 2, 3, 4)}


@pytest.mark.parametrize(
    "fields",
    [
        {"sequence": 0},
        {"asset_id": str(UUID(int=1))},
        {"asset_id": "x"},
        {"to_block_hash": "0x12"},
        {"changes": [change("0x12", "1")]},
        {"changes": [change(HOLDER, "")]},
        {"changes": [change(HOLDER, "1.5")]},
        {"changes": [change(HOLDER, "+1")]},
        {"changes": [change(HOLDER, "-0")]},
        {"changes": [change(HOLDER, str(2**256))]},
        {"changes": [change(HOLDER, "1"), change(checksummed(HOLDER), "1")]},
        {"changes": [change(HOLDER, "1", chain_sync_pb.Holding())]},
        {"changes": [change(HOLDER, "1", holding_with(balance_base_units="-1"))]},
        {"changes": [change(HOLDER, "1", holding_with(frozen_base_units="x"))]},
        {"changes": [change(HOLDER, "1", holding_with(locked_base_units="01"))]},
        {"changes": [change(HOLDER, "1", holding_with(held_base_units="1.0"))]},
        {"changes": [change(HOLDER, "1", holding_with(cleared_base_units=str(2**256)))]},
    ],
)
async def test_malformed_changes_are_refused(world: World, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        await world.handle(**fields)
    assert not world.database.state.inbox


async def test_holdings_are_told_of_all_holders_or_of_none(world: World) -> None:
    with pytest.raises(ValueError, match="others do not"):
        await world.handle(changes=[change(HOLDER, "1", HOLDING), change("0x" + "cd" * 20, "1")])


def test_a_register_without_and_with_position() -> None:
    register = Register.empty(uuid4(), NOW)
    assert register_message(register) is None
    register = replace(
        register,
        position=BlockPosition(9, BLOCK_HASH),
        holder_count=2,
        total_balance_base_units=7,
        total_restricted_base_units=8,
    )
    assert register_message(register) == pb.RegisterPosition(
        block_number=9,
        block_hash=BLOCK_HASH,
        holder_count=2,
        total_balance_base_units="7",
        total_restricted_base_units="8",
    )


def test_a_holder_and_a_change() -> None:
    asset_id = uuid4()
    holder = holder_message(asset_id, HolderRow(HOLDER, Holding(100, 20, 3, 4, 5), 17))
    name = f"assets/{asset_id}/holders/{checksummed(HOLDER)}"
    assert (holder.name, holder.account.evm_address) == (name, checksummed(HOLDER))
    assert (holder.balance_base_units, holder.total_base_units, holder.changed_at_block) == ("100", "132", 17)
    assert [
        holder.frozen_base_units,
        holder.locked_base_units,
        holder.held_base_units,
        holder.cleared_base_units,
    ] == ["20", "3", "4", "5"]
    told = change_message(asset_id, HolderChangeRow(3, HOLDER, -7, 8, 93, 40, 17, NOW))
    assert (told.holder, told.change_id, told.block_number) == (name, 3, 17)
    assert (told.delta_base_units, told.restricted_delta_base_units) == ("-7", "8")
    assert (told.balance_base_units, told.restricted_base_units) == ("93", "40")
    assert told.create_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW


def test_discrepancies_and_their_event() -> None:
    asset_id = uuid4()
    held = Discrepancy(5, asset_id, Finding(holding_of(HOLDER), 9, "1+0+0+0+0", "2+0+0+0+0"), 1, NOW)
    total = Discrepancy(6, asset_id, Finding(TOTAL, 9, "1", "2"), 2, NOW, LATER)
    message = discrepancy_message(held)
    assert (message.kind, message.holder) == (
        pb.RegisterDiscrepancy.KIND_HOLDING_DIFFERS,
        checksummed(HOLDER),
    )
    assert (message.register_value, message.chain_value) == ("1+0+0+0+0", "2+0+0+0+0")
    assert not message.HasField("resolve_time")
    message = discrepancy_message(total)
    assert (message.kind, message.holder) == (pb.RegisterDiscrepancy.KIND_TOTAL_DIFFERS, "")
    assert message.resolve_time.ToDatetime(tzinfo=LATER.tzinfo) == LATER
    event = discrepancy_found_event(asset_id, [held, total], LATER, uuid4())
    assert event.subject == f"masspayout.asset.v1.register_discrepancy_found.{asset_id}"
    assert (event.aggregate_version, event.create_time) == (5, LATER)
    found = events_pb2.RegisterDiscrepancyFound.FromString(event.payload)
    assert (found.asset_id, found.discrepancy_id) == (str(asset_id), 5)
    assert list(found.discrepancies) == [discrepancy_message(held), discrepancy_message(total)]


def test_every_kind_of_discrepancy_is_on_the_wire() -> None:
    kinds = {name.removeprefix("KIND_") for name in pb.RegisterDiscrepancy.Kind.DESCRIPTOR.values_by_name}
    assert kinds - {"UNSPECIFIED"} == {kind.value for kind in DiscrepancyKind}
