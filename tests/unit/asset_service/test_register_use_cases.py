"""The register's use cases, on in-memory ports."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given

from asset_service.application.apply_balance_changes import ApplyBalanceChanges, ApplyBalanceChangesCommand
from asset_service.application.check_register import CheckLimits, CheckRegister, refresh_request_id
from asset_service.application.import_holders import ImportHolders, ImportHoldersCommand
from asset_service.application.record_discrepancies import MAX_FINDINGS
from asset_service.application.register_ports import RefreshScope
from asset_service.application.register_queries import RegisterQueries
from asset_service.domain.asset import AssetState
from asset_service.domain.register import (
    NOTHING,
    BalanceChanges,
    BlockPosition,
    Holding,
    NegativeBalanceError,
    Register,
)
from asset_service.domain.register_check import TOTAL, Discrepancy, holding_of
from libs.errors import AppError, Reason
from libs.events import EventNotReadyError
from libs.idempotency import RequestKey
from tests.unit.asset_service.fakes import FakeClock, MemoryDatabase
from tests.unit.asset_service.register_fakes import FakeHoldingsChain, MemoryRegisterReader
from tests.unit.asset_service.register_model import EVENTS, require_register_follows
from tests.unit.asset_service.samples import BLOCK_HASH, CONTRACT, NOW, address, incoming, new_asset


class World:
    """The use cases on one in-memory database."""

    def __init__(self, random_sample: int = 50) -> None:
        self.database = MemoryDatabase()
        self.chain = FakeHoldingsChain()
        self.clock = FakeClock()
        uow = self.database.unit_of_work
        self.apply_changes = ApplyBalanceChanges(uow, self.chain, self.clock)
        self.import_holders = ImportHolders(uow, self.chain)
        self.queries = RegisterQueries(MemoryRegisterReader(self.database))
        # Every look at the clock is a second later, so each check is due again.
        limits = CheckLimits(timedelta(0), random_sample)
        self.check = CheckRegister(
            uow, MemoryRegisterReader(self.database), self.chain, self.chain, self.clock, limits
        )

    def asset(self, number: int = 1) -> UUID:
        """An active asset with an empty register."""
        asset = replace(new_asset(CONTRACT, address(100 + number)), state=AssetState.ACTIVE, events=())
        self.database.state.assets[asset.asset_id] = asset
        self.database.state.registers[asset.asset_id] = Register.empty(asset.asset_id, NOW)
        return asset.asset_id

    async def told(self, asset_id: UUID, holdings: dict[str, Holding], *, complete: bool = True) -> None:
        """An event as chain_sync_service makes it, if the register has what it had been told."""
        had = self.database.state.holdings(asset_id)
        deltas = {
            holder: holding.balance - had.get(holder, NOTHING).balance for holder, holding in holdings.items()
        }
        sequence = self.register(asset_id).last_sequence + 1
        await self.apply_changes(changes_command(asset_id, sequence, deltas, holdings, complete=complete))

    def register(self, asset_id: UUID) -> Register:
        return self.database.state.registers[asset_id]

    def discrepancies(self) -> list[Discrepancy]:
        return list(self.database.state.discrepancies.values())


@pytest.fixture
def world() -> World:
    return World()


def held(balance: int, frozen: int = 0) -> Holding:
    return Holding(balance, frozen, 0, 0, 0)


def changes_command(
    asset_id: UUID,
    sequence: int,
    deltas: dict[str, int],
    holdings: dict[str, Holding] | None = None,
    *,
    complete: bool = True,
) -> ApplyBalanceChangesCommand:
    return ApplyBalanceChangesCommand(
        incoming(asset_id),
        asset_id,
        sequence,
        BalanceChanges(
            list(deltas),
            list(deltas.values()),
            [sequence] * len(deltas),
            list(holdings.values()) if holdings is not None else None,
        ),
        to_block=sequence,
        completed=BlockPosition(sequence, BLOCK_HASH) if complete else None,
    )


async def test_changes_are_applied_in_sequence_and_once(world: World) -> None:
    asset_id = world.asset()
    first = changes_command(asset_id, 1, {"0xa": 5, "0xb": 5}, {"0xa": held(5), "0xb": held(5, 1)})
    second = changes_command(asset_id, 2, {"0xa": -5, "0xb": 1}, {"0xa": NOTHING, "0xb": held(6)})
    with pytest.raises(EventNotReadyError, match="1 is missing"):
        await world.apply_changes(second)
    for wanted in (first, first, second, changes_command(asset_id, 1, {"0xa": 5}, {"0xa": held(5)})):
        await world.apply_changes(wanted)
    assert world.database.state.holdings(asset_id) == {"0xb": held(6)}
    register = world.register(asset_id)
    assert (register.last_sequence, register.holder_count, register.total_base_units) == (2, 1, 6)
    assert (register.position, register.is_complete) == (BlockPosition(2, BLOCK_HASH), True)
    assert world.discrepancies() == []


async def test_deltas_below_zero_leave_nothing(world: World) -> None:
    asset_id = world.asset()
    await world.apply_changes(changes_command(asset_id, 1, {"0xa": 5}))
    before = world.database.state
    with pytest.raises(NegativeBalanceError):
        await world.apply_changes(changes_command(asset_id, 2, {"0xb": 1, "0xa": -6}))
    assert world.database.state is before


async def test_changes_of_an_unknown_asset_wait(world: World) -> None:
    with pytest.raises(EventNotReadyError):
        await world.apply_changes(changes_command(uuid4(), 1, {"0xa": 5}))
    assert not world.database.state.inbox


async def test_an_event_that_builds_on_another_holding_is_applied_and_raises_an_alarm(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5, 2), "0xb": held(7)})
    # To chain_sync_service 0xa had 100: the register was wrong, and is right now.
    command = changes_command(asset_id, 2, {"0xa": -1, "0xb": 1}, {"0xa": held(99), "0xb": held(8)})
    await world.apply_changes(command)
    assert world.database.state.holdings(asset_id) == {"0xa": held(99), "0xb": held(8)}
    [discrepancy] = world.discrepancies()
    assert discrepancy.finding.subject == holding_of("0xa")
    assert (discrepancy.finding.register_value, discrepancy.finding.chain_value) == ("5+2+0+0+0", "100+2+0+0+0")
    assert discrepancy.finding.block_number == 2
    assert world.database.state.discrepancy_events == [(asset_id, 1, (discrepancy,))]
    [(name, text)] = world.chain.alarms
    assert name == "REGISTER_DIFFERS"
    assert str(asset_id) in text
    assert "0xa" in text
    # The same once more: on record already.
    await world.apply_changes(changes_command(asset_id, 3, {"0xa": -1}, {"0xa": held(50)}))
    [again] = world.discrepancies()
    assert (again.finding.register_value, again.refresh_round) == ("99+0+0+0+0", 2)
    assert len(world.chain.alarms) == len(world.database.state.discrepancy_events) == 1
    # Another holder's difference says nothing about the first one's.
    await world.apply_changes(changes_command(asset_id, 4, {"0xb": 1}, {"0xb": held(20)}))
    assert [each.resolve_time for each in world.discrepancies()] == [None, None]


async def test_one_event_records_a_bounded_number_of_differences(world: World) -> None:
    asset_id = world.asset()
    holders = [f"0x{number:03}" for number in range(MAX_FINDINGS + 5)]
    await world.apply_changes(
        changes_command(asset_id, 1, dict.fromkeys(holders, 1), dict.fromkeys(holders, held(5)))
    )
    assert [each.finding.subject.holder for each in world.discrepancies()] == holders[:MAX_FINDINGS]
    assert world.register(asset_id).total_base_units == 5 * len(holders)


async def test_a_right_register_is_checked_and_nothing_happens(world: World) -> None:
    asset_id = world.asset()
    world.chain.holdings = {"0xa": held(5, 2), "0xb": held(7)}
    await world.told(asset_id, world.chain.holdings)
    assert await world.check() is False
    assert world.chain.reads == [(asset_id, ("0xa", "0xb"), 1)]
    assert (world.discrepancies(), world.chain.refreshes, world.chain.alarms) == ([], [], [])


async def test_a_difference_is_recorded_read_again_and_resolved(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5), "0xb": held(7)})
    world.chain.holdings = {"0xa": held(4, 1), "0xb": held(7)}
    await world.check()
    [discrepancy] = world.discrepancies()
    assert discrepancy.finding.subject == holding_of("0xa")
    assert (discrepancy.finding.register_value, discrepancy.finding.chain_value) == ("5+0+0+0+0", "4+1+0+0+0")
    first_id = refresh_request_id([discrepancy])
    assert world.chain.refreshes == [(first_id, asset_id, RefreshScope.HOLDERS, ("0xa",))]
    assert len(world.chain.alarms) == 1
    assert world.database.state.discrepancy_events == [(asset_id, 1, (discrepancy,))]
    # Still wrong at the next check: the same record, and it is asked for once more, as another request.
    world.chain.holdings["0xa"] = held(3, 2)
    await world.check()
    [discrepancy] = world.discrepancies()
    assert (discrepancy.discrepancy_id, discrepancy.finding.chain_value) == (1, "3+2+0+0+0")
    assert [request_id for request_id, *_ in world.chain.refreshes] == [
        first_id,
        refresh_request_id([discrepancy]),
    ]
    assert first_id != refresh_request_id([discrepancy])
    assert len(world.chain.alarms) == len(world.database.state.discrepancy_events) == 1
    # The holding is told again, and the next check finds register and chain equal.
    await world.told(asset_id, {"0xa": held(3, 2)})
    await world.check()
    [discrepancy] = world.discrepancies()
    assert discrepancy.resolve_time is not None
    assert len(world.chain.refreshes) == 2
    # A later difference is another one.
    world.chain.holdings["0xa"] = held(1, 4)
    await world.check()
    assert [each.resolve_time is None for each in world.discrepancies()] == [False, True]


async def test_a_total_that_differs_has_all_holders_read_again(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5)})
    world.chain.holdings = {"0xa": held(5)}
    world.chain.total_supply_base_units = 9
    await world.check()
    [discrepancy] = world.discrepancies()
    assert discrepancy.finding.subject == TOTAL
    assert (discrepancy.finding.register_value, discrepancy.finding.chain_value) == ("5", "9")
    assert world.chain.refreshes == [(refresh_request_id([discrepancy]), asset_id, RefreshScope.ALL_KNOWN, ())]
    world.chain.total_supply_base_units = 5
    await world.check()
    assert world.discrepancies()[0].resolve_time is not None


async def test_frozen_parts_are_a_part_of_the_total(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": Holding(5, 1, 2, 3, 4)})
    world.chain.holdings = {"0xa": Holding(5, 1, 2, 3, 4)}
    world.chain.total_supply_base_units = 15
    await world.check()
    assert world.discrepancies() == []


async def test_who_differed_is_looked_at_again_though_not_in_the_sample() -> None:
    world = World(random_sample=1)
    asset_id = world.asset()
    await world.told(asset_id, {"0xz": held(5)})
    # Ten later changes, so that 0xz is not among the recent ones either.
    others = {f"0x{number}": held(1) for number in range(10)}
    for holder, holding in others.items():
        await world.told(asset_id, {holder: holding})
    command = changes_command(asset_id, 12, {"0xz": 1}, {"0xz": held(5)})
    await world.apply_changes(command)
    assert [each.finding.subject for each in world.discrepancies()] == [holding_of("0xz")]
    world.chain.holdings = {**others, "0xz": held(5)}
    await world.check()
    assert "0xz" in world.chain.reads[0][1]
    assert world.discrepancies()[0].resolve_time is not None


@pytest.mark.parametrize("reason", [Reason.CHAIN_UNAVAILABLE, Reason.PEER_UNAVAILABLE, Reason.INVALID_BLOCK])
async def test_where_the_chain_cannot_tell_nothing_is_judged(world: World, reason: Reason) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5)})
    world.chain.refusal = AppError(reason, "no state of this block")
    await world.check()
    assert (len(world.chain.reads), world.discrepancies()) == (1, [])


async def test_another_refusal_is_an_error_of_the_worker(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5)})
    world.chain.refusal = AppError(Reason.INVALID_ADDRESS, "a defect")
    with pytest.raises(AppError):
        await world.check()


async def test_a_reorganised_block_is_not_judged(world: World) -> None:
    asset_id = world.asset()
    await world.told(asset_id, {"0xa": held(5)})
    world.chain.block_hash = "0x" + "cd" * 32
    await world.check()
    assert (len(world.chain.reads), world.discrepancies()) == (1, [])


async def test_only_active_assets_with_a_complete_register_are_checked(world: World) -> None:
    unfinished, importing, empty = world.asset(1), world.asset(2), world.asset(3)
    await world.told(unfinished, {"0xa": held(5)}, complete=False)
    await world.told(importing, {"0xa": held(5)})
    assets = world.database.state.assets
    assets[importing] = replace(assets[importing], state=AssetState.IMPORTING)
    await world.check()
    assert world.chain.reads == []
    await world.told(empty, {})
    await world.check()
    assert world.chain.reads == [(empty, (), 1)]


async def test_registers_are_checked_in_turn_and_not_too_often(world: World) -> None:
    asset_ids = [world.asset(number) for number in range(3)]
    for asset_id in asset_ids:
        await world.told(asset_id, {})
    for _ in range(6):
        await world.check()
    read = [asset_id for asset_id, *_ in world.chain.reads]
    assert set(read[:3]) == set(asset_ids)
    assert read[3:] == read[:3]
    rarely = replace(world.check, limits=CheckLimits(timedelta(hours=1), 50))
    await rarely()
    assert len(world.chain.reads) == 6


async def test_what_a_dead_worker_owes_is_asked_for_with_the_same_id(world: World) -> None:
    asset_id, other_id = world.asset(1), world.asset(2)
    await world.told(asset_id, {"0xa": held(5)})
    world.chain.refresh_refusals[asset_id] = AppError(Reason.PEER_UNAVAILABLE, "away")
    await world.check()
    assert len(world.chain.refreshes) == 1
    # A difference of another asset need not wait for this one.
    await world.apply_changes(changes_command(other_id, 1, {"0xb": 1}, {"0xb": held(5)}, complete=False))
    world.chain.refusal = AppError(Reason.CHAIN_UNAVAILABLE, "away")
    await world.check()
    assert world.chain.refreshes[1] == world.chain.refreshes[0]
    assert world.chain.refreshes[2][1:] == (other_id, RefreshScope.HOLDERS, ("0xb",))
    world.chain.refresh_refusals.clear()
    await world.check()
    assert world.chain.refreshes[3:] == world.chain.refreshes[:1]
    await world.check()
    assert len(world.chain.refreshes) == 4


def request_key(request_id: UUID | None = None, content: bytes = b"1") -> RequestKey:
    return RequestKey(request_id or uuid4(), "ImportHolders", content, "anonymous")


@pytest.mark.parametrize(
    ("list_again", "scope"), [(False, RefreshScope.ALL_KNOWN), (True, RefreshScope.LIST_AGAIN)]
)
async def test_holders_are_imported_anew_once(world: World, list_again: bool, scope: RefreshScope) -> None:
    asset_id = world.asset()
    command = ImportHoldersCommand(request_key(), asset_id, list_again)
    world.chain.refresh_refusals[asset_id] = AppError(Reason.PEER_UNAVAILABLE, "the reply is lost")
    with pytest.raises(AppError):
        await world.import_holders(command)
    # Repeated after the lost reply: asked again with the same id. After that it is done.
    world.chain.refresh_refusals.clear()
    await world.import_holders(command)
    await world.import_holders(command)
    assert world.chain.refreshes == [(command.key.request_id, asset_id, scope, ())] * 2
    with pytest.raises(AppError) as caught:
        await world.import_holders(replace(command, key=request_key(command.key.request_id, b"2")))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


async def test_import_of_an_unknown_asset_is_refused(world: World) -> None:
    with pytest.raises(AppError) as caught:
        await world.import_holders(ImportHoldersCommand(request_key(), uuid4(), list_again=False))
    assert (caught.value.reason, caught.value.field) == (Reason.ASSET_NOT_FOUND, "parent")
    assert world.chain.refreshes == []


async def test_the_share_of_the_largest_holders_is_rounded_down(world: World) -> None:
    asset_id = world.asset()
    assert (await world.queries.get_summary(asset_id, 10)).share_millionths == 0
    await world.told(asset_id, {"0xa": held(1), "0xb": held(0, 1), "0xc": held(1)})
    summary = await world.queries.get_summary(asset_id, 2)
    assert [row.address for row in summary.largest] == ["0xa", "0xb"]
    assert summary.share_millionths == 666_666
    assert (await world.queries.get_summary(asset_id, 3)).share_millionths == 1_000_000


@given(EVENTS)
async def test_whatever_is_told_the_register_is_it(events: list[tuple[bool, dict[str, Holding]]]) -> None:
    world = World()
    reader = MemoryRegisterReader(world.database)
    await require_register_follows(world.apply_changes, reader, world.asset(), events)
