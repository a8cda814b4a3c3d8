"""Use case: read the logs of a window of blocks, in few requests, for all listeners that stand at one block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter

from chain_sync_service.application.ports import Alarms, ReadLog, TokenReader, UnitOfWorkFactory
from chain_sync_service.application.record_window import RecordWindow, Window
from chain_sync_service.application.rewind_listener import RewindListener
from chain_sync_service.application.source import LogQuery, Source, WindowRefusedError
from chain_sync_service.application.steps import existing_blocks, save_unless_moved
from chain_sync_service.application.watch_rates import RatesAsked, WatchRates
from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import (
    Fact,
    FactKind,
    LogMeaning,
    PartitionTransfer,
    RawLog,
    SupplyChange,
    Transfer,
    named_addresses,
)
from chain_sync_service.domain.holdings import without_repeated_snapshots
from chain_sync_service.domain.listener import Contracts, Listener
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLimits:
    """The limits on the size of windows.

    A log without a result (the source has not the transaction that made it) holds its window up until its block
    is `ghost_patience` old; it is then kept as unknown, and the holdings that it names are read.
    """

    max_window_blocks: int
    max_window_logs: int
    position_event_blocks: int
    error_delay: timedelta
    ghost_patience: timedelta


class ReadWindow:
    """Reads one window of blocks for a group of listeners, and records it for each of them."""

    def __init__(
        self,
        source: Source,
        tokens: TokenReader,
        read_log: ReadLog,
        new_unit_of_work: UnitOfWorkFactory,
        record_window: RecordWindow,
        rewind_listener: RewindListener,
        watch_rates: WatchRates,
        clock: Clock,
        alarms: Alarms,
        limits: WindowLimits,
    ) -> None:
        self._source = source
        self._tokens = tokens
        self._read_log = read_log
        self._new_unit_of_work = new_unit_of_work
        self._record_window = record_window
        self._rewind_listener = rewind_listener
        self._watch_rates = watch_rates
        self._clock = clock
        self._alarms = alarms
        self._limits = limits

    async def __call__(self, group: Sequence[Listener], safe_block: BlockNumber) -> None:
        """Raises AppError CHAIN_UNAVAILABLE and StateUnavailableError; nothing has changed then."""
        first = group[0]
        floor = first.position.number if first.position else first.floor_block
        size = min(
            each.window_size(
                safe_block=safe_block, position_block=floor, max_window_blocks=self._limits.max_window_blocks
            )
            for each in group
        )
        if size < 1:
            await self._put_off(group)
            return
        # The end first, then the position, then the logs and supplies, then the end again: while the end stays,
        # all that was read in between belongs to the fork that it is on.
        end, floor_now = await existing_blocks(self._source, [BlockNumber(floor + size), floor])
        if first.position is not None and floor_now.ref != first.position:
            for listener in group:
                await self._rewind_listener(listener)
            return
        try:
            logs = await self._source.logs(_query(group), from_block=BlockNumber(floor + 1), to_block=end.number)
        except WindowRefusedError as error:
            await self._shrink(group, size, safe_block, str(error))
            return
        if len(logs) > self._limits.max_window_logs and size > 1:
            await self._shrink(group, size, safe_block, "too many logs for one window")
            return
        group = await self._without_unproven(group, logs)
        if not group:
            return
        is_caught_up = end.number == safe_block
        rates = await self._watch_rates(group, end) if is_caught_up else RatesAsked()
        windows = await self._windows(group, logs, end, rates, is_caught_up=is_caught_up)
        (end_now,) = await existing_blocks(self._source, [end.number])
        if end_now != end or not {log.block_hash for log in logs if log.block_number == end.number} <= {end.hash}:
            # The fork changed meanwhile: read again.
            await self._put_off(group, delay=timedelta())
            return
        await self._record_window(group, windows, await self._blocks_of_facts(windows, end), rates)

    async def _windows(
        self,
        group: Sequence[Listener],
        logs: Sequence[RawLog],
        end: Block,
        rates: RatesAsked,
        *,
        is_caught_up: bool,
    ) -> list[Window]:
        """Returns what the logs mean for each listener, with the supply where holdings are compared with it."""
        by_contract: dict[str, list[tuple[int, RawLog]]] = {}
        for place, log in enumerate(logs):
            by_contract.setdefault(log.contract, []).append((place, log))
        read = [self._of(listener.contracts, by_contract) for listener in group]
        # Only of a recent block: old states may be pruned, and old windows are not compared.
        compared = [
            listener.asset_id
            for listener, found in zip(group, read, strict=True)
            if is_caught_up and listener.needs_supply(end.number, bool(found), self._limits.position_event_blocks)
        ]
        tokens = {each.asset_id: each.contracts.token for each in group}
        told = await self._tokens.supplies([tokens[each] for each in compared], end.number) if compared else []
        supplies = dict(zip(compared, told, strict=True))
        return [
            Window(
                end=end,
                transfers=tuple(each for each in found if isinstance(each, Transfer)),
                supply_changes=tuple(each for each in found if isinstance(each, SupplyChange)),
                partition_transfers=tuple(each for each in found if isinstance(each, PartitionTransfer)),
                facts=(
                    *without_repeated_snapshots([each for each in found if isinstance(each, Fact)]),
                    *rates.facts(listener.asset_id),
                ),
                supply_base_units=supplies.get(listener.asset_id),
                is_caught_up=is_caught_up,
            )
            for listener, found in zip(group, read, strict=True)
        ]

    def _of(self, contracts: Contracts, logs: Mapping[str, Sequence[tuple[int, RawLog]]]) -> list[LogMeaning]:
        """Returns what the logs of an asset's contracts mean for it, in the source's order.

        Log indexes may not show that order.
        """
        placed = (each for address in addresses_of(contracts) for each in logs.get(address, ()))
        own = (log for _, log in sorted(placed, key=itemgetter(0)))
        read = (self._read_log(contracts, log) if log.has_result else _ghost(contracts, log) for log in own)
        return [each for each in read if each is not None]

    async def _without_unproven(self, group: Sequence[Listener], logs: Sequence[RawLog]) -> list[Listener]:
        """Returns the listeners all of whose logs are proven. The others are postponed."""
        ghosts = [log for log in logs if not log.has_result]
        if not ghosts:
            return list(group)
        numbers = sorted({log.block_number for log in ghosts})
        times = {block.number: block.time for block in await existing_blocks(self._source, numbers)}
        oldest_hoped_for = self._clock.now() - self._limits.ghost_patience
        hoped_for = [log for log in ghosts if times[log.block_number] > oldest_hoped_for]
        proven = []
        for listener in group:
            own = [log for log in hoped_for if log.contract in addresses_of(listener.contracts)]
            if not own:
                proven.append(listener)
                continue
            error = f"log {own[0].log_index} of transaction {own[0].transaction_hash} has no result yet"
            await self._put_off([listener], error=error)
        for log in ghosts:
            if log not in hoped_for:
                self._alarms.raise_alarm(
                    "GHOST_LOG",
                    f"log {log.log_index} of transaction {log.transaction_hash} never got a result; it is kept as "
                    "unknown, and the holdings that it names are read",
                )
        return proven

    async def _blocks_of_facts(self, windows: Sequence[Window], end: Block) -> dict[int, Block]:
        """Returns the blocks that contain facts, by number. Facts are published with the times of their blocks."""
        numbers = sorted({fact.log.block_number for each in windows for fact in each.facts} - {end.number})
        blocks = await existing_blocks(self._source, numbers) if numbers else []
        return {block.number: block for block in (*blocks, end)}

    async def _shrink(self, group: Sequence[Listener], size: int, safe_block: BlockNumber, problem: str) -> None:
        """Makes the next windows smaller.

        If a single block is refused, its logs are asked for contract by contract.
        """
        now = self._clock.now()
        if size > 1:
            for listener in group:
                await save_unless_moved(
                    self._new_unit_of_work, listener, listener.with_window(size // 2, error="", due_time=now)
                )
            return
        if len(group) > 1:
            for listener in group:
                await self([listener], safe_block)
            return
        error = f"the source refuses even the logs of a single block: {problem}"
        self._alarms.raise_alarm("WINDOW_REFUSED", f"asset {group[0].asset_id}: {error}")
        await save_unless_moved(
            self._new_unit_of_work,
            group[0],
            group[0].with_window(1, error=error, due_time=now + self._limits.error_delay),
        )

    async def _put_off(
        self, group: Sequence[Listener], *, error: str = "", delay: timedelta | None = None
    ) -> None:
        due_time = self._clock.now() + (self._limits.error_delay if delay is None else delay)
        for listener in group:
            await save_unless_moved(self._new_unit_of_work, listener, listener.due_at(due_time, error=error))


def addresses_of(contracts: Contracts) -> set[str]:
    """Returns the contracts whose logs matter to a listener."""
    followed = (contracts.token, contracts.lifecycle_contract, contracts.payment_token)
    return {each.value for each in followed if each is not None}


def _query(group: Sequence[Listener]) -> LogQuery:
    contracts: set[EvmAddress] = set()
    deposits: dict[EvmAddress, frozenset[EvmAddress]] = {}
    for listener in group:
        followed = listener.contracts
        contracts.add(followed.token)
        if followed.lifecycle_contract is None:
            continue
        contracts.add(followed.lifecycle_contract)
        if followed.payment_token is not None:
            known = deposits.get(followed.payment_token, frozenset())
            deposits[followed.payment_token] = known | {followed.lifecycle_contract}
    return LogQuery(frozenset(contracts), deposits)


def _ghost(contracts: Contracts, log: RawLog) -> Fact | None:
    """Returns the fact for a log that nothing proves.

    The holdings of accounts it names are read, so its content does not matter.
    """
    touched = tuple(named_addresses(log)) if log.contract == contracts.token.value else ()
    return Fact(FactKind.UNKNOWN, log, touched=touched, problem="its transaction has no result")
