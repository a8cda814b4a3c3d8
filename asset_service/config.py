"""Settings of asset_service."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class AssetServiceSettings(ServiceSettings):
    """The settings of asset_service, read from environment variables `ASSET_SERVICE_...`."""

    model_config = SettingsConfigDict(env_prefix="ASSET_SERVICE_")

    payout_address: str = Field(min_length=1, description="host:port of payout_service")
    chain_sync_address: str = Field(min_length=1, description="host:port of chain_sync_service")
    register_check_seconds: float = Field(
        default=30.0, gt=0, description="wait between two checks of a register against the chain"
    )
    register_check_sample: int = Field(
        default=50,
        ge=1,
        le=500,
        description="holders that a check chooses at random, besides those who changed or differed lately",
    )
