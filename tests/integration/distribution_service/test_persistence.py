"""The tables, their guards, and the ports on PostgreSQL and in memory alike."""

import asyncio
from dataclasses import asdict, fields, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import JSON, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution_service.application.ports import DistributionReader, ListPosition, UnitOfWorkFactory
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payout_report import Progress
from distribution_service.domain.states import DistributionState, PayoutState
from distribution_service.infrastructure import tables
from distribution_service.infrastructure.distribution_repository import SqlDistributionReader
from distribution_service.infrastructure.unit_of_work import unit_of_work_factory
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.clock import SystemClock
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)
from tests.unit.distribution_service.fakes import (
    START,
    TOKEN,
    FakeReader,
    Store,
    asset,
    incoming,
    progress,
    report,
    request_key,
)

Ports = tuple[UnitOfWorkFactory, DistributionReader]
_LARGEST = FixedTotal(BaseUnits(2**256 - 1))


@pytest.fixture(params=["memory", "postgresql"])
def ports(request: pytest.FixtureRequest) -> Ports:
    if request.param == "memory":
        store = Store()
        return store.new_unit_of_work, FakeReader(store)
    engine: AsyncEngine = request.getfixturevalue("engine")
    return unit_of_work_factory(engine, SystemClock(), lambda: None), SqlDistributionReader(engine)


async def _stored(
    ports: Ports, count: int = 1, pays: WhatIsPaid = _LARGEST, rules: PayeeRules = NO_RULES
) -> list[Distribution]:
    new_unit_of_work, _ = ports
    known = asset()
    made = [
        Distribution.release(
            distribution_id=uuid4(),
            asset_id=known.asset_id,
            terms=PayoutTerms(pays, rules),
            payment_token=TOKEN,
            allow_unfunded=True,
            now=START,
        )
        for _ in range(count)
    ]
    async with new_unit_of_work() as uow:
        assert await uow.assets.keep_if_newer(known)
        for distribution in made:
            await uow.distributions.add(distribution)
        await uow.commit()
    return made


async def test_what_is_stored_is_read_back(ports: Ports) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports)
    figures = progress(
        holders=20,
        paid=1,
        failed=2,
        zero_due=3,
        waiting=4,
        cancelled=5,
        excluded=1,
        deferred=2,
        paid_base_units=2**256 - 100,
        cancelled_base_units=7,
        excluded_base_units=11,
        withheld_base_units=13,
        deferred_base_units=17,
    )
    told = report(distribution, 3, PayoutState.EXECUTING, figures, "X: y")
    changed = distribution.apply_payout(told, distribution.create_time)
    async with new_unit_of_work() as uow:
        assert await uow.distributions.find_for_update(distribution.distribution_id) == distribution
        await uow.distributions.update(changed)
        await uow.commit()
    async with new_unit_of_work() as uow:
        assert await uow.distributions.find(distribution.distribution_id) == changed
    assert await reader.find(distribution.distribution_id) == changed


async def test_a_percentage_and_the_total_that_its_plan_fixed_are_read_back(ports: Ports) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports, pays=ShareOfAvailable(10_000))
    told = report(distribution, 1, PayoutState.PLANNING, total_base_units=2**256 - 1)
    fixed = distribution.apply_payout(told, START)
    assert await reader.find(distribution.distribution_id) == distribution
    async with new_unit_of_work() as uow:
        await uow.distributions.update(fixed)
        await uow.commit()
    stored = await reader.find(distribution.distribution_id)
    assert stored == fixed
    assert (stored.terms.percentage_basis_points, stored.total_base_units) == (10_000, 2**256 - 1)


_RULES = PayeeRules(
    excluded=frozenset({HolderAddress("0x" + "1a" * 20), HolderAddress("0x" + "2b" * 20)}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=2_637,
    withholding_by_holder={HolderAddress("0x" + "3c" * 20): 0, HolderAddress("0x" + "4d" * 20): 10_000},
    minimum_base_units=2**256 - 1,
)


@pytest.mark.parametrize(
    ("pays", "rules"),
    [
        (_LARGEST, _RULES),
        (Dividend(2**63 - 1), replace(NO_RULES, excluded=_RULES.excluded, minimum_base_units=1)),
        (Coupon(1), NO_RULES),
        (Redemption(), NO_RULES),
    ],
)
async def test_terms_are_read_back(ports: Ports, pays: WhatIsPaid, rules: PayeeRules) -> None:
    _, reader = ports
    (distribution,) = await _stored(ports, pays=pays, rules=rules)
    stored = await reader.find(distribution.distribution_id)
    assert stored == distribution
    assert stored.terms == PayoutTerms(pays, rules)


@pytest.mark.parametrize("pays", [Dividend(1), Redemption()])
async def test_a_total_of_zero_can_be_stored_where_it_can_be(ports: Ports, pays: WhatIsPaid) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports, pays=pays)
    state = PayoutState.EXECUTING if isinstance(pays, Redemption) else PayoutState.COMPLETED
    changed = distribution.apply_payout(report(distribution, 1, state), START)
    async with new_unit_of_work() as uow:
        await uow.distributions.update(changed)
        await uow.commit()
    assert await reader.find(distribution.distribution_id) == changed


@pytest.mark.parametrize("state", PayoutState)
async def test_every_state_can_be_stored(ports: Ports, state: PayoutState) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports)
    changed = distribution.apply_payout(report(distribution, 1, state), START)
    async with new_unit_of_work() as uow:
        await uow.distributions.update(changed)
        await uow.commit()
    assert await reader.find(distribution.distribution_id) == changed


async def test_without_commit_nothing_stays(ports: Ports) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports)
    key, event = request_key(), incoming(distribution.distribution_id, "payout_progressed")
    changed = distribution.apply_payout(report(distribution, 1, PayoutState.PLANNING), START)
    async with new_unit_of_work() as uow:
        await uow.distributions.update(changed)
        assert await uow.add_request(key, distribution.distribution_id)
        assert await uow.record_incoming(event)
    assert await reader.find(distribution.distribution_id) == distribution
    async with new_unit_of_work() as uow:
        assert await uow.find_request(key.request_id) is None
        assert await uow.record_incoming(event)


async def test_requests_and_events_are_recorded_once(ports: Ports) -> None:
    new_unit_of_work, _ = ports
    key, event, resource_id = request_key(), incoming(uuid4(), "payout_progressed"), uuid4()
    async with new_unit_of_work() as uow:
        assert await uow.add_request(key, resource_id)
        assert await uow.record_incoming(event)
        await uow.commit()
    async with new_unit_of_work() as uow:
        assert not await uow.add_request(key, uuid4())
        assert not await uow.record_incoming(event)
        logged = await uow.find_request(key.request_id)
    assert logged is not None
    assert (logged.key, logged.resource_id) == (key, resource_id)


async def test_only_a_newer_asset_is_kept(ports: Ports) -> None:
    new_unit_of_work, _ = ports
    known = asset(version=3)
    for version, expected in ((3, True), (3, False), (2, False), (4, True)):
        async with new_unit_of_work() as uow:
            newer = replace(known, version=version, lifecycle_contract=None)
            assert await uow.assets.keep_if_newer(newer) is expected
            await uow.commit()
    async with new_unit_of_work() as uow:
        assert await uow.assets.find(known.asset_id) == replace(known, version=4, lifecycle_contract=None)
        assert await uow.assets.find(uuid4()) is None


async def test_what_is_missing(ports: Ports) -> None:
    new_unit_of_work, reader = ports
    (distribution,) = await _stored(ports)
    unknown = replace(distribution, distribution_id=uuid4())
    assert await reader.find(unknown.distribution_id) is None
    async with new_unit_of_work() as uow:
        assert await uow.distributions.find(unknown.distribution_id) is None
        assert await uow.distributions.find_for_update(unknown.distribution_id) is None
        with pytest.raises(LookupError):
            await uow.distributions.update(unknown)


async def test_pages_go_on_behind_a_position_also_within_one_moment(ports: Ports) -> None:
    _, reader = ports
    made = await _stored(ports, 5)
    asset_id = made[0].asset_id
    found: list[UUID] = []
    after = None
    for _ in range(4):
        page = await reader.page(asset_id, after, 2)
        if not page:
            break
        found += [item.distribution_id for item in page]
        after = ListPosition(page[-1].create_time, page[-1].distribution_id)
    assert found == sorted(item.distribution_id for item in made)
    assert await reader.page(uuid4(), None, 2) == []


async def test_newer_than_leaves_out_what_is_known_and_what_does_not_exist(ports: Ports) -> None:
    _, reader = ports
    first, second = await _stored(ports, 2)
    versions = {first.distribution_id: 0, second.distribution_id: 1, uuid4(): 0}
    assert await reader.newer_than(versions) == [first]
    assert await reader.newer_than({}) == []


async def test_a_locked_distribution_is_changed_by_one_transaction_at_a_time(engine: AsyncEngine) -> None:
    new_unit_of_work = unit_of_work_factory(engine, SystemClock(), lambda: None)
    (distribution,) = await _stored((new_unit_of_work, SqlDistributionReader(engine)))
    changed = distribution.apply_payout(report(distribution, 1, PayoutState.PLANNING), START)

    async def read_later() -> Distribution | None:
        async with new_unit_of_work() as later:
            return await later.distributions.find_for_update(distribution.distribution_id)

    async with new_unit_of_work() as uow:
        await uow.distributions.find_for_update(distribution.distribution_id)
        second = asyncio.create_task(read_later())
        done, _ = await asyncio.wait({second}, timeout=0.3)
        assert not done, "the second did not wait for the lock"
        await uow.distributions.update(changed)
        await uow.commit()
    assert await second == changed


async def _executing(engine: AsyncEngine) -> Distribution:
    """A stored distribution whose payout has paid nobody yet."""
    new_unit_of_work = unit_of_work_factory(engine, SystemClock(), lambda: None)
    (distribution,) = await _stored((new_unit_of_work, SqlDistributionReader(engine)))
    executing = distribution.apply_payout(report(distribution, 1, PayoutState.EXECUTING), START)
    async with new_unit_of_work() as uow:
        await uow.distributions.update(executing)
        await uow.commit()
    return executing


async def _write(engine: AsyncEngine, distribution: Distribution, **columns: object) -> None:
    """Past the repository, straight into the row."""
    statement = (
        update(tables.distributions)
        .where(tables.distributions.c.distribution_id == distribution.distribution_id)
        .values(**columns)
    )
    async with engine.begin() as connection:
        await connection.execute(statement)


def _figures(distribution: Distribution) -> dict[str, Any]:
    assert distribution.progress
    return asdict(distribution.progress)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "PAID"},
        {"state": DistributionState.RELEASED.value},
        {"payout_version": 0},
        {"total_base_units": 0},
        {"percentage_basis_points": 0},
        {"percentage_basis_points": 10_001},
        {"percentage_basis_points": 10_000, "total_base_units": 0},
        {"percentage_basis_points": 10_000, "total_base_units": 0, "state": DistributionState.DEFERRED.value},
        {"percentage_basis_points": 10_000, "kind": PayoutKind.REDEMPTION.value},
        {"kind": "GIFT"},
        {"kind": PayoutKind.DIVIDEND.value},
        {"action_id": 1},
        {"kind": PayoutKind.REDEMPTION.value, "action_id": 1},
        {"kind": PayoutKind.REDEMPTION.value, "total_base_units": -1},
        {"kind": PayoutKind.DIVIDEND.value, "action_id": 1, "total_base_units": 0},
        {"rules": []},
        {"state": DistributionState.PAUSED.value, "total_base_units": 0},
        {"version": 0},
        {"payment_token": "0xAB"},
        {"progress": None},
        {"progress": JSON.NULL},
        {"progress": []},
        {"progress": 7},
        {"progress": {}},
        {"payout_version": 0, "state": DistributionState.RELEASED.value},
    ],
)
async def test_the_database_refuses_what_cannot_be(engine: AsyncEngine, change: dict[str, object]) -> None:
    distribution = await _executing(engine)
    with pytest.raises(DBAPIError, match="check constraint"):
        await _write(engine, distribution, **change)


_NAMES = [each.name for each in fields(Progress)]


@pytest.mark.parametrize(
    ("figures", "constraint"),
    [
        *(({name: -1}, "distributions_figures") for name in _NAMES),
        *(({name: None}, "distributions_figures") for name in _NAMES),
        ({"paid_base_units": "7"}, "distributions_figures"),
        ({"paid_count": True}, "distributions_figures"),
        ({"paid_count": [1]}, "distributions_figures"),
        ({"paid_count": 0.5}, "distributions_figures"),
        ({"a figure of later": -1}, "distributions_figures"),
        ({"paid_base_units": 2**256}, "distributions_paid"),
        ({"cancelled_base_units": 2**256 - 1, "paid_base_units": 1}, "distributions_paid"),
        ({"withheld_base_units": 2**256 - 1, "paid_base_units": 1}, "distributions_paid"),
        ({"excluded_base_units": 2**256 - 1, "paid_base_units": 1}, "distributions_paid"),
        ({"deferred_base_units": 2**256 - 1, "paid_base_units": 1}, "distributions_paid"),
    ],
)
async def test_the_database_refuses_figures_that_cannot_be(
    engine: AsyncEngine, figures: dict[str, object], constraint: str
) -> None:
    distribution = await _executing(engine)
    with pytest.raises(DBAPIError, match=f'check constraint "{constraint}"'):
        await _write(engine, distribution, progress=_figures(distribution) | figures)


@pytest.mark.parametrize("name", [name for name in _NAMES if name.endswith("_base_units")])
async def test_the_database_refuses_progress_that_lacks_an_amount(engine: AsyncEngine, name: str) -> None:
    distribution = await _executing(engine)
    figures = _figures(distribution)
    del figures[name]
    with pytest.raises(DBAPIError, match='check constraint "distributions_paid"'):
        await _write(engine, distribution, progress=figures)


@pytest.mark.parametrize("paid_count", [1, None])
async def test_the_database_refuses_that_a_failed_payout_paid_somebody(
    engine: AsyncEngine, paid_count: int | None
) -> None:
    distribution = await _executing(engine)
    figures = _figures(distribution)
    del figures["paid_count"]
    if paid_count is not None:
        figures["paid_count"] = paid_count
    with pytest.raises(DBAPIError, match='check constraint "distributions_failed_paid_nobody"'):
        await _write(engine, distribution, state=DistributionState.FAILED.value, progress=figures)


async def test_parts_may_make_the_whole_total_and_are_exact(engine: AsyncEngine) -> None:
    distribution = await _executing(engine)
    figures = _figures(distribution) | {"paid_base_units": 2**256 - 1 - 2**200, "deferred_base_units": 2**200}
    await _write(engine, distribution, progress=figures)
    stored = await SqlDistributionReader(engine).find(distribution.distribution_id)
    assert stored is not None
    assert stored.progress == Progress(**figures)
