"""In-memory implementations of the register's ports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from asset_service.application.register_ports import (
    HolderChangeRow,
    HolderOrder,
    HolderPage,
    HolderRow,
    HolderRows,
    RefreshScope,
    SampleSize,
)
from asset_service.domain.asset import Asset, AssetState
from asset_service.domain.register import (
    NOTHING,
    AppliedChanges,
    BalanceChanges,
    Holding,
    HoldingDifference,
    NegativeBalanceError,
    Register,
)
from asset_service.domain.register_check import (
    ChainHoldings,
    Discrepancy,
    DiscrepancyKind,
    Finding,
    RegisterSample,
)
from libs.errors import AppError

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class RegisterState:
    """What is committed of registers, and of what they refer to."""

    assets: dict[UUID, Asset] = field(default_factory=dict)
    registers: dict[UUID, Register] = field(default_factory=dict)
    check_times: dict[UUID, datetime] = field(default_factory=dict)
    holders: dict[tuple[UUID, str], HolderRow] = field(default_factory=dict)
    changes: list[tuple[UUID, HolderChangeRow]] = field(default_factory=list)
    discrepancies: dict[int, Discrepancy] = field(default_factory=dict)
    refresh_times: dict[int, datetime] = field(default_factory=dict)
    # Place of the first discrepancy and all of them, as the event tells.
    discrepancy_events: list[tuple[UUID, int, tuple[Discrepancy, ...]]] = field(default_factory=list)

    def holdings(self, asset_id: UUID) -> dict[str, Holding]:
        return {address: row.holding for (owner, address), row in self.holders.items() if owner == asset_id}

    def open_discrepancies(self, asset_id: UUID) -> list[Discrepancy]:
        return [
            each for each in self.discrepancies.values() if each.asset_id == asset_id and each.resolve_time is None
        ]


class MemoryRegisters:
    """The port Registers."""

    def __init__(self, state: RegisterState) -> None:
        self._state = state

    async def add(self, register: Register) -> None:
        self._state.registers[register.asset_id] = register

    async def get(self, asset_id: UUID) -> Register | None:
        return self._state.registers.get(asset_id)

    async def lock(self, asset_id: UUID) -> Register | None:
        return self._state.registers.get(asset_id)

    async def apply(self, asset_id: UUID, changes: BalanceChanges, now: datetime) -> AppliedChanges:
        had = self._state.holdings(asset_id)
        for index, holder in enumerate(changes.holders):
            before, delta = had.get(holder, NOTHING), changes.deltas_base_units[index]
            after = (
                changes.holdings[index] if changes.holdings else before._replace(balance=before.balance + delta)
            )
            if after.balance < 0:
                raise NegativeBalanceError(holder)
            self._set(asset_id, holder, after, changes.block_numbers[index])
            self._tell(asset_id, holder, before, after, changes.block_numbers[index], now)
        return _applied(had, self._state.holdings(asset_id), changes)

    async def save(self, register: Register) -> None:
        self._state.registers[register.asset_id] = register

    async def claim_check(self, checked_before: datetime, now: datetime) -> UUID | None:
        last_times = {
            asset_id: self._state.check_times.get(asset_id, _NEVER)
            for asset_id, register in self._state.registers.items()
            if register.is_complete and self._state.assets[asset_id].state is AssetState.ACTIVE
        }
        due = sorted((time, asset_id) for asset_id, time in last_times.items() if time < checked_before)
        if not due:
            return None
        _, asset_id = due[0]
        self._state.check_times[asset_id] = now
        return asset_id

    def _set(self, asset_id: UUID, holder: str, after: Holding, block_number: int) -> None:
        self._state.holders.pop((asset_id, holder), None)
        if after.total:
            self._state.holders[asset_id, holder] = HolderRow(holder, after, block_number)

    def _tell(
        self, asset_id: UUID, holder: str, before: Holding, after: Holding, block_number: int, now: datetime
    ) -> None:
        delta, restricted_delta = after.balance - before.balance, after.restricted - before.restricted
        if delta or restricted_delta:
            change_id = len(self._state.changes) + 1
            row = HolderChangeRow(
                change_id, holder, delta, restricted_delta, after.balance, after.restricted, block_number, now
            )
            self._state.changes.append((asset_id, row))


def _applied(had: Mapping[str, Holding], has: Mapping[str, Holding], changes: BalanceChanges) -> AppliedChanges:
    differences = [
        HoldingDifference(holder, had.get(holder, NOTHING), holding.balance - delta)
        for holder, delta, holding in zip(
            changes.holders, changes.deltas_base_units, changes.holdings or (), strict=bool(changes.holdings)
        )
        if holding.balance - delta != had.get(holder, NOTHING).balance
    ]
    return AppliedChanges(
        came=len(has.keys() - had.keys()),
        went=len(had.keys() - has.keys()),
        balance_delta_base_units=sum(each.balance for each in has.values())
        - sum(each.balance for each in had.values()),
        restricted_delta_base_units=sum(each.restricted for each in has.values())
        - sum(each.restricted for each in had.values()),
        differences=tuple(sorted(differences, key=lambda each: each.holder)),
    )


class MemoryDiscrepancies:
    """The port Discrepancies."""

    def __init__(self, state: RegisterState) -> None:
        self._state = state

    async def open_of(self, asset_id: UUID) -> list[Discrepancy]:
        return self._state.open_discrepancies(asset_id)

    async def add(self, asset_id: UUID, findings: Sequence[Finding], now: datetime) -> list[Discrepancy]:
        first_id = len(self._state.discrepancies) + 1
        added = [
            Discrepancy(discrepancy_id, asset_id, finding, 1, now)
            for discrepancy_id, finding in enumerate(findings, first_id)
        ]
        self._state.discrepancies |= {each.discrepancy_id: each for each in added}
        if added:
            self._state.discrepancy_events.append((asset_id, first_id, tuple(added)))
        return added

    async def seen_again(self, findings: Mapping[int, Finding]) -> None:
        for discrepancy_id, finding in findings.items():
            before = self._state.discrepancies[discrepancy_id]
            self._state.discrepancies[discrepancy_id] = replace(
                before, finding=finding, refresh_round=before.refresh_round + 1
            )
            self._state.refresh_times.pop(discrepancy_id, None)

    async def resolve(self, discrepancy_ids: Sequence[int], now: datetime) -> None:
        for discrepancy_id in discrepancy_ids:
            before = self._state.discrepancies[discrepancy_id]
            self._state.discrepancies[discrepancy_id] = replace(before, resolve_time=now)

    async def assets_to_refresh(self, limit: int) -> list[UUID]:
        asset_ids = {each.asset_id: None for each in self._to_refresh()}
        return list(asset_ids)[:limit]

    async def to_refresh(self, asset_id: UUID, limit: int) -> list[Discrepancy]:
        return [each for each in self._to_refresh() if each.asset_id == asset_id][:limit]

    async def refresh_requested(self, discrepancies: Sequence[Discrepancy], now: datetime) -> None:
        for each in discrepancies:
            if self._state.discrepancies[each.discrepancy_id].refresh_round == each.refresh_round:
                self._state.refresh_times[each.discrepancy_id] = now

    def _to_refresh(self) -> list[Discrepancy]:
        return [
            each
            for each in self._state.discrepancies.values()
            if each.resolve_time is None and each.discrepancy_id not in self._state.refresh_times
        ]


class FakeHoldingsChain:
    """The port ChainHoldingsReader, and the port Alarms. What nobody was given is nothing."""

    def __init__(self) -> None:
        self.block_hash = "0x" + "ab" * 32
        self.holdings: dict[str, Holding] = {}
        # None: the sum of all holdings.
        self.total_supply_base_units: int | None = None
        self.reads: list[tuple[UUID, tuple[str, ...], int]] = []
        self.refreshes: list[tuple[UUID, UUID, RefreshScope, tuple[str, ...]]] = []
        self.alarms: list[tuple[str, str]] = []
        self.refusal: AppError | None = None
        self.refresh_refusals: dict[UUID, AppError] = {}

    async def read_holdings(self, asset_id: UUID, holders: Sequence[str], block_number: int) -> ChainHoldings:
        self.reads.append((asset_id, tuple(holders), block_number))
        if self.refusal:
            raise self.refusal
        supply = self.total_supply_base_units
        if supply is None:
            supply = sum(holding.total for holding in self.holdings.values())
        return ChainHoldings(self.block_hash, supply, [self.holdings.get(holder, NOTHING) for holder in holders])

    async def refresh_holdings(
        self, request_id: UUID, asset_id: UUID, scope: RefreshScope, holders: Sequence[str]
    ) -> None:
        self.refreshes.append((request_id, asset_id, scope, tuple(holders)))
        if asset_id in self.refresh_refusals:
            raise self.refresh_refusals[asset_id]

    def raise_alarm(self, name: str, text: str) -> None:
        self.alarms.append((name, text))


class StateSource(Protocol):
    """What has a committed state: a MemoryDatabase."""

    @property
    def state(self) -> RegisterState:
        """The state at this moment."""
        ...


class MemoryRegisterReader:
    """The port RegisterReader on what is committed; its samples take holders by address."""

    def __init__(self, source: StateSource) -> None:
        self._source = source

    @property
    def _state(self) -> RegisterState:
        return self._source.state

    async def holders(self, asset_id: UUID, page: HolderPage) -> HolderRows | None:
        def place(balance: int, address: str) -> tuple[int, str]:
            return (0 if page.order is HolderOrder.ADDRESS else -balance, address)

        after = place(page.after.balance_base_units, page.after.address) if page.after else None
        rows = [
            row
            for row in self._rows(asset_id)
            if row.holding.balance >= page.min_balance_base_units
            and (after is None or place(row.holding.balance, row.address) > after)
        ]
        rows.sort(key=lambda row: place(row.holding.balance, row.address))
        return self._found(asset_id, rows[: page.limit])

    async def holder(self, asset_id: UUID, address: str) -> HolderRows | None:
        return self._found(asset_id, [row for row in self._rows(asset_id) if row.address == address])

    async def largest_holders(self, asset_id: UUID, limit: int) -> HolderRows | None:
        rows = sorted(self._rows(asset_id), key=lambda row: (-row.holding.total, row.address))
        return self._found(asset_id, rows[:limit])

    async def changes(
        self, asset_id: UUID, address: str | None, before_change_id: int | None, limit: int
    ) -> list[HolderChangeRow] | None:
        if asset_id not in self._state.registers:
            return None
        rows = [
            row
            for owner, row in reversed(self._state.changes)
            if owner == asset_id
            and address in (None, row.address)
            and (before_change_id is None or row.change_id < before_change_id)
        ]
        return rows[:limit]

    async def discrepancies(
        self, asset_id: UUID, before_discrepancy_id: int | None, limit: int, *, unresolved_only: bool
    ) -> list[Discrepancy] | None:
        if asset_id not in self._state.registers:
            return None
        rows = [
            each
            for each in reversed(self._state.discrepancies.values())
            if each.asset_id == asset_id
            and (before_discrepancy_id is None or each.discrepancy_id < before_discrepancy_id)
            and not (unresolved_only and each.resolve_time)
        ]
        return rows[:limit]

    async def sample(self, asset_id: UUID, size: SampleSize) -> RegisterSample | None:
        register = self._state.registers.get(asset_id)
        if register is None or register.position is None or not register.is_complete:
            return None
        held = self._state.holdings(asset_id)
        recent = [row.address for owner, row in reversed(self._state.changes) if owner == asset_id]
        discrepant = [
            each.finding.subject.holder
            for each in self._state.open_discrepancies(asset_id)
            if each.finding.subject.kind is DiscrepancyKind.HOLDING_DIFFERS
        ]
        chosen = {*sorted(held)[: size.random], *recent[: size.recent], *discrepant[: size.discrepant]}
        return RegisterSample(
            register, register.position, {holder: held.get(holder, NOTHING) for holder in sorted(chosen)}
        )

    def _rows(self, asset_id: UUID) -> list[HolderRow]:
        rows = [row for (owner, _), row in self._state.holders.items() if owner == asset_id]
        return sorted(rows, key=lambda row: row.address)

    def _found(self, asset_id: UUID, rows: Sequence[HolderRow]) -> HolderRows | None:
        register = self._state.registers.get(asset_id)
        return HolderRows(register, tuple(rows)) if register else None
