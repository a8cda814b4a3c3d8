"""Stores the local copy of assets in PostgreSQL."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution_service.domain.asset import AssetState, KnownAsset
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.infrastructure.tables import known_assets
from libs.chain.address import EvmAddress


class SqlAssetRepository:
    """The local copy of assets, on one transaction's connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, asset_id: UUID) -> KnownAsset | None:
        statement = select(known_assets).where(known_assets.c.asset_id == asset_id)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return KnownAsset(
            asset_id=row.asset_id,
            version=row.version,
            chain_id=row.chain_id,
            payment_token=PaymentToken(
                EvmAddress(row.payment_token), row.payment_token_symbol, row.payment_token_decimals
            ),
            lifecycle_contract=EvmAddress(row.lifecycle_contract) if row.lifecycle_contract else None,
            state=AssetState(row.state),
        )

    async def keep_if_newer(self, asset: KnownAsset) -> bool:
        """The guard is in the statement, so it holds whoever else writes at the same time."""
        content = {
            "version": asset.version,
            "chain_id": asset.chain_id,
            "payment_token": asset.payment_token.address.value,
            "payment_token_symbol": asset.payment_token.symbol,
            "payment_token_decimals": asset.payment_token.decimals,
            "lifecycle_contract": asset.lifecycle_contract.value if asset.lifecycle_contract else None,
            "state": asset.state.value,
        }
        statement = (
            postgresql.insert(known_assets)
            .values(asset_id=asset.asset_id, **content)
            .on_conflict_do_update(
                index_elements=[known_assets.c.asset_id],
                set_=content,
                where=known_assets.c.version < asset.version,
            )
            .returning(known_assets.c.asset_id)
        )
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None
