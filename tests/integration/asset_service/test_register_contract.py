"""One suite for the register's ports in memory and on PostgreSQL, so that the fakes can be trusted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from asset_service.application.apply_balance_changes import ApplyBalanceChanges
from asset_service.application.ports import UnitOfWork, UnitOfWorkFactory
from asset_service.application.register_ports import (
    HolderKey,
    HolderOrder,
    HolderPage,
    RegisterReader,
    SampleSize,
)
from asset_service.domain.asset import AssetState
from asset_service.domain.register import (
    NOTHING,
    AppliedChanges,
    BalanceChanges,
    BlockPosition,
    Holding,
    HoldingDifference,
    NegativeBalanceError,
    Register,
)
from asset_service.domain.register_check import TOTAL, Discrepancy, Finding, holding_of
from asset_service.infrastructure.register_reader import SqlRegisterReader
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.alarms import TelemetryAlarms
from libs.clock import SystemClock
from tests.integration.asset_service.engines import asset_engine
from tests.integration.asset_service.harness import BLOCK_HASH, ServiceUnderTest, new_address
from tests.unit.asset_service.fakes import MemoryDatabase
from tests.unit.asset_service.register_fakes import MemoryRegisterReader
from tests.unit.asset_service.register_model import EVENTS, require_register_follows
from tests.unit.asset_service.samples import LATER, NOW, new_asset

MAX_UINT256 = 2**256 - 1
POSITION = BlockPosition(17, BLOCK_HASH)


@dataclass(frozen=True)
class Ports:
    """Both ports on one database."""

    unit_of_work: UnitOfWorkFactory
    reader: RegisterReader

    async def asset(self, register: Register | None = None, state: AssetState = AssetState.IMPORTING) -> UUID:
        """A new asset, with an empty register or one like this."""
        asset = replace(new_asset(new_address(), new_address()), state=state, events=())
        register = register or Register.empty(asset.asset_id, NOW)
        async with self.unit_of_work() as uow:
            await uow.assets.add(asset)
            await uow.registers.add(replace(register, asset_id=asset.asset_id))
            await uow.commit()
        return asset.asset_id

    async def apply(
        self,
        asset_id: UUID,
        deltas: dict[str, int],
        holdings: list[Holding] | None = None,
        block_number: int = 1,
    ) -> AppliedChanges:
        changes = BalanceChanges(list(deltas), list(deltas.values()), [block_number] * len(deltas), holdings)
        async with self.unit_of_work() as uow:
            applied = await uow.registers.apply(asset_id, changes, NOW)
            await uow.commit()
        return applied

    async def holders(
        self,
        asset_id: UUID,
        order: HolderOrder = HolderOrder.ADDRESS,
        minimum: int = 0,
        after: HolderKey | None = None,
        limit: int = 100,
    ) -> list[tuple[str, Holding]]:
        found = await self.reader.holders(asset_id, HolderPage(order, minimum, after, limit))
        assert found
        return [(row.address, row.holding) for row in found.rows]


@pytest.fixture(params=["memory", "postgres"])
async def ports(request: pytest.FixtureRequest, service: ServiceUnderTest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        database = MemoryDatabase()
        yield Ports(database.unit_of_work, MemoryRegisterReader(database))
        return
    async with asset_engine(service) as engine:

        def on_postgres() -> UnitOfWork:
            return AssetUnitOfWork(engine, SystemClock(), lambda: None, uuid4)

        yield Ports(on_postgres, SqlRegisterReader(engine))


def addresses(count: int) -> list[str]:
    return sorted(new_address().value for _ in range(count))


def held(balance: int, frozen: int = 0) -> Holding:
    return Holding(balance, frozen, 0, 0, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
async def test_whatever_is_told_the_register_is_it(
    ports: Ports, events: list[tuple[bool, dict[str, Holding]]]
) -> None:
    apply_changes = ApplyBalanceChanges(ports.unit_of_work, TelemetryAlarms("asset"), SystemClock())
    await require_register_follows(apply_changes, ports.reader, await ports.asset(), events)


async def test_changes_count_who_came_and_went(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two, three = addresses(3)
    steps: list[tuple[dict[str, int], AppliedChanges]] = [
        ({}, AppliedChanges(0, 0, 0, 0)),
        ({one: MAX_UINT256, two: 5, three: 0}, AppliedChanges(2, 0, MAX_UINT256 + 5, 0)),
        ({one: -MAX_UINT256, three: MAX_UINT256, two: -4}, AppliedChanges(1, 1, -4, 0)),
        ({two: -1, three: -MAX_UINT256}, AppliedChanges(0, 2, -MAX_UINT256 - 1, 0)),
        ({one: 3}, AppliedChanges(1, 0, 3, 0)),
    ]
    for deltas, expected in steps:
        assert await ports.apply(asset_id, deltas) == expected


async def test_holdings_are_set_and_what_the_register_lacked_is_told(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two, three = addresses(3)
    full = Holding(*[MAX_UINT256] * 5)
    applied = await ports.apply(asset_id, {one: 5, two: MAX_UINT256}, [Holding(5, 1, 2, 3, 4), full])
    assert applied == AppliedChanges(2, 0, 5 + MAX_UINT256, 10 + 4 * MAX_UINT256)
    # Only a part is left of the first; the second goes; the third was to have had 7, and the first 9, not 5.
    applied = await ports.apply(asset_id, {three: 1, two: -MAX_UINT256, one: -9}, [held(8), NOTHING, held(0, 4)])
    assert (applied.came, applied.went) == (1, 1)
    assert applied.balance_delta_base_units == 8 - 5 - MAX_UINT256
    assert applied.restricted_delta_base_units == -6 - 4 * MAX_UINT256
    assert applied.differences == (
        HoldingDifference(one, Holding(5, 1, 2, 3, 4), 9),
        HoldingDifference(three, NOTHING, 7),
    )
    assert await ports.holders(asset_id) == [(one, held(0, 4)), (three, held(8))]


async def test_a_delta_of_an_old_event_leaves_the_parts(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two = addresses(2)
    await ports.apply(asset_id, {one: 5, two: 5}, [Holding(5, 1, 2, 3, 4), held(5)])
    assert await ports.apply(asset_id, {one: -5, two: -5}) == AppliedChanges(0, 1, -10, 0)
    assert await ports.holders(asset_id) == [(one, Holding(0, 1, 2, 3, 4))]


async def test_history_tells_what_changed(ports: Ports) -> None:
    asset_id, other_id = await ports.asset(), await ports.asset()
    one, two = addresses(2)
    await ports.apply(other_id, {one: 1}, [held(1)])
    await ports.apply(asset_id, {one: 5, two: 7}, [Holding(5, 1, 0, 0, 0), held(7)], 3)
    # Told again without change; a part becomes another: nothing of that is in the history.
    await ports.apply(asset_id, {one: 0, two: 0}, [Holding(5, 0, 1, 0, 0), held(7)], 4)
    await ports.apply(asset_id, {one: -5, two: 0}, [NOTHING, held(7, 2)], 2)
    rows = await ports.reader.changes(asset_id, None, None, 100)
    assert rows
    told = sorted(
        (row.block_number, row.address, row.delta_base_units, row.restricted_delta_base_units) for row in rows
    )
    assert told == [(2, one, -5, -1), (2, two, 0, 2), (3, one, 5, 1), (3, two, 7, 0)]
    assert [row.create_time for row in rows] == [NOW] * 4
    change_ids = [row.change_id for row in rows]
    assert change_ids == sorted(change_ids, reverse=True)
    of_one = await ports.reader.changes(asset_id, one, None, 100)
    assert of_one
    assert [(row.balance_base_units, row.restricted_base_units) for row in of_one] == [(0, 0), (5, 1)]
    assert await ports.reader.changes(asset_id, one, of_one[0].change_id, 100) == of_one[1:]
    assert await ports.reader.changes(asset_id, None, None, 1) == rows[:1]
    assert await ports.reader.changes(asset_id, new_address().value, None, 1) == []
    assert await ports.reader.changes(uuid4(), None, None, 1) is None


async def test_the_block_of_a_holding_is_the_one_that_was_told_last(ports: Ports) -> None:
    asset_id = await ports.asset()
    [one] = addresses(1)
    for block_number in (7, 9, 8):
        await ports.apply(asset_id, {one: 0 if block_number == 9 else 1}, [held(1)], block_number)
        found = await ports.reader.holder(asset_id, one)
        assert found
        assert found.rows[0].changed_at_block == block_number


async def test_a_balance_below_zero_is_refused(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two = addresses(2)
    await ports.apply(asset_id, {one: 5})
    for deltas in ({one: -6}, {two: -1}, {two: 9, one: -6}):
        with pytest.raises(NegativeBalanceError):
            await ports.apply(asset_id, deltas)
    # As before: the last unit goes, and nobody else is there.
    assert await ports.apply(asset_id, {one: -5}) == AppliedChanges(0, 1, -5, 0)


async def test_a_register_is_read_as_it_was_saved(ports: Ports) -> None:
    asset_id = await ports.asset()
    for saved in (
        Register(asset_id, 3, POSITION, 2, MAX_UINT256, LATER, MAX_UINT256, is_complete=True),
        Register(asset_id, 4, POSITION, 1, 0, LATER, 5, is_complete=False),
    ):
        async with ports.unit_of_work() as uow:
            await uow.registers.save(saved)
            await uow.commit()
        async with ports.unit_of_work() as uow:
            assert await uow.registers.lock(asset_id) == await uow.registers.get(asset_id) == saved


async def test_holders_in_both_orders_by_pages(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two, three, four, five = addresses(5)
    holdings = {one: held(5), two: held(9), three: held(5), four: held(0, 100), five: held(MAX_UINT256)}
    await ports.apply(
        asset_id, {each: holding.balance for each, holding in holdings.items()}, [*holdings.values()]
    )
    by_balance = [five, two, one, three, four]
    for order, expected in ((HolderOrder.ADDRESS, sorted(holdings)), (HolderOrder.BALANCE_DESC, by_balance)):
        for size in (1, 2, 3, 100):
            found: list[str] = []
            after = None
            # One page more than there are holders, for the empty one.
            for _ in range(len(holdings) + 1):
                page = await ports.holders(asset_id, order, after=after, limit=size)
                if not page:
                    break
                found += [address for address, _ in page]
                after = HolderKey(page[-1][0], page[-1][1].balance)
            assert found == expected, (order, size)
    assert await ports.holders(asset_id, minimum=6) == [(two, held(9)), (five, held(MAX_UINT256))]
    assert await ports.holders(asset_id, HolderOrder.BALANCE_DESC, minimum=5, limit=3) == [
        (five, held(MAX_UINT256)),
        (two, held(9)),
        (one, held(5)),
    ]
    largest = await ports.reader.largest_holders(asset_id, 3)
    assert largest
    assert [row.address for row in largest.rows] == [five, four, two]
    missing = HolderPage(HolderOrder.ADDRESS, 0, None, 1)
    assert await ports.reader.holders(uuid4(), missing) is None
    assert await ports.reader.largest_holders(uuid4(), 1) is None


async def test_one_holder(ports: Ports) -> None:
    asset_id = await ports.asset()
    one, two = addresses(2)
    await ports.apply(asset_id, {one: 5}, [held(5, 1)])
    found = await ports.reader.holder(asset_id, one)
    assert found
    assert [(row.address, row.holding) for row in found.rows] == [(one, held(5, 1))]
    nobody = await ports.reader.holder(asset_id, two)
    assert nobody
    assert nobody.rows == ()
    assert await ports.reader.holder(uuid4(), one) is None


async def test_a_check_is_claimed_by_the_longest_unchecked(ports: Ports) -> None:
    """In the past, so that the running service takes none of them, and only among themselves."""
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    complete = Register(uuid4(), 3, POSITION, 0, 0, NOW, 0, is_complete=True)
    asset_ids = {await ports.asset(complete, AssetState.ACTIVE) for _ in range(3)}
    passed_over = {
        await ports.asset(replace(complete, is_complete=False), AssetState.ACTIVE),
        await ports.asset(complete),
    }
    now = datetime.now(UTC) + timedelta(days=1)
    claimed: list[UUID] = []
    for seconds in range(30):
        async with ports.unit_of_work() as uow:
            asset_id = await uow.registers.claim_check(now, now + timedelta(seconds=seconds))
            if asset_id is None:
                break
            claimed.append(asset_id)
            await uow.commit()
    assert asset_ids <= set(claimed)
    assert not passed_over & set(claimed)
    assert len(claimed) == len(set(claimed))
    async with ports.unit_of_work() as uow:
        assert await uow.registers.claim_check(long_ago, now) is None


async def test_discrepancies_live_until_they_are_resolved(ports: Ports) -> None:
    asset_id = await ports.asset()
    [one] = addresses(1)
    found = [Finding(holding_of(one), 9, "1+0+0+0+0", "2+0+0+0+0"), Finding(TOTAL, 9, "1", "2")]
    async with ports.unit_of_work() as uow:
        assert await uow.discrepancies.add(asset_id, [], NOW) == []
        # Not committed yet: the running service would ask for what is to be refreshed.
        first, second = await uow.discrepancies.add(asset_id, found, NOW)
        assert second.discrepancy_id == first.discrepancy_id + 1
        assert first == Discrepancy(first.discrepancy_id, asset_id, found[0], 1, NOW)
        again = Finding(TOTAL, 12, "1", "3")
        assert await uow.discrepancies.open_of(asset_id) == [first, second]
        assert asset_id in await uow.discrepancies.assets_to_refresh(10_000)
        assert await uow.discrepancies.to_refresh(asset_id, 10) == [first, second]
        assert await uow.discrepancies.to_refresh(asset_id, 1) == [first]
        await uow.discrepancies.refresh_requested([first, second], NOW)
        assert await uow.discrepancies.to_refresh(asset_id, 10) == []
        await uow.discrepancies.seen_again({})
        await uow.discrepancies.seen_again({second.discrepancy_id: again})
        # What was asked for in the round before is not this round.
        await uow.discrepancies.refresh_requested([first, second], LATER)
        second = replace(second, finding=again, refresh_round=2)
        assert await uow.discrepancies.to_refresh(asset_id, 10) == [second]
        await uow.discrepancies.resolve([], LATER)
        await uow.discrepancies.resolve([first.discrepancy_id, second.discrepancy_id], LATER)
        assert await uow.discrepancies.open_of(asset_id) == []
        assert await uow.discrepancies.to_refresh(asset_id, 10) == []
        [third] = await uow.discrepancies.add(asset_id, found[:1], LATER)
        await uow.commit()
    resolved = [replace(each, resolve_time=LATER) for each in (second, first)]
    listed = [third, *resolved]
    assert await ports.reader.discrepancies(asset_id, None, 10, unresolved_only=False) == listed
    assert await ports.reader.discrepancies(asset_id, None, 10, unresolved_only=True) == [third]
    assert (
        await ports.reader.discrepancies(asset_id, third.discrepancy_id, 1, unresolved_only=False) == resolved[:1]
    )
    assert await ports.reader.discrepancies(uuid4(), None, 1, unresolved_only=False) is None


async def test_a_sample_has_who_is_asked_for(ports: Ports) -> None:
    register = Register(uuid4(), 3, POSITION, 1, 5, NOW, is_complete=True)
    asset_id = await ports.asset(register)
    gone, discrepant, recent, other = addresses(4)
    await ports.apply(asset_id, {gone: 1, other: 2, recent: 3}, [held(1), held(2), held(3)])
    await ports.apply(asset_id, {recent: 1, gone: -1}, [held(4, 2), NOTHING])
    async with ports.unit_of_work() as uow:
        await uow.discrepancies.add(
            asset_id, [Finding(holding_of(discrepant), 9, "", ""), Finding(TOTAL, 9, "", "")], NOW
        )
        await uow.commit()
    sample = await ports.reader.sample(asset_id, SampleSize(random=0, recent=2, discrepant=5))
    assert sample
    assert (sample.register, sample.position) == (replace(register, asset_id=asset_id), POSITION)
    assert sample.holdings == {gone: NOTHING, discrepant: NOTHING, recent: held(4, 2)}
    everybody = await ports.reader.sample(asset_id, SampleSize(random=10, recent=0, discrepant=0))
    assert everybody
    assert everybody.holdings == {recent: held(4, 2), other: held(2)}
    one = await ports.reader.sample(asset_id, SampleSize(random=1, recent=0, discrepant=0))
    assert one
    assert len(one.holdings) == 1
    unfinished = await ports.asset(replace(register, is_complete=False))
    assert await ports.reader.sample(unfinished, SampleSize(1, 1, 1)) is None
    assert await ports.reader.sample(uuid4(), SampleSize(1, 1, 1)) is None
