"""Answers questions about assets and tokens, without changing anything."""

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
    """Answers what callers ask about assets."""

    reader: AssetReader
    tokens: TokenDescriber

    async def get_asset(self, asset_id: UUID) -> AssetView:
        """Returns one asset. Raises AppError ASSET_NOT_FOUND."""
        view = await self.reader.asset(asset_id)
        if view is None:
            raise asset_not_found(asset_id, "name")
        return view

    async def list_assets(
        self, terms: Sequence[AssetTerm], after_list_position: int, limit: int
    ) -> list[AssetView]:
        """Returns at most `limit` assets behind a position that match all terms, oldest first."""
        return await self.reader.assets(terms, after_list_position, limit)

    async def token_info(self, token: Account) -> TokenInfo:
        """Returns a token as it is on the chain, and its asset.

        Raises what TokenDescriber.describe_token raises.
        """
        description = await self.tokens.describe_token(token)
        described = description.token
        return TokenInfo(description, await self.reader.asset_of_token(described.chain_id, described.address))


def asset_not_found(asset_id: UUID, field: str) -> AppError:
    """The error for an asset that does not exist."""
    return AppError(Reason.ASSET_NOT_FOUND, f"there is no asset assets/{asset_id}", field=field)
