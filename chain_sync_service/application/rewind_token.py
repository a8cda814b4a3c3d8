"""Use case: the block at a token's position left the chain; go back to the last one that did not."""

from collections.abc import Sequence

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.ports import Alarms, ChainReader, UnitOfWorkFactory
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.followed_token import FollowedToken
from libs.clock import Clock
from libs.errors import AppError, Reason

_LOOK_BACK_STEP = 16


class RewindToken:
    """Takes back, in one transaction, everything that was found behind the last canonical end of a window."""

    def __init__(
        self,
        chain: ChainReader,
        gate: ChainGate,
        new_unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._chain = chain
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._alarms = alarms

    async def __call__(self, claimed: FollowedToken) -> bool:
        """Returns False, with nothing written, when another worker has moved the token since it was claimed.

        Raises ChainChangedError when the node serves another chain, whose blocks say nothing of ours, and
        AppError CHAIN_UNAVAILABLE.
        """
        await self._gate.verify()
        async with self._new_unit_of_work() as uow:
            ends = await uow.history.window_ends(claimed.asset_id)
        ancestor = await self._last_canonical(ends) or await self._floor(claimed)
        async with self._new_unit_of_work() as uow:
            token = await uow.tokens.lock(claimed.asset_id)
            if token is None or token.version != claimed.version:
                return False
            inverse_changes = await uow.history.take_back(token.asset_id, ancestor)
            rewound, events = token.rewind(ancestor, inverse_changes, now=self._clock.now())
            await uow.tokens.save(rewound)
            uow.publish(events)
            await uow.commit()
        self._alarms.raise_alarm(
            "REORG_DEEPER_THAN_CONFIRMATIONS",
            f"asset {token.asset_id} went back to block {ancestor.number}; {len(inverse_changes)} holders changed",
        )
        return True

    async def _last_canonical(self, ends: Sequence[BlockRef]) -> BlockRef | None:
        """The newest of the ends (newest first) that is on the node's fork."""
        for start in range(0, len(ends), _LOOK_BACK_STEP):
            candidates = ends[start : start + _LOOK_BACK_STEP]
            blocks = await self._chain.blocks([end.number for end in candidates])
            for end, block in zip(candidates, blocks, strict=True):
                if block == end:
                    return end
        return None

    async def _floor(self, token: FollowedToken) -> BlockRef:
        """Where it all began: nothing that was read is on the node's fork, so everything is read again."""
        (floor,) = await self._chain.blocks([token.floor_block])
        if floor is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not have block {token.floor_block}")
        return floor
