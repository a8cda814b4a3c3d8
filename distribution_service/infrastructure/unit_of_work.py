"""The unit of work of distribution_service: one database transaction with its repositories."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from distribution_service.infrastructure import tables
from distribution_service.infrastructure.asset_repository import SqlAssetRepository
from distribution_service.infrastructure.distribution_repository import SqlDistributionRepository
from libs.clock import Clock
from libs.persistence.unit_of_work import SqlUnitOfWork


class SqlDistributionUnitOfWork(SqlUnitOfWork):
    """One transaction on the schema `distribution`."""

    def _open(self) -> None:
        self._assets = SqlAssetRepository(self.connection)
        self._distributions = SqlDistributionRepository(self.connection, self.add_event)

    @property
    def assets(self) -> SqlAssetRepository:
        """The local copy of assets."""
        return self._assets

    @property
    def distributions(self) -> SqlDistributionRepository:
        """The distributions."""
        return self._distributions


def unit_of_work_factory(
    engine: AsyncEngine, clock: Clock, on_outbox_commit: Callable[[], None]
) -> Callable[[], SqlDistributionUnitOfWork]:
    """A factory of transactions on an engine."""

    def new_unit_of_work() -> SqlDistributionUnitOfWork:
        return SqlDistributionUnitOfWork(engine, tables.shared, clock, on_outbox_commit)

    return new_unit_of_work
