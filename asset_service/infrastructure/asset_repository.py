"""Stores assets in PostgreSQL. Each write also puts the asset's events into the outbox."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asset_service.application.ports import LifecycleContractInUseError, TokenAlreadyImportedError
from asset_service.domain.asset import Asset, AssetState
from asset_service.domain.register import Register
from asset_service.infrastructure.register_repository import SqlRegisters
from asset_service.infrastructure.rows import asset_values, read_asset
from asset_service.infrastructure.tables import ONE_ASSET_PER_LIFECYCLE_CONTRACT, assets
from asset_service.messages.resources import outgoing_events
from libs.events import OutgoingEvent

# How often an owner may come and go between our insert and our look before it is a defect.
_ADD_ATTEMPTS = 3


class SqlAssets:
    """Implements the port Assets on one connection."""

    def __init__(
        self,
        connection: AsyncConnection,
        registers: SqlRegisters,
        add_event: Callable[[OutgoingEvent], None],
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._connection = connection
        self._registers = registers
        self._add_event = add_event
        self._now = now
        self._new_id = new_id

    async def add(self, asset: Asset) -> None:
        """Waits for a transaction that adds the same token or contract, so the answer is final."""
        statement = (
            postgresql.insert(assets)
            .values(asset_values(asset))
            .on_conflict_do_nothing()
            .returning(assets.c.asset_id)
        )
        for _ in range(_ADD_ATTEMPTS):
            if (await self._connection.execute(statement)).scalar_one_or_none() is not None:
                self._put_events(asset, Register.empty(asset.asset_id, asset.create_time))
                return
            owner = await self._owner_of(asset, assets.c.token == asset.token.address.value)
            if owner is not None:
                raise TokenAlreadyImportedError(owner)
            if asset.lifecycle_contract is not None:
                owner = await self._contract_owner(asset)
                if owner is not None:
                    raise LifecycleContractInUseError(owner)
            # Whoever was in the way failed in the meantime.
        raise RuntimeError(f"asset {asset.asset_id} conflicts with one that cannot be found")

    async def get(self, asset_id: UUID) -> Asset | None:
        return await self._one(select(assets).where(assets.c.asset_id == asset_id))

    async def lock(self, asset_id: UUID) -> Asset | None:
        """The lock makes the order of the outbox the order of commits."""
        return await self._one(select(assets).where(assets.c.asset_id == asset_id).with_for_update())

    async def save(self, asset: Asset) -> None:
        """Writes in a savepoint, so that the transaction can go on after a refusal."""
        values = asset_values(asset)
        statement = update(assets).where(assets.c.asset_id == asset.asset_id).values(values)
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(statement)
        except IntegrityError as error:
            if ONE_ASSET_PER_LIFECYCLE_CONTRACT not in str(error.orig):
                raise
            owner = await self._contract_owner(asset)
            if owner is None:
                raise
            raise LifecycleContractInUseError(owner) from error
        if asset.events:
            register = await self._registers.get(asset.asset_id)
            self._put_events(asset, register or Register.empty(asset.asset_id, asset.create_time))

    def _put_events(self, asset: Asset, register: Register) -> None:
        for event in outgoing_events(asset, register, self._now(), self._new_id):
            self._add_event(event)

    async def _one(self, statement: Select[Any]) -> Asset | None:
        row = (await self._connection.execute(statement)).one_or_none()
        return read_asset(row) if row else None

    async def _contract_owner(self, asset: Asset) -> UUID | None:
        contract = asset.lifecycle_contract.value if asset.lifecycle_contract else None
        return await self._owner_of(asset, assets.c.lifecycle_contract == contract)

    async def _owner_of(self, asset: Asset, same: ColumnElement[bool]) -> UUID | None:
        statement = select(assets.c.asset_id).where(
            and_(
                assets.c.chain_id == asset.token.chain_id,
                assets.c.state != AssetState.FAILED.value,
                assets.c.asset_id != asset.asset_id,
                same,
            )
        )
        owner: UUID | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return owner
