"""Stores in PostgreSQL which chain is followed, and what the last look at it showed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chain_sync_service.application.ports import ChainLook
from chain_sync_service.application.source import ChainIdentity
from chain_sync_service.infrastructure.tables import chain


class SqlChainRecord:
    """Keeps in PostgreSQL which chain the service follows, and its last look at it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record_identity(self, identity: ChainIdentity) -> ChainIdentity:
        identity_columns = {"chain_id": identity.chain_id, "genesis_hash": identity.genesis_hash}
        # The row may exist without an identity: the node may have been away at the first look.
        await self._connection.execute(
            postgresql.insert(chain)
            .values(**identity_columns)
            .on_conflict_do_update(
                index_elements=[chain.c.is_only_row], set_=identity_columns, where=chain.c.chain_id.is_(None)
            )
        )
        row = (await self._connection.execute(select(chain.c.chain_id, chain.c.genesis_hash))).one()
        return ChainIdentity(row.chain_id, row.genesis_hash)

    async def record_look(self, look: ChainLook, now: datetime) -> None:
        look_columns = {"head_block": look.head_block, "last_error": look.error, "look_time": now}
        if look.head_block is None:
            del look_columns["head_block"]
        await self._connection.execute(
            postgresql.insert(chain)
            .values(**look_columns)
            .on_conflict_do_update(index_elements=[chain.c.is_only_row], set_=look_columns)
        )

    async def last_look(self) -> ChainLook:
        row = (await self._connection.execute(select(chain.c.head_block, chain.c.last_error))).one_or_none()
        return ChainLook(row.head_block, row.last_error) if row else ChainLook(None, "")
