"""The protocols of a unit of work: a transaction, and the record of processed events and requests."""

from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey


class Transaction(Protocol):
    """One database transaction.

    Leaving it without `commit` rolls it back. Enter it once; do not wait for the network inside.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None:
        """Makes all changes and events durable at once."""
        ...


class RecordingTransaction(Transaction, Protocol):
    """A transaction that also records which event or call it carries out."""

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records that this transaction processes an event. Returns False when it was processed before."""
        ...

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        """Returns the call with this id, if it was carried out before."""
        ...

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        """Records a call with its effect. Returns False when another transaction has recorded the same id."""
        ...
