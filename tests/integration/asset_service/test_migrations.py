"""What stood in the first schema is read by this version."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asset_service.application.register_ports import HolderOrder, HolderPage
from asset_service.bootstrap import MIGRATIONS_FOLDER
from asset_service.domain.asset import AssetState, PauseState, SyncState
from asset_service.domain.register import BlockPosition, Holding
from asset_service.infrastructure.reader import SqlAssetReader
from asset_service.infrastructure.register_reader import SqlRegisterReader
from tests.integration.asset_service.harness import BLOCK_HASH, ServiceUnderTest, new_address

SCRATCH = "asset_of_first_schema"
_OLD_ASSET = """
INSERT INTO assets (asset_id, chain_id, token, display_name, symbol, isin, decimals, security_type, payment_token,
    payment_token_symbol, payment_token_decimals, lifecycle_contract, lifecycle_origin, lifecycle_version,
    readiness, state, failure_reason, version, create_time, update_time)
VALUES (:asset_id, 298, :token, 'Acme Shares', 'ACME', 'CH0000000001', 6, 'EQUITY', :payment_token, 'USDX', 6,
    :contract, 'DEPLOYED', 3, '[]', 'ACTIVE', '', 4, '2026-01-01Z', '2026-02-01Z')
"""
_OLD_REGISTER = """
INSERT INTO registers (asset_id, last_sequence, block_number, block_hash, holder_count, total_balance, update_time)
VALUES (:asset_id, 0, NULL, NULL, 0, 0, '2026-02-01Z')
"""
_OLD_REGISTER_AT_A_BLOCK = f"""
INSERT INTO registers (asset_id, last_sequence, block_number, block_hash, holder_count, total_balance, update_time)
VALUES (:asset_id, 3, 9, '{BLOCK_HASH}', 1, 50, '2026-02-01Z')
"""
_OLD_HOLDER = (
    "INSERT INTO holders (asset_id, address, balance, changed_at_block) VALUES (:asset_id, :holder, 50, 7)"
)


async def test_an_asset_of_the_first_schema_is_followed_unpaused_and_not_read_since(
    service: ServiceUnderTest,
) -> None:
    asset_id = uuid4()
    values = {
        "token": new_address().value,
        "payment_token": new_address().value,
        "contract": new_address().value,
    }
    async with _scratch_engine(service) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, "0001")
            await connection.execute(text(_OLD_ASSET), {"asset_id": asset_id, **values})
            await connection.execute(text(_OLD_REGISTER), {"asset_id": asset_id})
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, "head")
        view = await SqlAssetReader(engine).asset(asset_id)
    assert view
    asset = view.asset
    assert (asset.state, asset.version) == (AssetState.ACTIVE, 4)
    assert asset.update_time == datetime(2026, 2, 1, tzinfo=UTC)
    assert (asset.sync_state, asset.sync_time) == (SyncState.ENABLED, None)
    assert (asset.token.total_supply_base_units, asset.token.is_paused) == (None, False)
    assert (asset.token.hedera_id, asset.payment_token.hedera_id) == ("", "")
    assert (asset.pause_state, asset.pause_request, asset.pause_problem) == (PauseState.UNPAUSED, None, "")
    assert (asset.pause_seen_sequence, asset.is_reported_paused) == (0, False)


async def test_a_register_of_the_first_schema_has_no_parts_and_a_history(service: ServiceUnderTest) -> None:
    asset_id = uuid4()
    holder = new_address().value
    values = {"token": new_address().value, "payment_token": new_address().value, "contract": None}
    async with _scratch_engine(service) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, "0001")
            await connection.execute(
                text(_OLD_ASSET.replace("ACTIVE", "IMPORTING")), {"asset_id": asset_id, **values}
            )
            await connection.execute(text(_OLD_REGISTER_AT_A_BLOCK), {"asset_id": asset_id})
            await connection.execute(text(_OLD_HOLDER), {"asset_id": asset_id, "holder": holder})
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, "head")
        reader = SqlRegisterReader(engine)
        found = await reader.holders(asset_id, HolderPage(HolderOrder.ADDRESS, 0, None, 10))
        changes = await reader.changes(asset_id, None, None, 10)
    assert found
    assert [(row.address, row.holding, row.changed_at_block) for row in found.rows] == [
        (holder, Holding(50, 0, 0, 0, 0), 7)
    ]
    register = found.register
    assert (register.last_sequence, register.position) == (3, BlockPosition(9, BLOCK_HASH))
    # Whether its last event ended a range was not kept: it is not checked before its next event has told.
    assert (register.total_restricted_base_units, register.is_complete) == (0, False)
    assert changes
    assert [(row.address, row.delta_base_units, row.balance_base_units) for row in changes] == [(holder, 50, 50)]


@asynccontextmanager
async def _scratch_engine(service: ServiceUnderTest) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty schema of its own."""
    url = f"{service.admin_database_url.rpartition('/')[0]}/{service.database_url.rpartition('/')[2]}"
    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE SCHEMA {SCRATCH}")
    engine = create_async_engine(
        url.replace("postgresql:", "postgresql+asyncpg:"),
        connect_args={"server_settings": {"search_path": SCRATCH, "timezone": "UTC"}},
    )
    try:
        yield engine
    finally:
        await engine.dispose()
        await admin.execute(f"DROP SCHEMA {SCRATCH} CASCADE")
        await admin.close()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes.update(connection=connection, schema=SCRATCH)
    command.upgrade(config, revision)
