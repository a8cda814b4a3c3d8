"""Use case: have an asset's register of holders read again from the chain."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.application.queries import asset_not_found
from asset_service.application.register_ports import ChainHoldingsReader, RefreshScope
from asset_service.application.repeated_calls import is_first_call, was_carried_out
from libs.idempotency import RequestKey


@dataclass(frozen=True, slots=True)
class ImportHoldersCommand:
    """A caller's request to read the register again. With `list_again` the token's list of holders is read too."""

    key: RequestKey
    asset_id: UUID
    list_again: bool


@dataclass(frozen=True, slots=True)
class ImportHolders:
    """Asks chain_sync_service to read the holdings. It publishes every holding by events."""

    unit_of_work: UnitOfWorkFactory
    chain: ChainHoldingsReader

    async def __call__(self, command: ImportHoldersCommand) -> None:
        """Raises AppError: ASSET_NOT_FOUND, REQUEST_ID_REUSED, and what ChainHoldingsReader raises.

        chain_sync_service is asked before the call is recorded, with the caller's own request id: a call that was
        recorded was asked for, and one that is repeated because it was not is a no-op there.
        """
        async with self.unit_of_work() as uow:
            if await was_carried_out(uow, command.key):
                return
            if await uow.assets.get(command.asset_id) is None:
                raise asset_not_found(command.asset_id, "parent")
        scope = RefreshScope.LIST_AGAIN if command.list_again else RefreshScope.ALL_KNOWN
        await self.chain.refresh_holdings(command.key.request_id, command.asset_id, scope, ())
        async with self.unit_of_work() as uow:
            await is_first_call(uow, command.key, command.asset_id)
            await uow.commit()
