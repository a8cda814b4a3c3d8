"""One moment of the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def open_snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """All statements see the same moment: rows and the position that they stand for."""
    async with engine.connect() as pooled:
        yield await pooled.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
