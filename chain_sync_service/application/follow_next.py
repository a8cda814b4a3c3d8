"""Use case: move the token on that has waited longest, by one window."""

from dataclasses import dataclass
from datetime import timedelta

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.ports import (
    Alarms,
    ChainChangedError,
    ChainLook,
    ChainReader,
    UnitOfWorkFactory,
    WindowRefusedError,
)
from chain_sync_service.application.record_window import RecordWindow, Window
from chain_sync_service.application.rewind_token import RewindToken
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.followed_token import FollowedToken
from libs.clock import Clock
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class FollowLimits:
    """Bounds of following."""

    confirmations: int
    max_window_blocks: int
    max_window_logs: int
    lease: timedelta
    error_delay: timedelta


class FollowNext:
    """One step of the worker. Any number may run at once, in any number of processes."""

    def __init__(
        self,
        chain: ChainReader,
        gate: ChainGate,
        new_unit_of_work: UnitOfWorkFactory,
        record_window: RecordWindow,
        rewind_token: RewindToken,
        clock: Clock,
        alarms: Alarms,
        limits: FollowLimits,
    ) -> None:
        self._chain = chain
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work
        self._record_window = record_window
        self._rewind_token = rewind_token
        self._clock = clock
        self._alarms = alarms
        self._limits = limits
        self._look: ChainLook | None = None

    async def __call__(self) -> bool:
        """Returns True when there may be more to do at once. Raises AppError CHAIN_UNAVAILABLE."""
        token = None
        try:
            head = await self._head()
            token = await self._claim(head)
            if token is not None:
                await self._move(token, head)
        except AppError as error:
            if error.reason is not Reason.CHAIN_UNAVAILABLE:
                raise
            await self._note_failure(error, token)
            raise
        return token is not None

    async def _head(self) -> BlockRef:
        head = await self._chain.head()
        if self._look is not None and head.number < (self._look.head_block or 0):
            # A node that lags, a reorg, or another chain: only the last must be told apart, and it can be.
            self._gate.doubt()
        await self._gate.ensure_verified()
        await self._note(ChainLook(head.number, ""))
        return head

    async def _claim(self, head: BlockRef) -> FollowedToken | None:
        now = self._clock.now()
        async with self._new_unit_of_work() as uow:
            token = await uow.tokens.claim_due(
                last_block=head.number - self._limits.confirmations,
                now=now,
                lease_until=now + self._limits.lease,
            )
            await uow.commit()
        return token

    async def _move(self, token: FollowedToken, head: BlockRef) -> None:
        safe_block = head.number - self._limits.confirmations
        position = token.position or await self._block(token.floor_block)
        size = min(token.window_blocks, self._limits.max_window_blocks, safe_block - position.number)
        if size < 1:
            await self._save(token, token.due_at(self._clock.now() + self._limits.error_delay))
            return
        # The end first, then the position, then the logs, then the end again: while the end stays, all that
        # was read in between belongs to the fork that it is on.
        end_number = position.number + size
        end, position_now = await self._blocks([end_number, position.number])
        if token.position is not None and position_now != position:
            await self._rewind_token(token)
            return
        try:
            logs = await self._chain.transfers(token.token, position.number + 1, end_number)
        except WindowRefusedError as error:
            await self._shrink(token, size, str(error))
            return
        if logs.count > self._limits.max_window_logs and size > 1:
            await self._shrink(token, size, "too many logs for one window")
            return
        if (
            position_now != position
            or await self._block(end_number) != end
            or not logs.end_block_hashes <= {end.hash}
        ):
            # The fork changed meanwhile: read again.
            await self._save(token, token.due_at(self._clock.now()))
            return
        await self._record_window(token, Window(end=end, logs=logs, is_caught_up=end_number == safe_block))

    async def _shrink(self, token: FollowedToken, size: int, problem: str) -> None:
        """Smaller windows from now on; a single block that is refused waits, and is an alarm."""
        now = self._clock.now()
        if size > 1:
            await self._save(token, token.with_window(size // 2, error="", due_time=now))
            return
        error = f"the node refuses even the logs of a single block: {problem}"
        self._alarms.raise_alarm("WINDOW_REFUSED", f"asset {token.asset_id}: {error}")
        await self._save(token, token.with_window(1, error=error, due_time=now + self._limits.error_delay))

    async def _note_failure(self, error: AppError, token: FollowedToken | None) -> None:
        self._gate.doubt()
        is_news = self._look is None or self._look.error != error.message
        if is_news and isinstance(error, ChainChangedError):
            self._alarms.raise_alarm("CHAIN_CHANGED", error.message)
        await self._note(ChainLook(self._look.head_block if self._look else None, error.message))
        if token is not None:
            # The window may have been too much for the node to answer in time; it grows again by itself.
            smaller = token.with_window(
                token.window_blocks // 2,
                error=error.message,
                due_time=self._clock.now() + self._limits.error_delay,
            )
            await self._save(token, smaller)

    async def _note(self, look: ChainLook) -> None:
        if look == self._look:
            return
        async with self._new_unit_of_work() as uow:
            await uow.chain.record_look(look, self._clock.now())
            await uow.commit()
        self._look = look

    async def _save(self, before: FollowedToken, after: FollowedToken) -> None:
        """Writes what changed, unless another worker has moved the token since it was claimed."""
        async with self._new_unit_of_work() as uow:
            current = await uow.tokens.lock(before.asset_id)
            if current is not None and current.version == before.version:
                await uow.tokens.save(after)
                await uow.commit()

    async def _block(self, number: int) -> BlockRef:
        (block,) = await self._blocks([number])
        return block

    async def _blocks(self, numbers: list[int]) -> list[BlockRef]:
        found = [block for block in await self._chain.blocks(numbers) if block is not None]
        if len(found) != len(numbers):
            raise AppError(
                Reason.CHAIN_UNAVAILABLE, f"the node told of a later block, but does not have {numbers} now"
            )
        return found
