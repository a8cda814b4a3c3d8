"""The unit of work of asset_service: one database transaction with its repositories."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from asset_service.infrastructure.asset_repository import SqlAssets
from asset_service.infrastructure.register_discrepancies import SqlDiscrepancies
from asset_service.infrastructure.register_repository import SqlRegisters
from asset_service.infrastructure.tables import shared
from libs.clock import Clock
from libs.persistence.unit_of_work import SqlUnitOfWork


class AssetUnitOfWork(SqlUnitOfWork):
    """A transaction on the schema `asset`."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        on_outbox_commit: Callable[[], None],
        new_id: Callable[[], UUID],
    ) -> None:
        super().__init__(engine, shared, clock, on_outbox_commit)
        self._new_id = new_id
        self.assets: SqlAssets
        self.registers: SqlRegisters
        self.discrepancies: SqlDiscrepancies

    def _open(self) -> None:
        self.registers = SqlRegisters(self.connection)
        self.discrepancies = SqlDiscrepancies(self.connection, self.add_event, self._new_id)
        self.assets = SqlAssets(self.connection, self.registers, self.add_event, self._clock.now, self._new_id)
