"""What every service's unit of work can do: a transaction, the inbox of events, the log of requests."""

from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey


class Transaction(Protocol):
    """Leaving without `commit` rolls back. Entered once. No network waits inside."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None:
        """Makes everything durable at once, events with it."""
        ...


class RecordingTransaction(Transaction, Protocol):
    """A transaction that also records which event, or which call, it carries out."""

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that an event is processed by this transaction; False when it was before."""
        ...

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        """The call with this id, if it was carried out before."""
        ...

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        """Records a call with its effect; False when another transaction has recorded the same id."""
        ...
