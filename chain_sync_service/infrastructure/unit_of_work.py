"""The unit of work of chain_sync_service: one database transaction with its repositories and outbox."""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from chain_sync_service.domain.facts import SeenFact
from chain_sync_service.domain.listener import HolderBalancesChanged
from chain_sync_service.infrastructure.chain_record import SqlChainRecord
from chain_sync_service.infrastructure.fact_repository import SqlFacts
from chain_sync_service.infrastructure.holding_repository import SqlHoldings
from chain_sync_service.infrastructure.listener_repository import SqlListeners
from chain_sync_service.infrastructure.tables import shared_tables
from chain_sync_service.infrastructure.window_ends import SqlWindowEnds
from chain_sync_service.messages.events import (
    fact_event_message,
    holder_balances_changed_message,
    retraction_message,
)
from libs.clock import Clock
from libs.events import OutgoingEvent
from libs.persistence.unit_of_work import SqlUnitOfWork


class ChainSyncUnitOfWork(SqlUnitOfWork):
    """One transaction of PostgreSQL with the repositories of the service."""

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
        self.listeners = SqlListeners(self.connection)
        self.holdings = SqlHoldings(self.connection)
        self.facts = SqlFacts(self.connection)
        self.window_ends = SqlWindowEnds(self.connection)

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        for event in events:
            payload = holder_balances_changed_message(event).SerializeToString()
            self._add("holder_balances_changed", event.asset_id, event.sequence, payload)

    def publish_facts(self, asset_id: UUID, facts: Sequence[SeenFact]) -> None:
        for seen in facts:
            if seen.sequence:
                name = seen.fact.kind.value.lower()
                payload = fact_event_message(asset_id, seen).SerializeToString()
                self._add(name, asset_id, seen.sequence, payload)

    def publish_retractions(self, asset_id: UUID, retracted: Sequence[SeenFact], sequences: Iterable[int]) -> None:
        for seen, sequence in zip(retracted, sequences, strict=True):
            payload = retraction_message(asset_id, seen, sequence).SerializeToString()
            self._add("chain_event_retracted", asset_id, sequence, payload)

    def _add(self, event_name: str, asset_id: UUID, sequence: int, payload: bytes) -> None:
        self.add_event(
            OutgoingEvent(
                event_id=self._new_id(),
                context="chain_sync",
                event_name=event_name,
                aggregate_id=asset_id,
                # Unique in the outbox: a sequence number cannot leave twice.
                aggregate_version=sequence,
                payload=payload,
                create_time=self._clock.now(),
            )
        )
