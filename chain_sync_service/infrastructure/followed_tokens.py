"""Table followed_token."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.followed_token import FollowedToken, FollowState
from chain_sync_service.infrastructure.tables import followed_token
from libs.chain.address import EvmAddress


class SqlFollowedTokens:
    """See the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, token: FollowedToken) -> FollowedToken:
        """See the port."""
        added = await self._connection.execute(
            postgresql.insert(followed_token)
            .values(asset_id=token.asset_id, **_values(token))
            .on_conflict_do_nothing()
            .returning(followed_token.c.asset_id)
        )
        if added.one_or_none() is not None:
            return token
        present = await self.find(token.asset_id)
        if present is None:
            raise LookupError(f"asset {token.asset_id} vanished")
        return present

    async def find(self, asset_id: UUID) -> FollowedToken | None:
        """See the port."""
        row = (
            await self._connection.execute(select(followed_token).where(followed_token.c.asset_id == asset_id))
        ).one_or_none()
        return _token(row) if row else None

    async def claim_due(self, *, last_block: int, now: datetime, lease_until: datetime) -> FollowedToken | None:
        """See the port."""
        columns = followed_token.c
        # Others' claims are skipped instead of waited for, so replicas share the work.
        due = (
            select(columns.asset_id)
            .where(
                columns.due_time <= now,
                or_(columns.position_block.is_(None), columns.position_block < last_block),
            )
            .order_by(columns.due_time)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        row = (
            await self._connection.execute(
                update(followed_token)
                .where(columns.asset_id == due)
                .values(due_time=lease_until)
                .returning(*followed_token.c)
            )
        ).one_or_none()
        return _token(row) if row else None

    async def lock(self, asset_id: UUID) -> FollowedToken | None:
        """See the port."""
        row = (
            await self._connection.execute(
                select(followed_token).where(followed_token.c.asset_id == asset_id).with_for_update()
            )
        ).one_or_none()
        return _token(row) if row else None

    async def save(self, token: FollowedToken) -> None:
        """See the port."""
        await self._connection.execute(
            update(followed_token).where(followed_token.c.asset_id == token.asset_id).values(**_values(token))
        )


def _values(token: FollowedToken) -> dict[str, Any]:
    return {
        "token": token.token.value,
        "start_block": token.start_block,
        "state": token.state.value,
        "position_block": token.position.number if token.position else None,
        "position_hash": token.position.hash if token.position else None,
        "announced_block": token.announced_block,
        "last_sequence": token.last_sequence,
        "window_blocks": token.window_blocks,
        "last_error": token.last_error,
        "version": token.version,
        "due_time": token.due_time,
        "update_time": token.update_time,
    }


def _token(row: Row[Any]) -> FollowedToken:
    has_position = row.position_block is not None
    return FollowedToken(
        asset_id=row.asset_id,
        token=EvmAddress(row.token),
        start_block=row.start_block,
        state=FollowState(row.state),
        position=BlockRef(row.position_block, row.position_hash) if has_position else None,
        announced_block=row.announced_block,
        last_sequence=row.last_sequence,
        window_blocks=row.window_blocks,
        last_error=row.last_error,
        version=row.version,
        due_time=row.due_time,
        update_time=row.update_time,
    )
