"""Stores payouts in PostgreSQL."""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.address import EvmAddress
from libs.chain.quantities import SnapshotId
from libs.events import OutgoingEvent
from libs.payout_terms.stored import terms_from_row, terms_to_columns
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.payout import (
    WORKED_STATES,
    Payout,
    PayoutState,
    Snapshot,
    reconciliation_rest,
)
from payout_service.domain.plan import PlanTotals
from payout_service.domain.progress import Progress
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.claims import claim_due
from payout_service.infrastructure.sql.lifecycle import SqlLifecycleRepository
from payout_service.messages.events import payout_event

_payout = tables.payout
_BEFORE_SNAPSHOT = sorted(state.value for state in (PayoutState.REQUESTED, PayoutState.SNAPSHOTTING))


class SqlPayoutRepository:
    """Implements the port `PayoutRepository`."""

    def __init__(
        self,
        connection: AsyncConnection,
        lifecycle: SqlLifecycleRepository,
        add_event: Callable[[OutgoingEvent], None],
    ) -> None:
        self._connection = connection
        self._lifecycle = lifecycle
        self._add_event = add_event
        self._loaded_versions: dict[UUID, int] = {}

    async def add(self, payout: Payout) -> bool:
        statement = (
            postgresql.insert(_payout)
            .values(
                payout_id=payout.payout_id,
                due_time=payout.create_time,
                reconcile_time=payout.create_time,
                **_fixed_values(payout),
                **_values(payout),
            )
            .on_conflict_do_nothing(index_elements=[_payout.c.payout_id])
            .returning(_payout.c.payout_id)
        )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            return False
        await self._publish(payout)
        return True

    async def get(self, payout_id: UUID) -> Payout | None:
        row = (
            await self._connection.execute(select(_payout).where(_payout.c.payout_id == payout_id))
        ).one_or_none()
        return payout_of(row) if row else None

    async def lock(self, payout_id: UUID) -> Payout:
        statement = select(_payout).where(_payout.c.payout_id == payout_id).with_for_update(key_share=True)
        payout = payout_of((await self._connection.execute(statement)).one())
        self._loaded_versions[payout_id] = payout.version
        return payout

    async def save(self, payout: Payout) -> None:
        statement = update(_payout).where(_payout.c.payout_id == payout.payout_id).values(**_values(payout))
        await self._connection.execute(statement)
        if payout.version > self._loaded_versions[payout.payout_id]:
            self._loaded_versions[payout.payout_id] = payout.version
            await self._publish(payout)

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        is_worked = _payout.c.state.in_(sorted(WORKED_STATES))
        return await claim_due(self._connection, _payout, _payout.c.payout_id, is_worked, now, lease_until)

    async def schedule(self, payout_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            update(_payout).where(_payout.c.payout_id == payout_id).values(due_time=at, lease_until=None)
        )

    async def wake(self, payout_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            update(_payout).where(_payout.c.payout_id == payout_id).values(due_time=now)
        )

    async def waiting_for_snapshot(self, asset_id: UUID) -> list[Payout]:
        statement = (
            select(_payout)
            .where(
                _payout.c.asset_id == asset_id,
                _is_of_kind(PayoutKind.SNAPSHOT),
                or_(
                    _payout.c.state.in_(_BEFORE_SNAPSHOT),
                    and_(_payout.c.state == PayoutState.PAUSED.value, _payout.c.paused_from.in_(_BEFORE_SNAPSHOT)),
                ),
            )
            .order_by(_payout.c.position)
        )
        return [payout_of(row) for row in await self._connection.execute(statement)]

    async def with_snapshot(self, asset_id: UUID, snapshot_id: SnapshotId) -> Payout | None:
        statement = select(_payout).where(
            _payout.c.asset_id == asset_id,
            _payout.c.snapshot_id == snapshot_id,
            _is_of_kind(PayoutKind.SNAPSHOT),
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return payout_of(row) if row else None

    async def of_action(self, asset_id: UUID, kind: PayoutKind, action_id: int) -> list[Payout]:
        statement = (
            select(_payout)
            .where(_payout.c.asset_id == asset_id, _is_of_kind(kind), _payout.c.action_id == action_id)
            .order_by(_payout.c.position)
        )
        return [payout_of(row) for row in await self._connection.execute(statement)]

    async def claim_reconciliation(self, now: datetime, next_time: datetime) -> UUID | None:
        candidate = (
            select(_payout.c.payout_id, _payout.c.update_time, _payout.c.failed_count)
            .where(_payout.c.plan_hash.is_not(None), _payout.c.reconcile_time <= now)
            .order_by(_payout.c.reconcile_time)
            .limit(1)
            .with_for_update(key_share=True, skip_locked=True)
        )
        claimed = (await self._connection.execute(candidate)).one_or_none()
        if claimed is None:
            return None
        rest = reconciliation_rest(now - claimed.update_time, claimed.failed_count)
        await self._connection.execute(
            update(_payout)
            .where(_payout.c.payout_id == claimed.payout_id)
            .values(reconcile_time=max(next_time, now + rest))
        )
        payout_id: UUID = claimed.payout_id
        return payout_id

    async def _publish(self, payout: Payout) -> None:
        contract = await self._lifecycle.get(payout.asset_id)
        if contract is None:
            raise RuntimeError(f"payout {payout.payout_id} has no asset")
        self._add_event(payout_event(payout, contract))


def payout_of(row: Row[Any]) -> Payout:
    """Returns the payout of a row."""
    return Payout(
        payout_id=row.payout_id,
        asset_id=row.asset_id,
        terms=terms_from_row(row),
        total_base_units=row.total_base_units,
        create_time=row.create_time,
        update_time=row.update_time,
        state=PayoutState(row.state),
        version=row.version,
        snapshot=_snapshot_of(row),
        holder_count=row.holder_count,
        total_supply=row.total_supply,
        excluded_balance=row.excluded_balance,
        listed_count=row.listed_count,
        planned_count=row.planned_count,
        round_number=row.round_number,
        round_limit=row.round_limit,
        is_listing_stale=row.is_listing_stale,
        plan=_plan_of(row),
        progress=_progress_of(row),
        waiting_for=row.waiting_for,
        failure_reason=row.failure_reason,
        paused_from=PayoutState(row.paused_from) if row.paused_from else None,
        implementation=EvmAddress(row.implementation) if row.implementation else None,
    )


def _is_of_kind(kind: PayoutKind) -> ColumnElement[bool]:
    """Returns the condition that a payout is of this kind.

    It is written out, not bound, as only then all query plans can use the index payout_of_snapshot.
    """
    return _payout.c.kind == literal(kind.value, literal_execute=True)


def _snapshot_of(row: Row[Any]) -> Snapshot | None:
    if row.snapshot_id is None:
        return None
    return Snapshot(row.snapshot_id, row.snapshot_block_number, row.snapshot_block_hash)


def _plan_of(row: Row[Any]) -> PlanTotals | None:
    if row.plan_hash is None:
        return None
    return PlanTotals(
        holder_count=row.plan_holder_count,
        zero_due_count=row.zero_due_count,
        payable_base_units=row.payable_base_units,
        rounding_dust_base_units=row.rounding_dust_base_units,
        frozen_share_base_units=row.frozen_share_base_units,
        plan_hash=row.plan_hash,
        excluded_count=row.excluded_count,
        excluded_base_units=row.excluded_base_units,
        withheld_base_units=row.withheld_base_units,
        deferred_count=row.plan_deferred_count,
        deferred_base_units=row.plan_deferred_base_units,
    )


def _progress_of(row: Row[Any]) -> Progress:
    """Its columns have the names of its fields."""
    return Progress(**{each.name: getattr(row, each.name) for each in fields(Progress)})


def _fixed_values(payout: Payout) -> dict[str, object]:
    """What never changes. Rules may name thousands of holders; they are not written anew with every save."""
    return {
        "asset_id": payout.asset_id,
        **terms_to_columns(payout.terms),
        "create_time": payout.create_time,
    }


def _values(payout: Payout) -> dict[str, object]:
    snapshot, plan = payout.snapshot, payout.plan
    return {
        "total_base_units": payout.total_base_units,
        "state": payout.state.value,
        "version": payout.version,
        "snapshot_id": snapshot.snapshot_id if snapshot else None,
        "snapshot_block_number": snapshot.block_number if snapshot else None,
        "snapshot_block_hash": snapshot.block_hash if snapshot else None,
        "holder_count": payout.holder_count,
        "total_supply": payout.total_supply,
        "excluded_balance": payout.excluded_balance,
        "listed_count": payout.listed_count,
        "planned_count": payout.planned_count,
        "round_number": payout.round_number,
        "round_limit": payout.round_limit,
        "is_listing_stale": payout.is_listing_stale,
        "plan_holder_count": plan.holder_count if plan else None,
        "zero_due_count": plan.zero_due_count if plan else None,
        "payable_base_units": plan.payable_base_units if plan else None,
        "rounding_dust_base_units": plan.rounding_dust_base_units if plan else None,
        "frozen_share_base_units": plan.frozen_share_base_units if plan else None,
        "excluded_count": plan.excluded_count if plan else None,
        "excluded_base_units": plan.excluded_base_units if plan else None,
        "withheld_base_units": plan.withheld_base_units if plan else None,
        "plan_deferred_count": plan.deferred_count if plan else None,
        "plan_deferred_base_units": plan.deferred_base_units if plan else None,
        "plan_hash": plan.plan_hash if plan else None,
        "implementation": payout.implementation.value if payout.implementation else None,
        "paused_from": payout.paused_from.value if payout.paused_from else None,
        **asdict(payout.progress),
        "waiting_for": payout.waiting_for,
        "failure_reason": payout.failure_reason,
        "update_time": payout.update_time,
    }
