"""Use case: start or stop following an asset's contracts, as an event of asset_service says."""

from dataclasses import dataclass
from uuid import UUID

from chain_sync_service.application.ports import UnitOfWorkFactory
from chain_sync_service.domain.listener import Contracts, HolderSource, Listener
from libs.chain.quantities import BlockNumber
from libs.clock import Clock
from libs.events import IncomingEvent


class WrongAssetError(Exception):
    """An event contradicts what is known: it names another chain, or another token for the same asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewListeners:
    """The settings with which new listeners begin."""

    chain_id: int
    start_block: BlockNumber
    holder_source: HolderSource
    window_blocks: int


@dataclass(frozen=True, slots=True)
class FollowAssetCommand:
    """Whether to follow this asset's contracts. `cause` is the event that asks for it."""

    asset_id: UUID
    contracts: Contracts
    chain_id: int
    is_enabled: bool
    cause: IncomingEvent


class FollowAsset:
    """Adds, starts or stops the listener of an asset. A repeated event changes nothing."""

    def __init__(self, new_unit_of_work: UnitOfWorkFactory, clock: Clock, new_listeners: NewListeners) -> None:
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._new = new_listeners

    async def __call__(self, command: FollowAssetCommand) -> None:
        """Raises WrongAssetError, which does not go away when the event is repeated."""
        if command.chain_id != self._new.chain_id:
            raise WrongAssetError(
                f"asset {command.asset_id} is on chain {command.chain_id}, this service follows "
                f"{self._new.chain_id}"
            )
        now = self._clock.now()
        wanted = Listener.begin(
            command.asset_id,
            command.contracts,
            start_block=self._new.start_block,
            holder_source=self._new.holder_source,
            window_blocks=self._new.window_blocks,
            now=now,
        )
        async with self._new_unit_of_work() as uow:
            if not await uow.record_incoming(command.cause):
                return
            await uow.listeners.add(wanted)
            listener = await uow.listeners.lock(command.asset_id)
            if listener is None:
                raise LookupError(f"listener {command.asset_id} vanished")
            if listener.contracts.token != command.contracts.token:
                raise WrongAssetError(
                    f"asset {command.asset_id} is followed as {listener.contracts.token}, "
                    f"not {command.contracts.token}"
                )
            obeying = listener.obey(
                command.contracts,
                is_enabled=command.is_enabled,
                asset_version=command.cause.aggregate_version,
                now=now,
            )
            await uow.listeners.save([obeying])
            await uow.commit()
