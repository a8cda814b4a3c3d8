"""Keeps the local copy of an asset that asset_service announced."""

from dataclasses import dataclass

from distribution_service.application.ports import UnitOfWorkFactory
from distribution_service.domain.asset import KnownAsset
from libs.events import IncomingEvent


@dataclass(frozen=True, slots=True)
class KeepAssetCommand:
    """The command: asset_service announced the state of an asset."""

    event: IncomingEvent
    asset: KnownAsset


class KeepAsset:
    """Stores the asset unless a newer version is known."""

    def __init__(self, new_unit_of_work: UnitOfWorkFactory) -> None:
        self._new_unit_of_work = new_unit_of_work

    async def __call__(self, command: KeepAssetCommand) -> None:
        """Stores it once; an announcement that is late changes nothing."""
        async with self._new_unit_of_work() as uow:
            if not await uow.record_incoming(command.event):
                return
            await uow.assets.keep_if_newer(command.asset)
            await uow.commit()
