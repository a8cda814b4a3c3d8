"""Use case: an asset was imported; follow its token from now on."""

from dataclasses import dataclass
from uuid import UUID

from chain_sync_service.application.ports import UnitOfWorkFactory
from chain_sync_service.domain.followed_token import FollowedToken
from libs.chain.address import EvmAddress
from libs.clock import Clock
from libs.messaging.events import IncomingEvent


class WrongAssetError(Exception):
    """The event contradicts what is known: another chain than ours, or another token for the same asset."""


@dataclass(frozen=True, slots=True)
class FollowAssetCommand:
    """Follow this asset's token; `cause` is the event that says so."""

    asset_id: UUID
    token: EvmAddress
    chain_id: int
    cause: IncomingEvent


class FollowAsset:
    """Adds the token; a repeated event changes nothing."""

    def __init__(
        self,
        new_unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        *,
        chain_id: int,
        start_block: int,
        window_blocks: int,
    ) -> None:
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._chain_id = chain_id
        self._start_block = start_block
        self._window_blocks = window_blocks

    async def __call__(self, command: FollowAssetCommand) -> None:
        """Raises WrongAssetError, which no repetition mends."""
        if command.chain_id != self._chain_id:
            raise WrongAssetError(
                f"asset {command.asset_id} is on chain {command.chain_id}, this service follows {self._chain_id}"
            )
        wanted = FollowedToken.begin(
            command.asset_id, command.token, self._start_block, self._window_blocks, self._clock.now()
        )
        async with self._new_unit_of_work() as uow:
            if not await uow.record_incoming(command.cause):
                return
            followed = await uow.tokens.add(wanted)
            if followed.token != command.token:
                raise WrongAssetError(
                    f"asset {command.asset_id} is followed as {followed.token}, not {command.token}"
                )
            await uow.commit()
