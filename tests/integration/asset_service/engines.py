"""A SQLAlchemy engine on the service's database, in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from asset_service.config import AssetServiceSettings
from libs.persistence.engine import create_engine
from tests.integration.asset_service.harness import ServiceUnderTest


@asynccontextmanager
async def asset_engine(service: ServiceUnderTest) -> AsyncIterator[AsyncEngine]:
    settings = AssetServiceSettings.model_validate(
        {
            "database_url": service.database_url,
            "nats_url": service.nats_url,
            "listen_address": service.address,
            "payout_address": "127.0.0.1:1",
            "chain_sync_address": "127.0.0.1:1",
        }
    )
    engine = create_engine(settings, "tests")
    try:
        yield engine
    finally:
        await engine.dispose()
