"""Helpers that the steps of the follow worker share: save a listener, find blocks."""

from collections.abc import Sequence

from chain_sync_service.application.ports import UnitOfWorkFactory
from chain_sync_service.application.source import Source
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.listener import Listener
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason


async def save_unless_moved(new_unit_of_work: UnitOfWorkFactory, before: Listener, after: Listener) -> None:
    """Writes a listener, unless another worker has changed it since it was claimed."""
    async with new_unit_of_work() as uow:
        current = await uow.listeners.lock(before.asset_id)
        if current is not None and current.version == before.version:
            await uow.listeners.save([after])
            await uow.commit()


async def existing_blocks(source: Source, numbers: Sequence[BlockNumber]) -> list[Block]:
    """Returns the blocks with these numbers, in order.

    Raises AppError CHAIN_UNAVAILABLE when one does not exist.
    """
    found = [block for block in await source.blocks(numbers) if block is not None]
    if len(found) != len(numbers):
        raise AppError(
            Reason.CHAIN_UNAVAILABLE, f"the source told of a later block, but does not have {list(numbers)} now"
        )
    return found
