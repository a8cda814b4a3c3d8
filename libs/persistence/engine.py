"""Creates the database engine of a service."""

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from libs.config import ServiceSettings


def create_engine(settings: ServiceSettings, application_name: str) -> AsyncEngine:
    """Creates an engine on asyncpg with a bounded pool and timeouts for connecting, statements and locks."""
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    timeout_milliseconds = str(int(settings.database_timeout_seconds * 1000))
    return create_async_engine(
        url,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_timeout_seconds,
        # A connection that died with the server is noticed before it is used.
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": settings.database_timeout_seconds,
            # Generous: the server's own statement_timeout fires first and says what it was.
            "command_timeout": settings.database_timeout_seconds * 2,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": timeout_milliseconds,
                "lock_timeout": timeout_milliseconds,
                "idle_in_transaction_session_timeout": timeout_milliseconds,
                "timezone": "UTC",
            },
        },
    )
