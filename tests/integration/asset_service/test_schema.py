"""The migrations make what tables.py says."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from asset_service.infrastructure.tables import metadata
from tests.integration.asset_service.harness import ServiceUnderTest

SCRATCH = "asset_from_tables"
QUESTIONS = {
    "columns": """
        SELECT table_class.relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity::text,
               collation_class.collname, pg_get_expr(adbin, adrelid)
        FROM pg_attribute
        JOIN pg_class AS table_class ON table_class.oid = attrelid AND relkind = 'r'
        LEFT JOIN pg_collation AS collation_class ON collation_class.oid = attcollation
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND relnamespace = $1::text::regnamespace AND relname <> 'alembic_version'
    """,
    "constraints": """
        SELECT table_class.relname, conname,
               replace(pg_get_constraintdef(pg_constraint.oid), $1::text || '.', '')
        FROM pg_constraint JOIN pg_class AS table_class ON table_class.oid = conrelid
        WHERE connamespace = $1::text::regnamespace AND relname <> 'alembic_version'
    """,
    "indexes": """
        SELECT tablename, indexname, replace(indexdef, schemaname || '.', '')
        FROM pg_indexes WHERE schemaname = $1::text AND tablename <> 'alembic_version'
    """,
}


@pytest.fixture
async def admin(service: ServiceUnderTest) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A superuser in the service's database."""
    parts = service.admin_database_url.rpartition("/")
    database = service.database_url.rpartition("/")[2]
    connection = await asyncpg.connect(f"{parts[0]}/{database}")
    yield connection
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCRATCH} CASCADE")
    await connection.close()


async def test_migrations_and_tables_agree(
    admin: "asyncpg.Connection[asyncpg.Record]", service: ServiceUnderTest
) -> None:
    await admin.execute(f"CREATE SCHEMA {SCRATCH}")
    parts = service.admin_database_url.rpartition("/")
    url = f"{parts[0]}/{service.database_url.rpartition('/')[2]}".replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(url, connect_args={"server_settings": {"search_path": SCRATCH}})
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    for what, question in QUESTIONS.items():
        migrated = {tuple(row) for row in await admin.fetch(question, "asset")}
        declared = {tuple(row) for row in await admin.fetch(question, SCRATCH)}
        assert migrated, what
        assert migrated == declared, what
