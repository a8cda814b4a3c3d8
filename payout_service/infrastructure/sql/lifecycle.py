"""Stores lifecycle contracts in PostgreSQL."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.address import EvmAddress
from libs.events import OutgoingEvent
from payout_service.domain.lifecycle import (
    Condition,
    ConditionKind,
    LifecycleContract,
    LifecycleState,
    PauseRequest,
)
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.claims import claim_due
from payout_service.messages.events import lifecycle_event

_contract = tables.lifecycle_contract


class SqlLifecycleRepository:
    """Implements the port `LifecycleRepository`."""

    def __init__(self, connection: AsyncConnection, add_event: Callable[[OutgoingEvent], None]) -> None:
        self._connection = connection
        self._add_event = add_event
        self._loaded_versions: dict[UUID, int] = {}

    async def add(self, contract: LifecycleContract) -> bool:
        statement = (
            postgresql.insert(_contract)
            .values(asset_id=contract.asset_id, due_time=contract.create_time, **_values(contract))
            .on_conflict_do_nothing(index_elements=[_contract.c.asset_id])
            .returning(_contract.c.asset_id)
        )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            return False
        self._add_event(lifecycle_event(contract))
        return True

    async def get(self, asset_id: UUID) -> LifecycleContract | None:
        row = (
            await self._connection.execute(select(_contract).where(_contract.c.asset_id == asset_id))
        ).one_or_none()
        return _contract_of(row) if row else None

    async def lock(self, asset_id: UUID) -> LifecycleContract:
        statement = select(_contract).where(_contract.c.asset_id == asset_id).with_for_update(key_share=True)
        contract = _contract_of((await self._connection.execute(statement)).one())
        self._loaded_versions[asset_id] = contract.version
        return contract

    async def save(self, contract: LifecycleContract) -> None:
        await self._connection.execute(
            update(_contract).where(_contract.c.asset_id == contract.asset_id).values(**_values(contract))
        )
        if contract.version > self._loaded_versions[contract.asset_id]:
            self._loaded_versions[contract.asset_id] = contract.version
            self._add_event(lifecycle_event(contract))

    async def with_address(self, address: EvmAddress) -> list[LifecycleContract]:
        """They are in the order of the assets' ids."""
        statement = (
            select(_contract)
            .where(or_(_contract.c.address == address.value, _contract.c.token == address.value))
            .order_by(_contract.c.asset_id)
        )
        return [_contract_of(row) for row in await self._connection.execute(statement)]

    async def claim_due(self, now: datetime, lease_until: datetime) -> UUID | None:
        is_worked = _contract.c.state != LifecycleState.FAILED.value
        return await claim_due(self._connection, _contract, _contract.c.asset_id, is_worked, now, lease_until)

    async def schedule(self, asset_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            update(_contract).where(_contract.c.asset_id == asset_id).values(due_time=at, lease_until=None)
        )

    async def wake(self, asset_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            update(_contract).where(_contract.c.asset_id == asset_id).values(due_time=now)
        )


def _contract_of(row: Row[Any]) -> LifecycleContract:
    return LifecycleContract(
        asset_id=row.asset_id,
        chain_id=row.chain_id,
        token=EvmAddress(row.token),
        payment_token=EvmAddress(row.payment_token),
        payment_token_symbol=row.payment_token_symbol,
        payment_token_decimals=row.payment_token_decimals,
        create_time=row.create_time,
        update_time=row.update_time,
        address=EvmAddress(row.address) if row.address else None,
        state=LifecycleState(row.state),
        version=row.version,
        readiness=tuple(
            Condition(ConditionKind(each["kind"]), each["is_satisfied"], each["detail"], each["remedy"])
            for each in row.readiness
        ),
        created={name: EvmAddress(address) for name, address in row.created},
        failure_reason=row.failure_reason,
        pause_request=PauseRequest(row.pause_wanted_version, row.pause_wanted)
        if row.pause_wanted_version is not None
        else None,
        pause_request_version=row.pause_request_version,
        pause_final_block=row.pause_final_block,
        pause_intent_key=row.pause_intent_key,
        pause_problem=row.pause_problem,
    )


def _values(contract: LifecycleContract) -> dict[str, object]:
    return {
        "chain_id": contract.chain_id,
        "token": contract.token.value,
        "payment_token": contract.payment_token.value,
        "payment_token_symbol": contract.payment_token_symbol,
        "payment_token_decimals": contract.payment_token_decimals,
        "address": contract.address.value if contract.address else None,
        "state": contract.state.value,
        "version": contract.version,
        "readiness": [
            {
                "kind": each.kind.value,
                "is_satisfied": each.is_satisfied,
                "detail": each.detail,
                "remedy": each.remedy,
            }
            for each in contract.readiness
        ],
        # Pairs, not an object: JSONB does not keep the order of keys.
        "created": [[name, address.value] for name, address in contract.created.items()],
        "failure_reason": contract.failure_reason,
        "pause_wanted": contract.pause_request.paused if contract.pause_request else None,
        "pause_wanted_version": contract.pause_request.version if contract.pause_request else None,
        "pause_request_version": contract.pause_request_version,
        "pause_final_block": contract.pause_final_block,
        "pause_intent_key": contract.pause_intent_key,
        "pause_problem": contract.pause_problem,
        "create_time": contract.create_time,
        "update_time": contract.update_time,
    }
