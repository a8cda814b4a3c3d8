"""Tells which database errors are temporary."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from libs.errors import AppError, Code

# PostgreSQL's SQLSTATE: deadlock, serialization failure, lock timeout, statement timeout.
_TRANSIENT_STATES = frozenset({"40P01", "40001", "55P03", "57014"})


def is_database_unavailable(error: BaseException) -> bool:
    """Returns True if the database did not answer, or refused for a temporary reason."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _TRANSIENT_STATES
    return False


def is_transient(error: BaseException) -> bool:
    """Returns True if the same work may succeed later without anybody changing it."""
    if isinstance(error, AppError):
        return error.code is Code.UNAVAILABLE
    return is_database_unavailable(error) or isinstance(error, OSError)
