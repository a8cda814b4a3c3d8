"""Use cases for operators and asset_service: create, start, stop and replay listeners, and read holdings again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from chain_sync_service.application.follow_asset import NewListeners
from chain_sync_service.application.ports import UnitOfWork, UnitOfWorkFactory
from chain_sync_service.application.record_window import KEPT_WINDOW_ENDS
from chain_sync_service.application.source import Source
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.listener import Contracts, HolderSource, Listener, ListenerState
from libs.chain.quantities import BlockNumber
from libs.clock import Clock
from libs.errors import AppError, Reason, asset_not_yet_known
from libs.idempotency import RequestKey, repeated_resource_id


class RefreshScope(StrEnum):
    """Which holders' holdings to read again."""

    HOLDERS = "HOLDERS"
    ALL_KNOWN = "ALL_KNOWN"
    LIST_AGAIN = "LIST_AGAIN"


@dataclass(frozen=True, slots=True)
class UpsertListenerCommand:
    """A request that an asset's listener follows these contracts.

    Start and source apply only to a new listener.
    """

    key: RequestKey
    asset_id: UUID
    contracts: Contracts
    start_block: BlockNumber | None
    holder_source: HolderSource | None


class Administer:
    """Carries out what operators and asset_service ask of listeners, each once per request id."""

    def __init__(
        self, source: Source, new_unit_of_work: UnitOfWorkFactory, clock: Clock, new_listeners: NewListeners
    ) -> None:
        self._source = source
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._new = new_listeners

    async def upsert(self, command: UpsertListenerCommand) -> None:
        """Raises AppError REQUEST_ID_REUSED, LISTENER_TOKEN_DIFFERS."""
        now = self._clock.now()
        begun = Listener.begin(
            command.asset_id,
            command.contracts,
            start_block=self._new.start_block if command.start_block is None else command.start_block,
            holder_source=command.holder_source or self._new.holder_source,
            window_blocks=self._new.window_blocks,
            now=now,
        )

        async def change(uow: UnitOfWork) -> None:
            await uow.listeners.add(begun)
            listener = await self._lock(uow, command.asset_id)
            if listener.contracts.token != command.contracts.token:
                raise AppError(
                    Reason.LISTENER_TOKEN_DIFFERS,
                    f"listeners/{command.asset_id} follows {listener.contracts.token}",
                    field="token",
                )
            await uow.listeners.save([listener.follow(command.contracts, now)])

        await self._once(command.key, command.asset_id, change)

    async def start(self, key: RequestKey, asset_id: UUID) -> None:
        """Raises AppError REQUEST_ID_REUSED, LISTENER_NOT_FOUND."""

        async def change(uow: UnitOfWork) -> None:
            listener = await self._lock(uow, asset_id)
            await uow.listeners.save([listener.start(self._clock.now())])

        await self._once(key, asset_id, change)

    async def stop(self, key: RequestKey, asset_id: UUID) -> None:
        """Raises AppError REQUEST_ID_REUSED, LISTENER_NOT_FOUND."""

        async def change(uow: UnitOfWork) -> None:
            listener = await self._lock(uow, asset_id)
            await uow.listeners.save([listener.stop(self._clock.now())])

        await self._once(key, asset_id, change)

    async def replay(self, key: RequestKey, asset_id: UUID, from_block: BlockNumber) -> None:
        """Raises AppError REQUEST_ID_REUSED, LISTENER_NOT_FOUND, LISTENER_BUSY, INVALID_BLOCK or
        CHAIN_UNAVAILABLE.
        """
        async with self._new_unit_of_work() as uow:
            logged = await uow.find_request(key.request_id)
            known = await self._lock(uow, asset_id)
        if logged is not None:
            repeated_resource_id(key, logged)
            return
        floor = await self._floor(known, from_block)

        async def change(uow: UnitOfWork) -> None:
            listener = await self._lock(uow, asset_id)
            if listener.state is not ListenerState.FOLLOWING or listener.position != known.position:
                raise _busy(listener, "a replay can begin")
            await uow.listeners.save([listener.replay(floor, from_block=from_block, now=self._clock.now())])
            # A reorg's ancestor lies before the position.
            await uow.window_ends.remove_behind(asset_id, floor.number)
            # One of blocks behind the floor passes unseen until they are read again: no log may name then whose
            # holdings it took back.
            await uow.holdings.mark_stale_behind(asset_id, floor.number)
            await uow.window_ends.add([asset_id], floor, KEPT_WINDOW_ENDS)

        await self._once(key, asset_id, change)

    async def refresh(self, key: RequestKey, asset_id: UUID, scope: RefreshScope, holders: list[str]) -> None:
        """Raises AppError REQUEST_ID_REUSED, ASSET_NOT_YET_KNOWN, LISTENER_BUSY."""

        async def change(uow: UnitOfWork) -> None:
            listener = await uow.listeners.lock(asset_id)
            if listener is None:
                raise not_followed(asset_id)
            if holders:
                await uow.holdings.mark_stale(asset_id, holders, reads_parts=True, must_tell=True)
            if scope is not RefreshScope.HOLDERS:
                await uow.holdings.mark_everybody_stale(asset_id, must_tell=True)
            is_listed = scope is RefreshScope.LIST_AGAIN
            if is_listed and listener.state is ListenerState.BACKFILLING:
                raise _busy(listener, "the token can be asked for its holders")
            await uow.listeners.save([listener.refresh(list_again=is_listed, now=self._clock.now())])

        await self._once(key, asset_id, change)

    async def _once(
        self, key: RequestKey, asset_id: UUID, change: Callable[[UnitOfWork], Awaitable[None]]
    ) -> None:
        async with self._new_unit_of_work() as uow:
            logged = await uow.find_request(key.request_id)
            if logged is not None:
                repeated_resource_id(key, logged)
                return
            if not await uow.add_request(key, asset_id):
                # Another call with the same id was committed just now.
                logged = await uow.find_request(key.request_id)
                if logged is None:
                    raise LookupError(f"request {key.request_id} was recorded and is gone")
                repeated_resource_id(key, logged)
                return
            await change(uow)
            await uow.commit()

    async def _lock(self, uow: UnitOfWork, asset_id: UUID) -> Listener:
        listener = await uow.listeners.lock(asset_id)
        if listener is None:
            raise listener_not_found(asset_id)
        return listener

    async def _floor(self, listener: Listener, from_block: BlockNumber) -> BlockRef:
        """Returns the block before the first that is read again, on the same fork as the position."""
        number = BlockNumber(max(from_block - 1, 0))
        if listener.position is None or number >= listener.position.number:
            raise AppError(
                Reason.INVALID_BLOCK,
                f"from_block {from_block} was not read yet: the position is "
                f"{listener.position.number if listener.position else -1}",
                field="from_block",
            )
        floor, position = await self._source.blocks([number, listener.position.number])
        if floor is None or position is None or position.ref != listener.position:
            # A reorg that was not looked at yet: what it took away is found by a rewind, not by a replay.
            raise _busy(listener, "a replay can begin")
        return floor.ref


def _busy(listener: Listener, what: str) -> AppError:
    return AppError(Reason.LISTENER_BUSY, f"the listener is {listener.state}: {what} when it is FOLLOWING")


def listener_not_found(asset_id: UUID) -> AppError:
    """The error for a listener that does not exist."""
    return AppError(Reason.LISTENER_NOT_FOUND, f"there is no listeners/{asset_id}", field="name")


def not_followed(asset_id: UUID) -> AppError:
    """Returns the error for an asset that may still be on its way to us."""
    return asset_not_yet_known(f"asset {asset_id} is not followed (yet): it is once its import is complete")
