"""Reads."""

from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import AssetReader, AssetView, HolderRows
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class AssetQueries:
    """What callers may ask about assets."""

    reader: AssetReader

    async def get_asset(self, asset_id: UUID) -> AssetView:
        """One asset. Raises AppError ASSET_NOT_FOUND."""
        view = await self.reader.asset(asset_id)
        if view is None:
            raise asset_not_found(asset_id, "name")
        return view

    async def list_assets(self, after_list_position: int, limit: int) -> list[AssetView]:
        """At most `limit` assets behind a position, oldest first."""
        return await self.reader.assets(after_list_position, limit)

    async def list_holders(self, asset_id: UUID, after_address: str, limit: int) -> HolderRows:
        """At most `limit` holders behind an address. Raises AppError ASSET_NOT_FOUND."""
        rows = await self.reader.holders(asset_id, after_address, limit)
        if rows is None:
            raise asset_not_found(asset_id, "parent")
        return rows


def asset_not_found(asset_id: UUID, field: str) -> AppError:
    """The error for an asset that does not exist."""
    return AppError(Reason.ASSET_NOT_FOUND, f"there is no asset assets/{asset_id}", field=field)
