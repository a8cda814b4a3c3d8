"""Use case: ask chain_sync_service to follow an asset on the chain, or to stop following it."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.application.queries import asset_not_found
from asset_service.application.repeated_calls import is_first_call
from asset_service.domain.asset import SyncState
from libs.clock import Clock
from libs.idempotency import RequestKey


@dataclass(frozen=True, slots=True)
class ChangeSyncCommand:
    """A caller's request to follow an asset on the chain, or to stop following it."""

    key: RequestKey
    asset_id: UUID
    sync_state: SyncState


@dataclass(frozen=True, slots=True)
class ChangeSync:
    """Tells chain_sync_service, by an event, to follow the asset or to stop at its present position."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, command: ChangeSyncCommand) -> None:
        """Raises AppError: ASSET_NOT_FOUND, REQUEST_ID_REUSED."""
        async with self.unit_of_work() as uow:
            if not await is_first_call(uow, command.key, command.asset_id):
                return
            asset = await uow.assets.lock(command.asset_id)
            if asset is None:
                raise asset_not_found(command.asset_id, "name")
            changed = asset.change_sync(command.sync_state, self.clock.now())
            if changed is not asset:
                await uow.assets.save(changed)
            await uow.commit()
