"""Use case: move a listener back to the last block still on the chain, after a reorg removed its position."""

from collections.abc import Sequence

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.ports import Alarms, UnitOfWorkFactory
from chain_sync_service.application.source import Source
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.listener import Listener
from libs.clock import Clock

_LOOK_BACK_STEP = 16


class RewindListener:
    """Takes back, in one transaction, everything that was seen behind the newest window end still on the chain.

    Facts are retracted; holdings that the lost blocks touched are read again at the ancestor.
    """

    def __init__(
        self,
        source: Source,
        gate: ChainGate,
        new_unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._source = source
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock
        self._alarms = alarms

    async def __call__(self, claimed: Listener) -> bool:
        """Returns False, with nothing written, when another worker has moved the listener since it was claimed.

        Raises ChainChangedError when the node serves another chain, whose blocks say nothing of ours, and
        AppError CHAIN_UNAVAILABLE.
        """
        await self._gate.verify()
        async with self._new_unit_of_work() as uow:
            ends = await uow.window_ends.newest_first(claimed.asset_id)
        ancestor = await self._last_canonical(ends)
        number = ancestor.number if ancestor else None
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.lock(claimed.asset_id)
            if listener is None or listener.version != claimed.version:
                return False
            retracted = await uow.facts.take_back(listener.asset_id, number)
            await uow.holdings.mark_stale_behind(listener.asset_id, number)
            await uow.window_ends.remove_behind(listener.asset_id, number)
            counted, sequences = listener.next_fact_sequences(len(retracted))
            stale_count = await uow.holdings.count_stale(listener.asset_id)
            rewound = counted.rewind(ancestor, has_stale=stale_count > 0, now=self._clock.now())
            await uow.listeners.save([rewound])
            uow.publish_retractions(listener.asset_id, retracted, sequences)
            await uow.commit()
        self._alarms.raise_alarm(
            "REORG_DEEPER_THAN_CONFIRMATIONS",
            f"asset {listener.asset_id} went back to {f'block {number}' if ancestor else 'its beginning'}; "
            f"{stale_count} holdings are read again, {len(retracted)} events are taken back",
        )
        return True

    async def _last_canonical(self, ends: Sequence[BlockRef]) -> BlockRef | None:
        """Returns the newest window end that is on the node's fork. None means: begin again."""
        for start in range(0, len(ends), _LOOK_BACK_STEP):
            candidates = ends[start : start + _LOOK_BACK_STEP]
            blocks = await self._source.blocks([end.number for end in candidates])
            for end, block in zip(candidates, blocks, strict=True):
                if block is not None and block.ref == end:
                    return end
        return None
