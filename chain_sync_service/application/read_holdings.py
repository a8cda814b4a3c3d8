"""Use case: read one page of outdated holdings from the chain, at the listener's position."""

from chain_sync_service.application.ports import (
    Alarms,
    StaleHolding,
    TokenReader,
    TokenUnreadableError,
    UnitOfWorkFactory,
)
from chain_sync_service.application.rewind_listener import RewindListener
from chain_sync_service.application.source import Source, StateUnavailableError
from chain_sync_service.application.steps import existing_blocks
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.holdings import Holding, HoldingChange
from chain_sync_service.domain.listener import Listener, NextReading
from libs.chain.quantities import BlockNumber
from libs.clock import Clock


class ReadHoldings:
    """Reads one page of holdings per step and publishes those that changed.

    The last page completes the range of blocks.
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

    async def __call__(self, claimed: Listener) -> None:
        """Raises AppError CHAIN_UNAVAILABLE and StateUnavailableError; nothing has changed then."""
        if claimed.position is None:
            raise ValueError(f"listener {claimed.asset_id} reads holdings without a position")
        block = await self._block(claimed.position.number)
        if block.ref != claimed.position:
            await self._rewind_listener(claimed)
            return
        async with self._new_unit_of_work() as uow:
            stale = await uow.holdings.stale(claimed.asset_id, self._page_size + 1)
        page, is_last = stale[: self._page_size], len(stale) <= self._page_size
        holdings = await self._read(claimed, page, block.number)
        supply = (await self._tokens.supplies([claimed.contracts.token], block.number))[0] if is_last else None
        if await self._block(claimed.position.number) != block:
            # The fork changed while it was read: the next step finds the position gone.
            return
        await self._record(claimed, page, holdings, is_last=is_last, supply=supply)

    async def _read(self, claimed: Listener, page: list[StaleHolding], block_number: BlockNumber) -> list[Holding]:
        with_parts = {each.holder for each in page if each.reads_parts or each.told.restricted}
        try:
            return await self._tokens.holdings(
                claimed.contracts.token, [each.holder for each in page], block_number, with_parts=with_parts
            )
        except TokenUnreadableError as error:
            self._alarms.raise_alarm("TOKEN_UNREADABLE", f"asset {claimed.asset_id}: {error}")
            # The token's own fault, and no reason to stop telling what its logs tell: read at a later block.
            raise StateUnavailableError(f"TOKEN_UNREADABLE: {error}") from error

    async def _record(
        self,
        claimed: Listener,
        page: list[StaleHolding],
        holdings: list[Holding],
        *,
        is_last: bool,
        supply: int | None,
    ) -> None:
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.lock(claimed.asset_id)
            if listener is None or listener.version != claimed.version or listener.position is None:
                return
            number = listener.position.number
            changes = [
                HoldingChange(stale.holder, stale.told, holding, number)
                for stale, holding in zip(page, holdings, strict=True)
                if holding != stale.told or stale.must_tell
            ]
            await uow.holdings.record_read(listener.asset_id, [each.holder for each in page], holdings, number)
            now = self._clock.now()
            next_reading = NextReading.NONE
            if is_last:
                read, events, next_reading = listener.read_all(changes, supply, now=now)
            else:
                read, events = listener.read_some(changes, now=now)
            if next_reading is NextReading.EVERYBODY:
                await uow.holdings.mark_everybody_stale(listener.asset_id)
            await uow.listeners.save([read])
            uow.publish(events)
            await uow.commit()
        if read.supply_gap_base_units and read.supply_gap_base_units != listener.supply_gap_base_units:
            self._alarms.raise_alarm(
                "HOLDINGS_DO_NOT_SUM_TO_SUPPLY",
                f"asset {listener.asset_id}: at block {number} the supply exceeds all holdings that are known by "
                f"{read.supply_gap_base_units} base units",
            )

    async def _block(self, number: BlockNumber) -> Block:
        (block,) = await existing_blocks(self._source, [number])
        return block
