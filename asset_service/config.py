"""Settings of asset_service."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class AssetServiceSettings(ServiceSettings):
    """Read from `ASSET_SERVICE_...`."""

    model_config = SettingsConfigDict(env_prefix="ASSET_SERVICE_")

    payout_address: str = Field(min_length=1, description="host:port of payout_service")
    chain_sync_address: str = Field(min_length=1, description="host:port of chain_sync_service")
