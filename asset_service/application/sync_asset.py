"""Use case: read an asset's token from the chain again, because a caller or an event asks for it."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import TokenDescriber, UnitOfWork, UnitOfWorkFactory
from asset_service.application.queries import asset_not_found
from asset_service.application.repeated_calls import is_first_call, was_carried_out
from asset_service.domain.asset import Asset, SecurityToken
from libs.clock import Clock
from libs.events import EventNotReadyError, IncomingEvent
from libs.idempotency import RequestKey


@dataclass(frozen=True, slots=True)
class SyncAssetCommand:
    """A caller's request to read the token again."""

    key: RequestKey
    asset_id: UUID


@dataclass(frozen=True, slots=True)
class SyncAssetOnEventCommand:
    """An event of chain_sync_service because of which the token must be read again.

    `is_pause_retracted` is True if a pause or its end left the chain: of the token or of the lifecycle contract.
    """

    event: IncomingEvent
    asset_id: UUID
    is_pause_retracted: bool = False


@dataclass(frozen=True, slots=True)
class SyncAsset:
    """Updates name, symbol, ISIN, decimals, supply and pause state of an asset from its token."""

    unit_of_work: UnitOfWorkFactory
    tokens: TokenDescriber
    clock: Clock

    async def __call__(self, command: SyncAssetCommand) -> None:
        """Raises AppError: ASSET_NOT_FOUND, REQUEST_ID_REUSED, and what TokenDescriber.describe_token raises;
        TokenDiffersError when it describes another token.
        """
        async with self.unit_of_work() as uow:
            if await was_carried_out(uow, command.key):
                return
            asset = await uow.assets.get(command.asset_id)
        if asset is None:
            raise asset_not_found(command.asset_id, "name")
        # Asks the chain outside of any transaction.
        description = await self.tokens.describe_token(asset.token.address)
        async with self.unit_of_work() as uow:
            if await is_first_call(uow, command.key, command.asset_id):
                await self._take_over(uow, command.asset_id, description.token)
                await uow.commit()

    async def on_event(self, command: SyncAssetOnEventCommand) -> None:
        """Raises EventNotReadyError for an asset that is not known (yet), what TokenDescriber.describe_token
        raises, and TokenDiffersError.
        """
        async with self.unit_of_work() as uow:
            asset = await uow.assets.get(command.asset_id)
        if asset is None:
            raise EventNotReadyError(f"asset {command.asset_id} is not known")
        description = await self.tokens.describe_token(asset.token.address)
        async with self.unit_of_work() as uow:
            if await uow.record_incoming(command.event):
                synced = await self._take_over(uow, command.asset_id, description.token)
                if command.is_pause_retracted:
                    await self._forget_pause_seen(uow, synced)
                await uow.commit()

    async def _take_over(self, uow: UnitOfWork, asset_id: UUID, described: SecurityToken) -> Asset:
        asset = await uow.assets.lock(asset_id)
        if asset is None:
            raise RuntimeError(f"asset {asset_id} was there and is gone")
        synced = asset.sync(described, self.clock.now())
        await uow.assets.save(synced)
        return synced

    async def _forget_pause_seen(self, uow: UnitOfWork, asset: Asset) -> None:
        forgotten = asset.forget_pause_seen(self.clock.now())
        if forgotten is not asset:
            await uow.assets.save(forgotten)
