"""Use case: advance the listeners that have waited longest, by one window of blocks or one page of holders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.list_holders import ListHolders
from chain_sync_service.application.ports import Alarms, ChainLook, UnitOfWorkFactory
from chain_sync_service.application.read_holdings import ReadHoldings
from chain_sync_service.application.read_window import ReadWindow
from chain_sync_service.application.source import ChainChangedError, Source, StateUnavailableError
from chain_sync_service.application.steps import save_unless_moved
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.listener import Listener, ListenerState
from libs.chain.quantities import BlockNumber
from libs.clock import Clock
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLimits:
    """How listeners are claimed: confirmations, group size, length of the lease, delay after an error."""

    confirmations: int
    group_size: int
    lease: timedelta
    error_delay: timedelta


class FollowNext:
    """One step of the follow worker. Any number of workers may run at once, in any number of processes."""

    def __init__(
        self,
        source: Source,
        gate: ChainGate,
        new_unit_of_work: UnitOfWorkFactory,
        read_window: ReadWindow,
        list_holders: ListHolders,
        read_holdings: ReadHoldings,
        clock: Clock,
        alarms: Alarms,
        limits: ClaimLimits,
    ) -> None:
        self._source = source
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work
        self._read_window = read_window
        self._list_holders = list_holders
        self._read_holdings = read_holdings
        self._clock = clock
        self._alarms = alarms
        self._limits = limits
        self._look: ChainLook | None = None

    async def __call__(self) -> bool:
        """Returns True when there may be more to do at once. Raises AppError CHAIN_UNAVAILABLE."""
        claimed: list[Listener] = []
        try:
            head = await self._head()
            claimed = await self._claim(head)
            if claimed:
                await self._move(claimed, head)
        except AppError as error:
            if error.reason is not Reason.CHAIN_UNAVAILABLE:
                raise
            await self._note_failure(error, claimed)
            raise
        return bool(claimed)

    async def _head(self) -> Block:
        head = await self._source.head()
        if self._look is not None and head.number < (self._look.head_block or 0):
            # A node that lags, a reorg, or another chain: only the last must be told apart, and it can be.
            self._gate.doubt()
        await self._gate.ensure_verified()
        await self._note(ChainLook(head.number, ""))
        return head

    async def _claim(self, head: Block) -> list[Listener]:
        now = self._clock.now()
        async with self._new_unit_of_work() as uow:
            claimed = await uow.listeners.claim_due(
                last_block=self._safe_block(head),
                now=now,
                lease_until=now + self._limits.lease,
                limit=self._limits.group_size,
            )
            await uow.commit()
        return claimed

    def _safe_block(self, head: Block) -> BlockNumber:
        return BlockNumber(head.number - self._limits.confirmations)

    async def _move(self, claimed: Sequence[Listener], head: Block) -> None:
        first = claimed[0]
        safe_block = self._safe_block(head)
        try:
            if first.state is ListenerState.LISTING:
                await self._list_holders(first, safe_block)
            elif first.state is ListenerState.READING:
                await self._read_holdings(first)
            else:
                await self._read_window(claimed, safe_block)
        except StateUnavailableError as error:
            # Pruned, or not there yet: a later block will do as well.
            due_time = self._clock.now() + self._limits.error_delay
            for listener in claimed:
                left = (
                    listener.due_at(due_time, error=str(error))
                    if listener.reads_windows
                    else listener.leave_position(str(error), due_time=due_time)
                )
                await save_unless_moved(self._new_unit_of_work, listener, left)

    async def _note_failure(self, error: AppError, claimed: Sequence[Listener]) -> None:
        self._gate.doubt()
        is_news = self._look is None or self._look.error != error.message
        if is_news and isinstance(error, ChainChangedError):
            self._alarms.raise_alarm("CHAIN_CHANGED", error.message)
        await self._note(ChainLook(self._look.head_block if self._look else None, error.message))
        due_time = self._clock.now() + self._limits.error_delay
        for listener in claimed:
            # The window may have been too much for the node to answer in time; it grows again by itself.
            size = listener.window_blocks // 2 if listener.reads_windows else listener.window_blocks
            await save_unless_moved(
                self._new_unit_of_work,
                listener,
                listener.with_window(size, error=error.message, due_time=due_time),
            )

    async def _note(self, look: ChainLook) -> None:
        if look == self._look:
            return
        async with self._new_unit_of_work() as uow:
            await uow.chain.record_look(look, self._clock.now())
            await uow.commit()
        self._look = look
