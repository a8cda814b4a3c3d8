"""Use case: what a window of blocks holds becomes effects, events and a new position, all or nothing."""

from dataclasses import dataclass

from chain_sync_service.application.ports import Alarms, UnitOfWorkFactory
from chain_sync_service.domain.blocks import BlockRef, WindowLogs
from chain_sync_service.domain.followed_token import FollowedToken
from chain_sync_service.domain.holder_changes import net_changes
from libs.clock import Clock

# Far more than the deepest reorg that is not another chain; one row each.
KEPT_WINDOW_ENDS = 256


@dataclass(frozen=True, slots=True)
class Window:
    """A window that was read: its last block, its logs, and whether it reaches the newest safe block."""

    end: BlockRef
    logs: WindowLogs
    is_caught_up: bool


class RecordWindow:
    """Writes a window unless another worker has moved the token since it was claimed."""

    def __init__(
        self,
        new_unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        alarms: Alarms,
        *,
        position_event_blocks: int,
        max_window_blocks: int,
    ) -> None:
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._alarms = alarms
        self._position_event_blocks = position_event_blocks
        self._max_window_blocks = max_window_blocks

    async def __call__(self, claimed: FollowedToken, window: Window) -> bool:
        """Returns False, with nothing written, when the token was moved meanwhile."""
        now = self._clock.now()
        async with self._new_unit_of_work() as uow:
            token = await uow.tokens.lock(claimed.asset_id)
            if token is None or token.version != claimed.version:
                return False
            new = await uow.history.add_transfers(token.asset_id, window.logs.transfers)
            await uow.history.add_undecodable(token.asset_id, window.logs.undecodable, now)
            moved, events = token.advance(
                window.end,
                net_changes(new),
                is_caught_up=window.is_caught_up,
                position_event_blocks=self._position_event_blocks,
                max_window_blocks=self._max_window_blocks,
                now=now,
            )
            await uow.history.add_window_end(token.asset_id, window.end, KEPT_WINDOW_ENDS)
            await uow.tokens.save(moved)
            uow.publish(events)
            await uow.commit()
        for log in window.logs.undecodable:
            self._alarms.raise_alarm(
                "UNDECODABLE_LOG",
                f"asset {token.asset_id}, transaction {log.transaction_hash}, log {log.log_index}: {log.problem}",
            )
        return True
