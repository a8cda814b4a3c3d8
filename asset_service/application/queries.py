"""Reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import (
    Account,
    AssetReader,
    AssetTerm,
    AssetView,
    TokenDescriber,
    TokenInfo,
)
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class AssetQueries:
    """What callers may ask about assets."""

    reader: AssetReader
    tokens: TokenDescriber

    async def get_asset(self, asset_id: UUID) -> AssetView:
        """One asset. Raises AppError ASSET_NOT_FOUND."""
        view = await self.reader.asset(asset_id)
        if view is None:
            raise asset_not_found(asset_id, "name")
        return view

    async def list_assets(
        self, terms: Sequence[AssetTerm], after_list_position: int, limit: int
    ) -> list[AssetView]:
        """At most `limit` assets behind a position for which all terms hold, oldest first."""
        return await self.reader.assets(terms, after_list_position, limit)

    async def token_info(self, token: Account) -> TokenInfo:
        """A token as the chain tells it, and its asset. Raises what TokenDescriber.describe_token raises."""
        description = await self.tokens.describe_token(token)
        described = description.token
        return TokenInfo(description, await self.reader.asset_of_token(described.chain_id, described.address))


def asset_not_found(asset_id: UUID, field: str) -> AppError:
    """The error for an asset that does not exist."""
    return AppError(Reason.ASSET_NOT_FOUND, f"there is no asset assets/{asset_id}", field=field)
