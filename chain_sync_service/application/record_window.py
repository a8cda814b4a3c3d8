"""Use case: record what a window of blocks contains.

Holdings, events and new positions are stored all or nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chain_sync_service.application.ports import Alarms, UnitOfWork, UnitOfWorkFactory
from chain_sync_service.application.watch_rates import RatesAsked
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import (
    LATEST_TIME_SECONDS,
    Fact,
    FactKind,
    PartitionTransfer,
    SeenFact,
    SupplyChange,
    Transfer,
)
from chain_sync_service.domain.holdings import HoldingChange, window_effects
from chain_sync_service.domain.listener import Listener
from chain_sync_service.domain.pending_rates import PendingRate, pending_rate
from libs.chain.quantities import BlockNumber
from libs.clock import Clock

# Far more than the deepest reorg that is not another chain; one row each.
KEPT_WINDOW_ENDS = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A window of blocks as it concerns one listener.

    `supply_base_units` is the token's supply at its end, None where it was not asked or the token tells none;
    `is_caught_up` tells whether it reaches the newest safe block.
    """

    end: Block
    transfers: tuple[Transfer, ...]
    supply_changes: tuple[SupplyChange, ...]
    partition_transfers: tuple[PartitionTransfer, ...]
    facts: tuple[Fact, ...]
    supply_base_units: int | None
    is_caught_up: bool

    @property
    def is_quiet(self) -> bool:
        """True if no log concerned the listener."""
        return not (self.transfers or self.supply_changes or self.partition_transfers or self.facts)


class RecordWindow:
    """Writes a window for each listener that no other worker has moved since it was claimed."""

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

    async def __call__(
        self,
        group: Sequence[Listener],
        windows: Sequence[Window],
        blocks: Mapping[int, Block],
        rates: RatesAsked,
    ) -> None:
        """`blocks` has those that the logs are in, by number. The quiet ones are written together."""
        both = list(zip(group, windows, strict=True))
        quiet = [(listener, window) for listener, window in both if window.is_quiet]
        busy = [(listener, window) for listener, window in both if not window.is_quiet]
        if quiet:
            await self._record(quiet, blocks, rates)
        for each in busy:
            await self._record([each], blocks, rates)

    async def _record(
        self, claimed: Sequence[tuple[Listener, Window]], blocks: Mapping[int, Block], rates: RatesAsked
    ) -> None:
        known = {listener.asset_id: listener for listener, _ in claimed}
        windows = {listener.asset_id: window for listener, window in claimed}
        async with self._new_unit_of_work() as uow:
            locked = await uow.listeners.lock_many(sorted(known))
            unmoved = [each for each in locked if each.version == known[each.asset_id].version]
            if not unmoved:
                return
            told = [await self._record_facts(uow, each, windows[each.asset_id], blocks, rates) for each in unmoved]
            changes = [await self._record_transfers(uow, each, windows[each.asset_id]) for each in unmoved]
            stale = await uow.holdings.stale_among([each.asset_id for each in unmoved])
            moved = [
                await self._advance(uow, each, windows[each.asset_id], changed, each.asset_id in stale)
                for each, changed in zip(told, changes, strict=True)
            ]
            end = claimed[0][1].end
            await uow.window_ends.add([each.asset_id for each in moved], end.ref, KEPT_WINDOW_ENDS)
            await uow.listeners.save(moved)
            await uow.commit()
        for each in unmoved:
            self._alarm(each, windows[each.asset_id].facts)

    async def _advance(
        self,
        uow: UnitOfWork,
        listener: Listener,
        window: Window,
        changes: Sequence[HoldingChange],
        has_stale: bool,
    ) -> Listener:
        is_lost = (
            window.is_caught_up
            and not has_stale
            and listener.with_changes(changes).is_total_doubtful(window.supply_base_units)
        )
        if is_lost:
            # Nothing is known to be stale, and yet the supply is another: something tells no log.
            await uow.holdings.mark_everybody_stale(listener.asset_id)
        moved, events = listener.advance(
            window.end,
            changes,
            is_caught_up=window.is_caught_up,
            has_stale=has_stale,
            supply_base_units=window.supply_base_units,
            position_event_blocks=self._position_event_blocks,
            max_window_blocks=self._max_window_blocks,
            now=self._clock.now(),
        )
        uow.publish(events)
        return moved

    async def _record_transfers(self, uow: UnitOfWork, listener: Listener, window: Window) -> list[HoldingChange]:
        effects = window_effects(
            window.transfers,
            window.supply_changes,
            window.partition_transfers,
            window.facts,
            trusts_folding=not listener.is_replaying,
        )
        if effects.reads_everybody:
            await uow.holdings.mark_everybody_stale(listener.asset_id)
        if effects.to_read:
            await uow.holdings.mark_stale(listener.asset_id, sorted(effects.to_read), reads_parts=True)
        if not effects.folds:
            return []
        if effects.reads_everybody:
            # Who is new to the token in this very window is not known yet.
            new = [fold.holder for fold in effects.folds]
            await uow.holdings.mark_stale(listener.asset_id, new, reads_parts=True)
            return []
        return await uow.holdings.fold(listener.asset_id, effects.folds, window.end.number)

    async def _record_facts(
        self,
        uow: UnitOfWork,
        listener: Listener,
        window: Window,
        blocks: Mapping[int, Block],
        rates: RatesAsked,
    ) -> Listener:
        asset_id = listener.asset_id
        for rate in rates.settled(asset_id):
            await uow.facts.remove_pending_rate(asset_id, rate)
        for rate in rates.postponed(asset_id):
            await uow.facts.save_pending_rate(asset_id, rate)
        listener = await self._retract_unseen(uow, listener, window) if listener.is_replaying else listener
        if not window.facts:
            return listener
        known = await uow.facts.known_places(asset_id, window.facts)
        new = [fact for fact in window.facts if place_of(fact) not in known]
        published = [fact for fact in new if fact.kind is not FactKind.UNKNOWN]
        counted, sequences = listener.next_fact_sequences(len(published))
        by_place = dict(zip(map(place_of, published), sequences, strict=True))
        seen = [
            SeenFact(fact, blocks[fact.log.block_number].time, by_place.get(place_of(fact), 0)) for fact in new
        ]
        await uow.facts.add(asset_id, seen, self._clock.now())
        await uow.facts.add_pending_rates(asset_id, _pending(new))
        uow.publish_facts(asset_id, seen)
        return counted

    async def _retract_unseen(self, uow: UnitOfWork, listener: Listener, window: Window) -> Listener:
        """Takes back facts that were published and are no longer on the chain.

        A replay finds them after a reorg that passed unseen.
        """
        if listener.position is None:
            return listener
        retracted = await uow.facts.take_back_unseen(
            listener.asset_id,
            from_block=BlockNumber(listener.position.number + 1),
            to_block=window.end.number,
            seen=window.facts,
        )
        counted, sequences = listener.next_fact_sequences(len(retracted))
        uow.publish_retractions(listener.asset_id, retracted, sequences)
        return counted

    def _alarm(self, listener: Listener, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if fact.kind is FactKind.UNKNOWN and fact.problem:
                log = fact.log
                self._alarms.raise_alarm(
                    "UNDECODABLE_LOG",
                    f"asset {listener.asset_id}, transaction {log.transaction_hash}, log {log.log_index}: "
                    f"{fact.problem}",
                )


def place_of(fact: Fact) -> tuple[str, str, int]:
    """Returns what identifies a fact when it is seen again."""
    return (fact.kind.value, fact.log.transaction_hash, fact.log.log_index)


def _pending(facts: Sequence[Fact]) -> list[PendingRate]:
    found = [pending_rate(fact, _time(fact.details.get("fixing_time", ""))) for fact in facts]
    return [rate for rate in found if rate is not None]


def _time(text: str) -> datetime:
    """A time that a token tells; what no calendar has is asked for at once, and then less and less often."""
    seconds = int(text) if text.isdecimal() else 0
    return datetime.fromtimestamp(seconds, UTC) if seconds <= LATEST_TIME_SECONDS else _EPOCH
