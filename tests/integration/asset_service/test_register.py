"""The register of holders: changes over the real stream, answers over a real channel."""

import random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from asset_service.application.apply_balance_changes import ApplyBalanceChanges, ApplyBalanceChangesCommand
from asset_service.application.register_ports import HolderOrder, HolderPage
from asset_service.domain.register import BalanceChanges, BlockPosition
from asset_service.infrastructure.register_reader import SqlRegisterReader
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from deploy.local.database import run_async
from libs.alarms import TelemetryAlarms
from libs.clock import SystemClock
from libs.errors import Reason
from libs.events import IncomingEvent
from libs.grpc_kit.requests import next_page_token
from tests.integration.asset_service.engines import asset_engine
from tests.integration.asset_service.harness import (
    BLOCK_HASH,
    Harness,
    ServiceUnderTest,
    eventually,
    id_of,
    new_address,
)

MAX_UINT256 = 2**256 - 1
INSERT_HOLDER = "INSERT INTO holders (asset_id, address, balance, frozen, locked, held, cleared, changed_at_block)"
FIRST_PAGE = HolderPage(HolderOrder.ADDRESS, 0, None, 10)


async def test_changes_are_folded_and_positioned(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    one, two, three = (new_address() for _ in range(3))
    assert await harness.holders(asset_id) == ({}, pb.RegisterPosition())
    first = await harness.publish_changes(asset_id, 1, [(one, 100), (two, 50)], complete=False)
    await harness.processed(first)
    asset = await harness.get(asset_id)
    assert not asset.HasField("register")  # the range is not complete
    await harness.processed(await harness.publish_changes(asset_id, 2, [(three, MAX_UINT256 - 150)]))
    found, register = await harness.holders(asset_id)
    assert found == {one.value: 100, two.value: 50, three.value: MAX_UINT256 - 150}
    assert register == pb.RegisterPosition(
        block_number=29,
        block_hash=BLOCK_HASH,
        holder_count=3,
        total_balance_base_units=str(MAX_UINT256),
        total_restricted_base_units="0",
    )
    after = await harness.get(asset_id)
    assert after.register == register
    assert after.etag != asset.etag


async def test_a_holder_who_falls_to_zero_is_no_holder(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    one, two, never = (new_address() for _ in range(3))
    await harness.publish_changes(asset_id, 1, [(one, 100)])
    last = await harness.publish_changes(asset_id, 2, [(one, -100), (two, 100), (never, 0)])
    await harness.processed(last)
    found, register = await harness.holders(asset_id)
    assert found == {two.value: 100}
    assert (register.holder_count, register.total_balance_base_units) == (1, "100")
    await harness.processed(await harness.publish_changes(asset_id, 3, [(one, 7), (two, -7)]))
    assert await _totals(harness, asset_id) == (2, 100)
    row = await harness.database.fetchrow(
        "SELECT count(*), sum(balance) FROM holders WHERE asset_id = $1", asset_id
    )
    assert row is not None
    assert (row[0], int(row[1])) == (2, 100)


async def test_duplicates_and_wrong_order_end_in_the_right_register(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    holders = [new_address() for _ in range(4)]
    expected: dict[str, int] = {}
    generator = random.Random(20240501)
    events = []
    for sequence in range(1, 6):
        deltas = [
            (holder, generator.randint(-expected.get(holder.value, 0), 1000))
            for holder in generator.sample(holders, 3)
        ]
        for holder, delta in deltas:
            expected[holder.value] = expected.get(holder.value, 0) + delta
        events.append((sequence, deltas, uuid4()))
    shuffled = [*events, *events]
    generator.shuffle(shuffled)
    for sequence, deltas, event_id in shuffled:
        await harness.publish_changes(asset_id, sequence, deltas, event_id=event_id)
    await harness.processed(events[-1][2])
    # An applied sequence under another event id is a no-op too.
    await harness.processed(await harness.publish_changes(asset_id, 3, events[2][1]))
    found, register = await harness.holders(asset_id)
    assert found == {holder: balance for holder, balance in expected.items() if balance}
    assert register.block_number == 59
    assert int(register.total_balance_base_units) == sum(expected.values())


async def test_less_than_nothing_is_a_dead_letter_with_nothing_half_applied(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    one, two, new = (new_address() for _ in range(3))
    await harness.processed(await harness.publish_changes(asset_id, 1, [(one, 10), (two, 20)]))
    before = await harness.holders(asset_id)
    # In one event: a newcomer, one who leaves, and one with too little.
    await harness.publish_changes(asset_id, 2, [(new, 5), (two, -20), (one, -11)])

    async def is_dead() -> bool:
        return [
            letter.reason.startswith("NegativeBalanceError") and one.value in letter.reason
            for letter in await harness.dead_letters(asset_id)
        ] == [True]

    await eventually(is_dead, "dead letter")
    assert await harness.holders(asset_id) == before
    assert (
        await harness.database.fetchval("SELECT last_sequence FROM registers WHERE asset_id = $1", asset_id) == 1
    )
    await harness.processed(await harness.publish_changes(asset_id, 2, [(one, -10)]))
    assert (await harness.holders(asset_id))[0] == {two.value: 20}


async def test_holders_are_paged_by_address(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    balances = {new_address(): number for number in range(1, 1001)}
    await harness.processed(await harness.publish_changes(asset_id, 1, balances.items()))
    expected = {holder.value: balance for holder, balance in sorted(balances.items())}
    for page_size in (1000, 999, 7):
        found, _ = await harness.holders(asset_id, page_size)
        assert list(found.items()) == list(expected.items())
    page = await harness.assets.ListHolders(pb.ListHoldersRequest(parent=f"assets/{asset_id}"))
    assert len(page.holders) == 100
    assert page.holders[0].name == f"assets/{asset_id}/holders/{page.holders[0].account.evm_address}"
    assert page.holders[0].changed_at_block == 10


async def test_list_holders_refuses_bad_input(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    other_id = id_of(await harness.import_asset())
    await harness.processed(await harness.publish_changes(asset_id, 1, [(new_address(), 1), (new_address(), 2)]))
    parent = f"assets/{asset_id}"
    first = pb.ListHoldersRequest(parent=parent, page_size=1, order="ORDER_BALANCE_DESC")
    other_order: pb.ListHoldersResponse = await harness.assets.ListHolders(first)
    assert other_order.next_page_token
    others_token = next_page_token(f"ListHolders/{other_id}/ADDRESS/0", f"1/{new_address()}")
    forged = next_page_token(f"ListHolders/{asset_id}/ADDRESS/0", "1/\0")
    for request, reason, field in [
        (pb.ListHoldersRequest(), Reason.REQUIRED_FIELD_MISSING, "parent"),
        (pb.ListHoldersRequest(parent="assets/x"), Reason.INVALID_RESOURCE_NAME, "parent"),
        (pb.ListHoldersRequest(parent=f"assets/{uuid4()}"), Reason.ASSET_NOT_FOUND, None),
        (pb.ListHoldersRequest(parent=parent, page_size=1001), Reason.INVALID_PAGE_SIZE, "page_size"),
        (pb.ListHoldersRequest(parent=parent, page_token=others_token), Reason.INVALID_PAGE_TOKEN, "page_token"),
        (pb.ListHoldersRequest(parent=parent, page_token=forged), Reason.INVALID_PAGE_TOKEN, "page_token"),
        (
            pb.ListHoldersRequest(parent=parent, page_token=other_order.next_page_token),
            Reason.INVALID_PAGE_TOKEN,
            "page_token",
        ),
        (
            pb.ListHoldersRequest(parent=parent, min_balance_base_units="1.5"),
            Reason.INVALID_AMOUNT,
            "min_balance_base_units",
        ),
        (
            pb.ListHoldersRequest(parent=parent, min_balance_base_units=str(2**256)),
            Reason.AMOUNT_TOO_LARGE,
            "min_balance_base_units",
        ),
    ]:
        code, error = await harness.refused(harness.assets.ListHolders(request))
        assert (error.reason, error.field) == (reason, field)
        assert code is not grpc.StatusCode.INTERNAL


async def test_a_broken_transaction_leaves_nothing(harness: Harness, service: ServiceUnderTest) -> None:
    """The database ends the connection after the rows were written and before the commit."""
    asset_id = id_of(await harness.import_asset())
    holder = new_address()
    event = IncomingEvent(uuid4(), f"masspayout.chain_sync.v1.x.{asset_id}", "x", asset_id, 1, b"")
    async with asset_engine(service) as engine:

        class DyingUnitOfWork(AssetUnitOfWork):
            """Its connection is ended when it is told to commit."""

            async def commit(self) -> None:
                pid = (await self.connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
                written = (await self.connection.exec_driver_sql("SELECT count(*) FROM holders")).scalar_one()
                assert written
                await harness.database.execute("SELECT pg_terminate_backend($1, 5000)", pid)
                await super().commit()

        def dying() -> DyingUnitOfWork:
            return DyingUnitOfWork(engine, SystemClock(), lambda: None, uuid4)

        def working() -> AssetUnitOfWork:
            return AssetUnitOfWork(engine, SystemClock(), lambda: None, uuid4)

        command = ApplyBalanceChangesCommand(
            event, asset_id, 1, BalanceChanges([holder.value], [5], [3]), 3, BlockPosition(3, BLOCK_HASH)
        )
        with pytest.raises(DBAPIError):
            await ApplyBalanceChanges(dying, TelemetryAlarms("asset"), SystemClock())(command)
        assert await harness.holders(asset_id) == ({}, pb.RegisterPosition())
        assert not await harness.database.fetchval("SELECT 1 FROM inbox WHERE event_id = $1", event.event_id)
        await ApplyBalanceChanges(working, TelemetryAlarms("asset"), SystemClock())(command)
    assert (await harness.holders(asset_id))[0] == {holder.value: 5}


async def test_killed_in_the_middle_of_a_stream_of_changes(harness: Harness, service: ServiceUnderTest) -> None:
    asset_id = id_of(await harness.import_asset())
    holders = sorted(new_address() for _ in range(500))
    # While it is down, so that it then fetches all of them at once.
    service.kill()
    for sequence in range(1, 40):
        await harness.publish_changes(asset_id, sequence, [(holder, sequence) for holder in holders])
    last = await harness.publish_changes(asset_id, 40, [(holder, 40) for holder in holders])
    service.start()

    async def has_begun() -> bool:
        return bool(
            await harness.database.fetchval("SELECT last_sequence FROM registers WHERE asset_id = $1", asset_id)
        )

    await eventually(has_begun, "first changes applied")
    service.kill()
    service.start()
    # What the dead process had fetched comes again after JetStream's ack wait.
    await harness.processed(last, seconds=60)
    found, register = await harness.holders(asset_id)
    assert found == {holder.value: 40 * 41 // 2 for holder in holders}
    assert register.holder_count == 500
    assert not await harness.dead_letters(asset_id)


async def test_the_database_itself_refuses_impossible_rows(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    for statement in (
        f"{INSERT_HOLDER} VALUES ($1, '0x' || repeat('a', 40), 0, 0, 0, 0, 0, 1)",
        f"{INSERT_HOLDER} VALUES ($1, '0x' || repeat('A', 40), 1, 0, 0, 0, 0, 1)",
        f"{INSERT_HOLDER} VALUES ($1, '0x' || repeat('a', 40), 1, -1, 0, 0, 0, 1)",
        "UPDATE registers SET total_balance = -1 WHERE asset_id = $1",
        "UPDATE registers SET holder_count = 1 WHERE asset_id = $1",
        "UPDATE registers SET block_number = 1 WHERE asset_id = $1",
        "UPDATE registers SET is_complete = true WHERE asset_id = $1",
        "UPDATE registers SET total_restricted = 1 WHERE asset_id = $1",
        """
        INSERT INTO holder_changes VALUES ($1, DEFAULT, '0x' || repeat('a', 40), 0, 0, 1, 1, 1, now())
        """,
        "UPDATE assets SET state = 'LOST' WHERE asset_id = $1",
        "UPDATE assets SET state = 'ACTIVE' WHERE asset_id = $1",
        "UPDATE assets SET state = 'FAILED' WHERE asset_id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await harness.database.execute(statement, asset_id)


async def test_a_page_and_its_position_are_of_one_moment(harness: Harness, service: ServiceUnderTest) -> None:
    """The register changes between the two reads of an answer; the answer must not mix the moments."""
    asset_id = id_of(await harness.import_asset())
    holder = new_address()
    await harness.processed(await harness.publish_changes(asset_id, 1, [(holder, 1)]))
    changes: list[str] = []

    async def change() -> None:
        connection = await asyncpg.connect(service.database_url)
        async with connection.transaction():
            changes.append(
                await connection.execute("UPDATE holders SET balance = 2 WHERE asset_id = $1", asset_id)
            )
            await connection.execute(
                "UPDATE registers SET last_sequence = 2, total_balance = 2 WHERE asset_id = $1", asset_id
            )
        await connection.close()

    def change_after_first_read(*arguments: Any) -> None:
        if not changes and "FROM registers" in arguments[2]:
            run_async(change())

    async with asset_engine(service) as engine:
        listen(engine.sync_engine, "after_cursor_execute", change_after_first_read)
        reader = SqlRegisterReader(engine)
        during = await reader.holders(asset_id, FIRST_PAGE)
        after = await reader.holders(asset_id, FIRST_PAGE)
    assert changes == ["UPDATE 1"]
    for found, moment in ((during, 1), (after, 2)):
        assert found is not None
        assert (found.register.last_sequence, found.rows[0].holding.balance) == (moment, moment)


async def _totals(harness: Harness, asset_id: UUID) -> tuple[int, int]:
    row = await harness.database.fetchrow(
        "SELECT holder_count, total_balance FROM registers WHERE asset_id = $1", asset_id
    )
    assert row is not None
    return row[0], int(row[1])
