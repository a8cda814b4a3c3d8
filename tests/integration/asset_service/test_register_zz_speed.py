import secrets, time
from uuid import uuid4
import pytest
from asset_service.application.apply_balance_changes import ApplyBalanceChanges, ApplyBalanceChangesCommand
from asset_service.domain.register import BalanceChanges, BlockPosition, Holding
from asset_service.infrastructure.alarms import TelemetryAlarms
from asset_service.application.register_ports import *
from asset_service.infrastructure.register_reader import SqlRegisterReader
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.clock import SystemClock
from tests.integration.asset_service.engines import asset_engine
from tests.integration.asset_service.test_register_contract import Ports
from tests.unit.asset_service.samples import incoming, BLOCK_HASH

async def test_speed(service):
    out = open("/tmp/p5/a1_speed.txt", "w")
    async with asset_engine(service) as engine:
        uow = lambda: AssetUnitOfWork(engine, SystemClock(), lambda: None, uuid4)
        reader = SqlRegisterReader(engine)
        ports = Ports(uow, reader)
        asset_id = await ports.asset()
        apply = ApplyBalanceChanges(uow, TelemetryAlarms(), SystemClock())
        addresses = ["0x" + secrets.token_hex(20) for _ in range(100_000)]
        for name, holding, delta in (("import", Holding(10**24, 5, 0, 0, 0), 10**24), ("same again", Holding(10**24, 5, 0, 0, 0), 0), ("transfers", Holding(10**24 + 1, 5, 0, 0, 0), 1)):
            base = {"import": 0, "same again": 100, "transfers": 200}[name]
            start = time.monotonic()
            for number in range(100):
                part = addresses[number * 1000:(number + 1) * 1000]
                changes = BalanceChanges(part, [delta] * 1000, [base + number] * 1000, [holding] * 1000)
                await apply(ApplyBalanceChangesCommand(incoming(asset_id), asset_id, base + number + 1, changes, 1, BlockPosition(base + number, BLOCK_HASH)))
            took = time.monotonic() - start
            print(name, f"{took:.1f} s, {100_000 / took:.0f} rows a second", file=out, flush=True)
        for name, call in (
            ("page by balance", lambda: reader.holders(asset_id, HolderPage(HolderOrder.BALANCE_DESC, 0, HolderKey("0x8" + "0" * 39, 10**24 + 1), 1000))),
            ("page by address", lambda: reader.holders(asset_id, HolderPage(HolderOrder.ADDRESS, 0, HolderKey("0x8" + "0" * 39, 1), 1000))),
            ("largest", lambda: reader.largest_holders(asset_id, 10)),
            ("changes", lambda: reader.changes(asset_id, None, None, 100)),
            ("changes of one", lambda: reader.changes(asset_id, addresses[5], None, 100)),
            ("sample", lambda: reader.sample(asset_id, SampleSize(50, 10, 400))),
        ):
            await call()
            start = time.monotonic()
            await call()
            print(name, f"{(time.monotonic() - start) * 1000:.1f} ms", file=out, flush=True)
