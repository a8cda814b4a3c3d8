"""One suite for the unit of work in memory and on PostgreSQL, so that the fakes can be trusted."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from asset_service.application.ports import (
    LifecycleContractInUseError,
    TokenAlreadyImportedError,
    UnitOfWork,
    UnitOfWorkFactory,
)
from asset_service.domain.asset import Asset, LifecycleState
from asset_service.domain.register import (
    BalanceChanges,
    BlockPosition,
    HolderCountChange,
    NegativeBalanceError,
    Register,
)
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.clock import SystemClock
from libs.idempotency import LoggedRequest, RequestKey
from tests.integration.asset_service.engines import asset_engine
from tests.integration.asset_service.harness import BLOCK_HASH, ServiceUnderTest, new_address
from tests.unit.asset_service.fakes import MemoryDatabase
from tests.unit.asset_service.samples import LATER, NOW, incoming, new_asset, report


@pytest.fixture(params=["memory", "postgres"])
async def unit_of_work(
    request: pytest.FixtureRequest, service: ServiceUnderTest
) -> AsyncIterator[UnitOfWorkFactory]:
    if request.param == "memory":
        yield MemoryDatabase().unit_of_work
        return
    async with asset_engine(service) as engine:

        def on_postgres() -> UnitOfWork:
            return AssetUnitOfWork(engine, SystemClock(), lambda: None, uuid4)

        yield on_postgres


async def test_an_asset_is_read_as_it_was_added(unit_of_work: UnitOfWorkFactory) -> None:
    asset = await added(unit_of_work, new_asset(new_address(), new_address()))
    async with unit_of_work() as uow:
        assert await uow.assets.get(asset.asset_id) == replace(asset, events=())
        assert await uow.assets.lock(asset.asset_id) == replace(asset, events=())
        assert await uow.assets.get(uuid4()) is None
        assert await uow.assets.lock(uuid4()) is None
        assert await uow.registers.get(asset.asset_id) == Register.empty(asset.asset_id, NOW)
        assert await uow.registers.lock(uuid4()) is None


async def test_what_is_not_committed_did_not_happen(unit_of_work: UnitOfWorkFactory) -> None:
    asset = new_asset(token=new_address())
    event = incoming(asset.asset_id)
    async with unit_of_work() as uow:
        await uow.assets.add(asset)
        await uow.registers.add(Register.empty(asset.asset_id, NOW))
        await uow.registers.apply(asset.asset_id, BalanceChanges([str(new_address())], [5], [1]))
        assert await uow.record_incoming(event)
    async with unit_of_work() as uow:
        assert await uow.assets.get(asset.asset_id) is None
        assert await uow.record_incoming(event)


async def test_token_and_contract_belong_to_one_asset(unit_of_work: UnitOfWorkFactory) -> None:
    owner = await added(unit_of_work, new_asset(new_address(), new_address()))
    async with unit_of_work() as uow:
        with pytest.raises(TokenAlreadyImportedError) as token_taken:
            await uow.assets.add(new_asset(token=owner.token.address))
    async with unit_of_work() as uow:
        with pytest.raises(LifecycleContractInUseError) as contract_taken:
            await uow.assets.add(new_asset(owner.lifecycle_contract, new_address()))
    assert token_taken.value.asset_id == contract_taken.value.asset_id == owner.asset_id


async def test_saving_with_a_contract_in_use_can_be_answered(unit_of_work: UnitOfWorkFactory) -> None:
    owner = await added(unit_of_work, new_asset(new_address(), new_address()))
    asset = await added(unit_of_work, new_asset(token=new_address()))
    taken = report(1, LifecycleState.READY, owner.lifecycle_contract)
    async with unit_of_work() as uow:
        with pytest.raises(LifecycleContractInUseError) as caught:
            await uow.assets.save(asset.apply_lifecycle_report(taken, LATER))
        assert caught.value.asset_id == owner.asset_id
        refused = asset.refuse_lifecycle_contract(taken, "in use", LATER)
        await uow.assets.save(refused)
        await uow.commit()
    async with unit_of_work() as uow:
        assert await uow.assets.get(asset.asset_id) == replace(refused, events=())


async def test_a_failed_import_frees_token_and_contract(unit_of_work: UnitOfWorkFactory) -> None:
    contract, token = new_address(), new_address()
    first = await added(unit_of_work, new_asset(contract, token))
    async with unit_of_work() as uow:
        await uow.assets.save(first.apply_lifecycle_report(report(1, LifecycleState.FAILED, None), LATER))
        await uow.commit()
    await added(unit_of_work, new_asset(contract, token))


async def test_requests_and_events_are_recorded_once(unit_of_work: UnitOfWorkFactory) -> None:
    key = RequestKey(uuid4(), "ImportAsset", b"\x01", "anonymous")
    resource_id, event = uuid4(), incoming(uuid4())
    async with unit_of_work() as uow:
        assert await uow.find_request(key.request_id) is None
        assert await uow.add_request(key, resource_id)
        assert await uow.record_incoming(event)
        await uow.commit()
    async with unit_of_work() as uow:
        assert await uow.find_request(key.request_id) == LoggedRequest(key, resource_id)
        assert not await uow.add_request(replace(key, request_hash=b"\x02"), uuid4())
        assert not await uow.record_incoming(event)


async def test_changes_count_who_came_and_went(unit_of_work: UnitOfWorkFactory) -> None:
    asset = await added(unit_of_work, new_asset(token=new_address()))
    one, two, three = (str(new_address()) for _ in range(3))
    steps: list[tuple[dict[str, int], HolderCountChange]] = [
        ({}, HolderCountChange(0, 0)),
        ({one: 2**256 - 1, two: 5, three: 0}, HolderCountChange(2, 0)),
        ({one: 1 - 2**256, three: 2**256 - 1, two: -4}, HolderCountChange(1, 1)),
        ({two: -1, three: 1 - 2**256}, HolderCountChange(0, 2)),
        ({one: 3}, HolderCountChange(1, 0)),
    ]
    for deltas, expected in steps:
        async with unit_of_work() as uow:
            assert await uow.registers.apply(asset.asset_id, changes(deltas)) == expected
            await uow.commit()


async def test_a_balance_below_zero_is_refused(unit_of_work: UnitOfWorkFactory) -> None:
    asset = await added(unit_of_work, new_asset(token=new_address()))
    one, two = str(new_address()), str(new_address())
    async with unit_of_work() as uow:
        await uow.registers.apply(asset.asset_id, changes({one: 5}))
        await uow.commit()
    for deltas in ({one: -6}, {two: -1}, {two: 9, one: -6}):
        async with unit_of_work() as uow:
            with pytest.raises(NegativeBalanceError):
                await uow.registers.apply(asset.asset_id, changes(deltas))
    async with unit_of_work() as uow:
        # As before: the last unit goes, and nobody else is there.
        assert await uow.registers.apply(asset.asset_id, changes({one: -5})) == HolderCountChange(0, 1)


async def test_a_register_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    asset = await added(unit_of_work, new_asset(token=new_address()))
    saved = Register(asset.asset_id, 3, BlockPosition(17, BLOCK_HASH), 2, 2**256 - 1, LATER)
    async with unit_of_work() as uow:
        await uow.registers.save(saved)
        await uow.commit()
    async with unit_of_work() as uow:
        assert await uow.registers.lock(asset.asset_id) == saved


def changes(deltas: dict[str, int]) -> BalanceChanges:
    return BalanceChanges(list(deltas), list(deltas.values()), [1] * len(deltas))


async def added(unit_of_work: UnitOfWorkFactory, asset: Asset) -> Asset:
    async with unit_of_work() as uow:
        await uow.assets.add(asset)
        await uow.registers.add(Register.empty(asset.asset_id, asset.create_time))
        await uow.commit()
    return asset
