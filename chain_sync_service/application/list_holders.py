"""Use case: copy one page of the list of holders that the token keeps, as of one block."""

from chain_sync_service.application.ports import Alarms, TokenReader, UnitOfWorkFactory
from chain_sync_service.application.rewind_listener import RewindListener
from chain_sync_service.application.source import Source
from chain_sync_service.application.steps import existing_blocks
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.listener import Listener
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.clock import Clock


class ListHolders:
    """Copies one page of holders per step, so that a crash loses at most one page.

    Their holdings are read afterwards.
    """

    def __init__(
        self,
        source: Source,
        tokens: TokenReader,
        new_unit_of_work: UnitOfWorkFactory,
        rewind_listener: RewindListener,
        clock: Clock,
        alarms: Alarms,
        *,
        page_size: int,
    ) -> None:
        self._source = source
        self._tokens = tokens
        self._new_unit_of_work = new_unit_of_work
        self._rewind_listener = rewind_listener
        self._clock = clock
        self._alarms = alarms
        self._page_size = page_size

    async def __call__(self, claimed: Listener, safe_block: BlockNumber) -> None:
        """Raises AppError CHAIN_UNAVAILABLE and StateUnavailableError; nothing has changed then."""
        if claimed.position is None:
            await self._begin(claimed, safe_block)
            return
        before = await self._block(claimed.position.number)
        if before.ref != claimed.position:
            await self._rewind_listener(claimed)
            return
        page = await self._tokens.holder_page(
            claimed.contracts.token,
            page_index=claimed.listing.next_page,
            page_size=self._page_size,
            block_number=before.number,
        )
        if await self._block(before.number) != before:
            # The fork changed while it was read: the next step finds the position gone.
            return
        if page is None:
            self._alarms.raise_alarm(
                "NO_HOLDER_LIST",
                f"asset {claimed.asset_id}: the token does not list its holders; the known are read",
            )
        await self._record(claimed, page or [])

    async def _begin(self, claimed: Listener, safe_block: BlockNumber) -> None:
        """Starts the list at the newest safe block, at which all its pages are read."""
        pinned = await self._block(max(safe_block, BlockNumber(0)))
        count = await self._tokens.holder_count(claimed.contracts.token, pinned.number)
        if await self._block(pinned.number) != pinned:
            return
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.lock(claimed.asset_id)
            if listener is None or listener.version != claimed.version:
                return
            await uow.window_ends.add([listener.asset_id], pinned.ref, 1)
            await uow.listeners.save([listener.begin_listing(pinned, count or 0, now=self._clock.now())])
            await uow.commit()

    async def _record(self, claimed: Listener, page: list[str]) -> None:
        # Anything that is no address would be a defect of the token; it is no holder that could be paid.
        holders = sorted({EvmAddress(holder.lower()).value for holder in page})
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.lock(claimed.asset_id)
            if listener is None or listener.version != claimed.version:
                return
            # A first import reads balances alone, and parts only where these do not sum to the supply.
            is_first = listener.last_sequence == 0
            await uow.holdings.mark_stale(listener.asset_id, holders, reads_parts=not is_first)
            listed = listener.list_page(
                count=len(page),
                holder_count=max(listener.listing.holder_count, listener.listing.listed_count + len(page)),
                is_last=len(page) < self._page_size,
                now=self._clock.now(),
            )
            await uow.listeners.save([listed])
            await uow.commit()

    async def _block(self, number: BlockNumber) -> Block:
        (block,) = await existing_blocks(self._source, [number])
        return block
