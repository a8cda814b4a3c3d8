"""Use case: ask for an asset's lifecycle contract to be paused or unpaused."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.application.queries import asset_not_found
from asset_service.application.repeated_calls import is_first_call
from asset_service.domain.asset import Asset, NotPausableError
from libs.clock import Clock
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey


@dataclass(frozen=True, slots=True)
class ChangePauseCommand:
    """A caller's request to pause or unpause the lifecycle contract of an asset."""

    key: RequestKey
    asset_id: UUID
    is_paused: bool


@dataclass(frozen=True, slots=True)
class ChangePause:
    """Asks payout_service, by an event, to send the transaction. The report of payout_service ends the request."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, command: ChangePauseCommand) -> None:
        """Raises AppError: ASSET_NOT_FOUND, ASSET_STATE_FORBIDS, REQUEST_ID_REUSED."""
        async with self.unit_of_work() as uow:
            if not await is_first_call(uow, command.key, command.asset_id):
                return
            asset = await uow.assets.lock(command.asset_id)
            if asset is None:
                raise asset_not_found(command.asset_id, "name")
            requested = self._request(asset, command)
            if requested is not asset:
                await uow.assets.save(requested)
            await uow.commit()

    def _request(self, asset: Asset, command: ChangePauseCommand) -> Asset:
        now = self.clock.now()
        try:
            return asset.request_pause(now) if command.is_paused else asset.request_unpause(now)
        except NotPausableError as error:
            raise AppError(
                Reason.ASSET_STATE_FORBIDS, str(error), field="name", metadata={"state": asset.state.value}
            ) from error
