"""Opens a read-only transaction in which all statements see the database as of the same moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def open_snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Opens a connection whose statements all see the same moment, so that rows and their position agree."""
    async with engine.connect() as pooled:
        yield await pooled.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
