"""The service's transaction."""

from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from chain_sync_service.domain.followed_token import HolderBalancesChanged
from chain_sync_service.infrastructure.chain_record import SqlChainRecord
from chain_sync_service.infrastructure.followed_tokens import SqlFollowedTokens
from chain_sync_service.infrastructure.resource_mapping import holder_balances_changed_message
from chain_sync_service.infrastructure.tables import shared_tables
from chain_sync_service.infrastructure.transfer_history import SqlTransferHistory
from libs.clock import Clock
from libs.messaging.events import OutgoingEvent
from libs.persistence.unit_of_work import SqlUnitOfWork


class ChainSyncUnitOfWork(SqlUnitOfWork):
    """See the port."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        on_outbox_commit: Callable[[], None],
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        super().__init__(engine, shared_tables, clock, on_outbox_commit)
        self._new_id = new_id

    def _open(self) -> None:
        self.chain = SqlChainRecord(self.connection)
        self.tokens = SqlFollowedTokens(self.connection)
        self.history = SqlTransferHistory(self.connection)

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        """See the port."""
        for event in events:
            self.add_event(
                OutgoingEvent(
                    event_id=self._new_id(),
                    context="chain_sync",
                    event_name="holder_balances_changed",
                    aggregate_id=event.asset_id,
                    # Unique in the outbox: a sequence number cannot leave twice.
                    aggregate_version=event.sequence,
                    payload=holder_balances_changed_message(event).SerializeToString(),
                    create_time=self._clock.now(),
                )
            )
