"""Makes sure that only one worker per schema and name is active, by a lock that ends with its database session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_ARGUMENTS = "hashtext(current_schema()), hashtext(:name)"


@asynccontextmanager
async def session_lock(engine: AsyncEngine, name: str) -> AsyncIterator[AsyncConnection | None]:
    """Holds the schema's lock `name` while the block runs. Yields None when another session has it.

    The connection is in autocommit: no transaction stays open while the holder waits for a network. The lock
    is lost with the connection, so the holder must use it now and then and stop when that fails.
    """
    async with engine.connect() as pooled:
        connection = await pooled.execution_options(isolation_level="AUTOCOMMIT")
        if not await connection.scalar(text(f"SELECT pg_try_advisory_lock({_ARGUMENTS})"), {"name": name}):
            yield None
            return
        try:
            yield connection
        finally:
            # Where the session is gone, the lock is gone with it.
            if not connection.invalidated:
                await connection.execute(text(f"SELECT pg_advisory_unlock({_ARGUMENTS})"), {"name": name})
