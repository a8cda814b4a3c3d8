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
from asset_service.domain.asset import Asset, LifecycleState, PauseSeen, SyncState
from asset_service.domain.register import BalanceChanges, Register
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.clock import SystemClock
from libs.idempotency import LoggedRequest, RequestKey
from tests.integration.asset_service.engines import asset_engine
from tests.integration.asset_service.harness import ServiceUnderTest, new_address
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


async def test_an_asset_is_read_as_it_was_saved(unit_of_work: UnitOfWorkFactory) -> None:
    asset = await added(unit_of_work, new_asset(new_address(), new_address()))
    supply = 2**256 - 1
    token = replace(asset.token, hedera_id="0.0.7", total_supply_base_units=supply, is_paused=True)
    saved = asset.sync(token, LATER).change_sync(SyncState.DISABLED, LATER).request_pause(LATER)
    taken = report(5, LifecycleState.NOT_READY, asset.lifecycle_contract, is_paused=True, pause_problem="no role")
    seen = PauseSeen(7, asset.token.address, is_paused=False)
    saved = saved.apply_lifecycle_report(taken, LATER).see_pause(seen, LATER)
    saved = replace(saved, payment_token=replace(saved.payment_token, hedera_id="0.0.8"))
    async with unit_of_work() as uow:
        await uow.assets.save(saved)
        await uow.commit()
    async with unit_of_work() as uow:
        assert await uow.assets.get(asset.asset_id) == replace(saved, events=())


async def test_what_is_not_committed_did_not_happen(unit_of_work: UnitOfWorkFactory) -> None:
    asset = new_asset(token=new_address())
    event = incoming(asset.asset_id)
    async with unit_of_work() as uow:
        await uow.assets.add(asset)
        await uow.registers.add(Register.empty(asset.asset_id, NOW))
        await uow.registers.apply(asset.asset_id, BalanceChanges([str(new_address())], [5], [1]), NOW)
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


async def added(unit_of_work: UnitOfWorkFactory, asset: Asset) -> Asset:
    async with unit_of_work() as uow:
        await uow.assets.add(asset)
        await uow.registers.add(Register.empty(asset.asset_id, asset.create_time))
        await uow.commit()
    return asset
